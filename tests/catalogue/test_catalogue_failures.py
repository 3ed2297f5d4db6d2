"""Songs that fail, runs that end early, and what they leave."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from helpers.catalogue import Room, write_song
from helpers.oddities import ODDITIES, make_giant
from rtmss.catalogue.run import Summary
from rtmss.catalogue.songs import find_songs
from rtmss.catalogue.store import FolderStore, ObjectStore, open_store
from rtmss.catalogue.worker import Task, Worker
from rtmss.config import UserError


def counts(summary: Summary) -> tuple[int, int, int]:
    return summary.n_made, summary.n_kept, len(summary.failed)


def test_a_failed_song_is_tried_again_only_if_asked(room: Room) -> None:
    (room.songs / "a.wav").write_text("no sound")
    assert counts(room.render()) == (0, 0, 1)
    assert counts(room.render(worker=_never)) == (0, 0, 1)
    assert counts(room.render(retry_failed=True)) == (0, 0, 1)
    write_song(room.songs / "a.wav", 0.5)
    assert counts(room.render()) == (1, 0, 0)


def _never(_: Task) -> Worker:
    raise AssertionError("there is nothing to do")


def test_force_renders_again_what_is_there(room: Room) -> None:
    write_song(room.songs / "a.wav", 0.5)
    room.render()
    before = room.files()
    assert counts(room.render(force=True)) == (1, 0, 0)
    assert room.files() == before


def test_a_damaged_file_is_rendered_and_its_row_says_where(room: Room) -> None:
    song = write_song(room.songs / "a.flac", 2.0)
    content = song.read_bytes()
    song.write_bytes(content[: len(content) // 2])
    room.render()
    (row,) = room.rows()
    assert row.status == "done"
    assert row.damage.startswith("from 0.")


def test_damage_is_a_failure_if_asked(room: Room) -> None:
    song = write_song(room.songs / "a.flac", 2.0)
    song.write_bytes(song.read_bytes()[:20000])
    summary = room.render(worker=lambda task: Worker(replace(task, strict=True)))
    assert "damaged from" in summary.failed[0].error


def test_an_error_that_nobody_thought_of_is_a_row(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("an effect is broken\nand says so at length")

    monkeypatch.setattr("rtmss.catalogue.worker.render_all", broken)
    write_song(room.songs / "a.wav", 0.5)
    assert room.render().failed[0].error == "RuntimeError: an effect is broken"


def test_a_full_disk_ends_the_run(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr("rtmss.catalogue.worker.render_all", full)
    monkeypatch.setattr("rtmss.catalogue.worker.is_full", lambda _: True)
    write_song(room.songs / "a.wav", 0.5)
    with pytest.raises(UserError, match="out: the disk is full"):
        room.render()


def test_of_two_workers_with_the_same_content_one_publishes(tmp_path: Path) -> None:
    for store in (FolderStore(tmp_path / "out"), ObjectStore(f"memory://{tmp_path.name}")):
        for text, is_first in (("first", True), ("second", False)):
            with store.scratch() as folder:
                made = folder / "made"
                made.mkdir()
                (made / "record.json").write_text(text)
                assert store.publish(made, "songs/x", replace=False) is is_first
        assert store.read("songs/x/record.json") == "first"
        assert store.names("songs") == ["songs/x/record.json"]


def test_a_second_run_in_the_same_place_is_refused(tmp_path: Path) -> None:
    first, second = open_store(str(tmp_path / "out")), open_store(str(tmp_path / "out"))
    refused = pytest.raises(UserError, match="another run is at work there")
    with first.claim(), refused, second.claim():
        pass


def test_what_a_dead_run_left_unfinished_is_swept_up(tmp_path: Path) -> None:
    (tmp_path / ".partial" / "x").mkdir(parents=True)
    store = FolderStore(tmp_path)
    with store.claim():
        assert not (tmp_path / ".partial").exists()


def test_what_killed_workers_left_is_swept_up_when_a_run_ends(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    with store.claim():
        (tmp_path / ".partial" / "x").mkdir(parents=True)
    assert not (tmp_path / ".partial").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    "make", [make for make in ODDITIES if make is not make_giant], ids=lambda make: make.__name__
)
def test_what_is_no_file_is_a_row_and_never_waited_for(
    room: Room, make: Callable[[Path], None]
) -> None:
    make(room.songs / "odd.wav")
    write_song(room.songs / "zero.wav", 0.5)
    summary = room.render()
    assert summary.n_made == 1
    assert {Path(row.path).name for row in summary.failed} <= {"odd.wav"}


def test_marks_of_an_earlier_run_are_no_tries(room: Room) -> None:
    write_song(room.songs / "a.wav", 0.5)
    (song,) = find_songs([str(room.songs)])
    mark = room.folder / "out" / "attempts" / f"{song.key}.json"
    mark.parent.mkdir(parents=True)
    mark.write_text(json.dumps({"run": "an earlier one", "n_begun": 2}))
    assert counts(room.render()) == (1, 0, 0)
    assert not mark.exists()


def test_two_marks_of_this_run_give_a_song_up(room: Room) -> None:
    write_song(room.songs / "a.wav", 0.5)
    songs, task = room.task(find_songs([str(room.songs)]))
    mark = room.folder / "out" / "attempts" / f"{songs[0].key}.json"
    mark.parent.mkdir(parents=True)
    mark.write_text(json.dumps({"run": task.run, "n_begun": 2}))
    (outcome,) = Worker(task)(songs)
    assert outcome.rows[0].error == "its worker died twice"
