"""Where a decoded song is kept: large, so on a disk, and gone when its owner is.

Where a file without a name can be opened by other processes it has none, so that nothing is left
however the host ends. Elsewhere it is in a folder with a lease, which the next start looks for.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from pathlib import Path
from typing import BinaryIO, Protocol, cast

from rtmss.live.shared.memory import has_unnamed, unnamed_path
from rtmss.ownership import Lease, sweep

PREFIX = "rtmss-live-song-"


class Scratch(Protocol):
    """Files for one song after the other, of which the last two are kept."""

    folder: Path
    """Where they take room."""

    def make(self) -> Path:
        """A path to write to, at which other processes read.

        Raises:
            OSError: nothing can be made there.
        """

    def drop(self, path: Path) -> None:
        """Nobody opens this one any more; who has mapped it keeps it."""

    def close(self) -> None:
        """Remove everything."""


class UnnamedScratch:
    """Files without a name, found through this process."""

    def __init__(self, folder: Path) -> None:
        """See that files can be made there.

        Raises:
            OSError: they cannot.
        """
        with tempfile.TemporaryFile(dir=folder):
            self.folder = folder
        self._files: dict[Path, BinaryIO] = {}

    def make(self) -> Path:
        """A path to write to."""
        file = cast("BinaryIO", tempfile.TemporaryFile(dir=self.folder))  # noqa: SIM115
        path = unnamed_path(file.fileno())
        self._files[path] = file
        return path

    def drop(self, path: Path) -> None:
        """Close it."""
        self._files.pop(path).close()

    def close(self) -> None:
        """Close all."""
        for path in [*self._files]:
            self.drop(path)


class NamedScratch:
    """Files in a folder of their own."""

    def __init__(self, folder: Path) -> None:
        self._lease = Lease.take(folder, PREFIX)
        self.folder = self._lease.path
        self.folder.mkdir()
        self._n_made = 0

    def make(self) -> Path:
        """A path to write to."""
        self._n_made += 1
        return self.folder / f"{self._n_made}.f32"

    def drop(self, path: Path) -> None:
        """Remove it; a system that forbids it while it is mapped lets `close` do so."""
        with contextlib.suppress(OSError):
            path.unlink()

    def close(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self._lease.end()


def make_scratch() -> Scratch:
    """Room for a decoded song.

    Raises:
        OSError: there is none.
    """
    folder = roomy_folder()
    return UnnamedScratch(folder) if has_unnamed() else NamedScratch(folder)


def sweep_songs() -> None:
    """Remove what was left by hosts that have ended."""
    sweep(roomy_folder(), PREFIX, lambda path: shutil.rmtree(path, ignore_errors=True))


def roomy_folder() -> Path:
    """A folder for large files: the usual one for temporary files may be in memory."""
    on_disk = "/var/tmp"
    is_usable = "TMPDIR" not in os.environ and os.access(on_disk, os.W_OK)
    return Path(on_disk if is_usable else tempfile.gettempdir())
