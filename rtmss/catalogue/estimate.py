"""What a run would take, from a sample: how long songs are, and how fast this machine renders."""

from __future__ import annotations

import itertools
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from pedalboard.io import AudioFile

from rtmss.catalogue.lengths import Lengths
from rtmss.catalogue.songs import Song, is_address
from rtmss.catalogue.worker import Task, Worker, fetch
from rtmss.config import UserError
from rtmss.files import AudioFileError, ignore_damage, open_audio

_N_OPENED = 40
"""Songs of each kind whose length is looked up; of those elsewhere, fewer are fetched."""
_N_FETCHED = 3
_N_RENDERED = 3
_EXCERPT_SECONDS = 20.0


@dataclass(frozen=True)
class Estimate:
    """What a run would take."""

    n_songs: int
    hours: float
    """Of audio."""
    n_opened: int
    """Songs whose length was looked up; that of the others is guessed from their size."""
    speed: float
    """Seconds of audio that one worker renders in a second."""

    @property
    def worker_hours(self) -> float:
        """Time for one worker."""
        return self.hours / self.speed


def estimate(songs: Sequence[Song], task: Task) -> Estimate:
    """Look up lengths and render excerpts, in a folder that is taken away.

    Raises:
        UserError: none of the sampled songs can be read.
    """
    lengths, sample, n_opened = Lengths(), [], 0
    known: dict[str, float] = {}
    with TemporaryDirectory(prefix="rtmss-") as folder:
        for song in _spread(songs):
            try:
                file, seconds = _look(song, Path(folder))
            except AudioFileError:
                continue
            n_opened += 1
            lengths.learn(song, seconds)
            known[song.path] = seconds
            sample.append((song, file))
        if not sample:
            raise UserError("none of the songs that were tried can be read")
        chosen = sample[
            :: max(
                1,
                len(sample) // _N_RENDERED,
            )
        ][:_N_RENDERED]
        speed = _measure(chosen, task, Path(folder))
    seconds = sum(known.get(song.path) or lengths.guess(song) for song in songs)
    return Estimate(len(songs), seconds / 3600, n_opened, speed)


def _spread(songs: Sequence[Song]) -> Iterator[Song]:
    """Some songs of each kind, evenly over their sizes."""
    kinds: dict[tuple[str, bool], list[Song]] = defaultdict(list)
    for song in songs:
        kinds[song.suffix, is_address(song.path)].append(song)
    for (_, is_elsewhere), members in kinds.items():
        members.sort(key=lambda song: song.n_bytes)
        n = min(len(members), _N_FETCHED if is_elsewhere else _N_OPENED)
        yield from (members[int((i + 0.5) * len(members) / n)] for i in range(n))


def _look(song: Song, folder: Path) -> tuple[Path, float]:
    """A song as a file, and the seconds that its header announces.

    Raises:
        AudioFileError: it cannot be read.
    """
    place = folder / song.key
    place.mkdir(exist_ok=True)
    file = fetch(song, place)
    with open_audio(file, on_damage=ignore_damage) as reader:
        return file, reader.seconds_announced


def _measure(
    sample: Sequence[tuple[Song, Path]],
    task: Task,
    folder: Path,
) -> float:
    """Seconds of audio per second, over excerpts of songs."""
    worker = Worker(
        replace(
            task,
            output=str(folder / "store"),
            force=True,
            batch=1,
        )
    )
    excerpts = [_excerpt(song, file, folder / f"{song.key}.wav") for song, file in sample]
    worker(excerpts[:1])  # the first one warms up
    started = time.monotonic()
    outcomes = itertools.chain.from_iterable(worker([song]) for song in excerpts)
    seconds = sum(outcome.seconds for outcome in outcomes)
    if not seconds:
        raise UserError("none of the songs that were tried can be rendered")
    return seconds / (time.monotonic() - started)


def _excerpt(song: Song, source: Path, path: Path) -> Song:
    """The beginning of a song as a song of its own."""
    with open_audio(source, on_damage=ignore_damage) as reader:
        audio = reader.read(round(_EXCERPT_SECONDS * reader.sample_rate))
        with AudioFile(
            str(path),
            "w",
            reader.sample_rate,
            reader.n_channels,
            bit_depth=16,
        ) as file:
            file.write(np.ascontiguousarray(audio))
    return replace(song, path=str(path))
