"""How signals end a command: by an exception, so that what it was writing is put away first."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from types import FrameType

CLEAN_SECONDS = 5.0
"""So long after a signal others are passed over, so that the second Ctrl-C does not leave half."""
ENDING = ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGBREAK")


class _Ender:
    """What handles them all."""

    def __init__(self) -> None:
        self._pid = os.getpid()
        self._ended = -CLEAN_SECONDS

    def __call__(self, number: int, _: FrameType | None) -> None:
        if os.getpid() != self._pid:  # a worker that was forked ends as it would have
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
            return
        now = time.monotonic()
        if now - self._ended < CLEAN_SECONDS:
            return
        self._ended = now
        if number == signal.SIGINT:
            raise KeyboardInterrupt
        raise SystemExit(128 + number)


@contextlib.contextmanager
def orderly_end() -> Iterator[None]:
    """Handle what the user has not chosen to ignore (as nohup does), and only where Python may."""
    ender = _Ender()
    before = {}
    for name in ENDING:
        number = getattr(signal, name, None)
        usual = (signal.SIG_DFL, signal.default_int_handler)
        if number is not None and signal.getsignal(number) in usual:
            with contextlib.suppress(ValueError):  # not the main thread
                before[number] = signal.signal(number, ender)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
