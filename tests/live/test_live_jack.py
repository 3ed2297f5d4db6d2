"""The live host on a real PortAudio stream: a JACK server without hardware, and an independent
client beside it.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from helpers.live_host import Host, is_back_with_its_scene, jack_client, undisturbed
from rtmss.audio import Audio
from rtmss.bench.harness import host_processes
from rtmss.conditions.library import Library
from rtmss.engine.control import Scene
from rtmss.engine.frames import StreamFrames
from rtmss.files import read_audio
from rtmss.recording.log_reader import SessionLog
from rtmss.recording.replay import replay
from rtmss.rendering import RenderPlan, render
from rtmss.separator import Separator

pytestmark = pytest.mark.jack


@dataclass
class Listener:
    """A JACK client that plays noise into the host and records what comes back."""

    client: Any
    sent: list[Audio] = field(default_factory=list)
    heard: list[Audio] = field(default_factory=list)
    times: list[int] = field(default_factory=list)
    """The server's frame at which each block began."""

    def connect(self) -> None:
        """Join the host's first input and output."""
        source, sink = self.client.outports.register("out"), self.client.inports.register("in")
        rng = np.random.default_rng(0)

        def process(n: int) -> None:
            noise = rng.uniform(-0.5, 0.5, n).astype(np.float32)
            source.get_array()[:] = noise
            self.sent.append(noise)
            self.heard.append(sink.get_array().copy())
            self.times.append(self.client.last_frame_time)

        self.client.set_process_callback(process)
        self.client.activate()
        self.client.connect(source, self.client.get_ports("rtmss:in.*")[0])
        self.client.connect(self.client.get_ports("rtmss:out.*")[0], sink)

    def listen(self, seconds: float) -> tuple[Audio, Audio, bool]:
        """What was sent and heard from now on, and whether this client missed no block of it."""
        first = len(self.times)
        time.sleep(seconds)
        last = len(self.times)
        sent, heard = np.concatenate(self.sent[first:last]), np.concatenate(self.heard[first:last])
        period = len(self.sent[first])
        return sent, heard, bool((np.diff(self.times[first:last]) == period).all())


@pytest.fixture
def listener(server: Callable[[int], subprocess.Popen[bytes]]) -> Iterator[Callable[[], Listener]]:
    """listener() joins the JACK server that runs."""
    made: list[Listener] = []

    def make() -> Listener:
        made.append(Listener(jack_client("tester")))
        return made[-1]

    yield make
    for one in made:
        one.client.close()


def _undisturbed(host: Host, listener: Listener, seconds: float = 0.6) -> tuple[Audio, Audio]:
    """A moment sent and heard, in which neither the host nor this client lost anything."""
    sent, heard, _ = undisturbed(host, lambda: listener.listen(seconds), lambda run: run[2])
    return sent, heard


def _lag(sent: Audio, heard: Audio) -> int:
    """Samples by which `heard` is behind, by its best match."""
    n_samples = 2048
    piece = heard[-n_samples:]
    scores = [
        float(np.abs(piece - sent[stop - n_samples : stop]).max())
        for stop in range(len(sent), n_samples - 1, -1)
    ]
    return int(np.argmin(scores))


def _overload(host: Host) -> None:
    """Starve the thread that runs the model, a moment each time, until hops were late; the device's
    is left alone.
    """
    engine, core = host_processes(host.process.pid)["engine"], min(os.sched_getaffinity(0))
    cores, policy = os.sched_getaffinity(engine), os.sched_getscheduler(engine)
    parameter, late = os.sched_getparam(engine), host.ask("/rtmss/status/late")[0]
    hog = subprocess.Popen(
        [sys.executable, "-c", f"import os\nos.sched_setaffinity(0, {{{core}}})\nwhile True: pass"]
    )
    deadline = time.monotonic() + 20
    while host.ask("/rtmss/status/late")[0] == late:
        assert time.monotonic() < deadline, "the engine cannot be starved"
        try:
            os.sched_setaffinity(
                engine, {core}
            )  # of the main thread, whose number is the process's
            os.sched_setscheduler(engine, os.SCHED_IDLE, os.sched_param(0))
            time.sleep(0.4)  # after 2 s without a sign of life it would be started again
        finally:
            os.sched_setscheduler(engine, policy, parameter)
            os.sched_setaffinity(engine, cores)
        time.sleep(0.5)
    hog.kill()
    hog.wait()
    assert (
        host_processes(host.process.pid)["engine"] == engine
    )  # it was late, and not started again


@pytest.mark.parametrize(
    ("period", "profile"),
    [
        # Less than a hop, a hop, and two.
        (64, "default"),
        (512, "default"),
        (1024, "default"),
        # More of the first kind.
        pytest.param(128, "default", marks=pytest.mark.long),
        pytest.param(256, "default", marks=pytest.mark.long),
        (128, "tighter"),
    ],
)
def test_bypass_is_the_input_delayed_by_the_reported_latency_through_a_switch_and_an_overload(
    server: Callable[..., Any],
    host: Callable[..., Host],
    listener: Callable[[], Listener],
    period: int,
    profile: str,
) -> None:
    server(period)
    live, client = (
        host("--preset", "karaoke", "--profile", profile),
        listener(),
    )  # whose blocks are the server's
    live.send("/rtmss/bypass", 1)
    live.sync()
    client.connect()
    time.sleep(0.5)
    latency = live.ask("/rtmss/latency")[0] + live.ask("/rtmss/status/device_latency")[0]
    for trouble in ("none", "a preset", "too little time", "a preset"):
        if trouble == "a preset":
            live.ask("/rtmss/preset", "four-stems", answer="/rtmss/done")
        elif trouble == "too little time":
            _overload(live)
        # With the shortest blocks a system that is busy elsewhere for a moment loses some.
        sent, heard = _undisturbed(live, client, 0.2 if period < 256 else 0.6)
        assert np.abs(heard).max() > 0.4
        assert _lag(sent, heard) == latency
        assert np.array_equal(heard[latency:], sent[:-latency])
    told = [live.ask(address)[0] for address in ("/rtmss/latency", "/rtmss/status/device_latency")]
    assert sum(told) == latency


def test_at_48_khz_bypass_is_the_input_delayed_by_the_reported_latency(
    server: Callable[..., Any], host: Callable[..., Host], listener: Callable[[], Listener]
) -> None:
    """The model hears 44.1 kHz: the way there and back is in the one number."""
    server(512, 48000)
    live, client = host("--preset", "karaoke"), listener()
    assert live.ask("/rtmss/status/sample_rate") == [48000]
    live.send("/rtmss/bypass", 1)
    live.sync()
    client.connect()
    time.sleep(0.5)
    latency = live.ask("/rtmss/latency")[0] + live.ask("/rtmss/status/device_latency")[0]
    sent, heard = _undisturbed(live, client)
    assert np.abs(heard).max() > 0.4
    assert _lag(sent, heard) == latency
    assert np.array_equal(heard[latency:], sent[:-latency])


def test_what_is_played_at_48_khz_is_recorded_replayed_and_rendered(
    server: Callable[..., Any],
    host: Callable[..., Host],
    listener: Callable[[], Listener],
    tmp_path: Path,
) -> None:
    """Heard by another client, recorded, played again from the log, and rendered by the preset."""
    server(512, 48000)
    how = ("--record", str(tmp_path / "record"), "--backend", "torch")
    live, client = host("--preset", "vocals-only", *how), listener()
    client.connect()
    time.sleep(0.5)
    latency = live.ask("/rtmss/latency")[0] + live.ask("/rtmss/status/device_latency")[0]
    sent, heard = _undisturbed(live, client)
    time.sleep(0.3)
    live.end()
    arguments = list(map(str, live.process.args))  # type: ignore[arg-type]
    weights, take = arguments[arguments.index("--weights") + 1], tmp_path / "record" / "take-001"
    separator = Separator.load(weights)
    log = SessionLog.load(take / "session.jsonl", separator.model_id)
    replay(take / "input.wav", tmp_path / "again", separator.model, log, stems=True)
    library = Library([Path(weights).parent / "library"])
    preset = library.load_preset("vocals-only")
    plan = RenderPlan(Scene.from_preset(preset, library, separator.model_id), stems=True)
    render(take / "input.wav", tmp_path / "render", separator.model, plan)
    names = {"mix.wav", "remainder.wav", "vocals.wav"}
    assert {path.name for path in (tmp_path / "again").iterdir()} == names
    _, delay = StreamFrames.at(48000, separator.model.config)
    for name in names:
        recorded, rate = read_audio(take / name)
        assert rate == 48000
        assert np.abs(recorded).max() > 0.001
        assert np.abs(read_audio(tmp_path / "again" / name)[0] - recorded).max() <= 1e-5
        # What the device had not brought by the end of the recording is silence in a render.
        rendered = read_audio(tmp_path / "render" / name)[0]
        assert np.abs(rendered - recorded)[:, :-delay].max() <= 1e-5
    mix, given = read_audio(take / "mix.wav")[0][0], read_audio(take / "input.wav")[0][0]
    [begin] = [at for at in np.flatnonzero(given == sent[0]) if given[at + 1] == sent[1]]
    assert np.array_equal(given[begin : begin + len(sent)], sent)
    assert np.abs(heard[latency:] - mix[begin:][: len(sent) - latency]).max() <= 1e-5


def test_an_engine_that_is_killed_is_back_with_the_same_scene(
    server: Callable[..., Any], host: Callable[..., Host]
) -> None:
    server(1024)
    assert is_back_with_its_scene(host("--preset", "four-stems"), signal.SIGKILL) < 2


def test_an_unknown_device_is_one_line_with_those_there_are(server: Callable[..., Any]) -> None:
    server(1024)
    command = [sys.executable, "-m", "rtmss", "live", "--quiet", "--device", "nothing"]
    result = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.returncode == 1
    assert result.stderr.splitlines()[-1].startswith(
        "rtmss: no device 'nothing' with input and stereo output; known: system"
    )
    assert "Traceback" not in result.stderr
