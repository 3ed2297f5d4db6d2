"""Where a decoded song is kept, and that nothing of it is left."""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from rtmss.live.song import scratch
from rtmss.live.song.scratch import NamedScratch, UnnamedScratch, make_scratch, sweep_songs

MAKE = """
import sys, time
from pathlib import Path
from rtmss.live.song.scratch import NamedScratch
made = NamedScratch(Path(sys.argv[1]))
made.make().write_text("a song")
print("made", flush=True)
time.sleep(60)
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("make", [UnnamedScratch, NamedScratch])
def test_another_process_reads_what_was_written_until_it_is_dropped(
    folder: Path, make: Callable[[Path], scratch.Scratch]
) -> None:
    made = make(folder)
    path = made.make()
    path.write_text("a song")
    code = "import sys; from pathlib import Path; print(Path(sys.argv[1]).read_text())"
    command = [sys.executable, "-c", code, str(path)]
    assert (
        subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        == "a song\n"
    )
    with path.open() as mapped:
        made.drop(path)
        assert mapped.read() == "a song"
    assert not path.exists()
    made.close()
    assert [*folder.iterdir()] == []


def test_where_files_without_a_name_can_be_shared_a_song_has_none(folder: Path) -> None:
    made = make_scratch()
    made.make().write_text("a song")
    assert [*folder.iterdir()] == []
    made.close()


def test_elsewhere_the_next_start_removes_what_a_killed_one_left(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scratch, "has_unnamed", lambda: False)
    mine = make_scratch()
    command = [sys.executable, "-c", MAKE, str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        sweep_songs()
        assert len([path for path in folder.iterdir() if path.is_dir()]) == 2
        process.send_signal(signal.SIGKILL)
        process.wait()
    sweep_songs()
    assert [path for path in folder.iterdir() if path.is_dir()] == [mine.folder]
    mine.close()
    assert [*folder.iterdir()] == []


def test_a_song_that_must_not_be_removed_while_it_is_mapped_goes_in_the_end(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbid(*_: object, **__: object) -> None:
        raise PermissionError

    made = NamedScratch(folder)
    path = made.make()
    path.touch()
    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", forbid)
        made.drop(path)
    made.close()
    assert [*folder.iterdir()] == []
