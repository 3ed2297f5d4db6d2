"""What the live engine's thread has, for a measurement in a process that goes on afterwards."""

from __future__ import annotations

import contextlib
import gc
import os
import sys
from collections.abc import Iterator

from rtmss.live.realtime.process import configure_thread


@contextlib.contextmanager
def realtime_thread() -> Iterator[bool]:
    """`settle` as the engine does, and at the end give all of it back; true if real-time priority
    was granted.
    """
    is_collecting, interval = gc.isenabled(), sys.getswitchinterval()
    policy = (
        (os.sched_getscheduler(0), os.sched_getparam(0))
        if hasattr(os, "sched_getscheduler")
        else None
    )
    is_realtime = configure_thread()
    try:
        yield is_realtime
    finally:
        if policy and is_realtime:
            os.sched_setscheduler(0, *policy)
        sys.setswitchinterval(interval)
        if is_collecting:
            gc.enable()
