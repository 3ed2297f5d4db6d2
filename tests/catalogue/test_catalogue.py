"""A catalogue in one process: every song once, whatever was there before."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import fsspec
import numpy as np
import pytest
from pyarrow import parquet
from rich.console import Console

from helpers.catalogue import RATE, Room, make_room, write_song
from helpers.makers import MakeCondition, Noise
from helpers.oddities import ODDITIES, make_giant
from rtmss.catalogue.display import Display
from rtmss.catalogue.estimate import estimate
from rtmss.catalogue.makings import Style
from rtmss.catalogue.run import Summary
from rtmss.catalogue.songs import Song, find_songs
from rtmss.catalogue.store import FolderStore, ObjectStore, open_store
from rtmss.catalogue.worker import Outcome, Task, Worker
from rtmss.config import UserError
from rtmss.engine.backends.together import Member, Together
from rtmss.engine.backends.torch import TorchBackend
from rtmss.engine.control import Scene, Stem
from rtmss.engine.session import Session
from rtmss.files import read_audio
from rtmss.model.separator import SeparatorModel
from rtmss.signal.loudness import Meter


@pytest.fixture
def room(tmp_path: Path, tiny: SeparatorModel, make_condition: MakeCondition) -> Room:
    return make_room(tmp_path, tiny, make_condition)


@pytest.fixture
def mixed(room: Room) -> Room:
    """Two songs, a silent one, one at another rate with a name of other letters, and a broken
    one.
    """
    write_song(room.songs / "one.wav", 1.0, 1)
    write_song(room.songs / "two.flac", 0.6, 2)
    write_song(room.songs / "silent.wav", 0.5, -1)
    write_song(room.songs / "песня №3.wav", 0.5, 3, 11025)
    (room.songs / "broken.wav").write_text("no sound")
    return room


def counts(summary: Summary) -> tuple[int, int, int]:
    return summary.n_made, summary.n_kept, len(summary.failed)


def test_every_song_is_rendered_and_what_cannot_be_read_is_a_row(mixed: Room) -> None:
    summary = mixed.render(["solo", "pair"])
    assert counts(summary) == (4, 0, 1)
    rows = mixed.rows()
    assert len(rows) == 10
    assert {row.id for row in rows if row.status == "failed"} == {str(mixed.songs / "broken.wav")}
    assert all("not a readable audio file" in row.error for row in rows if row.error)
    done = [row for row in rows if row.status == "done"]
    assert set(mixed.files()) == {file for row in done for file in row.files.values()}
    assert {len(row.files) for row in done} == {3, 4}


def test_a_row_says_how_long_how_loud_and_of_which_bytes(mixed: Room) -> None:
    mixed.render()
    rows = {Path(row.path).name: row for row in mixed.rows()}
    one, silent = rows["one.wav"], rows["silent.wav"]
    assert one.seconds == 1.0
    assert one.real_time_factor == pytest.approx(one.wall_seconds, abs=1e-3)
    mix, rate = read_audio(mixed.folder / "out" / one.files["mix"])
    meter = Meter(rate, 2)
    meter.push(mix)
    levels = meter.finish()
    found = one.loudness_lufs, one.true_peak_db, one.level_db
    assert found == pytest.approx(levels, abs=0.006)
    assert (silent.loudness_lufs, silent.true_peak_db, silent.status) == (None, None, "done")
    assert one.content in one.files["mix"]
    assert len(set(one.hashes.values())) > 1


def test_the_table_says_what_the_lines_say(mixed: Room) -> None:
    (mixed.songs / "bad-\udcff.wav").write_text("a name that is no Unicode")
    mixed.render()
    table = parquet.read_table(mixed.folder / "out" / "report.parquet").to_pylist()
    rows = mixed.rows()
    assert [row["status"] for row in table] == [row.status for row in rows]
    assert [row["seconds"] for row in table] == [row.seconds for row in rows]
    assert [dict(row["files"] or ()) for row in table] == [row.files for row in rows]


def test_a_second_run_renders_nothing(mixed: Room) -> None:
    mixed.render()
    before, rows = mixed.files(), mixed.rows()
    assert counts(mixed.render()) == (0, 4, 1)
    assert mixed.files() == before
    assert mixed.rows() == rows


def test_without_its_report_a_run_finds_what_is_there(mixed: Room) -> None:
    mixed.render()
    rows = mixed.rows()
    (mixed.folder / "out" / "report.jsonl").unlink()
    assert counts(mixed.render()) == (0, 4, 1)
    done = [row for row in mixed.rows() if row.status == "done"]
    assert sorted(done, key=str) == sorted((row for row in rows if row.status == "done"), key=str)


def test_what_was_taken_away_is_made_again_and_is_the_same(mixed: Room) -> None:
    mixed.render(["solo", "pair"])
    before = mixed.files()
    gone = next(row for row in mixed.rows() if row.files and row.preset == "pair")
    FolderStore(mixed.folder / "out").remove(str(Path(gone.files["mix"]).with_name("record.json")))
    for name in gone.files.values():
        (mixed.folder / "out" / name).unlink()
    (mixed.folder / "out" / gone.files["mix"]).parent.rmdir()
    assert counts(mixed.render(["solo", "pair"])) == (1, 3, 1)
    assert mixed.files() == before


def test_the_same_content_is_rendered_once(room: Room) -> None:
    for name in ("a.wav", "b.wav"):
        write_song(room.songs / name, 0.5)
    assert counts(room.render()) == (1, 1, 0)
    first, second = room.rows()
    assert first.path != second.path
    assert first.files == second.files


def test_a_file_that_changed_is_rendered(room: Room) -> None:
    write_song(room.songs / "a.wav", 0.5)
    room.render()
    write_song(room.songs / "a.wav", 0.6)
    assert counts(room.render()) == (1, 0, 0)
    (row,) = room.rows()
    assert row.seconds == 0.6


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


@pytest.mark.parametrize("format", ["wav", "flac"])
def test_a_loudness_is_met_by_one_gain_for_all_files(room: Room, format: str) -> None:  # noqa: A002
    song = write_song(room.songs / "a.wav", 3.0)
    style = Style(room.model_id, stems=True, format=format, loudness_lufs=-30.0)
    room.render(["pair"], style=style)
    (row,) = room.rows()
    audio = {name: read_audio(room.folder / "out" / file)[0] for name, file in row.files.items()}
    meter = Meter(RATE, 2)
    meter.push(audio["mix"])
    assert meter.finish().loudness_lufs == pytest.approx(-30, abs=0.02)
    assert row.loudness_lufs == -30
    assert row.gain_db is not None
    source = read_audio(song)[0] * 10 ** (row.gain_db / 20)
    together = audio["a"] + audio["b"] + audio["remainder"]
    assert np.abs(source).max() > 0.01
    assert np.abs(together - source).max() < 1e-3 * np.abs(source).max() + 1e-6


def test_no_peak_exceeds_what_is_allowed(room: Room) -> None:
    write_song(room.songs / "a.wav", 3.0)
    room.render(style=Style(room.model_id, stems=True, loudness_lufs=-5.0))
    (row,) = room.rows()
    assert row.true_peak_db == pytest.approx(-1, abs=0.01)
    assert row.loudness_lufs is not None
    assert row.loudness_lufs < -5
    peaks = [np.abs(read_audio(room.folder / "out" / f)[0]).max() for f in row.files.values()]
    assert 0.5 < max(peaks) <= 10 ** (-1 / 20) + 1e-4


def test_silence_stays_silent_at_any_loudness(room: Room) -> None:
    write_song(room.songs / "a.wav", 1.0, -1)
    room.render(style=Style(room.model_id, loudness_lufs=-16.0))
    (row,) = room.rows()
    assert (row.status, row.gain_db, row.loudness_lufs) == ("done", 0.0, None)


def test_object_storage_holds_what_a_folder_holds(mixed: Room) -> None:
    mixed.render()
    system = fsspec.filesystem("memory")
    for song in mixed.songs.iterdir():
        system.pipe(f"/from/{song.name}", song.read_bytes())
    address = f"memory://to-{mixed.folder.name}"
    first = mixed.render(output=address, inputs=["memory://from"])
    assert counts(first) == (4, 0, 1)
    store = ObjectStore(address)
    files = {name for name in store.names("songs") if not name.endswith("record.json")}
    assert files == set(mixed.files())
    assert all(system.cat(f"{address}/{n}") == data for n, data in mixed.files().items())
    assert counts(mixed.render(output=address, inputs=["memory://from"])) == (0, 4, 1)
    assert len(str(store.read("report.jsonl")).splitlines()) == 5


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


def test_an_address_of_this_machine_is_a_folder(room: Room) -> None:
    write_song(room.songs / "a.wav", 0.5)
    room.render(output=f"file://{room.folder}/out", inputs=[f"file://{room.songs}"])
    files = room.files()
    assert files
    room.render(output="other")
    assert room.files("other") == files


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"id": 1, "path"'])
def test_a_report_that_is_none_is_named(room: Room, text: str) -> None:
    write_song(room.songs / "a.wav", 0.5)
    room.render()
    report = room.folder / "out" / "report.jsonl"
    report.write_text(report.read_text() + text)
    with pytest.raises(UserError, match=r"report\.jsonl, line 2: not a row of a report"):
        room.render()


def test_long_songs_come_first(room: Room) -> None:
    for seconds in (0.5, 0.7, 0.6):
        write_song(room.songs / f"{seconds}.wav", seconds)
    order: list[Song] = []

    def watched(task: Task) -> object:
        work = Worker(task)

        def note(songs: Sequence[Song]) -> list[Outcome]:
            order.extend(songs)
            return work(songs)

        return note

    room.render(worker=watched)  # type: ignore[arg-type]
    assert [Path(song.path).stem for song in order] == ["0.7", "0.6", "0.5"]


def test_an_estimate_knows_the_hours_and_leaves_nothing(mixed: Room) -> None:
    songs, task = mixed.task(find_songs([str(mixed.songs)]))
    found = estimate(songs, task)
    assert (found.n_songs, found.n_opened) == (5, 4)
    sound = 1.0 + 0.6 + 0.5 + 0.5
    assert found.hours * 3600 == pytest.approx(sound, abs=0.05)
    assert found.worker_hours * found.speed == pytest.approx(found.hours)
    assert not (mixed.folder / "out").exists()


def test_the_display_says_what_is_left_and_what_was_slow(room: Room) -> None:
    songs = [replace(Song(name, name), n_bytes=176_400 * 10) for name in ("a.wav", "b.wav")]
    console = Console(record=True, width=120)
    with Display(console) as display:
        from rtmss.catalogue.lengths import Lengths

        display.begin(songs, Lengths())
        display(Outcome(songs[0], [], 20.0, 5.0, "here:1"))
        assert "0.01 of about 0.01 h of audio, 1 songs, 0 failed, 1 to go" in display.line(10.0)
    display.summarise(Summary(n_made=1))
    text = console.export_text()
    assert "here:1 1 0.01 4.00" in " ".join(text.split())
    assert "1 songs made (0.01 h of audio" in text


def test_several_plans_in_one_pass_are_what_each_is_alone(room: Room) -> None:
    write_song(room.songs / "a.wav", 2.0)
    room.render(["solo", "pair"], "together")
    room.render(["solo"], "alone")
    room.render(["pair"], "alone")
    together, alone = room.files("together"), room.files("alone")
    assert together.keys() == alone.keys()
    for name in together:
        one, other = (read_audio(room.folder / out / name)[0] for out in ("together", "alone"))
        assert np.abs(one - other).max() < 1e-6, name


def test_several_plans_share_one_pass_of_the_encoder(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    n_targets: list[int] = []
    step = TorchBackend.step

    def counted(backend: TorchBackend, block: np.ndarray[tuple[int, ...], np.dtype[np.float32]]):  # type: ignore[no-untyped-def]
        out = step(backend, block)
        n_targets.append(len(out))
        return out

    monkeypatch.setattr(TorchBackend, "step", counted)
    write_song(room.songs / "a.wav", 2.0)
    room.render(["solo"], "one")
    n_blocks, n_targets[:] = len(n_targets), []
    room.render(["solo", "pair"], "both")
    assert n_targets == [2] * n_blocks


def test_streams_stepped_together_say_what_each_says_alone(
    tiny: SeparatorModel, make_condition: MakeCondition, noise: Noise
) -> None:
    scenes = [Scene((Stem("a", make_condition("a", seed)),)) for seed in range(3)]
    songs = [noise(64 * n_hops, 2, n_hops) for n_hops in (40, 24, 40)]
    together = Together(tiny, "cpu")
    everybody = threading.Barrier(3)

    def play(number: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
        with Member(together) as member:
            everybody.wait()
            session = Session(tiny, scenes[number], backend=member)
            blocks = np.split(songs[number], songs[number].shape[-1] // 512, axis=-1)
            return np.concatenate([session.step(block).stems for block in blocks], axis=-1)

    with ThreadPoolExecutor(3) as pool:
        played = list(pool.map(play, range(3)))
    for number, stems in enumerate(played):
        alone = Session(tiny, scenes[number]).step(songs[number]).stems
        assert np.abs(alone).max() > 0.01
        assert np.abs(stems - alone).max() < 1e-5
    assert (together.n_steps, together.n_calls) == (13, 5)


def test_an_error_of_a_shared_step_reaches_every_stream(
    tiny: SeparatorModel, noise: Noise, monkeypatch: pytest.MonkeyPatch
) -> None:
    together = Together(tiny, "cpu")

    def broken(_: object) -> None:
        raise RuntimeError("no memory left")

    monkeypatch.setattr(together, "_run", broken)
    with Member(together) as member, pytest.raises(RuntimeError, match="no memory left"):
        member.step(noise(64))


def test_a_worker_renders_several_songs_at_once(mixed: Room) -> None:
    mixed.render(output="alone")
    songs, task = mixed.task(find_songs([str(mixed.songs)]), output="batch")
    outcomes = Worker(replace(task, batch=5))(songs)
    assert [outcome.song for outcome in outcomes] == songs
    alone, batch = mixed.files("alone"), mixed.files("batch")
    assert alone.keys() == batch.keys()
    for name in alone:
        one, other = (read_audio(mixed.folder / out / name)[0] for out in ("alone", "batch"))
        assert np.abs(one - other).max() < 1e-5, name


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
