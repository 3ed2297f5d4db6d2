"""How loud the files of a song are, and one gain for all of them, so that they still add up."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from rtmss.files import open_audio
from rtmss.rendering import Files
from rtmss.signal.loudness import Levels, Meter

HIGHEST_DB = -1.0
"""True peak that no file exceeds once a loudness is asked for (EBU R 128)."""


def measure(path: Path) -> Levels:
    """Levels of a file.

    Raises:
        AudioFileError: it cannot be read.
    """
    with open_audio(path) as reader:
        meter = Meter(reader.sample_rate, reader.n_channels)
        for block in reader.blocks():
            meter.push(block)
    return meter.finish()


def gain_db(
    mix: Levels,
    files: Sequence[Levels],
    loudness_lufs: float,
) -> float:
    """What takes the mix to a loudness, or as near to it as the highest peak lets; 0 for silence.

    Args:
        mix: of the file whose loudness counts.
        files: of everything that is to be as much louder.
        loudness_lufs: wanted.
    """
    if mix.loudness_lufs is None:
        return 0.0
    peaks = [file.true_peak_db for file in files if file.true_peak_db is not None]
    return min(loudness_lufs - mix.loudness_lufs, *(HIGHEST_DB - peak for peak in peaks))


def amplify(
    path: Path,
    folder: Path,
    format: str,  # noqa: A002
    gain: float,
) -> Path:
    """Write a file again, louder by `gain` dB.

    Raises:
        AudioFileError: it cannot be written.
    """
    factor = np.float32(10 ** (gain / 20))
    with open_audio(path) as reader:
        channels = {path.stem: reader.n_channels}
        with Files(path, folder, channels, reader.sample_rate, format) as files:
            for block in reader.blocks():
                files.write({path.stem: block * factor})
            files.n_total = reader.n_read
    return files.paths[0]


def louder(levels: Levels, gain: float) -> Levels:
    """The levels of something, once it is louder by `gain` dB."""
    return Levels(*(None if value is None else value + gain for value in levels))
