"""What the tests of the live host stand on: a JACK server without hardware, and a host to talk to.

Tests that need them are marked `jack`.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import psutil
import pytest
from pythonosc.osc_message_builder import OscMessageBuilder
from pythonosc.osc_packet import OscPacket

from helpers.models import LIGHT, make_condition, make_model
from rtmss.audio import Audio
from rtmss.bench.harness import free_port, host_processes, start_jack_server
from rtmss.cli.base import choose_backend
from rtmss.conditions.condition import save_condition
from rtmss.conditions.library import shipped as shipped_folder
from rtmss.live.realtime.priority import is_permitted
from rtmss.model.checkpoint import save_model
from rtmss.separator import Separator

T = TypeVar("T")

START_SECONDS = 60.0
"""A host that does not play by then is taken to hang."""
TRIES = 100
"""Runs in which a busy machine may lose something."""
LOSSES = ("/rtmss/status/xruns", "/rtmss/status/late")
"""Counters that stand still while no block is lost and no hop is late."""


@dataclass
class Host:
    """A running `rtmss live`, and a socket to ask it."""

    process: subprocess.Popen[bytes]
    socket: socket.socket
    port: int
    log: Path
    """The file that takes its standard error."""
    library: Path = Path()
    """Its user's folder."""

    def errors(self) -> str:
        """What it has written to its standard error so far."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    def send(
        self,
        address: str,
        *args: int | float | str,
    ) -> None:
        builder = OscMessageBuilder(address)
        for arg in args:
            builder.add_arg(arg)
        self.socket.sendto(
            builder.build().dgram,
            ("127.0.0.1", self.port),
        )

    def receive(self) -> list[tuple[Any, ...]]:
        """What has come in, or comes within half a second: addresses with their arguments."""
        try:
            packet = OscPacket(self.socket.recv(65536))
        except (TimeoutError, ConnectionError):
            return []
        return [(one.message.address, *one.message.params) for one in packet.messages]

    def ask(
        self, address: str, *args: int | float | str, answer: str = "", seconds: float = 20.0
    ) -> list[Any]:
        """Ask until there is an answer.

        Raises:
            AssertionError: there is none in time, or the host has ended; says what the host wrote.
        """
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.check(address)
            self.send(address, *args)
            try:
                while True:
                    for timed in OscPacket(self.socket.recv(65536)).messages:
                        if timed.message.address == (answer or address):
                            return list(timed.message.params)
            except (TimeoutError, ConnectionError):
                time.sleep(0.05)
        raise AssertionError(
            f"no answer to {address} in {seconds:g} s; {_processes(self.process.pid)}; "
            f"its standard error:\n{self.errors()}"
        )

    def check(self, what: str) -> None:
        """See that it runs.

        Raises:
            AssertionError: it has ended; says how.
        """
        status = self.process.poll()
        if status is not None:
            raise AssertionError(
                f"the host has ended with exit status {status} before it answered {what}; "
                f"its standard error:\n{self.errors()}"
            )

    def sync(self) -> None:
        """Wait until all that was sent has taken effect."""
        self.ask("/rtmss/sync", 1, answer="/rtmss/synced")

    def wait_until(
        self,
        done: Callable[[], bool],
        what: str,
        seconds: float = 30.0,
    ) -> None:
        """Look until something is so.

        Raises:
            AssertionError: it is not in time, or the host has ended.
        """
        deadline = time.monotonic() + seconds
        while not done():
            self.check(what)
            assert time.monotonic() < deadline, f"not in {seconds:g} s: {what}\n{self.errors()}"
            time.sleep(0.05)

    def kill_engine(self) -> None:
        """End the process that plays, at once."""
        os.kill(host_processes(self.process.pid)["engine"], signal.SIGKILL)

    def end(self) -> int:
        """Ask it to stop; returns its exit status."""
        self.process.terminate()
        return self.process.wait(20)


def undisturbed(
    host: Host,
    listen: Callable[[], T],
    is_whole: Callable[[T], bool] = lambda _: True,
    prepare: Callable[[], object] = lambda: None,
) -> T:
    """What comes of a run in which no block was lost and no hop was late.

    A busy machine loses blocks, and only a run without loss says anything about the sound. A
    machine on which every run has some fails the test.

    Args:
        host: plays.
        listen: makes one run.
        is_whole: false where the listener itself has missed something.
        prepare: done before each run; what is lost meanwhile does not count.
    """
    for _ in range(TRIES):
        prepare()
        before = [host.ask(address) for address in LOSSES]
        result = listen()
        if is_whole(result) and before == [host.ask(address) for address in LOSSES]:
            return result
    pytest.fail(f"a block was lost or a hop was late in each of {TRIES} runs: too busy a machine")


def is_back_with_its_scene(live: Host, fate: signal.Signals) -> float:
    """Send a signal to the engine of a host; seconds until another one plays what it played."""
    live.send("/rtmss/stem/vocals/gain", -7.0)
    live.sync()
    hops = live.ask("/rtmss/sync", 1, answer="/rtmss/synced")[1]
    engine = host_processes(live.process.pid)["engine"]
    started = time.monotonic()
    os.kill(engine, fate)
    while live.ask("/rtmss/sync", 1, answer="/rtmss/synced")[1] >= hops:
        time.sleep(0.05)
    seconds = time.monotonic() - started
    assert host_processes(live.process.pid)["engine"] != engine
    assert live.ask("/rtmss/stem/vocals/gain") == [-7.0]
    assert live.ask("/rtmss/preset") == ["four-stems"]
    return seconds


def jack_client(name: str) -> Any:
    """A client of the JACK server that `jack_server` has started."""
    import jack

    return jack.Client(name)


class Ear:
    """A JACK client that records the host's first output."""

    def __init__(self) -> None:
        self.client = jack_client("ear")
        self.blocks: list[Audio] = []
        sink = self.client.inports.register("in")
        self.client.set_process_callback(lambda _: self.blocks.append(sink.get_array().copy()))
        self.client.activate()
        self.client.connect(self.client.get_ports("rtmss:out.*")[0], sink)

    def listen(self, seconds: float) -> Audio:
        first = len(self.blocks)
        time.sleep(seconds)
        return np.concatenate(self.blocks[first:])


@contextlib.contextmanager
def jack_server(
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """start(period, rate=44100) starts a JACK server of this test's own; the latest counts.

    It has real-time priority where the system permits it, so that other processes cost no block.
    """
    name = f"rtmss-test-{os.getpid()}"
    monkeypatch.setenv("JACK_DEFAULT_SERVER", name)
    monkeypatch.setenv("JACK_NO_START_SERVER", "1")
    started: list[subprocess.Popen[bytes]] = []

    def start(
        period: int,
        rate: int = 44100,
    ) -> subprocess.Popen[bytes]:
        started.append(
            start_jack_server(
                name,
                period,
                is_realtime=is_permitted(),
                rate=rate,
            )
        )
        return started[-1]

    try:
        yield start
    finally:
        for process in started:
            process.terminate()
            process.wait(10)


@contextlib.contextmanager
def live_host(
    *,
    shipped: bool = False,
    captures: bool = False,
) -> Iterator[Callable[..., Host]]:
    """start(*options) starts `rtmss live` and waits until it plays.

    Args:
        shipped: with the weights that come with rtmss. Otherwise the network is a light one, and
            every shipped condition a random one, so that a slow machine keeps up.
        captures: with a process that makes conditions of clips, which costs a busy machine time.
    """
    started: list[Host] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        weights, environment = (None, dict(os.environ)) if shipped else _make_light(folder)
        environment.setdefault("RTMSS_LIBRARY", str(folder / "library"))

        def start(*options: str) -> Host:
            _choose_backend(weights, options)
            port = free_port()
            command = [
                sys.executable,
                "-m",
                "rtmss",
                "live",
                "--quiet",
                "--osc-port",
                str(port),
            ]
            if weights is not None and "--weights" not in options:
                command += ["--weights", str(weights)]
            if not captures:
                command.append("--no-capture")
            channel = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            channel.settimeout(0.5)
            with (folder / f"{len(started)}.txt").open("wb") as log:
                process = subprocess.Popen(
                    [*command, *options],
                    stderr=log,
                    env=environment,
                )
            library = Path(environment["RTMSS_LIBRARY"])
            started.append(Host(process, channel, port, Path(log.name), library))
            assert started[-1].ask("/rtmss/status/state", seconds=START_SECONDS) == ["running"]
            return started[-1]

        try:
            yield start
        finally:
            for running in started:
                running.end()
                running.socket.close()


def _choose_backend(
    weights: Path | None,
    options: tuple[str, ...],
) -> None:
    """Make the network for ONNX Runtime if it is not there yet, before a test waits for a host."""
    profile = options[options.index("--profile") + 1] if "--profile" in options else None
    if "--backend" not in options:
        choose_backend(Separator.load(weights, profile), "auto")


def _make_light(folder: Path) -> tuple[Path, dict[str, str]]:
    """Weights of a light network, and an environment whose library has conditions for it."""
    weights = folder / "light.safetensors"
    model_id = save_model(weights, make_model(LIGHT))
    conditions = folder / "library" / "conditions"
    conditions.mkdir(parents=True)
    for seed, path in enumerate(sorted((shipped_folder() / "conditions").glob("*.safetensors"))):
        condition = make_condition(path.stem, seed, model_id=model_id)
        save_condition(conditions / path.name, condition)
    return weights, {**os.environ, "RTMSS_LIBRARY": str(folder / "library")}


def _processes(pid: int) -> str:
    """Status and processor time of a process and those below it."""
    process = psutil.Process(pid)
    lines = []
    for one in [process, *process.children(recursive=True)]:
        with contextlib.suppress(psutil.NoSuchProcess):
            times = one.cpu_times()
            words = " ".join(one.cmdline())[:80]
            lines.append(f"{one.pid} {one.status()} {times.user + times.system:.1f} s {words}")
    return "its processes:\n" + "\n".join(lines)
