"""One engine for each user, which has nothing of the host that has started it. Imports no torch, so
that a plug-in soon sees that an engine is on its way.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

from rtmss.config import UserError
from rtmss.ownership import OpenFile, try_lock
from rtmss.serve.places import LOCK

N_TRIES = 20
TRY_SECONDS = 0.01
"""Plug-ins that look whether there is an engine hold the lock themselves for a moment."""


@contextlib.contextmanager
def only_one(folder: Path) -> Iterator[None]:
    """Be the one supervisor of a folder's instances; the plug-in sees the lock.

    Raises:
        UserError: there is one already.
    """
    path = folder / LOCK
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "r+", encoding="ascii") as file:
        if not _wait_for_lock(file):
            raise UserError(f"an engine serves already: process {file.read().strip() or 'unknown'}")
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield  # the file stays: whoever removed it might remove another's


def _wait_for_lock(file: OpenFile) -> bool:
    for _ in range(N_TRIES):
        if try_lock(file):
            return True
        time.sleep(TRY_SECONDS)
    return False


def detach(log: Path) -> None:
    """Go on as a process that has nothing of the caller's: no terminal, files or group.

    The caller's process ends at once.
    """
    if os.fork():
        os._exit(0)
    os.setsid()
    if os.fork():
        os._exit(0)
    log.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    null = os.open(os.devnull, os.O_RDWR)
    for number, source in ((0, null), (1, handle), (2, handle)):
        os.dup2(source, number)
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    os.chdir("/")
