"""A preset: a mixer scene in YAML."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, Self, get_args

from pydantic import Field, FiniteFloat, model_validator

from rtmss.conditions.strip import GainDb, Strip
from rtmss.config import NO_SWITCH, Config, ConfigError

MAX_STEMS = 8
MAX_EFFECTS = 32
"""On one strip; each has memory and takes time."""
MAX_NAME = 64
Fallback = Literal["dry", "silence", "hold"]
FALLBACKS: tuple[Fallback, ...] = get_args(Fallback)
RESERVED = {"remainder", "master", "mix", "input"}
"""Files and addresses of these names are others'."""


class Effect(Config):
    """One pedalboard effect: its class name, or a plug-in file, and its parameters."""

    type: str
    """`Reverb`, `Compressor`, ... or `Plugin`."""
    path: Path | None = None
    """The VST3 or Audio Unit of a `Plugin`."""
    parameters: dict[str, FiniteFloat | bool | str] = Field(default_factory=dict)


Effects = Annotated[tuple[Effect, ...], Field(max_length=MAX_EFFECTS)]


@dataclass(frozen=True)
class StripPreset(Strip):
    """One strip of the mixer."""

    effects: Effects = ()


@dataclass(frozen=True, kw_only=True)
class StemPreset(StripPreset):
    """The strip of one target."""

    condition: str
    """A condition by name."""
    condition_b: str | None = None
    """Another one, to which the stem can be morphed."""
    morph: Annotated[float, NO_SWITCH, Field(ge=0, le=1)] = 0.0
    """From the one, 0, to the other, 1."""


class MasterPreset(Config):
    """The strip of the main mix, output channels 1 and 2."""

    gain_db: GainDb = 0.0
    mute: bool = False
    effects: Effects = ()


class Preset(Config):
    """A mixer scene: stems in order, the remainder, the master, and how changes sound."""

    description: str = ""
    stems: Annotated[
        dict[str, StemPreset],
        Field(
            min_length=1,
            max_length=MAX_STEMS,
        ),
    ]
    remainder: StripPreset = StripPreset()
    master: MasterPreset = MasterPreset()
    fade_ms: Annotated[
        float,
        NO_SWITCH,
        Field(
            ge=0,
            le=10000,
        ),
    ] = 30.0
    """How long a change of gain, mute, solo, routing or bypass glides."""
    fallback: Fallback = "silence"
    """What a live hop that is late plays: the aligned mixture, nothing, or the last masks held."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        for name in self.stems:
            check_name(name, "stem")
        return self


def most_channels(preset: Preset) -> int:
    """The highest output channel that a preset routes to, at least 2."""
    strips: list[StripPreset] = [*preset.stems.values(), preset.remainder]
    return max(2, *(channel for strip in strips for channel in strip.channels))


def check_name(name: str, kind: str) -> None:
    """Refuse a name that could not stand in a file name or an OSC address.

    Raises:
        ConfigError: it has other characters than letters, digits, '-' and '_', or more than 64, or
            is taken.
    """
    plain = name.replace("-", "").replace("_", "")
    if name in RESERVED or len(name) > MAX_NAME or not (plain.isascii() and plain.isalnum()):
        taken = ", ".join(sorted(RESERVED))
        rule = f"at most {MAX_NAME} letters, digits, '-' and '_', and not {taken}"
        raise ConfigError(f"'{name}' cannot name a {kind}: {rule}")
