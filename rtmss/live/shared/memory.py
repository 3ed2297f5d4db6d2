"""A block of memory that several processes map.

A mapped file, in memory where the system has such a folder. Unlike `multiprocessing.shared_memory`
it outlives any process that is killed, and no process that ends takes it away from the others.
"""

from __future__ import annotations

import mmap
import os
import tempfile
from pathlib import Path
from typing import Any, Self

import numpy as np

from rtmss.config import UserError

IN_MEMORY = Path("/dev/shm")


class Block:
    """One structured value in shared memory, all zeros at first."""

    def __init__(self, path: Path, layout: np.dtype[Any]) -> None:
        """Map a file that is there; `create` makes one."""
        self.path = path
        with path.open("r+b") as file:
            memory = mmap.mmap(file.fileno(), layout.itemsize)
        self.fields: Any = np.ndarray((), layout, buffer=memory)

    @classmethod
    def create(cls, name: str, layout: np.dtype[Any], purpose: str) -> Self:
        """Make the memory; whoever makes it calls `close(unlink=True)` in the end.

        Args:
            name: part of the file's name.
            layout: a structured type.
            purpose: what needs it, for the message of the error.

        Raises:
            UserError: there is not enough of it.
        """
        folder = IN_MEMORY if IN_MEMORY.is_dir() else None
        handle, path = tempfile.mkstemp(prefix=f"rtmss-{name}-", dir=folder)
        n_bytes = layout.itemsize
        try:
            with os.fdopen(handle, "wb") as file:
                file.truncate(n_bytes)
                if hasattr(
                    os, "posix_fallocate"
                ):  # otherwise a lack of memory would crash whoever writes first
                    os.posix_fallocate(file.fileno(), 0, n_bytes)
        except OSError as error:
            Path(path).unlink()
            raise UserError(
                f"{purpose} needs {n_bytes >> 20} MiB of shared memory in {Path(path).parent}: "
                f"{error.strerror}"
            ) from error
        return cls(Path(path), layout)

    def close(self, *, unlink: bool = False) -> None:
        """Let go of the memory, for good with `unlink`."""
        del self.fields
        if unlink:
            self.path.unlink(missing_ok=True)
