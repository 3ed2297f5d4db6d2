"""A running `rtmss live` with all its processes, and what must be gone when it has ended."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

GONE_SECONDS = 6.0
"""A recorder has written all it has by then."""
IN_MEMORY = Path("/dev/shm")


def until(
    done: Callable[[], bool],
    what: str,
    seconds: float = GONE_SECONDS,
) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def events(take: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (take / "session.jsonl").read_text().splitlines()[1:]]


class Family:
    """A host in a group of its own, as a shell starts it, with all its processes."""

    def __init__(self, command: list[str], folder: Path) -> None:
        self.said, self.temporary = folder / "said.txt", folder / "tmp"
        self.temporary.mkdir()
        self.before = self._litter()
        how: dict[str, Any] = {
            "env": {
                **os.environ,
                "TMPDIR": str(self.temporary),
            }
        }
        with self.said.open("wb") as file:
            self.process = subprocess.Popen(
                command,
                stderr=file,
                process_group=0,
                **how,
            )
        self.known: dict[int, psutil.Process] = {}

    def _litter(self) -> set[Path]:
        """What the host, or what it is made of, may leave behind."""
        found = {*IN_MEMORY.glob("rtmss-*"), *self.temporary.iterdir()}
        return {path for path in found if not path.name.startswith("torchinductor")}

    def processes(self) -> list[psutil.Process]:
        """All there have been that are still there."""
        if self.process.poll() is None:
            found = psutil.Process(self.process.pid).children(recursive=True)
            self.known |= {child.pid: child for child in found}
        return [child for child in self.known.values() if runs(child)]

    def servers(self) -> list[psutil.Process]:
        """Those that fork engines."""
        children = [one for one in self.processes() if one.ppid() == self.process.pid]
        return [one for one in children if "rtmss.live.realtime.forkserver" in one.cmdline()]

    def signal(self, number: int) -> None:
        """To the whole group, as a terminal does."""
        os.killpg(self.process.pid, number)

    def assert_gone(self) -> None:
        until(lambda: self.process.poll() is not None, "the supervisor does not end", 12.0)
        until(lambda: not self.processes(), f"left: {self.processes()}")
        assert self._litter() <= self.before

    def end(self) -> None:
        self.process.kill()
        for process in self.processes():
            process.kill()
        self.process.wait(10)


def runs(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
