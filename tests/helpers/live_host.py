"""What the tests of the live host stand on: a JACK server without hardware, and a host to talk to.

Tests that need them are marked `jack`.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from pythonosc.osc_message_builder import OscMessageBuilder
from pythonosc.osc_packet import OscPacket

from rtmss.bench.rig import free_port, start_jack_server
from rtmss.cli.base import choose_backend
from rtmss.separator import Separator


def jack_client(name: str) -> Any:
    """A client of the JACK server that `jack_server` has started."""
    import jack

    return jack.Client(name)


@dataclass
class Host:
    """A running `rtmss live`, and a socket to ask it."""

    process: subprocess.Popen[bytes]
    socket: socket.socket
    port: int

    def send(self, address: str, *args: int | float | str) -> None:
        builder = OscMessageBuilder(address)
        for arg in args:
            builder.add_arg(arg)
        self.socket.sendto(builder.build().dgram, ("127.0.0.1", self.port))

    def ask(
        self, address: str, *args: int | float | str, answer: str = "", seconds: float = 20.0
    ) -> list[Any]:
        """Ask until there is an answer."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.send(address, *args)
            try:
                while True:
                    for timed in OscPacket(self.socket.recv(65536)).messages:
                        if timed.message.address == (answer or address):
                            return list(timed.message.params)
            except (TimeoutError, ConnectionError):
                time.sleep(0.05)
        raise AssertionError(f"no answer to {address}")

    def sync(self) -> None:
        """Wait until all that was said is heard."""
        self.ask("/rtmss/sync", 1, answer="/rtmss/synced")


@contextlib.contextmanager
def jack_server(
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Callable[[int], subprocess.Popen[bytes]]]:
    """start(period) starts a JACK server of this test's own; the latest counts."""
    name = f"rtmss-test-{os.getpid()}"
    monkeypatch.setenv("JACK_DEFAULT_SERVER", name)
    monkeypatch.setenv("JACK_NO_START_SERVER", "1")
    started: list[subprocess.Popen[bytes]] = []

    def start(period: int) -> subprocess.Popen[bytes]:
        started.append(start_jack_server(name, period))
        return started[-1]

    try:
        yield start
    finally:
        for process in started:
            process.terminate()
            process.wait(10)


@contextlib.contextmanager
def live_host() -> Iterator[Callable[..., Host]]:
    """start(*options) starts `rtmss live` and waits until it plays."""
    choose_backend(
        Separator.load(), "auto"
    )  # if the network has still to be made, not while somebody waits
    started: list[Host] = []

    def start(*options: str) -> Host:
        port = free_port()
        command = [
            sys.executable,
            "-m",
            "rtmss",
            "live",
            "--quiet",
            "--osc-port",
            str(port),
            *options,
        ]
        channel = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        channel.settimeout(0.5)
        started.append(Host(subprocess.Popen(command), channel, port))
        assert started[-1].ask("/rtmss/status/state", seconds=60) == ["running"]
        return started[-1]

    try:
        yield start
    finally:
        for running in started:
            running.process.terminate()
            running.process.wait(10)
            running.socket.close()
