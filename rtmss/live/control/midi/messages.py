"""MIDI messages as values. The one door to mido."""

from __future__ import annotations

import importlib.util
from typing import Protocol, cast

from rtmss.config import UserError

INSTALL = "pip install 'rtmss[midi]'"


class Message(Protocol):
    """One mido message; channels are counted from 0 here, as mido does."""

    type: str
    channel: int

    def bytes(self) -> list[int]:
        """The same as bytes."""


class ControlChange(Message, Protocol):
    """A knob, fader or button."""

    control: int
    value: int


class Note(Message, Protocol):
    """A key or pad."""

    note: int
    velocity: int


class PitchWheel(Message, Protocol):
    """The wheel, or a fader that has 14 bits."""

    pitch: int
    """-8192 to 8191."""


class ProgramChange(Message, Protocol):
    """A program."""

    program: int


def check_mido() -> None:
    """See that mido is there.

    Raises:
        UserError: it is not; says how to install it.
    """
    if importlib.util.find_spec("mido") is None:
        raise UserError(f"MIDI needs mido: {INSTALL}")


def parse(data: bytes | list[int]) -> Message | None:
    """The message that whole bytes stand for; None where they stand for none."""
    import mido

    try:
        return cast("Message", mido.Message.from_bytes(data))
    except (ValueError, LookupError, TypeError):
        return None


def control_change(channel: int, control: int, value: int) -> Message:
    """A control change; the channel is counted from 1."""
    return _make("control_change", channel, control=control, value=value)


def note_on(channel: int, note: int, velocity: int) -> Message:
    """A note; the channel is counted from 1."""
    return _make("note_on", channel, note=note, velocity=velocity)


def pitch_wheel(channel: int, pitch: int) -> Message:
    """The pitch wheel from -8192 to 8191; the channel is counted from 1."""
    return _make("pitchwheel", channel, pitch=pitch)


def program_change(channel: int, program: int) -> Message:
    """A program; the channel is counted from 1."""
    return _make("program_change", channel, program=program)


def _make(kind: str, channel: int, **fields: int) -> Message:
    import mido

    return cast("Message", mido.Message(kind, channel=channel - 1, **fields))
