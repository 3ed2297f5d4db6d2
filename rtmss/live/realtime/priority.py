"""Real-time priority for the engine's own thread, where the system gives it.

On Linux that is SCHED_FIFO. Elsewhere PortAudio's thread has it already (a time-constraint thread
of Core Audio, MMCSS on Windows), and the engine's thread runs as any other: nothing is asked for
there.
"""

from __future__ import annotations

import os
import sys

PRIORITY = 1
"""The lowest: any device's thread goes first."""
HINT = (
    "the engine runs without real-time priority, which this system does not permit, so that hops "
    "may be late when the "
    "machine is busy; to permit it put '@audio - rtprio 20' into "
    "/etc/security/limits.d/audio.conf, join the group "
    "audio, and log in again: `ulimit -r` then says 20 (a container needs --ulimit rtprio=20)"
)


def raise_priority() -> bool:
    """Give this thread real-time priority; false where that is not permitted, or not done on this
    system.
    """
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(PRIORITY))
    except (OSError, AttributeError):
        return False
    return True


def is_permitted() -> bool:
    """Whether `raise_priority` would succeed; leaves the thread as it was."""
    if not hasattr(os, "sched_getscheduler"):
        return False
    before = os.sched_getscheduler(0), os.sched_getparam(0)
    if not raise_priority():
        return False
    os.sched_setscheduler(0, *before)
    return True


def hint(*, is_realtime: bool) -> str:
    """What the user can do about it; nothing where all is well, or where nothing can be done."""
    return HINT if not is_realtime and sys.platform == "linux" else ""


def describe() -> str:
    """For the table of what rtmss runs on."""
    if sys.platform != "linux":
        return "of the sound device's thread; the engine's has none on this system"
    return "permitted" if is_permitted() else f"not permitted: {HINT}"
