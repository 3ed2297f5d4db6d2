"""Work that one of several test processes does while the others wait for it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

PATIENCE_SECONDS = 600.0


@contextlib.contextmanager
def one_at_a_time(lock: Path) -> Iterator[None]:
    """Wait until no other process is in here with the same lock file.

    Raises:
        TimeoutError: another one stays too long, or has died in here.
    """
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            lock.touch(exist_ok=False)
            break
        except FileExistsError:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{lock} has been there for too long") from None
            time.sleep(0.1)
    try:
        yield
    finally:
        lock.unlink()
