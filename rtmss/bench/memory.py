"""Memory of the live host's processes over an hour of audio that a freewheeling JACK server brings
faster.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from rtmss.bench.harness import LiveHarness, host_processes
from rtmss.config import UserError

SETTLE_SECONDS = 5.0
"""After the start, before anything is measured."""


@dataclass(frozen=True)
class MemoryRow:
    """Where the processes were."""

    minutes: float
    """Of audio."""
    n_hops: int
    n_late: int
    mib: dict[str, float]
    """Memory of each process that is not shared with others."""


def measure_memory(
    minutes: float, every: float, speed: float, options: list[str], say: Callable[[str], None]
) -> list[MemoryRow]:
    """Play the demo song again and again through the shipped `four-stems`.

    Args:
        minutes: of audio.
        every: minutes of audio between two looks.
        speed: times real time.
        options: more of them for `rtmss live`.
        say: told how it goes, now and then.

    Raises:
        UserError: the host or what it needs does not start, or one of its processes ends.
    """
    rows: list[MemoryRow] = []
    with LiveHarness(options, period=512) as harness:
        time.sleep(SETTLE_SECONDS)
        processes = host_processes(harness.host.pid)
        started = harness.feed(f"freewheel {speed}")["seconds"]
        while len(rows) * every <= minutes:
            harness.check()
            passed = (harness.feed()["seconds"] - started) / 60
            if passed >= len(rows) * every:
                if host_processes(harness.host.pid) != processes:
                    raise UserError("a process of the host has ended and been started again")
                rows.append(
                    MemoryRow(
                        passed, harness.latest["hop"], harness.latest["late"], _mib(processes)
                    )
                )
            say(f"{passed:.1f} of {minutes:g} minutes of audio")
            time.sleep(0.2)
        harness.feed("freewheel 0")
    return rows


def _mib(processes: dict[str, int]) -> dict[str, float]:
    import psutil

    return {
        name: psutil.Process(pid).memory_full_info().uss / 2**20 for name, pid in processes.items()
    }
