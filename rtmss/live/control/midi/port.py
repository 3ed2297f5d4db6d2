"""Ports: what is needed of one, and which doors there are.

A port is named as `--midi` has it: a part of a port's name, `jack:NAME` for a port of JACK's, or
`jack` alone for ports that are left for others to connect.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from rtmss.config import UserError
from rtmss.live.control.midi.messages import Message, check_mido

JACK, RTMIDI_JACK = "jack", "rtmidi-jack"
MAX_NAMED = 10
"""Ports that a message lists."""


class PortError(Exception):
    """A port that is not there, or not any longer; says what is."""


class MidiPort(Protocol):
    """One controller, in and out. It may be opened again after it was lost."""

    def open(self) -> None:
        """Look for it and open it. May take a while.

        Raises:
            PortError: it is not there.
        """

    def is_there(self) -> bool:
        """Whether it has not vanished since. May take a while."""

    def receive(self, n_most: int) -> Sequence[Message]:
        """At most so many messages that have come.

        Raises:
            PortError: it is gone.
        """

    def send(self, message: Message) -> None:
        """Send a message, if there is anybody to take it.

        Raises:
            PortError: it is gone.
        """

    def close(self) -> None:
        """Let go of it; it may be closed already."""


class PortName(NamedTuple):
    """A port as `--midi` has it, taken apart."""

    door: str
    """`jack`, `rtmidi-jack`, or `rtmidi`."""
    name: str


def parse_port(text: str) -> PortName:
    """Take the name of a port apart.

    Raises:
        UserError: it is empty.
    """
    door, found, name = text.partition(":")
    if door in {JACK, RTMIDI_JACK} and (found or door == JACK):
        port = PortName(door, name)
    else:
        port = PortName("rtmidi", text)
    if not text.isprintable() or not (port.name.strip() or text == JACK):
        raise UserError("--midi: expected the name of a port or a part of it; see rtmss midi list")
    return port


def make_port(text: str) -> MidiPort:
    """A port that is not open yet.

    Raises:
        UserError: the name is none, or a library is missing.
    """
    check_mido()
    door, name = parse_port(text)
    if door == JACK:
        from rtmss.live.control.midi.jack_port import JackPort

        return JackPort(name)
    from rtmss.live.control.midi.rtmidi_port import RtMidiPort

    return RtMidiPort(name, by_jack=door == RTMIDI_JACK)


class ListedPort(NamedTuple):
    """A port of this machine."""

    name: str
    """For `--midi`."""
    has_input: bool
    has_output: bool


def list_ports() -> tuple[list[ListedPort], list[str]]:
    """All ports of all doors, and why a door has none."""
    from rtmss.live.control.midi import jack_port, rtmidi_port

    ports: list[ListedPort] = []
    problems = []
    for prefix, door in (("", rtmidi_port), (f"{JACK}:", jack_port)):
        try:
            sources, sinks = door.names()
        except (UserError, PortError) as error:
            problems.append(str(error))
            continue
        for name in dict.fromkeys([*sources, *sinks]):
            ports.append(ListedPort(prefix + name, name in sources, name in sinks))
    return ports, problems


def find_name(wanted: str, known: Sequence[str]) -> str:
    """The one of the names that is meant: it itself, or the only one of which it is a part.

    Raises:
        PortError: it is a part of none or of several.
    """
    if wanted in known:
        return wanted
    found = [name for name in known if wanted.lower() in name.lower()]
    if not found:
        names = ", ".join(known[:MAX_NAMED]) or "none"
        raise PortError(f"no MIDI port '{wanted}'; there are: {names}")
    if len(found) > 1:
        raise PortError(f"'{wanted}' is a part of several names: {', '.join(found[:MAX_NAMED])}")
    return found[0]
