"""Files whose owner is known to be there, or not: however it ended."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from rtmss import ownership
from rtmss.ownership import LEASE, Lease, orphan, sweep, try_lock, whole_file

TAKE = """
import sys, time
from pathlib import Path
from rtmss.ownership import Lease
lease = Lease.take(Path(sys.argv[1]), "mine-")
lease.path.mkdir()
print(lease.path, flush=True)
time.sleep(60)
"""


def _sweep(folder: Path) -> int:
    return sweep(folder, "mine-", lambda path: shutil.rmtree(path, ignore_errors=True))


def _is_orphan(path: Path) -> bool:
    with orphan(path) as is_orphan:
        return is_orphan


def test_a_file_is_an_orphan_when_its_owner_has_closed_it(tmp_path: Path) -> None:
    path = tmp_path / "a"
    with path.open("wb") as file:
        assert try_lock(file)
        assert not _is_orphan(path)
    assert _is_orphan(path)


def test_what_somebody_else_has_put_there_is_not_opened(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path / "file")
    os.mkfifo(tmp_path / "pipe")  # to open it would never return
    assert not _is_orphan(tmp_path / "link")
    assert not _is_orphan(tmp_path / "pipe")
    assert not _is_orphan(tmp_path / "nothing")


def test_a_file_of_another_user_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a").touch()
    monkeypatch.setattr(os, "getuid", lambda: (tmp_path / "a").stat().st_uid + 1)
    assert not _is_orphan(tmp_path / "a")


def test_what_is_swept_is_that_of_owners_that_were_killed(tmp_path: Path) -> None:
    mine = Lease.take(tmp_path, "mine-")
    mine.path.mkdir()
    (tmp_path / f"other-1{LEASE}").touch()
    with subprocess.Popen(
        [
            sys.executable,
            "-c",
            TAKE,
            str(tmp_path),
        ],
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        theirs = Path(process.stdout.readline().strip())
        assert _sweep(tmp_path) == 0
        assert theirs.is_dir()
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert _sweep(tmp_path) == 1
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {mine.path.name, f"{mine.path.name}{LEASE}", f"other-1{LEASE}"}
    mine.end()


def test_on_windows_a_byte_beyond_every_file_is_locked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def locking(handle: int, mode: int, n_bytes: int) -> None:
        assert (
            mode,
            n_bytes,
            os.lseek(handle, 0, os.SEEK_CUR),
        ) == (2, 1, 1 << 40)
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)

    monkeypatch.setattr(ownership, "fcntl", None)
    monkeypatch.setattr(ownership, "msvcrt", SimpleNamespace(locking=locking, LK_NBLCK=2))
    path = tmp_path / "a"
    with path.open("wb") as file:
        file.write(b"12")
        file.flush()
        assert try_lock(file)
        assert file.tell() == 2
        assert not _is_orphan(path)
    assert _is_orphan(path)


def test_where_nothing_can_be_locked_no_lease_is_taken_and_nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ownership, "try_lock", lambda _: False)
    with pytest.raises(OSError, match="no file can be locked there"):
        Lease.take(tmp_path, "mine-")
    assert [*tmp_path.iterdir()] == []


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    with whole_file(path) as partial:
        partial.write_text("first")
        assert not path.exists()
    with pytest.raises(SystemExit), whole_file(path) as partial:
        partial.write_text("half")
        raise SystemExit
    assert path.read_text() == "first"
    assert [*tmp_path.iterdir()] == [path]


def test_a_pipe_is_not_replaced_by_a_file(tmp_path: Path) -> None:
    """Nor is a device: whoever may write to /dev would replace /dev/null for all."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(FileExistsError, match="is not replaced"), whole_file(pipe):
        pytest.fail("there is nothing to write to")
    assert pipe.is_fifo()
    assert [*tmp_path.iterdir()] == [pipe]


def test_what_a_killed_writer_left_goes_and_what_another_writes_stays(tmp_path: Path) -> None:
    left, other = tmp_path / ".a.txt.1.partial", tmp_path / ".a.txt.2.partial"
    left.write_text("half")
    with other.open("w") as file:
        assert try_lock(file)
        with whole_file(tmp_path / "a.txt") as partial:
            partial.write_text("whole")
        assert other.exists()
    assert not left.exists()
