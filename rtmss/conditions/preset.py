"""A preset: a mixer scene in YAML, and finding presets and conditions by name."""

from __future__ import annotations

import contextlib
import difflib
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import Field, FiniteFloat, model_validator

from rtmss.conditions.condition import Condition, ConditionError, load_condition
from rtmss.conditions.strip import GainDb, Strip
from rtmss.config import Config, ConfigError, read_yaml

MAX_STEMS = 8
MAX_NAME = 64
MAX_KEPT = 64
"""Conditions that a library keeps in memory."""
MAX_NAMED, MAX_ALIKE = 40, 200
"""Names that an error lists, and that it compares with the wrong one: a library may be huge."""
_Stamp = tuple[int, int, int] | None
Fallback = Literal["dry", "silence", "hold"]
FALLBACKS: tuple[Fallback, ...] = get_args(Fallback)
RESERVED = {"remainder", "master", "mix"}


class Effect(Config):
    """One pedalboard effect: its class name, or a plug-in file, and its parameters."""

    type: str
    """`Reverb`, `Compressor`, ... or `Plugin`."""
    path: Path | None = None
    """The VST3 or Audio Unit of a `Plugin`."""
    parameters: dict[str, FiniteFloat | bool | str] = Field(default_factory=dict)


@dataclass(frozen=True)
class StripPreset(Strip):
    """One strip of the mixer."""

    effects: tuple[Effect, ...] = ()


@dataclass(frozen=True, kw_only=True)
class StemPreset(StripPreset):
    """The strip of one target."""

    condition: str
    """A condition by name."""


class MasterPreset(Config):
    """The strip of the main mix, output channels 1 and 2."""

    gain_db: GainDb = 0.0
    mute: bool = False
    effects: tuple[Effect, ...] = ()


class Preset(Config):
    """A mixer scene: stems in order, the remainder, the master, and how changes sound."""

    description: str = ""
    stems: Annotated[dict[str, StemPreset], Field(min_length=1, max_length=MAX_STEMS)]
    remainder: StripPreset = StripPreset()
    master: MasterPreset = MasterPreset()
    fade_ms: Annotated[float, Field(ge=0, le=10000)] = 30.0
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


def shipped() -> Path:
    """The folder of presets, conditions and clips that come with rtmss."""
    package = Path(str(files("rtmss")))
    inside = package / "presets"
    return inside if inside.is_dir() else package.parent / "presets"


class Library:
    """Presets and conditions by name: the user's folder first, then those shipped with rtmss."""

    def __init__(self, folders: Iterable[Path]) -> None:
        self.folders = [*folders, shipped()]
        self._loaded: OrderedDict[Path, tuple[_Stamp, Condition]] = OrderedDict()
        """Conditions that were read lately, and of which file each of them is."""

    def presets(self) -> dict[str, Path]:
        """Every preset by name."""
        return self._by_name("*.yaml")

    def readable_presets(self) -> Iterator[Preset]:
        """Every preset that can be read; a broken one is in nobody's way before it is asked for."""
        for path in self.presets().values():
            with contextlib.suppress(ConfigError):
                yield read_yaml(path, Preset)

    def conditions(self) -> dict[str, Path]:
        """Every condition by name."""
        return self._by_name("conditions/*.safetensors")

    def own_instead_of_shipped(self) -> set[str]:
        """Names of conditions that come with rtmss and are found in another folder first."""
        folder = shipped() / "conditions"
        ours = {path.stem for path in folder.glob("*.safetensors")}
        return {
            name
            for name, path in self.conditions().items()
            if name in ours and path.parent != folder
        }

    def _by_name(self, pattern: str) -> dict[str, Path]:
        found = (path for folder in reversed(self.folders) for path in sorted(folder.glob(pattern)))
        return {path.stem: path for path in found}

    def load_preset(self, name: str) -> Preset:
        """Read a preset by name or by file.

        Raises:
            ConfigError: there is none of this name (names near misses), or it is not valid.
        """
        path = Path(name)
        if path.suffix in {".yaml", ".yml"}:
            return read_yaml(path, Preset)
        return self.preset_named(name)

    def preset_named(self, name: str) -> Preset:
        """Read a preset by name; no name opens a file elsewhere.

        Raises:
            ConfigError: there is none of this name (names near misses), or it is not valid.
        """
        return read_yaml(find(name, self.presets(), "preset"), Preset)

    def load_condition(self, name: str, model_id: str | None = None) -> Condition:
        """Read a condition by name; the same object for the same file, so that a stem that stays is
        known to stay.

        Raises:
            ConfigError: there is none of this name.
            ConditionError: it was made for other weights than `model_id`.
        """
        path = find(name, self.conditions(), "condition")
        stamp, kept = _stamp(path), self._loaded.get(path)
        if kept is None or kept[0] != stamp or stamp is None:
            self._loaded[path] = stamp, load_condition(path)
        self._loaded.move_to_end(path)
        while len(self._loaded) > MAX_KEPT:
            self._loaded.popitem(last=False)
        condition = self._loaded[path][1]
        if model_id is not None:
            condition.header.check_model(model_id)
        return condition


def _stamp(path: Path) -> _Stamp:
    """What changes when a file is written anew; None where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def find(name: str, known: Mapping[str, Any], kind: str) -> Any:
    """Look a name up.

    Raises:
        ConfigError: `no preset 'karaoka'; did you mean 'karaoke'? known: ...`
    """
    if name in known:
        return known[name]
    names = sorted(known)
    alike = [other for other in names if other[:1] == name[:1]] if len(names) > MAX_ALIKE else names
    near = difflib.get_close_matches(name, alike[:MAX_ALIKE], n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(repr(n) for n in near)}? " if near else ""
    more = f" and {len(names) - MAX_NAMED} more" if len(names) > MAX_NAMED else ""
    listed = ", ".join(names[:MAX_NAMED]) or "none"
    raise ConfigError(f"no {kind} '{name}'; {hint}known: {listed}{more}")


__all__ = [
    "ConditionError",
    "Effect",
    "Fallback",
    "Library",
    "MasterPreset",
    "Preset",
    "StemPreset",
    "StripPreset",
    "find",
]
