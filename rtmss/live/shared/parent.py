"""What a process does about the one that started it: ends with it, and leaves it the signals that
are for all of them. The one door to Linux's `prctl`.
"""

from __future__ import annotations

import ctypes
import signal
import sys

GROUP_SIGNALS = ("SIGINT", "SIGHUP", "SIGQUIT", "SIGBREAK")
"""What a terminal sends to every process at once, as far as the system knows them."""
_PR_SET_PDEATHSIG = 1
_PR_SET_NAME = 15


def end_with_parent(signal_number: int) -> bool:
    """Let the system send this process a signal when the thread that started it ends.

    False where it cannot. A parent that has ended before is not noticed: look at its number
    afterwards.
    """
    if sys.platform != "linux":
        return False
    return int(ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal_number)) == 0


def name_process(name: str) -> None:
    """What lists of processes call this one, by at most 15 letters; where the system can."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_NAME, name.encode()[:15])


def group_signals() -> list[signal.Signals]:
    """GROUP_SIGNALS of this system."""
    return [getattr(signal, name) for name in GROUP_SIGNALS if hasattr(signal, name)]


def ignore_group_signals() -> None:
    """They are meant for the supervisor, which says when to end."""
    for number in group_signals():
        signal.signal(number, signal.SIG_IGN)
