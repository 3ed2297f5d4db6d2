"""How the supervisor starts, looks at and ends the processes of the live host, on every system.

A new engine is forked off a process that has imported torch, which is there in a fraction of the
time. Where a fork would not do (Core Audio forbids it, Windows has none) it is a fresh interpreter.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from typing import Protocol, Self

from rtmss.live.options import (
    BuilderOptions,
    ControlOptions,
    EngineOptions,
    ProcessOptions,
    RecorderOptions,
)

FORK_SECONDS = 3.0
"""A server that has forked before is done by then, or it stands still."""
KILL_SECONDS = 2.0
"""What was killed has ended by then, unless the system is waiting for a device."""
MESSAGE_BYTES = 1 << 16
START_VARIABLE = "RTMSS_ENGINE_START"
"""Sets how engines are started: `fork` or `spawn`."""


_MODULE = [sys.executable, "-m"]


class Process(Protocol):
    """What the supervisor needs of a process."""

    def exit_code(self) -> int | None:
        """None while it runs."""

    def kill(self) -> None:
        """End it at once."""


class Command:
    """A process with a command line, which keeps the terminal."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    def exit_code(self) -> int | None:
        """None while it runs."""
        return self._process.poll()

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(KILL_SECONDS)


class ForkServer:
    """A process that forks engines, one at a time; `rtmss.live.realtime.forkserver` is its side."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._channel: socket.socket | None = None
        self.is_warm = False
        """Whether it has forked before, so that the next engine is there soon."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def warm_up(self) -> None:
        """Start it while other things are made ready, so that it need not be waited for."""
        if can_fork():
            self._start()

    def start(self, options: EngineOptions) -> Process:
        """Ask for an engine.

        Raises:
            OSError: the server cannot be started, or has just ended.
        """
        if self.exit_code() is not None:
            self._start()
        assert self._channel is not None
        self._channel.send(options.to_text().encode())
        return ForkedEngine(self)

    def exit_code(self) -> int | None:
        """None while it runs."""
        return -signal.SIGKILL if self._process is None else self._process.poll()

    def told(self) -> dict[str, int] | None:
        """What it has said next, of the `pid` that it forked, and the `code` of one that ended."""
        try:
            message = self._channel.recv(MESSAGE_BYTES) if self._channel else b""
        except OSError:  # nothing yet, or it has ended
            return None
        told: dict[str, int] | None = json.loads(message) if message else None
        return told

    def close(self) -> None:
        """End it, and with it an engine that is left."""
        if self._channel is not None:
            self._channel.close()
        if self._process is not None:
            Command(self._process).kill()
        self._process, self._channel = None, None

    def _start(self) -> None:
        self.close()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        with theirs:
            handle = theirs.fileno()
            command = [
                *_MODULE,
                "rtmss.live.realtime.forkserver",
                str(handle),
                str(os.getpid()),
            ]
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                pass_fds=[handle],
            )
        self._channel, self.is_warm = ours, False


class ForkedEngine:
    """An engine, as its server tells of it; it ends with the server."""

    def __init__(self, server: ForkServer) -> None:
        self._server = server
        self._deadline = time.monotonic() + FORK_SECONDS
        self._pid: int | None = None
        self._code: int | None = None

    def exit_code(self) -> int | None:
        """None while it runs."""
        while self._code is None and (told := self._server.told()) is not None:
            if "code" not in told:
                self._pid, self._server.is_warm = told["pid"], True
            elif told["pid"] == self._pid:  # not the one before it
                self._code = told["code"]
        if self._code is None:
            self._code = self._server.exit_code()
        return self._code if self._code is not None else self._end_standing_server()

    def kill(self) -> None:
        """End it at once."""
        if self._pid is not None and self.exit_code() is None:
            with suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGKILL)
            deadline = time.monotonic() + KILL_SECONDS
            while self.exit_code() is None and time.monotonic() < deadline:
                time.sleep(0.01)
        if self.exit_code() is None:
            self._server.close()

    def _end_standing_server(self) -> int | None:
        """One that was stopped by somebody forks nothing."""
        is_due = self._pid is None and self._server.is_warm
        if is_due and time.monotonic() > self._deadline:
            self._server.close()
        return self._server.exit_code()


def can_fork() -> bool:
    """Whether engines are forked here: where they end with their server, or if START_VARIABLE says
    so.
    """
    wanted = os.environ.get(START_VARIABLE)
    return wanted == "fork" if wanted else sys.platform == "linux"


def start_engine(options: EngineOptions, server: ForkServer) -> Process:
    """Start an engine, by the server where that can be."""
    if can_fork():
        return server.start(options)
    return _start_module("rtmss.live.realtime.launch", options, stdin=subprocess.DEVNULL)


def start_control(options: ControlOptions) -> Process:
    """Start a control side."""
    return _start_module("rtmss.live.control.process", options)


def start_recorder(options: RecorderOptions) -> Process:
    """Start a recorder."""
    return _start_module("rtmss.live.recorder", options, stdin=subprocess.DEVNULL)


def start_builder(options: BuilderOptions) -> Process:
    """Start a condition builder."""
    return _start_module("rtmss.live.capture.process", options, stdin=subprocess.DEVNULL)


def end_all(processes: list[Process], seconds: float = 2.0) -> None:
    """Wait a moment for them to end by themselves, then end them."""
    deadline = time.monotonic() + seconds
    for process in processes:
        while process.exit_code() is None and time.monotonic() < deadline:
            time.sleep(0.02)
        if process.exit_code() is None:
            process.kill()


def _start_module(
    module: str,
    options: ProcessOptions,
    stdin: int | None = None,
) -> Process:
    return Command(
        subprocess.Popen(
            [*_MODULE, module, options.to_text()],
            stdin=stdin,
        )
    )
