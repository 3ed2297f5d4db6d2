"""Ports: how they are named, what is missing, and that nobody waits for one."""

from __future__ import annotations

import importlib.util
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from helpers.midi import AtOnce
from rtmss.config import UserError
from rtmss.live.control.midi import port, rtmidi_port
from rtmss.live.control.midi.connection import LOOK_SECONDS, Connection
from rtmss.live.control.midi.memory import MemoryPort
from rtmss.live.control.midi.messages import Message, control_change
from rtmss.live.control.midi.port import PortError, PortName, find_name, list_ports, make_port
from rtmss.live.control.midi.rtmidi_port import RtMidiPort


@pytest.mark.parametrize(
    ("text", "door", "name"),
    [
        ("nanoKONTROL2", "rtmidi", "nanoKONTROL2"),
        ("X-Touch:X-Touch MIDI 1 20:0", "rtmidi", "X-Touch:X-Touch MIDI 1 20:0"),
        ("jack", "jack", ""),
        ("jack:a2j:nano", "jack", "a2j:nano"),
        ("rtmidi-jack:a2j:nano", "rtmidi-jack", "a2j:nano"),
        ("jackal", "rtmidi", "jackal"),
    ],
)
def test_a_name_says_which_door(text: str, door: str, name: str) -> None:
    assert port.parse_port(text) == PortName(door, name)


@pytest.mark.parametrize("text", ["", " ", "jack:", "rtmidi-jack:", "jack:a\nb", "a\x1b[2J"])
def test_what_names_no_port_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="--midi: expected the name of a port"):
        port.parse_port(text)


def test_a_part_of_a_name_will_do_if_it_is_a_part_of_one() -> None:
    known = ["nano:out", "nano two:out", "Pad"]
    assert find_name("pad", known) == "Pad"
    assert find_name("nano:out", known) == "nano:out"
    with pytest.raises(PortError, match="is a part of several names: nano:out, nano two:out"):
        find_name("nano", known)
    with pytest.raises(PortError, match="no MIDI port 'box'; there are: nano:out, nano two:out, P"):
        find_name("box", known)
    with pytest.raises(PortError, match="there are: none"):
        find_name("box", [])


@pytest.mark.parametrize(
    ("module", "name", "said"),
    [
        ("rtmidi", "nano", "python-rtmidi: pip install 'rtmss[midi]'"),
        ("rtmidi", "rtmidi-jack:a", "python-rtmidi: pip install 'rtmss[midi]'"),
        ("jack", "jack", "JACK-Client: pip install 'rtmss[midi]'"),
    ],
)
def test_a_library_that_is_missing_is_named_with_its_extra(
    monkeypatch: pytest.MonkeyPatch, module: str, name: str, said: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(UserError) as raised:
        make_port(name)
    assert said in str(raised.value)


def test_where_python_rtmidi_has_no_wheels_there_is_jack(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rtmidi", None)
    monkeypatch.setattr(sys, "version_info", (3, 13, 0))
    with pytest.raises(UserError, match=r"with Python 3\.12.*or use JACK, as jack:NAME"):
        make_port("nano")


def test_mido_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(UserError, match=r"MIDI needs mido: pip install 'rtmss\[midi\]'"):
        make_port("jack")


def test_a_door_without_ports_says_why_and_the_others_are_listed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rtmidi_port, "names", lambda: (["nano"], ["nano", "synth"]))
    monkeypatch.setitem(sys.modules, "jack", None)
    ports, problems = list_ports()
    assert ports == [("nano", True, True), ("synth", False, True)]
    assert ["JACK-Client" in one for one in problems] == [True]


def test_a_system_without_midi_is_told_in_one_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rtmidi_port, "SEQUENCER", Path("/nonexistent"))
    monkeypatch.setattr(sys, "platform", "linux")
    one = RtMidiPort("nano")
    with pytest.raises(PortError, match="this machine has no MIDI ports"):
        one.open()
    assert not one.is_there()
    one.close()


class Stuck(MemoryPort):
    """A port that takes for ever to be opened."""

    def __init__(self, release: threading.Event) -> None:
        super().__init__()
        self._release = release

    def open(self) -> None:
        self._release.wait()
        super().open()


def test_nobody_waits_for_a_port_that_takes_long() -> None:
    release = threading.Event()
    with ThreadPoolExecutor(1) as executor:
        connection = Connection("box", Stuck(release), executor)
        began = time.monotonic()
        for i in range(100):
            assert not connection.look(LOOK_SECONDS * i)
        assert connection.receive(1) == ()
        connection.send([control_change(1, 1, 1)])
        assert time.monotonic() - began < 1
        release.set()
        while not connection.look(1000.0):
            assert time.monotonic() - began < 10
        assert connection.is_open
        connection.close()
        assert not connection.is_open


class Broken(MemoryPort):
    """A port whose library fails in its own way."""

    def open(self) -> None:
        raise RuntimeError("driver")


def look(connection: Connection, times: int) -> Sequence[str]:
    """What is said when a port was looked for so many times."""
    for i in range(2 * times):
        connection.look(LOOK_SECONDS * i)
    return connection.take_news()


def test_a_reason_is_said_once() -> None:
    connection = Connection("box", Broken(), AtOnce())
    assert look(connection, 10) == ["MIDI box: driver; it is looked for again"]
    assert connection.problem == "driver"


@pytest.mark.parametrize(
    "use",
    [lambda one: one.receive(1), lambda one: one.send([control_change(1, 1, 1)])],
    ids=["receive", "send"],
)
def test_a_port_that_fails_while_it_is_used_is_lost_and_looked_for(
    use: Callable[[Connection], Sequence[Message] | None],
) -> None:
    memory = MemoryPort()
    connection = Connection("box", memory, AtOnce())
    look(connection, 1)
    assert connection.is_open
    memory.is_plugged = False
    use(connection)
    assert not connection.is_open
    assert connection.take_news() == ["MIDI box: it is not plugged in; it is looked for again"]
    memory.is_plugged = True
    for i in range(4):
        connection.look(1000.0 + LOOK_SECONDS * i)
    assert connection.n_opened == 2
