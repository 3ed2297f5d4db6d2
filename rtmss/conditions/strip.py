"""The settings of a mixer strip, described once.

YAML, the log, the shared memory, OSC's addresses and values, and the mixer's changes are made of
these descriptions:
a new setting is a new field here, and what the mixer does with it.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cache
from typing import Annotated, Any, NamedTuple, get_args, get_origin, get_type_hints

from pydantic import BeforeValidator, ConfigDict, Field


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


def number(leaf: str, unit: str, low: float, high: float, effect: str) -> Any:
    """Annotations of a number: for pydantic its range, for everything else the setting."""
    return Setting(leaf, unit, low, high, effect), Field(ge=low, le=high)


def _silence(value: Any) -> Any:
    """Whatever is quieter than the quietest gain is silence as well."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return max(value, SILENCE_DB) if is_number else value


SILENCE_DB = -120
GAIN, GAIN_RANGE = number("gain", "dB", SILENCE_DB, 12, "Gain of {}")
PAN, PAN_RANGE = number(
    "pan", "", -1, 1, "Pan of {} at constant power: -1 left, 0 as it is, 1 right"
)
GainDb = Annotated[float, BeforeValidator(_silence), GAIN, GAIN_RANGE]
Channel = Annotated[int, Field(ge=1, le=64)]


@dataclass(frozen=True)
class Strip:
    """One mixer strip."""

    gain_db: GainDb = 0.0
    mute: Annotated[bool, Setting("mute", effect="Mute {}")] = False
    solo: Annotated[bool, Setting("solo", effect="Solo {}")] = False
    channels: tuple[Channel, ...] = (1, 2)
    """Output channels, counted from 1; odd ones carry the left side, even ones the right."""
    pan: Annotated[float, PAN, PAN_RANGE] = 0.0

    __pydantic_config__ = ConfigDict(extra="forbid")


NEUTRAL = Strip()
"""A strip that changes nothing."""
STRIP_NAMES = tuple(field.name for field in fields(Strip))


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


def plain_strip(strip: Strip) -> Strip:
    """A strip without whatever a subclass adds to it."""
    return Strip(**{name: getattr(strip, name) for name in STRIP_NAMES})
