"""`oscsend` and `oscdump`, in talk with a live host."""

from __future__ import annotations

import queue
import shlex
import socket
import subprocess
import threading
import time
from typing import NamedTuple

from helpers.live_host import Host
from rtmss.bench.harness import free_port

SECONDS = 10.0
"""How long an answer may take on a busy machine."""


class Heard(NamedTuple):
    """One line of oscdump."""

    address: str
    types: str
    values: tuple[str, ...]


class OscTools:
    """`oscsend` and `oscdump` in talk with a host.

    An answer goes to the port that has spoken, and oscsend listens at none. So the packets that it
    has made pass through a socket which stays, and what comes back to that is handed on to oscdump
    as it is.
    """

    def __init__(self, host: Host) -> None:
        self._host = ("127.0.0.1", host.port)
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._reader = ("127.0.0.1", free_port())
        self._dump = subprocess.Popen(
            [
                "oscdump",
                "-L",
                str(self._reader[1]),
            ],
            stdout=subprocess.PIPE,
            text=True,
        )
        self._heard: queue.Queue[Heard] = queue.Queue()
        self._threads = [
            threading.Thread(
                target=work,
                daemon=True,
            )
            for work in (self._relay, self._read)
        ]
        for thread in self._threads:
            thread.start()
        self.ask_until("/rtmss/status/state s running")  # and oscdump has shown it

    def _relay(self) -> None:
        while True:
            packet, sender = self._socket.recvfrom(65536)
            if not packet:
                return
            self._socket.sendto(
                packet,
                self._reader if sender == self._host else self._host,
            )

    def _read(self) -> None:
        assert self._dump.stdout is not None
        for line in self._dump.stdout:
            _, address, *rest = shlex.split(line)
            self._heard.put(
                Heard(
                    address,
                    rest[0] if rest else "",
                    tuple(rest[1:]),
                )
            )

    def say(self, line: str) -> None:
        """`/rtmss/stem/vocals/gain f -6`, as one types it behind `oscsend HOST PORT`."""
        port = str(self._socket.getsockname()[1])
        subprocess.run(
            [
                "oscsend",
                "127.0.0.1",
                port,
                *shlex.split(line),
            ],
            check=True,
            timeout=SECONDS,
        )

    def hear(self, line: str, seconds: float = SECONDS) -> Heard:
        """Read until this comes."""
        address, types, *values = shlex.split(line)
        others = []
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            try:
                heard = self._heard.get(timeout=left)
            except queue.Empty:
                break
            is_it = heard.address == address and types in {"*", heard.types}
            if is_it and _agree(values, heard.values):
                return heard
            if heard.address in {address, "/rtmss/fail"}:
                others.append(heard)
        raise AssertionError(f"expected '{line}', heard {others[-3:] or 'nothing'} at {address}")

    def ask_until(self, line: str) -> None:
        """Ask what stands at an address until this comes."""
        deadline = time.monotonic() + SECONDS
        while True:
            self.say(line.split(maxsplit=1)[0])
            try:
                self.hear(line, 0.5)
                return
            except AssertionError:
                if time.monotonic() > deadline:
                    raise

    def reset(self) -> None:
        """`four-stems` as it is in the file, and nothing more to come from before."""
        self.say("/rtmss/unsubscribe")
        self.say("/rtmss/preset s four-stems")
        self.hear("/rtmss/done ss /rtmss/preset four-stems")
        while not self._heard.empty():
            self._heard.get()

    def close(self) -> None:
        self._dump.terminate()
        self._socket.sendto(b"", self._socket.getsockname())
        for thread in self._threads:
            thread.join(10)
        self._dump.wait(10)
        assert self._dump.stdout is not None
        self._dump.stdout.close()
        self._socket.close()


def _agree(
    wanted: list[str],
    got: tuple[str, ...],
) -> bool:
    """Whether values are the same, numbers but for their digits."""
    if wanted == ["*"]:
        return bool(got)

    def same(want: str, have: str) -> bool:
        try:
            return abs(float(want) - float(have)) < 1e-4
        except ValueError:
            return want in {"*", have}

    return len(wanted) == len(got) and all(map(same, wanted, got))
