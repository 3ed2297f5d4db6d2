"""The songs that the separator is judged on, as pieces whose parts are known.

Axes: C channels, S samples.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path

import numpy as np
import torch

from rtmss.audio import Audio
from rtmss.config import ConfigError
from rtmss.datasets import Track, find_tracks, recognize
from rtmss.datasets.folder import FOLDER
from rtmss.datasets.taxonomy import FAMILY_OF, HIDES, MIXTURE
from rtmss.datasets.track import read_track
from rtmss.evaluation.metrics import block_levels
from rtmss.evaluation.report import SONGS
from rtmss.evaluation.targets import TARGETS, family_of, fits
from rtmss.lookup import find
from rtmss.signal.dynamics import master_gains

MASTER = (4.0, 3.0, 0.01, 0.15, 8.0, 0.06)
"""A loud record's compressor and limiter, as `training.mixtures.augment.draw_master` gives them."""

HIDING: dict[str, Iterable[str]] = {
    "backing": TARGETS,
    "synth": ("bass", "keys"),
    "percussion": ("drums",),
    "keys": ("piano", "synth"),
    "other": HIDES["other"],
    "rest": HIDES["rest"],
}
"""Stems that may hold a target without being called so, and the targets they may hold."""

PEAK_FLOOR = 1e-4
"""A stem that never goes beyond this does not play."""


@dataclass(frozen=True)
class Song:
    """A song of a dataset, not yet decoded."""

    folder: Path
    """The dataset."""
    name: str
    tracks: tuple[Track, ...]
    mix: Track | None = None
    """The mixture as the dataset gives it."""
    is_even: bool = True
    """Whether stems of different lengths are a mistake; else shorter ones end in silence."""

    @property
    def labels(self) -> frozenset[str]:
        """The instruments that play."""
        return frozenset(track.label for track in self.tracks)


@dataclass(frozen=True)
class Excerpt:
    """How much of a song is heard."""

    max_seconds: float | None = None
    """None for all of it."""
    loudest: str = ""
    """The target that is loudest there; empty for the moment when all stems have begun to sound."""


@dataclass(frozen=True)
class Piece:
    """A mixture whose parts are known."""

    name: str
    stems: dict[str, Audio]
    """(2, S) by stem name, all of one length."""
    voice: str = ""
    """The unknown voice that was laid over the song; empty for a song as it is."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """The instrument of a stem, where it is known."""
    given: Audio | None = None
    """(2, S) the mixture, where it is not the sum of the stems."""
    on: str = SONGS
    """What kind of piece it is: figures of each kind have a mean of their own."""

    @cached_property
    def mixture(self) -> Audio:
        """(2, S) the sum of all stems, or what was given instead."""
        return add(self.stems.values()) if self.given is None else self.given

    def truth(self, target: str) -> Audio | None:
        """(2, S) the sum of the stems that belong to a target, so `vocals` holds the backing
        vocals; None if absent.
        """
        return self.sum_of(lambda stem: fits(target, self.label(stem)))

    def sum_of(
        self,
        belongs: Callable[[str], bool],
    ) -> Audio | None:
        """(2, S) the sum of the stems of certain names; None if none of them plays."""
        parts = [audio for stem, audio in self.stems.items() if belongs(stem)]
        return add(parts) if any(np.abs(part).max() > PEAK_FLOOR for part in parts) else None

    def may_hide(self, target: str) -> bool:
        """Whether a target without a stem could still sound in another stem."""
        labels = {self.label(stem) for stem in self.stems}
        if target in TARGETS:
            families = {FAMILY_OF[label] for label in labels} - {"other"}
            return any(target in HIDING.get(name, ()) for name in labels | families)
        family = family_of(target)
        return any(label in {*HIDES, family} or family in HIDING.get(label, ()) for label in labels)

    def label(self, stem: str) -> str:
        """The instrument of a stem, or else what the stem is called."""
        return self.labels.get(stem, stem)

    def families(self) -> list[str]:
        """The families that play."""
        return sorted({FAMILY_OF[self.label(stem)] for stem in self.stems})

    def tells_apart(self, target: str) -> bool:
        """Whether the instruments of a target's family have stems of their own."""
        return (
            len(
                {
                    self.label(stem)
                    for stem in self.stems
                    if fits(family_of(target), self.label(stem))
                }
            )
            > 1
        )


def find_songs(
    folder: Path, split: str = "valid", names: Sequence[str] | None = None
) -> list[Song]:
    """The songs of one split of a dataset or a folder of stems.

    Args:
        folder: the dataset.
        split: `train`, `valid` or `test`.
        names: of the songs, or patterns such as `band-*`; None for all.

    Raises:
        ConfigError: there are none, a name is unknown, or something spoils the data.
    """
    songs = songs_of(folder, find_tracks(folder, split, with_mixes=True))
    if not songs:
        raise ConfigError(
            f"{folder}: no songs to evaluate on; expected songs/{split}/<song>/<stem>.ogg"
        )
    return songs if names is None else choose_songs(songs, names)


def choose_songs(
    songs: Sequence[Song],
    names: Sequence[str],
) -> list[Song]:
    """The songs of certain names, or that patterns such as `band-*` fit, in the order of the names.

    Raises:
        ConfigError: a name is unknown.
    """
    chosen: list[Song] = []
    for wanted in names:
        matching = [song for song in songs if fnmatchcase(song.name, wanted)]
        if not matching:
            find(wanted, {song.name: song for song in songs}, "song")
        chosen += [song for song in matching if song not in chosen]
    return chosen


def songs_of(folder: Path, tracks: Iterable[Track]) -> list[Song]:
    """The songs that tracks of a dataset, and its mixes, belong to, by name."""
    parts: dict[str, list[Track]] = {}
    mixes: dict[str, Track] = {}
    for track in tracks:
        if track.label == MIXTURE:
            mixes[track.song] = track
        elif track.song:
            parts.setdefault(track.song, []).append(track)
    is_even = recognize(folder) is FOLDER
    return [
        Song(
            folder,
            name,
            tuple(parts[name]),
            mixes.get(name),
            is_even,
        )
        for name in sorted(parts)
    ]


def read_song(
    song: Song, sample_rate: int, excerpt: Excerpt | None = None, *, as_given: bool = False
) -> Piece:
    """Read a song's stems.

    Args:
        song: which.
        sample_rate: Hz, to read at.
        excerpt: what of it; None for all.
        as_given: the mixture is the dataset's own, and not the sum of the stems.

    Raises:
        AudioFileError: a file cannot be read.
        ConfigError: the stems of a folder of stems have different lengths.
    """
    stems: dict[str, Audio] = {}
    labels: dict[str, str] = {}
    for track in song.tracks:
        name = _free_name(track.stem, stems)
        stems[name] = as_stereo(read_track(song.folder, track, sample_rate))
        labels[name] = track.label
    lengths = {audio.shape[-1] for audio in stems.values()}
    if len(lengths) > 1 and song.is_even:
        raise ConfigError(
            f"{song.folder}: expected stems of one length in {song.name}, got {sorted(lengths)} "
            "samples"
        )
    stems = {
        name: as_long(
            audio,
            max(lengths),
        )
        for name, audio in stems.items()
    }
    piece = Piece(song.name, stems, labels=labels)
    if as_given and song.mix is not None:
        mix = as_stereo(read_track(song.folder, song.mix, sample_rate))
        piece = replace(piece, given=as_long(mix, max(lengths)))
    return cut(piece, sample_rate, excerpt or Excerpt())


def cut(piece: Piece, sample_rate: int, excerpt: Excerpt) -> Piece:
    """An excerpt of a piece."""
    if excerpt.max_seconds is None:
        return piece
    n = int(excerpt.max_seconds * sample_rate)
    wanted = piece.truth(excerpt.loudest) if excerpt.loudest else None
    if wanted is None:
        begun = max(_first_sound(audio, sample_rate) for audio in piece.stems.values())
        start = max(
            0,
            min(begun, piece.mixture.shape[-1] - n),
        )
    else:
        start = loudest_place(wanted, n, sample_rate)
    stems = {name: audio[:, start : start + n].copy() for name, audio in piece.stems.items()}
    given = None if piece.given is None else piece.given[:, start : start + n].copy()
    return replace(piece, stems=stems, given=given)


def loudest_place(audio: Audio, length: int, sample_rate: int) -> int:
    """First sample of the `length` samples of (C, S) audio that have the most energy, by half
    seconds.
    """
    half = sample_rate // 2
    powers = block_levels(audio, sample_rate).astype(np.float64) ** 2
    n_blocks = max(1, min(length // half, len(powers)))
    loudest = int(
        np.convolve(
            powers,
            np.ones(n_blocks),
            "valid",
        ).argmax()
    )
    last = int(audio.shape[-1]) - length
    return max(0, min(loudest * half, last))


def master(piece: Piece, sample_rate: int) -> Piece:
    """A piece compressed, limited and at full scale, as records are. All stems have one gain, so
    they still add up.
    """
    mixture = torch.from_numpy(piece.mixture)[None]
    gains = master_gains(
        mixture,
        torch.tensor([MASTER]),
        sample_rate,
    )[0].numpy()
    gains *= 0.99 / max(
        1e-6,
        np.abs(piece.mixture * gains).max(),
    )
    given = None if piece.given is None else piece.given * gains
    return replace(
        piece, stems={name: audio * gains for name, audio in piece.stems.items()}, given=given
    )


def add(parts: Iterable[Audio]) -> Audio:
    """Mix (C, S) parts of one length."""
    return np.asarray(
        sum(parts, np.zeros(1, np.float32)),
        np.float32,
    )


def as_stereo(audio: Audio) -> Audio:
    """(1 or 2, S) -> (2, S)."""
    return (
        np.repeat(
            audio,
            2,
            axis=0,
        )
        if audio.shape[0] == 1
        else audio
    )


def as_long(audio: Audio, n_samples: int) -> Audio:
    """(C, S) -> (C, n_samples), cut or followed by silence."""
    return np.pad(
        audio[:, :n_samples],
        (
            (0, 0),
            (
                0,
                max(
                    0,
                    n_samples - audio.shape[-1],
                ),
            ),
        ),
    )


def _free_name(stem: str, taken: Mapping[str, Audio]) -> str:
    """The name of a stem, with a number where there are several of that name."""
    if stem not in taken:
        return stem
    number = 2
    while f"{stem} {number}" in taken:
        number += 1
    return f"{stem} {number}"


def _first_sound(audio: Audio, sample_rate: int) -> int:
    """First sample of the half second in which audio comes within 30 dB of its loudest."""
    levels = block_levels(audio, sample_rate)
    return int(np.argmax(levels >= levels.max(initial=0) * 10 ** (-30 / 20))) * (sample_rate // 2)
