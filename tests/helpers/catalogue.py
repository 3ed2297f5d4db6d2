"""A catalogue of short songs, the tiny model to render it with, and presets for it."""

from __future__ import annotations

import dataclasses
import itertools
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from pedalboard.io import AudioFile

from helpers.makers import MakeCondition
from rtmss.catalogue.cluster import on_ray
from rtmss.catalogue.engines import on_this_machine
from rtmss.catalogue.makings import Makings, Style
from rtmss.catalogue.rows import REPORT, Row
from rtmss.catalogue.run import Summary, run_catalogue
from rtmss.catalogue.songs import Song, find_songs
from rtmss.catalogue.store import RECORD, open_store
from rtmss.catalogue.worker import Outcome, Task, Worker
from rtmss.conditions.condition import save_condition
from rtmss.conditions.library import Library
from rtmss.model.checkpoint import save_model
from rtmss.model.separator import SeparatorModel

RATE = 8000
PRESETS = {
    "solo": "stems:\n  a: {condition: a}\n",
    "pair": "stems:\n  a: {condition: a, gain_db: -6}\n  b: {condition: b, mute: true}\n",
}


@dataclass
class Room:
    """A folder with songs in `in`, a library, and weights; renders go to `out`."""

    folder: Path
    weights: Path
    model_id: str
    runs: Iterator[int] = field(default_factory=itertools.count)

    @property
    def songs(self) -> Path:
        return self.folder / "in"

    @property
    def library(self) -> Path:
        return self.folder / "library"

    def task(
        self,
        songs: Sequence[Song],
        presets: Sequence[str] = ("solo",),
        output: str = "out",
        style: Style | None = None,
    ) -> tuple[list[Song], Task]:
        """Songs that know what is to be made of them, and what a worker is told."""
        style = style or Style(self.model_id, stems=True)
        makings = Makings(Library([self.library]), style)
        known = [makings.of(song, presets) for song in songs]
        output = output if "://" in output else str(self.folder / output)
        return known, Task(
            output, style, makings.by_name, f"run-{next(self.runs):03d}", self.weights
        )

    def render(
        self,
        presets: Sequence[str] = ("solo",),
        output: str = "out",
        style: Style | None = None,
        *,
        inputs: Sequence[str] = (),
        force: bool = False,
        retry_failed: bool = False,
        worker: Callable[[Task], Callable[[Sequence[Song]], list[Outcome]]] = Worker,
    ) -> Summary:
        """A whole run in this process."""
        songs = find_songs(inputs or [str(self.songs)])
        known, task = self.task(songs, presets, output, style)
        task = dataclasses.replace(task, force=force)

        def engine(batches: Sequence[Sequence[Song]]) -> Iterator[Outcome]:
            work = worker(task)
            for batch in batches:
                yield from work(batch)

        store = open_store(task.output)
        return run_catalogue(
            known,
            store,
            engine,
            task.run,
            force=force,
            retry_failed=retry_failed,
        )

    def rows(self, output: str = "out") -> list[Row]:
        """The report."""
        lines = (self.folder / output / REPORT).read_text().splitlines()
        return [Row.from_json(line) for line in lines]

    def files(self, output: str = "out") -> dict[str, bytes]:
        """What was rendered, by name; the records apart, in which times are."""
        root = self.folder / output
        found = (path for path in (root / "songs").rglob("*") if path.is_file())
        return {
            path.relative_to(root).as_posix(): path.read_bytes()
            for path in found
            if path.name != RECORD
        }


def make_room(folder: Path, model: SeparatorModel, make_condition: MakeCondition) -> Room:
    """A room without songs."""
    weights = folder / "tiny.safetensors"
    model_id = save_model(weights, model)
    library = folder / "library"
    for seed, name in enumerate("abc"):
        made = make_condition(name, seed)
        header = made.header.model_copy(update={"model_id": model_id})
        condition = dataclasses.replace(made, header=header)
        save_condition(library / "conditions" / f"{name}.safetensors", condition)
    for name, text in PRESETS.items():
        (library / f"{name}.yaml").write_text(text)
    (folder / "in").mkdir()
    return Room(folder, weights, model_id)


def write_song(
    path: Path,
    seconds: float = 1.0,
    seed: int = 0,
    rate: int = RATE,
) -> Path:
    """A tone in noise, or silence for a seed below 0; the same seed makes the same bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(abs(seed))
    t = np.arange(round(seconds * rate)) / rate
    tone = 0.2 * np.sin(2 * np.pi * (200 + 31 * seed) * t)
    audio = (tone + 0.05 * rng.standard_normal((2, len(t)))).astype(np.float32)
    if seed < 0:
        audio[:] = 0
    kind = path.suffix.removeprefix(".")
    with (
        path.open("w+b") as raw,
        AudioFile(
            raw,
            "w",
            rate,
            2,
            bit_depth=16,
            format=kind,
        ) as file,
    ):
        file.write(audio)
    return path


class Mortal(Worker):
    """A worker that dies over songs with `deadly` in their names."""

    def _rows(self, song: Song) -> tuple[list[Row], float]:
        if "deadly" in song.path:
            os.kill(os.getpid(), signal.SIGKILL)
        return super()._rows(song)


def render_elsewhere(room: Room, output: str, engine: str) -> None:
    """A whole run with mortal workers, in processes of this machine or on Ray."""
    known, task = room.task(
        find_songs([str(room.songs)]),
        output=output,
    )
    start = partial(Mortal, task)
    engines = {
        "processes": partial(on_this_machine, start=start, n_workers=2),
        "ray": partial(on_ray, start=start, n_workers=2, address="local"),
    }
    run_catalogue(known, open_store(task.output), engines[engine], task.run)


@pytest.fixture
def room(tmp_path: Path, tiny: SeparatorModel, make_condition: MakeCondition) -> Room:
    return make_room(tmp_path, tiny, make_condition)


@pytest.fixture
def mixed_songs(room: Room) -> Room:
    """Two songs, a silent one, one at another rate with a name of other letters, and a broken
    one.
    """
    write_song(room.songs / "one.wav", 1.0, 1)
    write_song(room.songs / "two.flac", 0.6, 2)
    write_song(room.songs / "silent.wav", 0.5, -1)
    write_song(room.songs / "песня №3.wav", 0.5, 3, 11025)
    (room.songs / "broken.wav").write_text("no sound")
    return room
