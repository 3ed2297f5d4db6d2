"""What the engine is told: an immutable snapshot, published by one assignment, read once per
step.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Annotated, Any

import numpy as np

from rtmss.conditions.condition import Condition, ConditionError, ConditionLimits
from rtmss.conditions.library import Library
from rtmss.conditions.preset import FALLBACKS, MAX_STEMS, Fallback, Preset, check_name
from rtmss.conditions.strip import NEUTRAL, Setting, Strip, check_settings, plain_strip
from rtmss.config import UserError, listed, shown
from rtmss.lookup import find


@dataclass(frozen=True)
class Stem:
    """One target: what to separate, and its strip."""

    name: str
    condition: Condition
    strip: Strip = NEUTRAL
    condition_b: Condition | None = None
    """Where a morph leads."""
    morph: Annotated[
        float, Setting("morph", "", 0, 1, "Between the stem's condition, 0, and condition/b, 1")
    ] = 0.0

    def __post_init__(self) -> None:
        """Refuse what is no stem.

        Raises:
            UserError: a part is of another type, or the name cannot name a stem.
        """
        if not isinstance(self.name, str):
            raise UserError(f"a stem's name: expected a text, got {shown(self.name)}")
        check_name(self.name, "stem")
        if not isinstance(self.condition, Condition):
            raise UserError(f"stem '{self.name}': no condition, got {shown(self.condition)}")
        if not isinstance(self.condition_b, Condition | None):
            raise UserError(f"stem '{self.name}': no condition, got {shown(self.condition_b)}")
        if not isinstance(self.strip, Strip):
            raise UserError(f"stem '{self.name}': no strip, got {shown(self.strip)}")
        check_settings(self)

    @cached_property
    def target(self) -> Condition:
        """What is separated: a condition, or a place on the straight line between two.

        Raises:
            ConditionError: their vectors differ in length.
        """
        start, end = self.condition, self.condition_b
        if end is None or self.morph == 0:
            return start
        if self.morph == 1:
            return end
        if start.vector.shape != end.vector.shape:
            raise ConditionError(
                f"stem '{self.name}': no morph from '{start.name}' to '{end.name}', which were "
                "made for different weights"
            )
        share = np.float32(self.morph)
        vector = (1 - share) * start.vector + share * end.vector
        return Condition.bare(f"{start.name} > {end.name} {self.morph:g}", vector)

    def goes_on(self, before: Stem) -> bool:
        """Whether what was separated before is this stem's target still, or is morphed into it."""
        is_pair = self.condition_b is not None and self.condition_b == before.condition_b
        return (is_pair and self.condition == before.condition) or self.target == before.target


@dataclass(frozen=True)
class Scene:
    """Everything that is set at one moment."""

    stems: tuple[Stem, ...] = ()
    remainder: Strip = NEUTRAL
    master_db: Annotated[
        float, Setting("master/gain", "dB", -120, 12, "Gain of the mix, outputs 1 and 2")
    ] = 0.0
    fade_ms: Annotated[
        float, Setting("fade", "ms", 0, 10000, "How long changes of the mix glide from now on")
    ] = 30.0
    bypass: Annotated[
        bool, Setting("bypass", effect="The input, delayed by the latency, and nothing else")
    ] = False
    fallback: Fallback = "silence"
    """What a live hop that is late plays."""
    master_mute: Annotated[bool, Setting("master/mute", effect="Mute the mix, outputs 1 and 2")] = (
        False
    )

    def __post_init__(self) -> None:
        """Refuse what is no scene.

        Raises:
            UserError: a part is of another type or out of range, there are too many stems, or two
                have one name.
        """
        stems = listed(self.stems)
        if stems is None or not all(isinstance(stem, Stem) for stem in stems):
            raise UserError(f"stems: expected stems, got {shown(self.stems)}")
        object.__setattr__(self, "stems", stems)
        if not isinstance(self.remainder, Strip):
            raise UserError(f"remainder: expected a strip, got {shown(self.remainder)}")
        if not isinstance(self.fallback, str) or self.fallback not in FALLBACKS:
            known = ", ".join(FALLBACKS)
            raise UserError(f"fallback: expected one of {known}, got {shown(self.fallback)}")
        check_settings(self)
        names = [stem.name for stem in self.stems]
        if len(names) > MAX_STEMS:
            raise UserError(f"{len(names)} stems, at most {MAX_STEMS} at once")
        if len(set(names)) < len(names):
            raise UserError(f"stem names must differ, got {', '.join(names)}")

    @classmethod
    def from_preset(cls, preset: Preset, library: Library, model_id: str) -> Scene:
        """The scene that a preset describes.

        Raises:
            ConfigError: a condition is unknown.
            ConditionError: a condition was made for other weights.
        """
        loaded = {
            name: library.load_condition(name, model_id)
            for stem in preset.stems.values()
            for name in (stem.condition, stem.condition_b)
            if name is not None
        }
        return cls(
            stems=tuple(
                Stem(
                    name,
                    loaded[stem.condition],
                    plain_strip(stem),
                    None if stem.condition_b is None else loaded[stem.condition_b],
                    stem.morph,
                )
                for name, stem in preset.stems.items()
            ),
            remainder=plain_strip(preset.remainder),
            master_db=preset.master.gain_db,
            fade_ms=preset.fade_ms,
            fallback=preset.fallback,
            master_mute=preset.master.mute,
        )

    def with_strip(self, name: str, **changes: Any) -> Scene:
        """The scene with fields of one strip changed; `remainder` names the remainder's.

        Raises:
            ConfigError: there is no such stem.
        """
        if isinstance(name, str) and name == "remainder":
            return replace(self, remainder=replace(self.remainder, **changes))
        stem = find(
            name,
            {stem.name: stem for stem in self.stems},
            "stem",
        )
        return self._with_stem(
            replace(
                stem,
                strip=replace(stem.strip, **changes),
            )
        )

    def with_condition(self, name: str, condition: Condition) -> Scene:
        """The scene with another condition on one stem.

        Raises:
            ConfigError: there is no such stem.
        """
        stem = find(
            name,
            {stem.name: stem for stem in self.stems},
            "stem",
        )
        return self._with_stem(replace(stem, condition=condition))

    def check(self, limits: ConditionLimits) -> None:
        """Refuse conditions that a model does not take.

        Raises:
            ConditionError: a vector has another shape, is not finite, or is too long.
        """
        for stem in self.stems:
            limits.check(stem.condition)
            if stem.condition_b is not None:
                limits.check(stem.condition_b)

    def without_solos(self) -> Scene:
        """The scene with no strip soloed."""
        scene = self
        for name in ("remainder", *(stem.name for stem in self.stems)):
            scene = scene.with_strip(name, solo=False)
        return scene

    def _with_stem(self, changed: Stem) -> Scene:
        stems: Iterable[Stem] = (
            changed if stem.name == changed.name else stem for stem in self.stems
        )
        return replace(self, stems=tuple(stems))


__all__ = ["Scene", "Stem", "Strip"]
