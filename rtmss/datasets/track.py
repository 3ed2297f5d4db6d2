"""What a reader yields: tracks, each a recording of one instrument, and what it found wrong on the
way.

Axes: C channels, S samples.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from rtmss.audio import Audio
from rtmss.datasets.taxonomy import FAMILY_OF
from rtmss.files import AudioFileError, OnDamage, read_audio, warn_of_damage

SUFFIXES = {
    ".aif",
    ".aiff",
    ".caf",
    ".flac",
    ".m4a",
    ".mp3",
    ".oga",
    ".ogg",
    ".opus",
    ".w64",
    ".wav",
    ".wv",
}
SPLITS = ("train", "valid", "test")


@dataclass(frozen=True)
class Track:
    """One continuous recording of one instrument."""

    path: str
    """Relative to the data folder."""
    label: str
    source: str
    """The player, singer, or sample library: drawn evenly, as far as they go round."""
    song: str
    """Empty for solo recordings."""
    start: int = 0
    """First value in the bank."""
    n_samples: int = 0
    n_channels: int = 1
    split: str = ""
    stem: str = ""
    """The dataset's own name for it."""
    licence: str = ""
    """Empty if unknown."""
    more: tuple[str, ...] = ()
    """Further files that belong to the track: it is the sum of all."""
    stream: int | None = None
    """Which audio stream of a stem.mp4."""
    bandwidth_hz: float = math.inf
    """Above it a codec or an old recorder cut the track off: silence there teaches nothing. The
    bank measures it.
    """

    @property
    def family(self) -> str:
        """The family of the track's label."""
        return FAMILY_OF[self.label]

    @property
    def files(self) -> tuple[str, ...]:
        """All its files, relative to the data folder."""
        return (self.path, *self.more)


class Problem(NamedTuple):
    """Something in a dataset that a user should know."""

    kind: str
    where: str
    """Song, file or folder."""
    text: str
    spoils: bool = True
    """Whether it spoils training; else it is worth knowing."""


Note = Callable[[Problem], None]


@dataclass(frozen=True)
class Dataset:
    """A dataset that rtmss can read where somebody has unpacked it."""

    name: str
    layout: str
    """The files that it is known by."""
    origin: str
    """Where to get it."""
    licence: str
    recognize: Callable[[Path], bool]
    read: Callable[[Path, str, Note], Iterator[Track]]
    """Folder, split and where to note problems -> tracks, and mixes where the dataset has them."""
    claims: str = ""
    """Whoever names a folder so means this dataset."""
    residual_db: float = -30.0
    """How far below the mix the error of the sum of the stems should be."""


def read_file(
    folder: Path,
    track: Track,
    file: str,
    sample_rate: int | None = None,
    on_damage: OnDamage = warn_of_damage,
) -> tuple[Audio, int]:
    """(C, S) audio of one of a track's files, and its sample rate in Hz; None keeps the file's own.

    Raises:
        AudioFileError: it cannot be read.
    """
    return read_audio(
        folder / file,
        sample_rate,
        stream=track.stream or 0,
        on_damage=on_damage,
    )


def read_track(folder: Path, track: Track, sample_rate: int) -> Audio:
    """(C, S) audio of a track at `sample_rate` (Hz). Sums are scaled down to full scale where they
    go beyond it.

    Raises:
        AudioFileError: a file cannot be read, or holds values that are no numbers.
    """
    parts = [
        read_file(
            folder,
            track,
            file,
            sample_rate,
        )[0]
        for file in track.files
    ]
    for file, part in zip(track.files, parts, strict=True):
        if not np.isfinite(part).all():
            raise AudioFileError(
                f"{folder / file}: holds values that are not numbers; export it again"
            )
    if len(parts) == 1:
        return parts[0]
    total = add(parts)
    return total / np.float32(
        max(
            1.0,
            float(np.abs(total).max(initial=0)),
        )
    )


def tracks_of_song(
    tracks: Iterator[Track],
    song: str,
    path: Path,
    note: Note,
) -> Iterator[Track]:
    """The tracks of one song, all or none: a description that is not as it should be is a problem
    of this song alone.

    Args:
        tracks: made of the description as they are asked for.
        song: its name.
        path: of the description.
        note: told what is wrong.
    """
    try:
        found = list(tracks)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        text = f"{path}: not a description as it should be ({type(error).__name__}: {error})"
        note(Problem("unreadable", song, text))
        return
    yield from found


def add(parts: list[Audio]) -> Audio:
    """Mix (1 or C, S) parts; shorter ones end in silence."""
    shape = max(part.shape[0] for part in parts), max(part.shape[1] for part in parts)
    total = np.zeros(shape, np.float32)
    for part in parts:
        total[:, : part.shape[1]] += part
    return total


def split_of(name: str) -> str:
    """Where an artist's songs belong in a dataset without a split: an eighth of the artists are for
    validation.
    """
    return "valid" if zlib.crc32(name.encode()) % 8 == 0 else "train"
