"""Whether whoever made a file is still there: a lock that the system takes away when its owner
ends, however it ends.

A process number would not do: numbers are given again, and another container has other ones.
"""

from __future__ import annotations

import contextlib
import errno
import glob
import importlib
import os
import stat
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, Protocol, Self

PARTIAL = ".partial"
"""How the names of files end that are being written."""
LEASE = ".lease"
"""How the names of leases end."""
N_TRIES = 8
_FAR_BEYOND = 1 << 40
"""Where Windows locks a byte, so that it hinders nobody who reads."""


class OpenFile(Protocol):
    """What is needed of an open file."""

    def fileno(self) -> int:
        """Its descriptor."""


def _load(name: str) -> Any:
    with contextlib.suppress(ImportError):
        return importlib.import_module(name)
    return None


fcntl, msvcrt = _load("fcntl"), _load("msvcrt")
"""The one or the other is None, after the system."""


def try_lock(file: OpenFile) -> bool:
    """Own an open file until it is closed; false if somebody else does, or nobody can know."""
    try:
        if fcntl is not None:
            fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        else:
            _lock_byte(file.fileno())
    except OSError:
        return False
    return True


def _lock_byte(handle: int) -> None:
    """Of Windows: it locks from where the file is."""
    place = os.lseek(handle, 0, os.SEEK_CUR)
    os.lseek(handle, _FAR_BEYOND, os.SEEK_SET)
    try:
        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
    finally:
        os.lseek(handle, place, os.SEEK_SET)


@contextlib.contextmanager
def orphan(path: Path) -> Iterator[bool]:
    """Whether a file is this user's and its owner has ended; nobody else gets it meanwhile."""
    with contextlib.ExitStack() as stack:
        try:
            is_ours = _is_ours(path)
            file = stack.enter_context(path.open("r+b")) if is_ours else None
        except OSError:
            file = None
        yield file is not None and try_lock(file)


def _is_ours(path: Path) -> bool:
    """A plain file of this user: not what somebody else has put there to be opened."""
    entry = path.lstat()
    is_own = not hasattr(os, "getuid") or entry.st_uid == os.getuid()
    return stat.S_ISREG(entry.st_mode) and is_own


class Lease:
    """A small file that says that the thing of the same name, less LEASE, has an owner."""

    def __init__(self, path: Path, file: BinaryIO) -> None:
        """Own what `take` has made."""
        self._lease, self._file = path, file
        self.path = path.with_name(path.name.removesuffix(LEASE))
        """The thing; whoever takes the lease makes it."""

    @classmethod
    def take(cls, folder: Path, prefix: str) -> Self:
        """Own a new name in a folder.

        Raises:
            OSError: nothing can be written or locked there.
        """
        for _ in range(N_TRIES):
            handle, name = tempfile.mkstemp(LEASE, prefix, folder)
            lease = cls(Path(name), os.fdopen(handle, "r+b"))
            # Somebody who sweeps may have come between the two; then another name is taken.
            if try_lock(lease._file) and Path(name).exists():
                return lease
            lease.end()
        raise OSError(errno.ENOLCK, "no file can be locked there", str(folder))

    def end(self) -> None:
        """Own it no longer; the thing has been removed."""
        self._file.close()
        self._lease.unlink(missing_ok=True)


def sweep(
    folder: Path,
    prefix: str,
    remove: Callable[[Path], object],
) -> int:
    """Remove what owners that have ended left in a folder; return how much that was."""
    return sum(_sweep_one(lease, remove) for lease in folder.glob(f"{prefix}*{LEASE}"))


def _sweep_one(
    lease: Path,
    remove: Callable[[Path], object],
) -> bool:
    with orphan(lease) as is_orphan, contextlib.suppress(OSError):
        if is_orphan:
            remove(lease.with_name(lease.name.removesuffix(LEASE)))
    if is_orphan:
        with contextlib.suppress(OSError):
            lease.unlink()
    return is_orphan


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A hidden file beside `path` to write to, which takes its place if nothing goes wrong.

    What killed writers have left of theirs is removed.

    Raises:
        OSError: it cannot be written there, or a device or a pipe stands there, which a user with
            enough rights would replace.
    """
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise FileExistsError(errno.EEXIST, "is a device or a pipe, and is not replaced", str(path))
    remove_orphans(path.parent, f".{glob.escape(path.name)}.*{PARTIAL}")
    partial = path.with_name(f".{path.name}.{os.getpid()}{PARTIAL}")
    try:
        with partial.open("xb") as file:
            try_lock(file)
            yield partial
            if os.name == "posix":  # nobody can take it for one that was left
                partial.replace(path)
        if os.name != "posix":  # which forbids it while the file is open
            partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def remove_orphans(folder: Path, pattern: str) -> None:
    """Remove files of such names whose owners have ended."""
    for path in folder.glob(pattern):
        with orphan(path) as is_orphan, contextlib.suppress(OSError):
            if is_orphan:
                path.unlink()
