"""Processor threads: as many as there is room for, and none that waits by spinning.

A pool of threads meets at the end of every operator. By default those that are early spin, which
saves microseconds on an idle machine; where other processes run, they spin instead of the thread
that everybody waits for, and a second of work takes minutes. Imports torch late.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

N_LOOKS = 5
LOOK_SECONDS = 0.01
"""Looks at what else runs, and the time between two."""
_LOAD = Path("/proc/loadavg")
_SLEEPERS = {"OMP_WAIT_POLICY": "PASSIVE", "KMP_BLOCKTIME": "0"}
"""For GNU's OpenMP and for that of LLVM and Intel."""


def let_waiting_threads_sleep() -> None:
    """Tell the OpenMP that torch comes with; it listens only if torch is imported after this.

    Whoever has set the variables keeps what they say. Processes started later have them too.
    """
    for name, value in _SLEEPERS.items():
        os.environ.setdefault(name, value)


@contextmanager
def torch_threads(n_threads: int) -> Iterator[None]:
    """Let torch have so many threads meanwhile."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(n_threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def free_cores() -> int:
    """Cores that this process may use and that nothing else uses now; at least 1."""
    may_use = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    n_free = (os.cpu_count() or 1) - _others_running()
    return max(1, min(may_use or 1, n_free))


def _others_running() -> int:
    """Threads of all processes that run or want to, but this one; 0 where the system does not say.

    The least of a few looks: what starts and ends in a moment takes no core away.
    """
    looks: list[int] = []
    for _ in range(N_LOOKS):
        try:
            runnable = _LOAD.read_text(encoding="ascii").split()[3]
        except (OSError, IndexError):
            return 0
        looks.append(int(runnable.partition("/")[0]))
        time.sleep(LOOK_SECONDS)
    return max(0, min(looks) - 1)
