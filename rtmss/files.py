"""Reading audio files. The one door to pedalboard's file I/O for everything that is not a render.

Axes: C channels, S samples.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soxr
from numpy.typing import NDArray
from pedalboard.io import AudioFile, ReadableAudioFile

from rtmss.config import UserError

Audio = NDArray[np.float32]


class AudioFileError(UserError):
    """An audio file that cannot be used; the message says which and what to do."""


def open_audio(path: Path) -> ReadableAudioFile:
    """Open an audio file for reading.

    Raises:
        AudioFileError: it does not exist, is a directory, or is in no readable format.
    """
    if not path.exists():
        raise AudioFileError(f"{path}: no such file")
    if path.is_dir():
        raise AudioFileError(f"{path}: is a directory, expected an audio file")
    try:
        return AudioFile(str(path))
    except Exception as error:  # pedalboard raises ValueError, RuntimeError or OSError by format
        raise AudioFileError(f"{path}: not a readable audio file (wav, flac, ogg, mp3 and aiff are)") from error


def read_audio(path: Path, sample_rate: int | None = None) -> tuple[Audio, int]:
    """Read a whole file.

    Args:
        path: any readable audio file.
        sample_rate: resample to this rate (Hz); None keeps the file's own.

    Returns:
        (C, S) float32 audio and its sample rate.

    Raises:
        AudioFileError: as `open_audio`.
    """
    with open_audio(path) as file:
        audio, rate = file.read(file.frames), round(file.samplerate)
    return resample(audio, rate, sample_rate or rate), sample_rate or rate


def resample(audio: Audio, rate: int, new_rate: int) -> Audio:
    """(C, S) at `rate` -> (C, S') at `new_rate`, in Hz."""
    if rate == new_rate:
        return audio
    return np.ascontiguousarray(soxr.resample(audio.T, rate, new_rate).T, dtype=np.float32)
