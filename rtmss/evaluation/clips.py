"""Example clips for an evaluation: from recordings of one split, or from the very stem that is judged."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rtmss.config import ConfigError
from rtmss.evaluation.metrics import block_levels
from rtmss.files import Audio
from rtmss.training.datasets import Take, find_takes
from rtmss.training.datasets.take import read_take

CLIP_SECONDS = 6.0
QUIETEST = 10 ** (-45 / 20)
"""RMS below which a recording is no example."""


@dataclass(frozen=True)
class ClipLibrary:
    """Recordings to take clips from. The same seed and key give the same clips."""

    folder: Path
    takes: tuple[Take, ...]
    sample_rate: int
    seed: int
    split: str = "train"

    @classmethod
    def open(cls, folder: Path, sample_rate: int, seed: int, split: str = "train") -> ClipLibrary:
        """List the recordings of a data folder; those called `spoken` are no examples of a sound in music.

        Raises:
            ConfigError: the folder holds none.
        """
        takes = tuple(take for take in find_takes(folder, split) if Path(take.path).stem != "spoken")
        return cls(folder, takes, sample_rate, seed, split)

    def draw(
        self, target: str, n: int, key: str, *, avoid: str = "", solo: bool = False, again: bool = False
    ) -> list[Audio]:
        """Draw clips of a target, each from another source (player, singer or library) as far as they go round.

        Fewer clips are the first of more.

        Args:
            target: the family or instrument that they are of.
            n: how many.
            key: what they are for; another key gives other clips.
            avoid: a song or source that they must not come from.
            solo: take clips of solo recordings; else of songs, where any song has such a stem.
            again: when all recordings have given a clip, go round again, to other places of them.

        Returns:
            (C, S) clips of about 6 s from loud places; fewer than n where there are fewer recordings.

        Raises:
            ConfigError: the folder holds no such recording.
        """
        rng = self._rng(key)
        takes = [t for t in self.takes if target in {t.family, t.label} and avoid not in {t.song, t.source} - {""}]
        of_songs = [t for t in takes if t.song]
        takes = [t for t in takes if not t.song] if solo else of_songs or takes
        clips: list[Audio] = []
        for take in _in_turn(takes, rng) * (n if again else 1):
            if len(clips) == n:
                break
            clip = self._loud_place(read_take(self.folder, take, self.sample_rate), rng)
            if clip is not None:
                clips.append(clip)
        if not clips and n:
            raise ConfigError(f"{self.folder}: no recording of '{target}' to take clips from (split {self.split})")
        return clips

    def draw_others(self, families: Sequence[str], n: int, key: str, *, avoid: str = "") -> list[Audio]:
        """Draw n clips as negatives, from the given families in turn, as far as there are recordings of them.

        Raises:
            ConfigError: the folder holds recordings of none of them.
        """
        known = sorted({take.family for take in self.takes} & set(families))
        if not known and n:
            raise ConfigError(f"{self.folder}: no recording of {', '.join(families)} to take negatives from")
        names = self._rng(key).permutation(known).tolist()
        counts = {name: len(range(i, n, len(names))) for i, name in enumerate(names)}
        return [clip for name, count in counts.items() for clip in self.draw(name, count, key, avoid=avoid)]

    def excerpts(self, audio: Audio, n: int, key: str) -> list[Audio]:
        """Draw n clips of about 6 s from loud places of one recording, which may overlap; fewer if it is quiet."""
        rng = self._rng(key)
        clips = [self._loud_place(audio, rng) for _ in range(n)]
        return [clip for clip in clips if clip is not None]

    def _rng(self, key: str) -> np.random.Generator:
        return np.random.default_rng([self.seed, zlib.crc32(key.encode())])

    def _loud_place(self, audio: Audio, rng: np.random.Generator) -> Audio | None:
        """(C, S) a clip from a place within 6 dB of the loudest; None if all of it is quiet."""
        length = int(CLIP_SECONDS * self.sample_rate)
        half = self.sample_rate // 2
        powers = block_levels(audio, self.sample_rate).astype(np.float64) ** 2
        n_blocks = min(length // half, len(powers))
        powers = np.convolve(powers, np.full(n_blocks, 1 / n_blocks), "valid")
        if powers.max() < QUIETEST**2:
            return None
        start = int(rng.choice(np.flatnonzero(powers >= powers.max() / 4))) * half
        return audio[:, start : start + length]


def _in_turn(takes: Sequence[Take], rng: np.random.Generator) -> list[Take]:
    """Takes in random order: first one of each source, then a second of each, and so on."""
    shuffled = [takes[i] for i in rng.permutation(len(takes))]
    turns: dict[str, int] = {}
    rounds = []
    for take in shuffled:
        rounds.append(turns.get(take.source, 0))
        turns[take.source] = rounds[-1] + 1
    return [shuffled[i] for i in np.argsort(rounds, kind="stable")]
