"""Where a catalogue is kept: a folder, or object storage through fsspec.

A set of files appears at once: a folder by one renaming, objects by the record that is written
last. Names are relative, with slashes.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Protocol

from rtmss.catalogue.songs import is_address
from rtmss.config import UserError

RECORD = "record.json"
"""The file that ends a set: a set without it is not there."""
PARTIAL = ".partial"
_ROOM_BYTES = 64 << 20


class Store(Protocol):
    """Small texts, and sets of files."""

    def read(self, name: str) -> str | None:
        """A text, or None if there is none."""

    def write(self, name: str, text: str) -> None:
        """Put a text there, whole or not at all, in the place of another."""

    def put(self, name: str, file: Path) -> None:
        """Put a file there, likewise; it may be moved."""

    def remove(self, name: str) -> None:
        """Take a text away, if there is one."""

    def names(self, folder: str) -> list[str]:
        """Every file under a folder, in order."""

    def publish(
        self,
        files: Path,
        name: str,
        *,
        replace: bool,
    ) -> bool:
        """Let a folder's files, with their record, appear under a name.

        Returns:
            False if another set was there, which then stays, but for `replace`.
        """

    def scratch(self) -> contextlib.AbstractContextManager[Path]:
        """An empty folder to work in, taken away afterwards."""

    def claim(self) -> contextlib.AbstractContextManager[None]:
        """Keep others out meanwhile, and sweep up what dead ones left.

        Raises:
            UserError: another run is at work here.
        """


def open_store(output: str) -> Store:
    """The store at a path or an address. `file://` is a folder as any other."""
    path = output.removeprefix("file://")
    return ObjectStore(path) if is_address(path) else FolderStore(Path(path).absolute())


class FolderStore:
    """A folder of this machine, or one that all machines share."""

    def __init__(self, root: Path) -> None:
        if root.exists() and not root.is_dir():
            raise UserError(f"{root}: is a file, expected a folder for the output")
        self.root = root

    def read(self, name: str) -> str | None:
        """See `Store`."""
        try:
            return (self.root / name).read_text(encoding="utf-8")
        except FileNotFoundError:
            return None

    def write(self, name: str, text: str) -> None:
        """See `Store`."""
        with self.scratch() as folder:
            (folder / "text").write_text(text, encoding="utf-8")
            self.put(name, folder / "text")

    def put(self, name: str, file: Path) -> None:
        """See `Store`."""
        (self.root / name).parent.mkdir(parents=True, exist_ok=True)
        file.replace(self.root / name)

    def remove(self, name: str) -> None:
        """See `Store`."""
        (self.root / name).unlink(missing_ok=True)

    def names(self, folder: str) -> list[str]:
        """See `Store`."""
        found = (
            Path(place, name).relative_to(self.root).as_posix()
            for place, _, names in os.walk(self.root / folder)
            for name in names
        )
        return sorted(found)

    def publish(
        self,
        files: Path,
        name: str,
        *,
        replace: bool,
    ) -> bool:
        """See `Store`."""
        goal = self.root / name
        goal.parent.mkdir(parents=True, exist_ok=True)
        for file in files.iterdir():
            _flush(file)
        if replace:
            with contextlib.suppress(FileNotFoundError):
                goal.rename(self._new_partial())
        try:
            files.rename(goal)
        except OSError:
            if not (goal / RECORD).exists():
                raise
            return False
        return True

    @contextlib.contextmanager
    def scratch(self) -> Iterator[Path]:
        """See `Store`."""
        folder = self._new_partial()
        folder.mkdir(parents=True)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    @contextlib.contextmanager
    def claim(self) -> Iterator[None]:
        """See `Store`."""
        self.root.mkdir(parents=True, exist_ok=True)
        with (self.root / ".lock").open("w") as lock:
            self._take(lock)
            self._sweep()
            try:
                yield
            finally:
                self._sweep()  # workers that were killed leave folders too

    def _take(self, lock: IO[str]) -> None:
        with contextlib.suppress(ImportError):  # there are systems without such locks
            import fcntl

            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise UserError(f"{self.root}: another run is at work there") from error

    def _sweep(self) -> None:
        shutil.rmtree(self.root / PARTIAL, ignore_errors=True)

    def _new_partial(self) -> Path:
        return self.root / PARTIAL / uuid.uuid4().hex


class ObjectStore:
    """Anything that fsspec can write to."""

    def __init__(self, address: str) -> None:
        from fsspec.core import url_to_fs

        try:
            self._system, self._root = url_to_fs(address.rstrip("/"))
        except (ImportError, ValueError) as error:
            raise UserError(f"{address}: {error}") from error

    def read(self, name: str) -> str | None:
        """See `Store`."""
        try:
            return str(self._system.cat_file(self._path(name)).decode("utf-8"))
        except FileNotFoundError:
            return None

    def write(self, name: str, text: str) -> None:
        """See `Store`."""
        self._system.pipe_file(self._path(name), text.encode("utf-8"))

    def put(self, name: str, file: Path) -> None:
        """See `Store`."""
        self._system.put_file(str(file), self._path(name))

    def remove(self, name: str) -> None:
        """See `Store`."""
        with contextlib.suppress(FileNotFoundError):
            self._system.rm_file(self._path(name))

    def names(self, folder: str) -> list[str]:
        """See `Store`."""
        self._system.invalidate_cache()
        if not self._system.exists(self._path(folder)):
            return []
        skip = len(self._path("x")) - 1
        return sorted(path[skip:] for path in self._system.find(self._path(folder)))

    def publish(
        self,
        files: Path,
        name: str,
        *,
        replace: bool,
    ) -> bool:
        """See `Store`."""
        if not replace and self.read(f"{name}/{RECORD}") is not None:
            return False
        for file in sorted(files.iterdir(), key=lambda file: file.name == RECORD):
            self.put(f"{name}/{file.name}", file)
        return True

    @contextlib.contextmanager
    def scratch(self) -> Iterator[Path]:
        """See `Store`."""
        with tempfile.TemporaryDirectory(prefix="rtmss-", ignore_cleanup_errors=True) as folder:
            yield Path(folder)

    def claim(self) -> contextlib.AbstractContextManager[None]:
        """Object storage has no locks: two runs would do the same work twice, and harm nothing."""
        return contextlib.nullcontext()

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}"


def is_full(folder: Path) -> bool:
    """Whether there is hardly any room left on a disk."""
    try:
        return shutil.disk_usage(folder).free < _ROOM_BYTES
    except OSError:
        return False


def _flush(file: Path) -> None:
    """Wait until a file is on the disk, so that a power cut leaves no name without content."""
    with file.open("rb") as opened:
        os.fsync(opened.fileno())
