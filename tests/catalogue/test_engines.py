"""A catalogue in several processes, on Ray, and under fire."""

from __future__ import annotations

import gc
import multiprocessing
import os
import pickle
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from helpers.catalogue import Room, make_room, render_elsewhere, write_song
from helpers.doomed import Doomed, Fragile
from helpers.makers import MakeCondition
from rtmss.catalogue.cluster import _Actor, dealt, on_ray
from rtmss.catalogue.engines import on_this_machine
from rtmss.catalogue.rows import Row, place
from rtmss.catalogue.run import run_catalogue
from rtmss.catalogue.songs import Song
from rtmss.catalogue.store import FolderStore
from rtmss.catalogue.worker import Outcome
from rtmss.config import UserError
from rtmss.model.separator import SeparatorModel


@pytest.fixture
def room(tmp_path: Path, tiny: SeparatorModel, make_condition: MakeCondition) -> Room:
    return make_room(tmp_path, tiny, make_condition)


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
    context = multiprocessing.get_context("spawn")  # whose warnings are none of pytest's business
    process = context.Process(target=render_elsewhere, args=(room, "out", engine))
    process.start()
    process.join(900)
    assert process.exitcode == 0
    rows = {Path(row.path).stem: row for row in room.rows()}
    assert rows["deadly"].error == "its worker died twice"
    assert [rows[str(number)].status for number in range(3)] == ["done"] * 3
    assert room.files() == room.files("undisturbed")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("start", "said"),
    [(Doomed, "these weights cannot be used here"), (Fragile, "workers die as they start")],
)
def test_a_worker_that_cannot_start_ends_the_run(start: type[Doomed], said: str) -> None:
    with pytest.raises(UserError, match=said):
        list(on_this_machine([[Song("a", "a")]], start, 1))


@pytest.mark.parametrize(
    ("n_batches", "n_most"),
    [
        (1, 4),
        (4, 4),
        (23, 4),
        (24, 4),
        (1001, 100),
    ],
)
def test_no_block_has_much_more_work_than_another(n_batches: int, n_most: int) -> None:
    seconds = [240.0 + 3600 * (number < 3) for number in range(n_batches)]
    blocks = dealt(seconds, n_most)
    assert len(blocks) == min(n_batches, n_most)
    assert sorted(second for block in blocks for second in block) == sorted(seconds)
    sizes = [len(block) for block in blocks]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] - sizes[-1] <= 1
    assert max(sum(second > 3600 for second in block) for block in blocks) == 1


@pytest.mark.parametrize(
    ("start", "said"), [("doomed", "cannot be used here"), ("full", "the disk is full")]
)
def test_an_error_of_an_actor_is_its_answer(start: str, said: str) -> None:
    def full(_: Sequence[Song]) -> list[Outcome]:
        raise UserError("the disk is full")

    actor = _Actor(Doomed if start == "doomed" else lambda: full)
    for _ in range(2):
        (answer,) = actor({"batch": [pickle.dumps([Song("a", "a")])]})["answer"]
        with pytest.raises(UserError, match=said):
            raise pickle.loads(answer)


@pytest.mark.slow
def test_the_driver_keeps_three_kilobytes_of_a_song_and_no_more(tmp_path: Path) -> None:
    def peak(n_songs: int) -> int:
        path = "/music/an artist/an album/a song {:05d}.flac"
        songs = [
            Song(name, name, number, str(number), makings=("karaoke.0123456789ab.01234567",))
            for number, name in enumerate(map(path.format, range(n_songs)))
        ]

        def engine(batches: Sequence[Sequence[Song]]) -> Iterator[Outcome]:
            for (song,) in batches:
                row = Row(
                    song.id,
                    song.path,
                    "karaoke",
                    song.makings[0],
                    "done",
                    content="0" * 32,
                )
                files = {"mix": f"{place(row.content, row.making)}/mix.wav"}
                yield Outcome(
                    song,
                    [replace(row, files=files, hashes=files)],
                    200.0,
                    20.0,
                    "here",
                )

        # As in a process of its own: cycles are looked for less often, the more objects live.
        gc.freeze()
        gc.collect()
        tracemalloc.start()
        try:
            folder = tmp_path / str(len(list(tmp_path.iterdir())))
            run_catalogue(songs, FolderStore(folder), engine, "run")
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
            gc.unfreeze()

    peak(1)  # loads what is needed
    few = peak(500)  # the table is written by 500 rows
    # In one of two runs Python's own table of interned strings may have to grow, by megabytes.
    assert any(peak(1500) - few < 1000 * 3072 for _ in range(2))


def test_without_ray_it_is_said_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UserError, match=r"--ray needs Ray: pip install 'rtmss\[ray\]'"):
        list(
            on_ray(
                [[Song("a", "a")]],
                Doomed,
                1,
                "local",
            )
        )


@pytest.mark.slow
def test_nothing_of_ray_or_of_tables_is_loaded_unless_asked_for() -> None:
    code = "import sys, rtmss.catalogue.engines, rtmss.catalogue.run, rtmss.cli.catalogue\n"
    code += "print({'ray', 'pyarrow', 'pandas', 'fsspec'} & sys.modules.keys())"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() in {"set()", "{'fsspec'}"}  # torch may load fsspec
