"""Step a session hop by hop, and change its scene while it plays."""

import numpy as np

from rtmss import Library, Scene, Separator, Session

separator = Separator.load()
library = Library([])  # presets and conditions that come with rtmss
presets = {name: library.load_preset(name) for name in ("karaoke", "four-stems")}
scenes = {
    name: Scene.from_preset(
        preset,
        library,
        separator.model_id,
    )
    for name, preset in presets.items()
}

session = Session(separator.model, scenes["karaoke"])
print(f"latency {session.latency} samples, hops of {session.hop_length}")
noise = np.random.default_rng(0).standard_normal((2, 40 * session.hop_length))
song = 0.1 * noise.astype(np.float32)

for number, block in enumerate(
    np.split(
        song,
        40,
        axis=1,
    )
):
    if number == 10:  # any thread may assign a scene; the next step takes it up
        session.scene = scenes["four-stems"]
    if number == 20:
        session.scene = session.scene.with_strip(
            "drums",
            gain_db=-6.0,
            pan=-0.5,
        )
    output = session.step(block)
    total = output.stems.sum(0) + output.remainder
    assert np.allclose(total, output.dry, atol=1e-6), "stems and remainder are the input"

for stem, audio in zip(
    session.scene.stems,
    output.stems,
    strict=True,
):
    print(f"{stem.name}: {audio.shape[0]} channels, peak {np.abs(audio).max():.3f}")
