"""A program against the installed wheel: its types have to be known without a checkout."""

import numpy as np

from rtmss import Library, Scene, Separator, Session

separator, library = Separator.load(), Library([])
scene = Scene.from_preset(library.load_preset("karaoke"), library, separator.model_id)
session = Session(separator.model, scene.with_strip("vocals", gain_db=-6.0))
mix = session.step(
    np.zeros(
        (2, session.hop_length),
        np.float32,
    )
).mix
shape: tuple[int, ...] = mix.shape
print(f"{shape[1]} samples, {session.latency} late")
