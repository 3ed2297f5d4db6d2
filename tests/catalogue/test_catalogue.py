"""A catalogue in one process: every song once, whatever was there before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import fsspec
import numpy as np
import pytest
from pyarrow import parquet
from rich.console import Console

from helpers.catalogue import RATE, Room, write_song
from rtmss.catalogue.display import Display
from rtmss.catalogue.estimate import estimate
from rtmss.catalogue.makings import Style
from rtmss.catalogue.run import Summary
from rtmss.catalogue.songs import Song, find_songs
from rtmss.catalogue.store import FolderStore, ObjectStore
from rtmss.catalogue.worker import Outcome, Task, Worker
from rtmss.config import UserError
from rtmss.files import read_audio
from rtmss.signal.loudness import Meter


def counts(summary: Summary) -> tuple[int, int, int]:
    return summary.n_made, summary.n_kept, len(summary.failed)


@pytest.mark.slow
def test_every_song_is_rendered_and_what_cannot_be_read_is_a_row(mixed_songs: Room) -> None:
    summary = mixed_songs.render(["solo", "pair"])
    assert counts(summary) == (4, 0, 1)
    rows = mixed_songs.rows()
    assert len(rows) == 10
    assert {row.id for row in rows if row.status == "failed"} == {
        str(mixed_songs.songs / "broken.wav")
    }
    assert all("not a readable audio file" in row.error for row in rows if row.error)
    done = [row for row in rows if row.status == "done"]
    assert set(mixed_songs.files()) == {file for row in done for file in row.files.values()}
    assert {len(row.files) for row in done} == {3, 4}


def test_a_row_says_how_long_how_loud_and_of_which_bytes(mixed_songs: Room) -> None:
    mixed_songs.render()
    rows = {Path(row.path).name: row for row in mixed_songs.rows()}
    one, silent = rows["one.wav"], rows["silent.wav"]
    assert one.seconds == 1.0
    assert one.real_time_factor == pytest.approx(one.wall_seconds, abs=1e-3)
    mix, rate = read_audio(mixed_songs.folder / "out" / one.files["mix"])
    meter = Meter(rate, 2)
    meter.push(mix)
    levels = meter.finish()
    found = one.loudness_lufs, one.true_peak_db, one.level_db
    assert found == pytest.approx(levels, abs=0.006)
    assert (silent.loudness_lufs, silent.true_peak_db, silent.status) == (None, None, "done")
    assert one.content in one.files["mix"]
    assert len(set(one.hashes.values())) > 1


def test_the_table_says_what_the_lines_say(mixed_songs: Room) -> None:
    (mixed_songs.songs / "bad-\udcff.wav").write_text("a name that is no Unicode")
    mixed_songs.render()
    table = parquet.read_table(mixed_songs.folder / "out" / "report.parquet").to_pylist()
    rows = mixed_songs.rows()
    assert [row["status"] for row in table] == [row.status for row in rows]
    assert [row["seconds"] for row in table] == [row.seconds for row in rows]
    assert [dict(row["files"] or ()) for row in table] == [row.files for row in rows]


def test_a_second_run_renders_nothing(mixed_songs: Room) -> None:
    mixed_songs.render()
    before, rows = mixed_songs.files(), mixed_songs.rows()
    assert counts(mixed_songs.render()) == (0, 4, 1)
    assert mixed_songs.files() == before
    assert mixed_songs.rows() == rows


def test_without_its_report_a_run_finds_what_is_there(mixed_songs: Room) -> None:
    mixed_songs.render()
    rows = mixed_songs.rows()
    (mixed_songs.folder / "out" / "report.jsonl").unlink()
    assert counts(mixed_songs.render()) == (0, 4, 1)
    done = [row for row in mixed_songs.rows() if row.status == "done"]
    assert sorted(done, key=str) == sorted((row for row in rows if row.status == "done"), key=str)


@pytest.mark.slow
def test_what_was_taken_away_is_made_again_and_is_the_same(mixed_songs: Room) -> None:
    mixed_songs.render(["solo", "pair"])
    before = mixed_songs.files()
    gone = next(row for row in mixed_songs.rows() if row.files and row.preset == "pair")
    FolderStore(mixed_songs.folder / "out").remove(
        str(Path(gone.files["mix"]).with_name("record.json"))
    )
    for name in gone.files.values():
        (mixed_songs.folder / "out" / name).unlink()
    (mixed_songs.folder / "out" / gone.files["mix"]).parent.rmdir()
    assert counts(mixed_songs.render(["solo", "pair"])) == (1, 3, 1)
    assert mixed_songs.files() == before


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


@pytest.mark.slow
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


def test_object_storage_holds_what_a_folder_holds(mixed_songs: Room) -> None:
    mixed_songs.render()
    system = fsspec.filesystem("memory")
    for song in mixed_songs.songs.iterdir():
        system.pipe(f"/from/{song.name}", song.read_bytes())
    address = f"memory://to-{mixed_songs.folder.name}"
    first = mixed_songs.render(output=address, inputs=["memory://from"])
    assert counts(first) == (4, 0, 1)
    store = ObjectStore(address)
    files = {name for name in store.names("songs") if not name.endswith("record.json")}
    assert files == set(mixed_songs.files())
    assert all(system.cat(f"{address}/{n}") == data for n, data in mixed_songs.files().items())
    assert counts(mixed_songs.render(output=address, inputs=["memory://from"])) == (0, 4, 1)
    assert len(str(store.read("report.jsonl")).splitlines()) == 5


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


def test_an_estimate_knows_the_hours_and_leaves_nothing(mixed_songs: Room) -> None:
    songs, task = mixed_songs.task(find_songs([str(mixed_songs.songs)]))
    found = estimate(songs, task)
    assert (found.n_songs, found.n_opened) == (5, 4)
    sound = 1.0 + 0.6 + 0.5 + 0.5
    assert found.hours * 3600 == pytest.approx(sound, abs=0.05)
    assert found.worker_hours * found.speed == pytest.approx(found.hours)
    assert not (mixed_songs.folder / "out").exists()


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
