"""What has been moved on a controller: messages as events of controls.

A control of 14 bits is two control changes, 32 apart, or an NRPN, which is chosen by two control
changes and set by two more.
"""

from __future__ import annotations

import re
from typing import NamedTuple, cast

from rtmss.live.control.midi.messages import (
    ControlChange,
    Message,
    Note,
    PitchWheel,
    ProgramChange,
    control_change,
    note_on,
    pitch_wheel,
)

COARSE, FINE = 127, 16383
"""Highest values of 7 and of 14 bits."""
CENTRE = 8192
HIGHEST = {"cc": 127, "cc14": 31, "nrpn": 16383, "note": 127, "pitch": 0, "program": 127}
"""Kinds of controls, and the highest number of each."""
FORMS = "cc 0-127, cc14 0-31, nrpn 0-16383, note 0-127, pitch or program 0-127"
_DATA, _DATA_FINE = 6, 38
_NRPN_FINE, _NRPN, _RPN_FINE, _RPN = 98, 99, 100, 101
_FORM = re.compile(r"([a-z0-9]+)(?: +([0-9]{1,5}))?")


class Control(NamedTuple):
    """One control of a controller, on whatever channel."""

    kind: str
    """A key of HIGHEST."""
    number: int = 0

    @property
    def steps(self) -> int:
        """Its highest value."""
        return FINE if self.kind in {"cc14", "nrpn", "pitch"} else COARSE

    @property
    def text(self) -> str:
        """As it is written in a map."""
        return self.kind if self.kind == "pitch" else f"{self.kind} {self.number}"


class Event(NamedTuple):
    """A control has come to a value."""

    control: Control
    channel: int
    """From 1."""
    value: int
    """From 0 to the control's `steps`; of a key or pad that is let go 0."""


def control_of(text: str) -> Control:
    """The control that a map names.

    Raises:
        ValueError: it names none.
    """
    found = _FORM.fullmatch(text)
    kind, number = found.groups() if found else ("", None)
    has_number = number is not None
    if kind not in HIGHEST or has_number == (kind == "pitch") or int(number or 0) > HIGHEST[kind]:
        raise ValueError(f"expected {FORMS}")
    return Control(kind, int(number or 0))


class Decoder:
    """Messages of one port to events. A control change may be an event of several controls."""

    def __init__(self) -> None:
        self._coarse: dict[tuple[int, int], int] = {}
        """By channel and control: the upper 7 bits."""
        self._chosen: dict[int, list[int]] = {}
        """By channel: both halves of the NRPN that is set now; none in the time of an RPN."""

    def feed(self, message: Message) -> list[Event]:
        """The events that a message stands for; none for what is no control."""
        channel = getattr(message, "channel", -1) + 1
        match message.type:
            case "control_change":
                change = cast("ControlChange", message)
                return self._change(channel, change.control, change.value)
            case "note_on":
                note = cast("Note", message)
                return [Event(Control("note", note.note), channel, note.velocity)]
            case "note_off":
                return [Event(Control("note", cast("Note", message).note), channel, 0)]
            case "pitchwheel":
                pitch = cast("PitchWheel", message).pitch
                return [Event(Control("pitch"), channel, pitch + CENTRE)]
            case "program_change":
                program = cast("ProgramChange", message).program
                return [Event(Control("program", program), channel, COARSE)]
        return []

    def _change(self, channel: int, number: int, value: int) -> list[Event]:
        events = [Event(Control("cc", number), channel, value)]
        if number < 32:
            self._coarse[channel, number] = value
            events.append(Event(Control("cc14", number), channel, value << 7))
        elif number < 64 and (channel, number - 32) in self._coarse:
            whole = self._coarse[channel, number - 32] << 7 | value
            events.append(Event(Control("cc14", number - 32), channel, whole))
        elif number in {_NRPN, _NRPN_FINE}:
            self._chosen.setdefault(channel, [0, 0])[_NRPN - number] = value
            self._coarse.pop((channel, _DATA), None)  # that was of another one
        elif number in {_RPN, _RPN_FINE}:
            self._chosen.pop(channel, None)
        if number in {_DATA, _DATA_FINE} and channel in self._chosen:
            coarse, fine = self._chosen[channel]
            nrpn = Control("nrpn", coarse << 7 | fine)
            events += [event._replace(control=nrpn) for event in events[1:]]
        return events


def encode(event: Event) -> list[Message]:
    """The messages that bring a light or a motor fader to a value; none for a program."""
    (kind, number), channel, value = event
    match kind:
        case "cc":
            return [control_change(channel, number, value)]
        case "cc14":
            return _halves(channel, number, number + 32, value)
        case "nrpn":
            chosen = _halves(channel, _NRPN, _NRPN_FINE, number)
            return [*chosen, *_halves(channel, _DATA, _DATA_FINE, value)]
        case "note":
            return [note_on(channel, number, value)]
        case "pitch":
            return [pitch_wheel(channel, value - CENTRE)]
    return []


def _halves(channel: int, coarse: int, fine: int, value: int) -> list[Message]:
    return [
        control_change(channel, coarse, value >> 7),
        control_change(channel, fine, value & COARSE),
    ]


def ticks_of(kind: str, value: int) -> int:
    """How far a relative encoder was turned; `kind` is a key of RELATIVE."""
    return RELATIVE[kind](value)


def _twos_complement(value: int) -> int:
    return value - 128 if value >= 64 else value


def _offset(value: int) -> int:
    return value - 64


def _sign_magnitude(value: int) -> int:
    return -(value & 63) if value & 64 else value


RELATIVE = {
    "twos-complement": _twos_complement,
    "offset-64": _offset,
    "sign-magnitude": _sign_magnitude,
}
"""How relative encoders say ticks: -1 is 127, 63 or 65."""
