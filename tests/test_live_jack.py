"""The live host on a real PortAudio stream: a JACK server without hardware, and an independent client beside it."""

from __future__ import annotations

import ctypes.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from pythonosc.osc_message_builder import OscMessageBuilder
from pythonosc.osc_packet import OscPacket

from rtmss.files import Audio

try:
    import jack
except (ImportError, OSError) as error:
    pytest.skip(f"no JACK to test with ({error}); Debian: jackd2", allow_module_level=True)
if shutil.which("jackd") is None or ctypes.util.find_library("portaudio") is None:
    pytest.skip("no JACK server to test with; Debian: jackd2 libportaudio2", allow_module_level=True)

RATE = 44100


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

    def ask(self, address: str, *args: int | float | str, answer: str = "", seconds: float = 20.0) -> list[Any]:
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


@dataclass
class Listener:
    """A JACK client that plays noise into the host and records what comes back."""

    client: Any
    sent: list[Audio] = field(default_factory=list)
    heard: list[Audio] = field(default_factory=list)

    def connect(self) -> None:
        """Join the host's first input and output."""
        source, sink = self.client.outports.register("out"), self.client.inports.register("in")
        rng = np.random.default_rng(0)

        def process(n: int) -> None:
            noise = rng.uniform(-0.5, 0.5, n).astype(np.float32)
            source.get_array()[:] = noise
            self.sent.append(noise)
            self.heard.append(sink.get_array().copy())

        self.client.set_process_callback(process)
        self.client.activate()
        self.client.connect(source, self.client.get_ports("rtmss:in.*")[0])
        self.client.connect(self.client.get_ports("rtmss:out.*")[0], sink)

    def listen(self, seconds: float) -> tuple[Audio, Audio]:
        """What was sent and heard from now on."""
        first = len(self.sent)
        time.sleep(seconds)
        last = len(self.heard)
        return np.concatenate(self.sent[first:last]), np.concatenate(self.heard[first:last])


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int], subprocess.Popen[bytes]]]:
    """server(period) starts a JACK server of this test's own; the latest counts."""
    name = f"rtmss-test-{os.getpid()}"
    monkeypatch.setenv("JACK_DEFAULT_SERVER", name)
    monkeypatch.setenv("JACK_NO_START_SERVER", "1")
    started: list[subprocess.Popen[bytes]] = []

    def start(period: int) -> subprocess.Popen[bytes]:
        command = ["jackd", "--no-realtime", "-n", name, "-d", "dummy", "-r", str(RATE), "-p", str(period)]
        quiet = subprocess.DEVNULL
        started.append(subprocess.Popen([*command, "-C", "2", "-P", "4"], stdout=quiet, stderr=quiet))
        for _ in range(100):
            if subprocess.run(["jack_lsp"], stdout=quiet, stderr=quiet, check=False).returncode == 0:
                return started[-1]
            time.sleep(0.05)
        raise AssertionError("the JACK server does not start")

    yield start
    for process in started:
        process.terminate()
        process.wait(10)


@pytest.fixture
def host() -> Iterator[Callable[..., Host]]:
    """host(*options) starts `rtmss live` and waits until it plays."""
    started: list[Host] = []

    def start(*options: str) -> Host:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        command = [sys.executable, "-m", "rtmss", "live", "--quiet", "--osc-port", str(port), *options]
        channel = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        channel.settimeout(0.5)
        started.append(Host(subprocess.Popen(command), channel, port))
        assert started[-1].ask("/rtmss/status/state", seconds=60) == ["running"]
        return started[-1]

    yield start
    for running in started:
        running.process.terminate()
        running.process.wait(10)
        running.socket.close()


@pytest.fixture
def listener(server: Callable[[int], subprocess.Popen[bytes]]) -> Iterator[Callable[[], Listener]]:
    """listener() joins the JACK server that runs."""
    made: list[Listener] = []

    def make() -> Listener:
        made.append(Listener(jack.Client("tester")))
        return made[-1]

    yield make
    for one in made:
        one.client.close()


def _undisturbed(host: Host, listener: Listener) -> tuple[Audio, Audio]:
    """One second in which the server lost no block and the engine was never late, on however busy a machine."""
    trouble = ("/rtmss/status/xruns", "/rtmss/status/late")
    for _ in range(30):
        before = [host.ask(address) for address in trouble]
        sent, heard = listener.listen(1.0)
        if before == [host.ask(address) for address in trouble]:
            return sent, heard
    pytest.skip("this machine is too busy to run one second of audio without losing a block")


def _lag(sent: Audio, heard: Audio) -> int:
    """Samples by which `heard` is behind, by its best match."""
    piece = heard[-4096:]
    scores = [float(np.abs(piece - sent[len(sent) - 4096 - lag : len(sent) - lag]).max()) for lag in range(16000)]
    return int(np.argmin(scores))


@pytest.mark.parametrize("period", [256, 1024])
def test_bypass_is_the_input_delayed_by_the_reported_latency(
    server: Callable[..., Any], host: Callable[..., Host], listener: Callable[[], Listener], period: int
) -> None:
    server(period)
    live, client = host("--preset", "karaoke"), listener()  # whose blocks are the server's
    live.send("/rtmss/bypass", 1)
    live.sync()
    client.connect()
    time.sleep(0.5)
    latency = live.ask("/rtmss/latency")[0] + live.ask("/rtmss/status/device_latency")[0]
    for preset in ("karaoke", "four-stems"):
        live.ask("/rtmss/preset", preset, answer="/rtmss/done")
        sent, heard = _undisturbed(live, client)
        assert np.abs(heard).max() > 0.4
        assert _lag(sent, heard) == latency
        assert np.array_equal(heard[latency:], sent[:-latency])


def test_a_killed_engine_is_back_within_two_seconds_with_the_same_scene(
    server: Callable[..., Any], host: Callable[..., Host]
) -> None:
    server(1024)
    live = host("--preset", "four-stems")
    live.send("/rtmss/stem/vocals/gain", -7.0)
    live.sync()
    hops = live.ask("/rtmss/sync", 1, answer="/rtmss/synced")[1]
    engine = _children(live.process.pid)["engine"]
    started = time.monotonic()
    os.kill(engine, signal.SIGKILL)
    while live.ask("/rtmss/sync", 1, answer="/rtmss/synced")[1] >= hops:
        time.sleep(0.05)
    assert time.monotonic() - started < 2
    assert live.ask("/rtmss/stem/vocals/gain") == [-7.0]
    assert live.ask("/rtmss/preset") == ["four-stems"]


def test_killing_the_control_side_does_not_touch_the_engine(
    server: Callable[..., Any], host: Callable[..., Host]
) -> None:
    server(1024)
    live = host("--preset", "karaoke")
    before, hop = _children(live.process.pid), live.ask("/rtmss/sync", 1, answer="/rtmss/synced")[1]
    os.kill(before["control"], signal.SIGKILL)
    time.sleep(0.1)
    assert live.ask("/rtmss/ping", 5, answer="/rtmss/pong")[1] == 5
    assert _children(live.process.pid)["engine"] == before["engine"]
    assert live.ask("/rtmss/sync", 1, answer="/rtmss/synced")[1] > hop


def test_a_jack_server_that_dies_is_waited_for(server: Callable[..., Any], host: Callable[..., Host]) -> None:
    first = server(1024)
    live = host("--preset", "karaoke")
    first.kill()
    first.wait()
    time.sleep(2)
    assert live.ask("/rtmss/ping", 5, answer="/rtmss/pong")[1] == 5
    server(1024)
    deadline = time.monotonic() + 20
    hop = live.ask("/rtmss/status/hop")
    while live.ask("/rtmss/status/hop") == hop:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert live.ask("/rtmss/status/state") == ["running"]


def test_an_unknown_device_is_one_line_with_those_there_are(server: Callable[..., Any]) -> None:
    server(1024)
    command = [sys.executable, "-m", "rtmss", "live", "--quiet", "--device", "nothing"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 1
    assert result.stderr.splitlines()[-1].startswith("rtmss: no device 'nothing' with input and output; known: system")
    assert "Traceback" not in result.stderr


def _children(pid: int) -> dict[str, int]:
    """Process numbers of the engine and the control side of a host."""
    import psutil

    found = {}
    for child in psutil.Process(pid).children(recursive=True):
        words = " ".join(child.cmdline())
        if "rtmss.live.control" in words:
            found["control"] = child.pid
        elif "forkserver" in words and child.ppid() != pid:
            found["engine"] = child.pid
    return found
