"""What the engine is told: an immutable snapshot, published by one assignment, read once per step."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from rtmss.conditions.condition import Condition
from rtmss.conditions.preset import MAX_STEMS, Fallback, Library, Preset, StripPreset, find


@dataclass(frozen=True)
class Strip:
    """One mixer strip."""

    gain_db: float = 0.0
    mute: bool = False
    solo: bool = False
    channels: tuple[int, ...] = (1, 2)
    """Output channels from 1; odd ones carry the left side, even ones the right."""


@dataclass(frozen=True)
class Stem:
    """One target: what to separate, and its strip."""

    name: str
    condition: Condition
    strip: Strip = Strip()


@dataclass(frozen=True)
class Scene:
    """Everything that is set at one moment."""

    stems: tuple[Stem, ...] = ()
    remainder: Strip = Strip()
    master_db: float = 0.0
    fade_ms: float = 30.0
    bypass: bool = False
    fallback: Fallback = "silence"
    """What a live hop that is late plays."""
    master_mute: bool = False

    def __post_init__(self) -> None:
        names = [stem.name for stem in self.stems]
        if len(names) > MAX_STEMS:
            raise ValueError(f"{len(names)} stems, at most {MAX_STEMS} at once")
        if len(set(names)) < len(names):
            raise ValueError(f"stem names must differ, got {', '.join(names)}")

    @classmethod
    def from_preset(cls, preset: Preset, library: Library, model_id: str) -> Scene:
        """The scene that a preset describes.

        Raises:
            ConfigError: a condition is unknown.
            ConditionError: a condition was made for other weights.
        """
        loaded = {name: library.load_condition(name, model_id) for name in {s.condition for s in preset.stems.values()}}
        stems = tuple(Stem(name, loaded[stem.condition], _strip(stem)) for name, stem in preset.stems.items())
        numbers = preset.master.gain_db, preset.fade_ms
        return cls(stems, _strip(preset.remainder), *numbers, fallback=preset.fallback, master_mute=preset.master.mute)

    def with_strip(self, name: str, **changes: Any) -> Scene:
        """The scene with fields of one strip changed; `remainder` names the remainder's.

        Raises:
            ConfigError: there is no such stem.
        """
        if name == "remainder":
            return replace(self, remainder=replace(self.remainder, **changes))
        stem = find(name, {stem.name: stem for stem in self.stems}, "stem")
        return self._with_stem(replace(stem, strip=replace(stem.strip, **changes)))

    def with_condition(self, name: str, condition: Condition) -> Scene:
        """The scene with another condition on one stem.

        Raises:
            ConfigError: there is no such stem.
        """
        stem = find(name, {stem.name: stem for stem in self.stems}, "stem")
        return self._with_stem(replace(stem, condition=condition))

    def without_solos(self) -> Scene:
        """The scene with no strip soloed."""
        scene = self
        for name in ("remainder", *(stem.name for stem in self.stems)):
            scene = scene.with_strip(name, solo=False)
        return scene

    def _with_stem(self, changed: Stem) -> Scene:
        stems: Iterable[Stem] = (changed if stem.name == changed.name else stem for stem in self.stems)
        return replace(self, stems=tuple(stems))


def _strip(preset: StripPreset) -> Strip:
    return Strip(preset.gain_db, preset.mute, preset.solo, preset.channels)
