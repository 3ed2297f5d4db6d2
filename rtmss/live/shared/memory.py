"""A block of memory that several processes map, and that is a file on no disk.

Unlike `multiprocessing.shared_memory` it outlives any process that is killed, no process that ends
takes it away from the others, and once all have ended nothing is left of it: at once where the
system has memory without a name (Linux, Windows), else at the next start.
"""

from __future__ import annotations

import contextlib
import importlib
import mmap
import os
import secrets
import sys
import tempfile
from pathlib import Path
from typing import Any, ClassVar, Protocol, Self

import numpy as np

from rtmss.config import UserError
from rtmss.ownership import Lease, sweep

PREFIX = "rtmss-live-"
KIND_VARIABLE = "RTMSS_MEMORY"
"""Sets another kind of memory than that of the system: `unnamed`, `listed` or `paged`."""


class MemoryKind(Protocol):
    """How a system shares memory between processes."""

    @property
    def place(self) -> str:
        """Where it is, for messages."""

    def create(
        self,
        name: str,
        n_bytes: int,
    ) -> tuple[Path, mmap.mmap]:
        """Make memory, all zeros; others find it by the path.

        Raises:
            OSError: there is not enough of it.
        """

    def attach(self, path: Path, n_bytes: int) -> mmap.mmap:
        """Map what another process has made."""

    def remove(self, path: Path) -> None:
        """Let nobody find it again; whoever has mapped it keeps it."""

    def sweep(self) -> None:
        """Remove what was left by processes that have ended."""


class UnnamedMemory:
    """Of Linux: a file in memory that has no name; others open it through its maker's in /proc."""

    place = "the system's memory"

    def create(
        self,
        name: str,
        n_bytes: int,
    ) -> tuple[Path, mmap.mmap]:
        """Make memory; its descriptor stays open, for others to find it."""
        handle = os.memfd_create(PREFIX + name)
        try:
            # Otherwise a lack of memory would crash whoever writes first.
            os.posix_fallocate(handle, 0, n_bytes)
        except OSError:
            os.close(handle)
            raise
        return unnamed_path(handle), mmap.mmap(handle, n_bytes)

    def attach(self, path: Path, n_bytes: int) -> mmap.mmap:
        """Map it."""
        with path.open("r+b") as file:
            return mmap.mmap(file.fileno(), n_bytes)

    def remove(self, path: Path) -> None:
        """Close the descriptor."""
        os.close(int(path.name))

    def sweep(self) -> None:
        """Nothing is ever left."""


class ListedMemory:
    """Of POSIX, as macOS has it: a name in a list of the system, which a lease stands for."""

    place = "the system's list of memory"
    _leases: ClassVar[dict[Path, Lease]] = {}

    def create(
        self,
        name: str,
        n_bytes: int,
    ) -> tuple[Path, mmap.mmap]:
        """Make memory under a name."""
        lease = Lease.take(_temporary(), f"{PREFIX}{name}-")
        try:
            memory = self._open(
                lease.path,
                os.O_RDWR | os.O_CREAT | os.O_EXCL,
                n_bytes,
            )
        except OSError:
            lease.end()
            raise
        self._leases[lease.path] = lease
        return lease.path, memory

    def attach(self, path: Path, n_bytes: int) -> mmap.mmap:
        """Map it."""
        return self._open(path, os.O_RDWR, n_bytes)

    def remove(self, path: Path) -> None:
        """Take the name off the list."""
        self._unlink(path)
        self._leases.pop(path).end()

    def sweep(self) -> None:
        """Take names off the list whose owners have ended."""
        sweep(_temporary(), PREFIX, self._unlink)

    def _open(
        self,
        path: Path,
        flags: int,
        n_bytes: int,
    ) -> mmap.mmap:
        handle = _posixshmem().shm_open(_listed_name(path), flags, mode=0o600)
        try:
            if flags & os.O_CREAT:
                os.ftruncate(handle, n_bytes)
                if hasattr(os, "posix_fallocate"):
                    os.posix_fallocate(handle, 0, n_bytes)
            return mmap.mmap(handle, n_bytes)
        except OSError:
            if flags & os.O_CREAT:
                self._unlink(path)
            raise
        finally:
            os.close(handle)

    def _unlink(self, path: Path) -> None:
        with contextlib.suppress(FileNotFoundError):
            _posixshmem().shm_unlink(_listed_name(path))


class PagedMemory:
    """Of Windows: a named part of the paging file, which goes with the last process that has it."""

    place = "the paging file"

    def create(
        self,
        name: str,
        n_bytes: int,
    ) -> tuple[Path, mmap.mmap]:
        """Make memory; nobody else has the name."""
        path = Path(f"{PREFIX}{name}-{secrets.token_hex(8)}")
        return path, self.attach(path, n_bytes)

    def attach(self, path: Path, n_bytes: int) -> mmap.mmap:
        """Map it."""
        named: Any = mmap.mmap  # the name is an argument on Windows alone
        memory: mmap.mmap = named(-1, n_bytes, tagname=str(path))
        return memory

    def remove(self, path: Path) -> None:
        """It goes by itself."""

    def sweep(self) -> None:
        """Nothing is ever left."""


KINDS: dict[str, type[MemoryKind]] = {
    "unnamed": UnnamedMemory,
    "listed": ListedMemory,
    "paged": PagedMemory,
}


def memory_kind() -> MemoryKind:
    """That of this system, or the one that KIND_VARIABLE names."""
    return KINDS[os.environ.get(KIND_VARIABLE) or _own_kind()]()


def _own_kind() -> str:
    if sys.platform == "win32":
        return "paged"
    return "unnamed" if has_unnamed() else "listed"


def has_unnamed() -> bool:
    """Whether files without a name can be opened by other processes."""
    return hasattr(os, "memfd_create") and Path("/proc/self/fd").is_dir()


def unnamed_path(handle: int) -> Path:
    """Where others find an open file of this process that has no name."""
    return Path(f"/proc/{os.getpid()}/fd/{handle}")


class Block:
    """One structured value in shared memory, all zeros at first."""

    def __init__(
        self,
        path: Path,
        layout: np.dtype[Any],
        memory: mmap.mmap | None = None,
    ) -> None:
        """Map memory that is there; `create` makes some."""
        self.path = path
        mapped = memory_kind().attach(path, layout.itemsize) if memory is None else memory
        self.fields: Any = np.ndarray((), layout, buffer=mapped)

    @classmethod
    def create(
        cls,
        name: str,
        layout: np.dtype[Any],
        purpose: str,
    ) -> Self:
        """Make the memory; whoever makes it calls `close(unlink=True)` in the end.

        Args:
            name: part of its name, where it has one.
            layout: a structured type.
            purpose: what needs it, for the message of the error.

        Raises:
            UserError: there is not enough of it.
        """
        kind = memory_kind()
        try:
            path, memory = kind.create(name, layout.itemsize)
        except OSError as error:
            raise UserError(
                f"{purpose} needs {layout.itemsize >> 20} MiB of shared memory in {kind.place}: "
                f"{error.strerror}"
            ) from error
        return cls(path, layout, memory)

    def close(self, *, unlink: bool = False) -> None:
        """Let go of the memory, for good with `unlink`."""
        del self.fields
        if unlink:
            memory_kind().remove(self.path)


def _temporary() -> Path:
    return Path(tempfile.gettempdir())


def _posixshmem() -> Any:
    """What `multiprocessing.shared_memory` is made of, without its tracker, which would take the
    memory away with the first process that ends.
    """
    return importlib.import_module("_posixshmem")


def _listed_name(path: Path) -> str:
    """At most 31 characters, of which macOS takes no more."""
    return f"/rtmss-{path.name.rpartition('-')[2]}"
