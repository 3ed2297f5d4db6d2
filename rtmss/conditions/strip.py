"""The settings of a mixer strip, described once.

YAML, the log, the shared memory, OSC's addresses and values, and the mixer's changes are made of
these descriptions:
a new setting is a new field here, and what the mixer does with it.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cache
from numbers import Integral, Real
from typing import Annotated, Any, NamedTuple, get_args, get_origin, get_type_hints

import numpy as np
from pydantic import BeforeValidator, ConfigDict, Field

from rtmss.config import NO_SWITCH, UserError, shown


@dataclass(frozen=True)
class Setting:
    """What a setting is called over OSC, what it may be, and what it does."""

    leaf: str = ""
    """Last part of its OSC addresses; empty for one that only presets set."""
    unit: str = ""
    low: float = 0.0
    high: float = 1.0
    effect: str = ""
    """What it does, with `{}` for the strip."""


class Named(NamedTuple):
    """A setting with its name and type."""

    name: str
    kind: Any
    """float, bool, or another type."""
    setting: Setting


def number(
    leaf: str,
    unit: str,
    low: float,
    high: float,
    effect: str,
) -> Any:
    """Annotations of a number: for pydantic its range, for everything else the setting."""
    return Setting(
        leaf,
        unit,
        low,
        high,
        effect,
    ), Field(ge=low, le=high)


def _silence(value: Any) -> Any:
    """Whatever is quieter than the quietest gain is silence as well."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return max(value, SILENCE_DB) if is_number else value


SILENCE_DB = -120
GAIN, GAIN_RANGE = number("gain", "dB", SILENCE_DB, 12, "Gain of {}")
PAN, PAN_RANGE = number(
    "pan", "", -1, 1, "Pan of {} at constant power: -1 left, 0 as it is, 1 right"
)
GainDb = Annotated[float, NO_SWITCH, BeforeValidator(_silence), GAIN, GAIN_RANGE]
Channel = Annotated[int, NO_SWITCH, Field(ge=1, le=64)]


@dataclass(frozen=True)
class Strip:
    """One mixer strip."""

    gain_db: GainDb = 0.0
    mute: Annotated[bool, Setting("mute", effect="Mute {}")] = False
    solo: Annotated[bool, Setting("solo", effect="Solo {}")] = False
    channels: Annotated[tuple[Channel, ...], Field(max_length=64)] = (1, 2)
    """Output channels, counted from 1; odd ones carry the left side, even ones the right."""
    pan: Annotated[float, NO_SWITCH, PAN, PAN_RANGE] = 0.0

    __pydantic_config__ = ConfigDict(extra="forbid")

    def __post_init__(self) -> None:
        """Refuse what is no setting.

        Raises:
            UserError: a value is of another type, not finite, or out of range.
        """
        check_settings(self)
        if not isinstance(self.channels, tuple | list):
            raise UserError(f"channels: expected whole numbers, got {shown(self.channels)}")
        channels = tuple(_channel(channel) for channel in self.channels)
        object.__setattr__(self, "channels", channels)


def check_settings(owner: Any) -> None:
    """Refuse settings of a frozen data class that are none; what can be taken is kept as its type.

    A gain at or under the lowest is silence, minus infinity too.

    Raises:
        UserError: one is of another type, not finite, or out of range.
    """
    owner_type: type = type(owner)
    for name, kind, setting in settings(owner_type):
        value = getattr(owner, name)
        taken = _switch(name, value) if kind is bool else _number(name, value, setting)
        if taken is not value:
            object.__setattr__(owner, name, taken)


def _number(name: str, value: Any, setting: Setting) -> float:
    expected = f"{name}: expected a number from {setting.low:g} to {setting.high:g}"
    if isinstance(value, bool | np.bool_) or not isinstance(value, Real):
        raise UserError(f"{expected}, got {shown(value)}")
    number = float(value)
    if setting.unit == "dB" and number < setting.low:
        return setting.low
    if not setting.low <= number <= setting.high:  # true of NaN too
        raise UserError(f"{expected}, got {number:g}")
    return number


def _switch(name: str, value: Any) -> bool:
    if isinstance(value, np.bool_):
        return bool(value)
    if not isinstance(value, bool):
        raise UserError(f"{name}: expected True or False, got {shown(value)}")
    return value


def _channel(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, Integral) or not 1 <= int(value) <= 64:
        raise UserError(f"channels: expected whole numbers from 1 to 64, got {shown(value)}")
    return int(value)


@cache
def settings(kind: type) -> tuple[Named, ...]:
    """Every setting of a data class, in order; fields that are none are left out."""
    hints = get_type_hints(kind, include_extras=True)
    found = []
    for name, hint in hints.items():
        if get_origin(hint) is not Annotated:
            continue
        value, *extras = get_args(hint)
        found += [Named(name, value, extra) for extra in extras if isinstance(extra, Setting)]
    return tuple(found)


NEUTRAL = Strip()
"""A strip that changes nothing."""
STRIP_NAMES = tuple(field.name for field in fields(Strip))


def plain_strip(strip: Strip) -> Strip:
    """A strip without whatever a subclass adds to it."""
    return Strip(**{name: getattr(strip, name) for name in STRIP_NAMES})
