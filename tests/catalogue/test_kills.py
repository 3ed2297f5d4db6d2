"""A catalogue whose processes are killed at random moments ends as one that was left alone."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

import psutil
import pytest
from pyarrow import parquet

from helpers.catalogue import Room, make_room, write_song
from helpers.makers import MakeCondition
from rtmss.catalogue.rows import REPORT, TABLE, Row
from rtmss.catalogue.store import RECORD
from rtmss.model.separator import SeparatorModel

RATES = (8000, 11025, 22050, 44100, 48000, 7350)
NAMES = ("plain", "øre æ", "песня №", "[live] {b}*?", "two\nlines", "#1 100% 'a'", "音 楽")
WORKERS = {"processes": "spawn_main", "ray": "MapWorker"}
"""What the command lines of workers have in them."""


@pytest.fixture
def room(tmp_path: Path, tiny: SeparatorModel, make_condition: MakeCondition) -> Room:
    return make_room(tmp_path, tiny, make_condition)


def fill(room: Room, n_songs: int, long_seconds: float) -> None:
    """Songs of 1 to 3 seconds: of every rate and name, a few silent, damaged or broken, two copies,
    and a long one.
    """
    for number in range(n_songs - 4):
        name = f"{NAMES[number % len(NAMES)]} {number}.{'wav' if number % 2 else 'flac'}"
        rate = RATES[number % len(RATES)]
        seed = -1 - number if number % 11 == 3 else number
        song = write_song(
            room.songs / f"{number % 4}" / name,
            1.0 + number % 5 / 2,
            seed,
            rate,
        )
        if number % 9 == 4:
            data = song.read_bytes()
            song.write_bytes(data[: len(data) * 2 // 3])
    write_song(room.songs / "long.wav", long_seconds, 1)
    (room.songs / "broken.wav").write_text("no sound")
    for name in ("copy.wav", "other copy.wav"):
        write_song(room.songs / name, 1.5, 7)


def records(room: Room) -> dict[Path, int]:
    """Sets that are there, with the time at which each appeared."""
    found = (room.folder / "out").glob(f"songs/*/*/*/{RECORD}")
    return {path: path.stat().st_mtime_ns for path in found}


def wait_until(
    is_so: Callable[[], bool],
    what: str,
    seconds: float = 300,
) -> None:
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end, f"waited for {what}"
        time.sleep(0.01)


class Driver:
    """`rtmss catalogue` with two workers."""

    def __init__(self, room: Room, engine: str) -> None:
        line = f"catalogue {room.songs} --output {room.folder / 'out'} --weights {room.weights}"
        line += " --preset solo --stems --workers 2"
        line += " --ray local" if engine == "ray" else ""
        self.worker_mark = WORKERS[engine]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "rtmss", *line.split()],
            env={**os.environ, "RTMSS_LIBRARY": str(room.library)},
            start_new_session=True,
            stdout=subprocess.DEVNULL,
        )

    def all(self) -> list[psutil.Process]:
        driver = psutil.Process(self.process.pid)
        return [driver, *driver.children(recursive=True)]

    def workers(self) -> list[psutil.Process]:
        return [each for each in self.all() if self.worker_mark in " ".join(each.cmdline())]

    def kill_alone(self) -> None:
        others = self.all()[1:]
        self._kill([psutil.Process(self.process.pid)])
        _, alive = psutil.wait_procs(others, timeout=120)
        assert not alive, "what a driver started ends with it"

    def kill_a_worker(self) -> None:
        random.choice(self.workers()).kill()

    def kill_all(self) -> None:
        self._kill(self.all())

    def _kill(self, processes: Sequence[psutil.Process]) -> None:
        for process in processes:
            process.kill()
        psutil.wait_procs(processes)
        self.process.wait()


def check(room: Room, appeared: dict[Path, int]) -> None:
    """`out` is what `undisturbed` is, each set rendered once, with nothing left over."""
    assert room.files() == room.files("undisturbed")
    after = records(room)
    assert {path: after[path] for path in appeared} == appeared, "none is rendered twice"
    n_songs = sum(path.is_file() for path in room.songs.rglob("*"))
    rows = room.rows()
    assert len({row.path for row in rows}) == len(rows) == n_songs
    assert sorted(map(told, rows)) == sorted(
        map(
            told,
            room.rows("undisturbed"),
        )
    )
    table = parquet.read_table(room.folder / "out" / TABLE).to_pylist()
    for row in table:
        row |= {name: dict(row[name]) for name in ("files", "hashes")}
    assert table == [asdict(row) for row in rows]
    out = room.folder / "out"
    rest = {path.relative_to(out).parts[0] for path in out.rglob("*") if path.is_file()}
    assert rest == {"songs", REPORT, TABLE, ".lock"}


def told(row: Row) -> str:
    """What a row says that depends neither on the time nor on who was there first."""
    said = row.path, row.making, row.status, row.seconds, row.content, row.hashes, row.error
    return str(
        (
            *said,
            row.damage,
            row.loudness_lufs,
            row.true_peak_db,
            row.level_db,
        )
    )


@pytest.mark.slow
def test_a_run_that_is_killed_is_ended_by_another(room: Room) -> None:
    fill(room, 12, 4.0)
    room.render(output="undisturbed")
    driver = Driver(room, "processes")
    wait_until(lambda: len(records(room)) >= 3, "3 songs")
    driver.kill_all()
    appeared = records(room)
    room.render()
    check(room, appeared)


@pytest.mark.long
@pytest.mark.parametrize("engine", WORKERS)
def test_a_run_of_300_songs_that_is_killed_three_times_ends_as_one_that_is_not(
    room: Room, engine: str
) -> None:
    """The driver alone, a worker alone, and everything at once, each at a random moment."""
    n_songs = 300
    fill(room, n_songs, 3600.0)
    room.render(output="undisturbed")
    appeared: dict[Path, int] = {}
    moments = sorted(
        random.sample(
            range(5, n_songs * 9 // 10),
            3,
        )
    )

    def wait_for(n: int) -> None:
        wait_until(lambda: len(records(room)) >= n, f"{n} songs", 900)
        time.sleep(random.uniform(0, 0.5))

    driver = Driver(room, engine)
    wait_for(moments[0])
    driver.kill_alone()
    appeared.update(records(room))
    driver = Driver(room, engine)
    wait_for(moments[1])
    driver.kill_a_worker()
    wait_for(moments[2])
    driver.kill_all()
    appeared.update(records(room))
    assert Driver(room, engine).process.wait(timeout=1200) == 3, "some songs are broken"
    check(room, appeared)
