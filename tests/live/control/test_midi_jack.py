"""Controllers over JACK: they move a live host's faders and are shown changes, go and return, and
send far too much.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from helpers.live_host import LOSSES, Host, jack_client, jack_server, live_host
from rtmss.bench.harness import host_processes
from rtmss.files import read_audio
from rtmss.live.control.midi.jack_port import JackPort
from rtmss.live.control.midi.messages import control_change, note_on, program_change
from rtmss.live.control.midi.port import MidiPort, PortError, list_ports
from rtmss.live.control.midi.rtmidi_port import RtMidiPort
from rtmss.live.control.osc.table import gain_of

pytestmark = pytest.mark.jack

BOX = "fader-box"
FLOOD_SECONDS = 2.0
FLOOD_RATE = 10_000
"""Messages per second."""
LAST = 64


class Box:
    """A controller: a JACK client with a port each way."""

    def __init__(self) -> None:
        self.client = jack_client(BOX)
        self.heard: list[tuple[int, ...]] = []
        self._waiting: deque[bytes] = deque()
        self._flood = 0
        self.n_sent = 0
        out = self.client.midi_outports.register("out")
        box_in = self.client.midi_inports.register("in")

        def process(n_frames: int) -> None:
            self.heard += [tuple(bytes(data)) for _, data in box_in.incoming_midi_events()]
            out.clear_buffer()
            for _ in range(len(self._waiting)):
                out.write_midi_event(0, self._waiting.popleft())
            for _ in range(self._flood):
                out.write_midi_event(0, (0xB0, self.n_sent % 2, self.n_sent // 2 % 128))
                self.n_sent += 1

        self.client.set_process_callback(process)
        self.client.activate()

    def send(self, *data: int) -> None:
        self._waiting.append(bytes(data))

    def flood(self, per_second: int) -> None:
        """From now on so many messages a second."""
        self._flood = round(per_second * self.client.blocksize / self.client.samplerate)

    def close(self) -> None:
        self.client.deactivate()
        self.client.close()


def until(done: Callable[[], Any], what: str, seconds: float = 10.0) -> Any:
    end = time.monotonic() + seconds
    while not (result := done()):
        assert time.monotonic() < end, what
        time.sleep(0.01)
    return result


def begin(box: Box, port: MidiPort) -> None:
    """Wait until JACK's graph has the connection, and everything before is over."""
    n_heard = len(box.heard)

    def is_whole() -> bool:
        box.send(0xC0, 1)
        port.send(control_change(1, 1, 1))
        return bool(port.receive(16)) and len(box.heard) > n_heard

    until(is_whole, "a connection")
    box.send(0xC0, 2)
    last: list[Any] = []

    def is_over() -> bool:
        last.extend(port.receive(16))
        return bool(last) and last[-1] == program_change(1, 2)

    until(is_over, "the end of what came before")


@pytest.fixture
def box(monkeypatch: pytest.MonkeyPatch) -> Iterator[Box]:
    with jack_server(monkeypatch) as server:
        server(256)
        one = Box()
        yield one
        one.close()


@pytest.mark.parametrize(
    "make", [lambda: JackPort(BOX), lambda: RtMidiPort(BOX, by_jack=True)], ids=["jack", "rtmidi"]
)
def test_both_doors_bring_messages_both_ways_and_notice_that_a_port_is_gone(
    box: Box, make: Callable[[], MidiPort]
) -> None:
    port = make()
    try:
        port.open()
        assert port.is_there()
        begin(box, port)
        box.send(0xB0, 7, 64)
        box.send(0xF8)
        box.send(0x90, 36, 1)
        heard: list[Any] = []

        def has_all() -> bool:
            heard.extend(port.receive(16))
            return len(heard) >= 2

        until(has_all, "messages")
        assert heard == [control_change(1, 7, 64), note_on(1, 36, 1)]
        port.send(control_change(1, 7, 5))
        until(lambda: (0xB0, 7, 5) in box.heard, "what was sent")
        box.close()
        until(lambda: not port.is_there(), "that it is gone")
        with pytest.raises(PortError, match=BOX):
            port.open()
        box.__init__()  # type: ignore[misc]
        port.open()
        begin(box, port)
        box.send(0xB0, 7, 3)
        assert until(lambda: port.receive(16), "a message") == [control_change(1, 7, 3)]
    finally:
        port.close()


def test_ports_are_listed(box: Box) -> None:
    ports, problems = list_ports()
    assert ("jack:fader-box:out", True, False) in ports
    assert ("jack:fader-box:in", False, True) in ports
    assert len(problems) <= 1  # there may be no other ports here than those of JACK


@pytest.fixture(scope="module")
def live() -> Iterator[Host]:
    """One host for these tests, started before its controller is there."""
    with (
        pytest.MonkeyPatch.context() as patch,
        jack_server(patch) as server,
        live_host() as start,
    ):
        server(1024)
        yield start("--preset", "four-stems", "--midi", f"jack:{BOX}")


@pytest.fixture
def plug(live: Host) -> Iterator[Callable[[], Box]]:
    """plug() is the controller, found by the host."""
    boxes: list[Box] = []

    def plugged() -> Box:
        assert live.ask("/rtmss/status/midi_open") == [0]
        boxes.append(Box())
        live.wait_until(lambda: live.ask("/rtmss/status/midi_open") == [1], "it is found")
        until(lambda: any(one[0] == 0x90 for one in boxes[-1].heard), "all lights are set")
        return boxes[-1]

    yield plugged
    boxes[-1].close()
    live.wait_until(lambda: live.ask("/rtmss/status/midi_open") == [0], "it is missed")


@pytest.mark.parametrize("n_back", [0, 1])
def test_a_controller_that_comes_and_returns_moves_faders_and_is_shown_changes(
    live: Host, plug: Callable[[], Box], n_back: int
) -> None:
    box = plug()
    assert live.ask("/rtmss/status/midi_reconnects") == [n_back]
    first, second = live.ask("/rtmss/stems")[:2]
    place, is_muted = 100 + n_back, 1 - n_back
    for one in (0, place):  # past the present value
        box.send(0xB0, 0, one)
        time.sleep(0.1)
    live.wait_until(
        lambda: abs(live.ask(f"/rtmss/stem/{first}/gain")[0] - gain_of(place / 127)) < 1e-4,
        "the fader moves the gain",
    )
    box.heard.clear()
    live.send(f"/rtmss/stem/{first}/mute", is_muted)
    until(lambda: (0x90, 36, 127 * is_muted) in box.heard, "the pad's light follows")
    box.send(0x90, 37, 100)
    box.send(0x90, 37, 0)
    live.wait_until(
        lambda: live.ask(f"/rtmss/stem/{second}/mute") == [is_muted], "the other pad mutes"
    )


def test_a_flood_leaves_the_control_side_free_and_the_last_place_counts(
    live: Host, plug: Callable[[], Box]
) -> None:
    box = plug()
    for number in range(2):
        box.send(0xB0, number, 0)
    longest, late = 0.0, [live.ask(address)[0] for address in LOSSES]
    control = psutil.Process(host_processes(live.process.pid)["control"])
    worked = sum(control.cpu_times()[:2])
    box.flood(FLOOD_RATE)
    end = time.monotonic() + FLOOD_SECONDS
    while time.monotonic() < end:
        asked = time.monotonic()
        live.ask("/rtmss/status/hop")
        longest = max(longest, time.monotonic() - asked)
    box.flood(0)
    worked = (sum(control.cpu_times()[:2]) - worked) / FLOOD_SECONDS
    xruns, late = (live.ask(one)[0] - before for one, before in zip(LOSSES, late, strict=True))
    print(
        f"{box.n_sent} messages, longest answer {longest * 1000:.0f} ms, late hops {late}, "
        f"xruns {xruns}, {worked:.0%} of a processor"
    )
    assert box.n_sent > FLOOD_RATE
    assert longest < 2
    for number in range(2):
        box.send(0xB0, number, LAST)
    stem = live.ask("/rtmss/stems")[0]
    live.wait_until(
        lambda: abs(live.ask(f"/rtmss/stem/{stem}/fader")[0] - LAST / 127) < 1e-4,
        "the last place counts",
    )


@pytest.mark.long
def test_a_control_side_that_was_killed_finds_its_controllers_and_what_was_learned(
    live: Host, plug: Callable[[], Box]
) -> None:
    box = plug()
    live.send("/rtmss/midi/learn", "/rtmss/bypass")
    live.wait_until(lambda: live.ask("/rtmss/midi/learning") == ["/rtmss/bypass"], "it learns")
    box.send(0x90, 99, 1)
    live.wait_until(
        lambda: "note 99 channel 1 -> /rtmss/bypass" in live.ask("/rtmss/midi/map"), "it has"
    )
    os.kill(host_processes(live.process.pid)["control"], signal.SIGKILL)
    box.heard.clear()
    until(lambda: (0x90, 99, 0) in box.heard, "all lights are set again", 60)
    box.send(0x90, 99, 1)
    until(lambda: (0x90, 99, 127) in box.heard, "the pad does what it has learned")
    assert live.ask("/rtmss/bypass") == [1]
    live.send("/rtmss/bypass", 0)


@pytest.mark.long
@pytest.mark.usefixtures("shipped_graph")
def test_what_a_controller_did_is_replayed_to_the_bit(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with jack_server(monkeypatch) as server, live_host(shipped=True) as start:
        server(1024)
        box = Box()
        host = start(
            *("--preset", "four-stems", "--midi", f"jack:{BOX}", "--record", str(tmp_path))
        )
        noise = play_noise()
        try:
            host.wait_until(lambda: host.ask("/rtmss/status/midi_open") == [1], "it is found")
            box.send(0xB0, 0, 0)
            for place in range(64, 128, 3):
                box.send(0xB0, 0, place)
                box.send(0xB0, 16, place)
                if place % 2:
                    box.send(0x90, 37, 100)
                    box.send(0x90, 37, 0)
                time.sleep(0.05)
            host.wait_until(
                lambda: abs(host.ask("/rtmss/stem/vocals/fader")[0] - 1) < 1e-4, "the last place"
            )
            time.sleep(0.5)
            assert host.end() == 0
        finally:
            for one in (noise, box.client):
                one.deactivate()
                one.close()
    take = tmp_path / "take-001"
    command = ["render", str(take / "input.wav"), "--stems", "--output", str(tmp_path / "again")]
    command += ["--automation", str(take / "session.jsonl")]
    subprocess.run([sys.executable, "-m", "rtmss", *command], check=True, timeout=300)
    assert (take / "session.jsonl").read_text().count('"event":"scene"') > 5
    paths = list((tmp_path / "again").glob("*.wav"))
    assert len(paths) == 6
    for path in paths:
        recorded = read_audio(take / path.name)[0]
        assert np.abs(recorded).max() > 0.001, path.name
        assert read_audio(path)[0].tobytes() == recorded.tobytes(), path.name


def play_noise() -> Any:
    """A JACK client that plays noise into the host."""
    client, rng = jack_client("noise"), np.random.default_rng(0)
    out = client.outports.register("out")

    def process(n_frames: int) -> None:
        out.get_array()[:] = 0.2 * rng.standard_normal(n_frames, np.float32)

    client.set_process_callback(process)
    client.activate()
    for sink in until(lambda: client.get_ports("rtmss:in.*"), "the host's inputs"):
        client.connect(out, sink)
    return client
