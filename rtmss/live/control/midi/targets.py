"""What a control can be bound to: rows of the one table of OSC addresses, and how a control's place
becomes a value there.

`/rtmss/stem/#2/...` is the second stem, whatever its name is.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import NamedTuple

from rtmss.live.control.osc import buttons
from rtmss.live.control.osc.arguments import Arg, RefusedError, Value
from rtmss.live.control.osc.codec import Argument, Message
from rtmss.live.control.osc.midi import PREFIX
from rtmss.live.control.osc.pattern import is_pattern
from rtmss.live.control.osc.state import Values
from rtmss.live.control.osc.table import TABLE, Mode, Row, fader_of, gain_of

PANIC = "/rtmss/panic"
WIDEST = 1000.0
"""A row of a wider range needs one in the map: nobody can set a day of seconds by a fader."""
_OF_PEERS = {
    f"/rtmss/{name}"
    for name in ("ping", "sync", "subscribe", "unsubscribe", "meters", "echo", "status")
}
"""Rows that mean something to programs only."""
_ROWS = {row.address: row for row in TABLE if row.mode not in {Mode.SENT, Mode.QUERY}}
_STEM = re.compile(r"/rtmss/stem/([^/]+)/(.+)")
_NUMBER = re.compile(r"#([1-9][0-9]?)")


class Target(NamedTuple):
    """What a control sets or sets off."""

    row: Row
    address: str
    args: tuple[Argument, ...]
    """What is said when a button is pressed; none where the control's place decides."""

    @property
    def kind(self) -> str:
        """`number`, `switch`, or `press` for what has no place of its own."""
        if self.args:
            return "press"
        if self.address == PANIC:
            return "switch"
        if self.row.mode is not Mode.VALUE:
            return "press"
        return "switch" if self.row.args[0].kind == "bool" else "number"

    def message(self, address: str, value: Value | None = None) -> Message:
        """What is said to the dispatcher, at the address that is meant now."""
        args = self.args or ((1,) if value is None else (value,))
        return message_of(address, args)

    def is_lit(self, address: str, values: Values) -> bool | None:
        """Whether what a button asks for is so already; None where nobody can know."""
        if self.kind == "switch":
            return bool(values[address][0]) if address in values else None
        if address.startswith(buttons.PREFIX):
            return values.get("/rtmss/preset") == (buttons.preset_name(address),)
        if address == "/rtmss/cue/go":
            return values.get("/rtmss/cue") == self.args
        return values[address] == self.args if self.args and address in values else None


class Scale(NamedTuple):
    """From the place of a control, 0 to 1, to the value of a row and back."""

    low: float
    high: float
    is_gain: bool
    """Whether it goes by the faders' taper; `low` and `high` are places on that fader then."""
    is_whole: bool

    def value_of(self, place: float) -> float:
        """The value at a place."""
        value = self.low * (1 - place) + self.high * place
        if self.is_gain:
            return gain_of(value)
        return round(value) if self.is_whole else value

    def place_of(self, value: float) -> float:
        """The place of a value, at an end where it is beyond."""
        at = fader_of(value) if self.is_gain else value
        return min(max((at - self.low) / (self.high - self.low), 0.0), 1.0)


def target_of(address: str, args: Sequence[Argument]) -> Target:
    """The row that an address in a map means.

    Raises:
        ValueError: there is none, it is not for a control, or the arguments are not its own.
    """
    row = _row(address)
    target = Target(row, address, tuple(args))
    if target.args:
        try:
            row.check(message_of(address, target.args))
        except RefusedError as error:
            raise ValueError(f"args of {address}: {error}") from error
    elif row.mode is Mode.COMMAND or row.args[0].kind == "text":
        raise ValueError(f"{address} needs args: what to say when the button is pressed")
    return target


def scale_of(target: Target, ends: tuple[float, float] | None) -> Scale:
    """How a control's place becomes a number.

    Args:
        target: of the kind `number`.
        ends: values at both ends of the control; None for those of the row.

    Raises:
        ValueError: they are not in the row's range, are the same, or are missing.
    """
    arg = target.row.args[0]
    if ends is None and not arg.high - arg.low <= WIDEST:
        raise ValueError(f"{target.address} needs a range: {arg.describe()}")
    low, high = (arg.low, arg.high) if ends is None else ends
    if not (_is_in(arg, low) and _is_in(arg, high)) or low == high:
        raise ValueError(f"range: expected two different numbers, each {arg.describe()}")
    is_gain = arg.unit == "dB"
    if is_gain:
        low, high = fader_of(low), fader_of(high)
    return Scale(low, high, is_gain, arg.kind == "int")


def present_address(address: str, stems: Sequence[str]) -> str | None:
    """The address with the name of a stem in the place of its number; None if there is no such
    stem.
    """
    found = _STEM.fullmatch(address)
    number = _NUMBER.fullmatch(found[1]) if found else None
    if not found or not number:
        return address
    place = int(number[1]) - 1
    return f"/rtmss/stem/{stems[place]}/{found[2]}" if place < len(stems) else None


def message_of(address: str, args: tuple[Argument, ...]) -> Message:
    """A message, with the types of its arguments."""
    return Message(address, args, "".join(_tag(arg) for arg in args))


def _tag(arg: Argument) -> str:
    if isinstance(arg, bool):
        return "T" if arg else "F"
    return "s" if isinstance(arg, str) else "f" if isinstance(arg, float) else "i"


def _is_in(arg: Arg, value: float) -> bool:
    return math.isfinite(value) and arg.low <= value <= arg.high


def _row(address: str) -> Row:
    if is_pattern(address):
        raise ValueError(f"'{address}' is a pattern; a control has one address")
    found = _STEM.fullmatch(address)
    if address.startswith(buttons.PREFIX) and address != buttons.PREFIX:
        row = _ROWS.get(f"{buttons.PREFIX}<name>")
    else:
        row = _ROWS.get(f"/rtmss/stem/<name>/{found[2]}" if found else address)
    is_stem = found is None or not found[1].startswith("#") or _NUMBER.fullmatch(found[1])
    if row is None or not is_stem or "<" in address:
        raise ValueError(f"no address '{address}' that can be set; rtmss osc lists them all")
    if address in _OF_PEERS or address.startswith(PREFIX):
        raise ValueError(f"{address} is not for a control")
    return row
