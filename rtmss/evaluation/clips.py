"""Example clips for an evaluation: from recordings of one split, or from the very stem that is
judged.

Recordings called `spoken` are speech: mixtures may have them, but they are no examples of a sound
in music.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from rtmss.audio import Audio
from rtmss.config import ConfigError
from rtmss.datasets import NoTracksError, Track, find_tracks
from rtmss.datasets.track import read_track
from rtmss.evaluation.metrics import block_levels
from rtmss.evaluation.targets import fits

CLIP_SECONDS = 6.0
SPOKEN = "spoken"
QUIETEST = 10 ** (-45 / 20)
"""RMS below which a recording is no example."""


class Recording(NamedTuple):
    """A track, and the data folder that it lies in."""

    folder: Path
    track: Track

    def read(self, sample_rate: int) -> Audio:
        """(C, S) its audio at a sample rate in Hz.

        Raises:
            AudioFileError: a file cannot be read.
        """
        return read_track(self.folder, self.track, sample_rate)


def find_recordings(folders: Sequence[Path], split: str) -> list[Recording]:
    """The recordings of a split of several data folders, some of which may lack the split.

    Raises:
        ConfigError: none of them has it, or something in one spoils it.
    """
    found: list[Recording] = []
    refused: list[ConfigError] = []
    for folder in folders:
        try:
            found += [Recording(folder, track) for track in find_tracks(folder, split)]
        except NoTracksError as error:
            refused.append(error)
    if not found:
        raise refused[0]
    return found


@dataclass(frozen=True)
class ClipLibrary:
    """Recordings to take clips from. The same seed and key give the same clips."""

    recordings: tuple[Recording, ...]
    sample_rate: int
    seed: int
    split: str = "train"
    seconds: float = CLIP_SECONDS
    """How long a clip is, where its recording is as long."""
    sources: frozenset[str] = frozenset()
    """Everybody who plays, sings or speaks in the split."""

    @classmethod
    def open(
        cls,
        folders: Sequence[Path],
        sample_rate: int,
        seed: int,
        split: str = "train",
        seconds: float = CLIP_SECONDS,
    ) -> ClipLibrary:
        """List the recordings of several data folders, without those that are speech.

        Raises:
            ConfigError: the folders hold none.
        """
        found = find_recordings(folders, split)
        sung = tuple(recording for recording in found if Path(recording.track.path).stem != SPOKEN)
        sources = frozenset(recording.track.source for recording in found)
        return cls(sung, sample_rate, seed, split, seconds, sources)

    @property
    def _place(self) -> str:
        """The folders, for a message."""
        folders = dict.fromkeys(str(recording.folder) for recording in self.recordings)
        return ", ".join(folders)

    def draw(
        self,
        target: str,
        n: int,
        key: str,
        *,
        avoid: str = "",
        solo: bool = False,
        again: bool = False,
    ) -> list[Audio]:
        """Draw clips of a target, each from another source (player, singer or library) as far as
        they go round.

        Fewer clips are the first of more.

        Args:
            target: what they are of, as in `targets.fits`.
            n: how many.
            key: what they are for; another key gives other clips.
            avoid: a song or source that they must not come from.
            solo: take clips of solo recordings; else of songs, where any song has such a stem.
            again: when all recordings have given a clip, go round again, to other places of them.

        Returns:
            (C, S) clips of about `seconds` from loud places; fewer than n where there are fewer
            recordings.

        Raises:
            ConfigError: the folder holds no such recording.
        """
        rng = self._rng(key)
        found = [
            recording
            for recording in self.recordings
            if fits(target, recording.track.label)
            and avoid
            not in {
                recording.track.song,
                recording.track.source,
            }
            - {""}
        ]
        of_songs = [recording for recording in found if recording.track.song]
        alone = [recording for recording in found if not recording.track.song]
        found = alone if solo else of_songs or found
        clips: list[Audio] = []
        for recording in _in_turn(found, rng) * (n if again else 1):
            if len(clips) == n:
                break
            clip = self._loud_place(recording.read(self.sample_rate), rng)
            if clip is not None:
                clips.append(clip)
        if not clips and n:
            raise ConfigError(
                f"{self._place}: no recording of '{target}' to take clips from (split {self.split})"
            )
        return clips

    def draw_others(
        self, targets: Sequence[str], n: int, key: str, *, avoid: str = ""
    ) -> list[Audio]:
        """Draw n clips as negatives, from the given targets in turn, as far as there are recordings
        of them.

        Raises:
            ConfigError: the folders hold recordings of none of them.
        """
        labels = {recording.track.label for recording in self.recordings}
        known = sorted(name for name in set(targets) if any(fits(name, label) for label in labels))
        if not known and n:
            names = ", ".join(targets)
            raise ConfigError(f"{self._place}: no recording of {names} to take negatives from")
        names = self._rng(key).permutation(known).tolist()
        counts = {
            name: len(
                range(
                    i,
                    n,
                    len(names),
                )
            )
            for i, name in enumerate(names)
        }
        return [
            clip
            for name, count in counts.items()
            for clip in self.draw(name, count, key, avoid=avoid)
        ]

    def excerpts(
        self,
        audio: Audio,
        n: int,
        key: str,
    ) -> list[Audio]:
        """Draw n clips of about `seconds` from loud places of one recording; they may overlap, and
        are fewer if it is quiet.
        """
        rng = self._rng(key)
        clips = [self._loud_place(audio, rng) for _ in range(n)]
        return [clip for clip in clips if clip is not None]

    def _rng(self, key: str) -> np.random.Generator:
        return np.random.default_rng([self.seed, zlib.crc32(key.encode())])

    def _loud_place(
        self,
        audio: Audio,
        rng: np.random.Generator,
    ) -> Audio | None:
        """(C, S) a clip from a place within 6 dB of the loudest; None if all of it is quiet."""
        length = int(self.seconds * self.sample_rate)
        half = self.sample_rate // 2
        powers = block_levels(audio, self.sample_rate).astype(np.float64) ** 2
        n_blocks = max(1, min(length // half, len(powers)))
        powers = np.convolve(
            powers,
            np.full(n_blocks, 1 / n_blocks),
            "valid",
        )
        if powers.max() < QUIETEST**2:
            return None
        start = int(rng.choice(np.flatnonzero(powers >= powers.max() / 4))) * half
        return audio[:, start : start + length]


def _in_turn(
    recordings: Sequence[Recording],
    rng: np.random.Generator,
) -> list[Recording]:
    """Recordings in random order: first one of each source, then a second of each, and so on."""
    shuffled = [recordings[i] for i in rng.permutation(len(recordings))]
    turns: dict[str, int] = {}
    rounds = []
    for recording in shuffled:
        source = recording.track.source
        rounds.append(turns.get(source, 0))
        turns[source] = rounds[-1] + 1
    return [shuffled[i] for i in np.argsort(rounds, kind="stable")]
