"""A live host that plays and records while one of its processes is killed or stopped every second.

20 seconds of it; RTMSS_CHAOS_SECONDS sets another time, RTMSS_CHAOS_SEED other events.
"""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from helpers.live_family import Family, events, until
from helpers.live_host import Host
from rtmss.bench.harness import free_port, host_processes
from rtmss.files import read_audio
from rtmss.recording.unfinished import end_unfinished

pytestmark = [pytest.mark.jack, pytest.mark.long]

SECONDS = float(os.environ.get("RTMSS_CHAOS_SECONDS", "20"))
SEED = int(os.environ.get("RTMSS_CHAOS_SEED", "0"))
PAUSE_SECONDS = 10.0
"""So long after the last harm to it a part may be away, and twice what a start takes here."""
CALM_SECONDS = 20.0
PARTS = ("engine", "control", "recorder", "server")
OTHERS = ("control", "recorder")
"""What may be harmed without a late hop."""
LATE_SHARE = 0.01
"""Of all hops: so many more may be late by chance than without harm."""


class Listener:
    """A JACK client that plays noise into the host, and hears whether there is sound."""

    def __init__(self) -> None:
        import jack

        self.client = jack.Client("chaos")
        self._gone = jack.JackError
        self.source = self.client.outports.register("out")
        self.sink = self.client.inports.register("in")
        self.heard = time.monotonic()
        """When there was sound last."""
        self.n_bad = 0
        self._rng = np.random.default_rng(0)
        self.client.set_process_callback(self._process)
        self.client.activate()

    def connect(self) -> None:
        """Join an engine that has come."""
        try:
            for sink in self.client.get_ports("rtmss:in.*"):
                if not sink.name.startswith("rtmss") or self._is_joined(self.source, sink):
                    continue
                self.client.connect(self.source, sink)
            for source in self.client.get_ports("rtmss:out.*")[:1]:
                if not self._is_joined(source, self.sink):
                    self.client.connect(source, self.sink)
        except self._gone:  # it has gone meanwhile
            return

    def _is_joined(self, source: Any, sink: Any) -> bool:
        return sink.name in {port.name for port in self.client.get_all_connections(source)}

    def _process(self, n: int) -> None:
        self.source.get_array()[:] = 0.2 * self._rng.standard_normal(n, np.float32)
        audio = self.sink.get_array()
        self.n_bad += not np.isfinite(audio).all()
        if np.abs(audio).max() > 1e-3:
            self.heard = time.monotonic()


class Chaos:
    """Does harm, and looks at what is left of the show."""

    def __init__(
        self, family: Family, host: Host, listener: Listener, start_seconds: float
    ) -> None:
        self.family, self.host, self.listener = family, host, listener
        self.back_seconds = PAUSE_SECONDS + 2 * start_seconds
        self.rng = random.Random(SEED)
        self.harmed = dict.fromkeys(PARTS, time.monotonic())
        self.answered = time.monotonic()
        self.log: list[str] = []

    def look(self) -> None:
        """Sound and answers may be away only for so long after the last harm to them."""
        assert self.family.process.poll() is None, self.log
        self.family.processes()
        self.listener.connect()
        self._hear_answers()
        now = time.monotonic()
        engine = max(
            self.listener.heard,
            self.harmed["engine"],
            self.harmed["server"],
        )
        assert now - engine < self.back_seconds, f"no sound: {self.log}"
        control = max(self.answered, self.harmed["control"])
        assert now - control < self.back_seconds, f"no answer: {self.log}"
        assert self.listener.n_bad == 0, self.log

    def harm(self) -> None:
        """Kill a process or stop it for a while; sometimes all are stopped."""
        if self.rng.random() < 0.15:
            self._stop_all(self.rng.uniform(0.3, 3.0))
            return
        self.harm_one_of((*PARTS, "supervisor"))

    def harm_one_of(self, names: Sequence[str]) -> None:
        """Kill one of these processes or stop it for a while."""
        name = self.rng.choice(names)
        process = self._find(name)
        if process is None:
            return
        how = self.rng.choice(("kill", "terminate", "stop")) if name != "supervisor" else "stop"
        seconds = self.rng.uniform(0.1, 1.5)
        self._note(f"{how} {name}", [name])
        with_care = getattr(self, f"_{how}")
        with_care(process, seconds)
        self._note(f"after {how} {name}", [name])

    def _find(self, name: str) -> psutil.Process | None:
        if name == "server":
            return next(iter(self.family.servers()), None)
        pid = host_processes(self.family.process.pid).get(name)
        return None if pid is None else psutil.Process(pid)

    def _kill(self, process: psutil.Process, _: float) -> None:
        process.kill()

    def _terminate(self, process: psutil.Process, _: float) -> None:
        process.terminate()

    def _stop(self, process: psutil.Process, seconds: float) -> None:
        process.suspend()
        time.sleep(seconds)
        if process.is_running():
            process.resume()

    def _stop_all(self, seconds: float) -> None:
        self._note(f"stop all for {seconds:.1f} s", PARTS)
        self.family.signal(signal.SIGSTOP)
        time.sleep(seconds)
        self.family.signal(signal.SIGCONT)
        self._note("go on", PARTS)

    def _note(self, what: str, names: Any) -> None:
        now = time.monotonic()
        self.log.append(what)
        self.harmed |= {name: now for name in names if name in PARTS}

    def _hear_answers(self) -> None:
        self.host.send("/rtmss/ping", 1)
        self.host.socket.settimeout(0.05)
        try:
            while self.host.socket.recv(65536):
                self.answered = time.monotonic()
        except (TimeoutError, ConnectionError):
            return


@pytest.fixture
def chaos(
    server: Callable[..., Any],
    tmp_path: Path,
) -> Iterator[Chaos]:
    server(1024)
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
    command += ["--preset", "karaoke", "--backend", "torch", "--record", str(tmp_path / "rec")]
    family, began = Family(command, tmp_path), time.monotonic()
    listener = Listener()
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as channel:
            channel.settimeout(0.5)
            process: subprocess.Popen[bytes] = family.process
            host = Host(process, channel, port, family.said)
            assert host.ask("/rtmss/status/state", seconds=120) == ["running"]
            yield Chaos(family, host, listener, time.monotonic() - began)
    finally:
        listener.client.close()
        family.end()


def _play(chaos: Chaos, seconds: float, harm: Callable[[], None] | None = None) -> None:
    """Look ten times a second, and do harm once a second."""
    end, due = time.monotonic() + seconds, time.monotonic()
    while time.monotonic() < end:
        chaos.look()
        if harm is not None and time.monotonic() >= due:
            try:
                harm()
            except psutil.NoSuchProcess:
                chaos.log.append("it had just ended")
            due = time.monotonic() + 1.0
        time.sleep(0.05)


def test_the_show_goes_on_whatever_is_killed_or_stopped_and_nothing_is_left(
    chaos: Chaos, tmp_path: Path
) -> None:
    supervisor = psutil.Process(chaos.family.process.pid)
    n_open = supervisor.num_fds()
    _play(chaos, SECONDS, chaos.harm)

    def is_whole() -> bool:
        chaos.look()
        return {"engine", "control", "recorder"} <= host_processes(supervisor.pid).keys() and (
            time.monotonic() - chaos.listener.heard < 0.5
        )

    until(is_whole, f"not whole again: {chaos.log}", chaos.back_seconds + CALM_SECONDS)
    assert supervisor.num_fds() <= n_open + 1
    if chaos.rng.random() < 0.5:
        for process in (*chaos.family.processes(), supervisor):
            process.kill()
    else:
        chaos.family.process.kill()
    chaos.family.assert_gone()
    _assert_whole_takes(tmp_path / "rec")


def _assert_whole_takes(folder: Path) -> None:
    end_unfinished(folder)
    takes = sorted(folder.iterdir())
    assert takes
    for take in takes:
        if not (take / "input.wav").exists():
            continue  # its recorder was killed before the first hop
        audio = {path.stem: read_audio(path)[0] for path in take.glob("*.wav")}
        assert len({samples.shape[1] for samples in audio.values()}) == 1
        assert all(np.isfinite(samples).all() for samples in audio.values())
        assert events(take)[-1]["event"] == "end", take


def test_no_hop_is_late_for_what_befalls_the_other_processes(chaos: Chaos) -> None:
    """The engine plays on while control side and recorder are killed and stopped."""
    calm = _late_share(chaos)
    harmed = _late_share(chaos, lambda: chaos.harm_one_of(OTHERS))
    print(f"late hops: {calm:.2%} without harm, {harmed:.2%} with")
    assert harmed <= calm + LATE_SHARE, chaos.log


def _late_share(chaos: Chaos, harm: Callable[[], None] | None = None) -> float:
    """Of the hops of a while."""
    before = _hops(chaos)
    _play(chaos, SECONDS, harm)
    n_hops, n_late = (after - then for after, then in zip(_hops(chaos), before, strict=True))
    assert n_hops > 0.5 * SECONDS * 44100 / 512
    return n_late / n_hops


def _hops(chaos: Chaos) -> tuple[int, int]:
    """Hops that were played, and those of them that were late."""
    names = ("hop", "late")
    n_hops, n_late = (int(chaos.host.ask(f"/rtmss/status/{name}", seconds=60)[0]) for name in names)
    return n_hops, n_late
