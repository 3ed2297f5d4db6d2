"""Folders of made-up tracks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rtmss.audio import Audio

if TYPE_CHECKING:  # they need conftest themselves, or a JACK server
    pass


def write_tracks(
    folder: Path,
    paths: list[str],
    write: Callable[[Path, Audio, int], Path],
) -> Path:
    """Tones with a little noise, every track at a pitch of its own, 3 s at 8 kHz."""
    for seed, path in enumerate(paths):
        rng = np.random.default_rng(seed)
        t = np.arange(24000) / 8000
        tone = 0.2 * np.sin(2 * np.pi * (200 + 173 * seed) * t) + 0.02 * rng.standard_normal(24000)
        write(folder / path, tone[None].astype(np.float32), 8000)
    return folder
