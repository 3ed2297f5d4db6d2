"""A catalogue in several processes, on Ray, and under fire."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import psutil
import pytest

from helpers.catalogue import Room, make_room, render_elsewhere, write_song
from helpers.makers import MakeCondition
from rtmss.catalogue.engines import on_ray, on_this_machine
from rtmss.catalogue.rows import Row
from rtmss.catalogue.songs import Song
from rtmss.catalogue.store import RECORD
from rtmss.catalogue.worker import Outcome
from rtmss.config import UserError
from rtmss.model.separator import SeparatorModel

N_SONGS = 12


@pytest.fixture
def room(tmp_path: Path, tiny: SeparatorModel, make_condition: MakeCondition) -> Room:
    return make_room(tmp_path, tiny, make_condition)


@pytest.fixture
def crowd(room: Room) -> Room:
    """A dozen songs: long and short, a silent one, a broken one, other rates and letters."""
    write_song(room.songs / "long.wav", 30.0, 1)
    write_song(room.songs / "silent.wav", 3.0, -1)
    write_song(room.songs / "øre æ.flac", 3.0, 2, 11025)
    (room.songs / "broken.wav").write_text("no sound")
    for number in range(N_SONGS - 4):
        write_song(room.songs / "rest" / f"{number}.wav", 2.0 + number / 2, 10 + number)
    return room


def records(room: Room) -> dict[Path, int]:
    """Sets that are there, with the time at which each appeared."""
    found = (room.folder / "out").glob(f"songs/*/*/*/{RECORD}")
    return {path: path.stat().st_mtime_ns for path in found}


def wait_until(is_so: Callable[[], bool], what: str, seconds: float = 300) -> None:
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end, f"waited for {what}"
        time.sleep(0.01)


class Driver:
    """`rtmss catalogue` in a process group of its own."""

    def __init__(self, room: Room) -> None:
        line = f"catalogue {room.songs} --output {room.folder / 'out'} --weights {room.weights}"
        line += " --preset solo --preset pair --stems --workers 2"
        self.process = subprocess.Popen(
            [sys.executable, "-m", "rtmss", *line.split()],
            env={**os.environ, "RTMSS_LIBRARY": str(room.library)},
            start_new_session=True,
            stdout=subprocess.DEVNULL,
        )

    def workers(self) -> list[psutil.Process]:
        children = psutil.Process(self.process.pid).children()
        return [child for child in children if any("spawn_main" in w for w in child.cmdline())]


@pytest.mark.long
def test_a_run_that_is_killed_three_times_ends_as_one_that_is_not(crowd: Room) -> None:
    """The driver alone, a worker alone, and all at once, each at a random moment."""
    chance = random.Random()
    crowd.render(["solo", "pair"], "undisturbed")
    appeared: dict[Path, int] = {}

    def wait_for(n_songs: int) -> None:
        wait_until(lambda: len(records(crowd)) >= 2 * n_songs, f"{n_songs} songs")
        time.sleep(chance.uniform(0, 0.5))
        appeared.update(records(crowd))

    driver = Driver(crowd)
    wait_for(2)
    orphans = driver.workers()
    driver.process.kill()
    driver.process.wait()
    _, alive = psutil.wait_procs(orphans, timeout=60)
    assert not alive, "workers end with their driver"

    driver = Driver(crowd)
    wait_for(4)
    chance.choice(driver.workers()).kill()
    wait_for(7)
    os.killpg(driver.process.pid, signal.SIGKILL)
    driver.process.wait()

    assert Driver(crowd).process.wait(timeout=600) == 3, "one song is broken"
    assert crowd.files() == crowd.files("undisturbed")
    after = records(crowd)
    assert {path: after[path] for path in appeared} == appeared, "none is rendered twice"

    def told(row: Row) -> tuple[object, ...]:
        return row.path, row.making, row.status, row.seconds, row.content, row.hashes, row.error

    rows = crowd.rows()
    assert len(rows) == 2 * N_SONGS
    assert sorted(map(told, rows), key=str) == sorted(map(told, crowd.rows("undisturbed")), key=str)
    assert not any((crowd.folder / "out" / ".partial").glob("*"))
    assert not any((crowd.folder / "out" / "journal").iterdir())


@pytest.mark.long
@pytest.mark.parametrize("engine", ["processes", "ray"])
def test_a_song_that_kills_its_worker_is_given_up_and_the_others_are_made(
    room: Room, monkeypatch: pytest.MonkeyPatch, engine: str
) -> None:
    for number in range(3):
        write_song(room.songs / f"{number}.wav", 1.0, number)
    room.render(output="undisturbed")
    write_song(room.songs / "deadly.wav", 2.0)
    places = os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    monkeypatch.setenv("PYTHONPATH", places)
    for patience in ("raylet_start_wait_time_s", "worker_register_timeout_seconds"):
        monkeypatch.setenv(f"RAY_{patience}", "300")  # on a busy machine
    context = multiprocessing.get_context("spawn")  # whose warnings are none of pytest's business
    process = context.Process(target=render_elsewhere, args=(room, "out", engine))
    process.start()
    process.join(900)
    assert process.exitcode == 0
    rows = {Path(row.path).stem: row for row in room.rows()}
    assert rows["deadly"].error == "its worker died twice"
    assert [rows[str(number)].status for number in range(3)] == ["done"] * 3
    assert room.files() == room.files("undisturbed")


class Doomed:
    """A worker that cannot start."""

    def __init__(self) -> None:
        raise UserError("these weights cannot be used here")

    def __call__(self, songs: Sequence[Song]) -> list[Outcome]:
        raise NotImplementedError


class Fragile(Doomed):
    """A worker that dies as it starts."""

    def __init__(self) -> None:
        os._exit(9)


@pytest.mark.parametrize(
    ("start", "said"),
    [(Doomed, "these weights cannot be used here"), (Fragile, "workers die as they start")],
)
def test_a_worker_that_cannot_start_ends_the_run(start: type[Doomed], said: str) -> None:
    with pytest.raises(UserError, match=said):
        list(on_this_machine([[Song("a", "a")]], start, 1))


def test_without_ray_it_is_said_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UserError, match=r"--ray needs Ray: pip install 'rtmss\[ray\]'"):
        list(on_ray([[Song("a", "a")]], Doomed, 1, "local"))


def test_nothing_of_ray_or_of_tables_is_loaded_unless_asked_for() -> None:
    code = "import sys, rtmss.catalogue.engines, rtmss.catalogue.run, rtmss.cli.catalogue\n"
    code += "print({'ray', 'pyarrow', 'pandas', 'fsspec'} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() in {"set()", "{'fsspec'}"}  # torch may load fsspec
