"""The demo song as one mixture."""

from __future__ import annotations

import numpy as np

from rtmss.audio import Audio
from rtmss.conditions.library import shipped
from rtmss.files import read_audio


def demo_song(n_samples: int | None = None) -> Audio:
    """(2, S) at 44.1 kHz: the sum of the demo song's stems, played again and again where more is
    wanted.
    """
    stems = [read_audio(path)[0] for path in sorted((shipped() / "demo").glob("*.ogg"))]
    n = min(stem.shape[-1] for stem in stems)
    mixture = np.sum(
        [
            np.broadcast_to(
                stem[:, :n],
                (2, n),
            )
            for stem in stems
        ],
        axis=0,
    )
    return np.asarray(
        mixture[:, np.arange(n_samples or n) % n],
        np.float32,
    )
