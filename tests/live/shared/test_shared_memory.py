"""Memory that processes share, as each system has it: on no disk, and gone with its users."""

from __future__ import annotations

import errno
import mmap
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rtmss.config import UserError
from rtmss.live.shared import memory
from rtmss.live.shared.memory import KIND_VARIABLE, Block, memory_kind

LAYOUT = np.dtype([("a", "u8"), ("b", "f4", 1000)])
IN_MEMORY = Path("/dev/shm")
MAKE = """
import sys, time
import numpy as np
from rtmss.live.shared.memory import Block
block = Block.create("test", np.dtype([("a", "u8"), ("b", "f4", 1000)]), "a test")
block.fields["a"] = 7
print(block.path, flush=True)
time.sleep(60)
"""


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for temporary files, of this process and those that it starts."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


@pytest.fixture(params=["unnamed", "listed"])
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv(KIND_VARIABLE, request.param)
    return str(request.param)


def _listed() -> set[str]:
    """Names of ListedMemory as Linux has them."""
    return {path.name for path in IN_MEMORY.glob("rtmss-*") if path.name.count("-") == 1}


def _n_open() -> int:
    return len([*Path("/proc/self/fd").iterdir()])


@pytest.mark.slow
@pytest.mark.usefixtures("kind")
def test_what_one_process_writes_another_reads(temporary: Path) -> None:
    command = [sys.executable, "-c", MAKE]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as maker:
        assert maker.stdout is not None
        block = Block(
            Path(maker.stdout.readline().strip()),
            LAYOUT,
        )
        memory_kind().sweep()  # it takes nothing away that has an owner
        again = Block(block.path, LAYOUT)
        again.fields["b"] = 0.5
        assert int(block.fields["a"]) == 7
        assert np.all(block.fields["b"] == 0.5)
        maker.kill()
        maker.wait()
        block.fields["a"] = 8  # whoever has mapped it keeps it
        assert int(again.fields["a"]) == 8
    memory_kind().sweep()
    assert [*temporary.iterdir()] == []


@pytest.mark.slow
def test_of_a_maker_that_was_killed_nothing_is_left_in_memory(kind: str) -> None:
    before = _listed()
    command = [sys.executable, "-c", MAKE]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as maker:
        assert maker.stdout is not None
        maker.stdout.readline()
        maker.send_signal(signal.SIGKILL)
        maker.wait()
    if kind == "listed":
        assert _listed() > before
        memory_kind().sweep()
    assert _listed() <= before


@pytest.mark.usefixtures("kind")
def test_memory_that_was_closed_is_gone(temporary: Path) -> None:
    before, handles = _listed(), _n_open()
    block = Block.create("test", LAYOUT, "a test")
    assert not block.fields["b"].any()
    block.close(unlink=True)
    assert _n_open() == handles
    assert _listed() == before
    assert [*temporary.iterdir()] == []


@pytest.mark.usefixtures("kind")
def test_too_little_memory_is_one_line_and_leaves_nothing(
    temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    before, handles = _listed(), _n_open()
    monkeypatch.setattr(os, "posix_fallocate", refuse)
    with pytest.raises(UserError, match=r"needs 0 MiB of shared memory in .*: No space left"):
        Block.create("test", LAYOUT, "a test")
    assert _n_open() == handles
    assert _listed() == before
    assert [*temporary.iterdir()] == []


def test_on_windows_it_is_a_name_in_the_paging_file(
    temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named: dict[str, mmap.mmap] = {}
    plain = mmap.mmap

    def windows(handle: int, n_bytes: int, tagname: str) -> mmap.mmap:
        assert handle == -1
        return named.setdefault(tagname, plain(-1, n_bytes))

    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(mmap, "mmap", windows)
    block = Block.create("test", LAYOUT, "a test")
    block.fields["a"] = 3
    assert int(Block(block.path, LAYOUT).fields["a"]) == 3
    block.close(unlink=True)
    assert len(named) == 1
    assert [*temporary.iterdir()] == []


def test_without_proc_memory_has_a_name_in_a_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "memfd_create")
    kind: Any = memory_kind()
    assert isinstance(kind, memory.ListedMemory)


def test_names_in_the_list_are_as_short_as_macos_wants_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    names: list[str] = []
    real = memory._posixshmem()

    class Noting:
        def shm_open(self, name: str, flags: int, mode: int) -> int:
            names.append(name)
            handle: int = real.shm_open(name, flags, mode=mode)
            return handle

        shm_unlink = staticmethod(real.shm_unlink)

    monkeypatch.setenv(KIND_VARIABLE, "listed")
    monkeypatch.setattr(memory, "_posixshmem", Noting)
    Block.create("state", LAYOUT, "a test").close(unlink=True)
    assert len(names[0]) <= 31
