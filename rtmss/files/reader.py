"""Reading audio files: the one door, whatever the format.

Axes: C channels, S samples.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Self

import numpy as np
import soxr

from rtmss.audio import Audio
from rtmss.bounded import is_there
from rtmss.files.damage import AudioFileError, Damage, OnDamage, warn_of_damage

if TYPE_CHECKING:
    from rtmss.files.decoder import Decoder

BLOCK = 1 << 16
"""Samples decoded at once."""


class AudioReader:
    """An audio file, decoded from its beginning to its end."""

    def __init__(
        self, path: str | Path, stream: int = 0, on_damage: OnDamage = warn_of_damage
    ) -> None:
        """Open a file; see `open_audio`."""
        from rtmss.files.decoder import DecodeError, Decoder  # whoever only plays needs no FFmpeg

        path = self.path = Path(path)
        self.is_damaged = False
        self._on_damage = on_damage
        self._file = _open(path)
        try:
            self._decoder: Decoder = Decoder(self._file, self._note, stream)
        except DecodeError as error:
            self._file.close()
            raise AudioFileError(f"{path}: {error}") from error
        except BaseException:
            self._file.close()
            raise
        self.sample_rate = self._decoder.rate
        self.n_channels = self._decoder.n_channels
        self.n_read = 0

    @property
    def seconds_announced(self) -> float:
        """Length as the header says it; not to be relied upon."""
        return self._decoder.seconds_announced

    @property
    def progress(self) -> float:
        """Share of the file that was read, as far as its header can be believed."""
        seconds = self.n_read / self.sample_rate
        return min(1.0, seconds / max(self.seconds_announced, 1e-3))

    def read(self, n: int) -> Audio:
        """(C, S) the next `n` samples, fewer at the end, then none.

        Raises:
            AudioFileError: `on_damage` refuses a damage.
        """
        block = self._decoder.read(n)
        self.n_read += block.shape[-1]
        return block

    def blocks(self, n: int = BLOCK) -> Iterator[Audio]:
        """(C, n) what remains, in blocks; the last may be shorter.

        Raises:
            AudioFileError: `on_damage` refuses a damage.
        """
        while (block := self.read(n)).shape[-1]:
            yield block

    def close(self) -> None:
        """Let go of the file."""
        self._decoder.close()
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _note(self, seconds: float, text: str) -> None:
        if not self.is_damaged:
            self.is_damaged = True
            self._on_damage(Damage(self.path, seconds, text))


def open_audio(
    path: str | Path,
    *,
    stream: int = 0,
    most_channels: int | None = None,
    on_damage: OnDamage = warn_of_damage,
) -> AudioReader:
    """Open an audio file, or a video with sound, for reading.

    Args:
        path: any format that FFmpeg reads.
        stream: which of its audio streams, from 0.
        most_channels: refuse files with more.
        on_damage: called where a damage begins, once. What can be read is read.

    Raises:
        AudioFileError: it does not exist, is no file, is in no readable format, holds no audio, or
            has more channels.
    """
    reader = AudioReader(path, stream, on_damage)
    if most_channels is not None and reader.n_channels > most_channels:
        reader.close()
        raise AudioFileError(
            f"{path}: {reader.n_channels} channels; mix it down to mono or stereo first"
        )
    return reader


def read_audio(
    path: str | Path,
    sample_rate: int | None = None,
    *,
    stream: int = 0,
    on_damage: OnDamage = warn_of_damage,
) -> tuple[Audio, int]:
    """Read a whole file.

    Args:
        path: as for `open_audio`.
        sample_rate: resample to this rate (Hz); None keeps the file's own.
        stream: which of its audio streams, from 0.
        on_damage: as for `open_audio`.

    Returns:
        (C, S) float32 audio and its sample rate.

    Raises:
        AudioFileError: as `open_audio`.
    """
    with open_audio(path, stream=stream, on_damage=on_damage) as file:
        audio, rate = file.read(sys.maxsize), file.sample_rate
    return resample(audio, rate, sample_rate or rate), sample_rate or rate


def resample(audio: Audio, rate: int, new_rate: int) -> Audio:
    """(C, S) at `rate` -> (C, S') at `new_rate`, in Hz."""
    if rate == new_rate:
        return audio
    return np.ascontiguousarray(
        soxr.resample(audio.T, rate, new_rate).T,
        dtype=np.float32,
    )


def _open(path: Path) -> BinaryIO:
    if is_there(path) and path.is_dir():
        raise AudioFileError(f"{path}: is a directory, expected an audio file")
    if is_there(path) and not path.is_file():
        raise AudioFileError(f"{path}: is a pipe or a device, expected an audio file")
    try:
        return path.open("rb")
    except FileNotFoundError as error:
        raise AudioFileError(f"{path}: no such file") from error
    except (OSError, ValueError) as error:
        raise AudioFileError(
            f"{path}: cannot be read ({getattr(error, 'strerror', None) or error})"
        ) from error
