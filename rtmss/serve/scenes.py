"""From what a host has set to the scene that plays."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from rtmss.conditions.condition import Condition, ConditionError, ConditionLimits
from rtmss.conditions.library import Library
from rtmss.conditions.strip import SILENCE_DB, Strip
from rtmss.config import UserError
from rtmss.engine.control import Scene, Stem
from rtmss.serve.layout import N_PRESETS, N_STRIPS, Control, PlugInFallback
from rtmss.serve.mapped import Controls

LEAST_GAIN, MOST_GAIN = -60.0, 12.0
"""dB; the least is silence."""
MOST_FADE = 2000.0
"""ms."""
LOUDEST_STRIP = 12.0
"""dB, of a preset and the host together."""
GAINS = [
    Control.MASTER_GAIN,
    Control.REMAINDER_GAIN,
    *range(Control.FIRST_GAIN, Control.FALLBACK, 2),
]
MORPHS = [*range(Control.FIRST_MORPH, Control.FIRST_MORPH + N_STRIPS)]


class SceneBook:
    """The scenes of presets by name, read once; files are read only by who may wait."""

    def __init__(self, library: Library, model_id: str, limits: ConditionLimits) -> None:
        """Start with none."""
        self.library = library
        self._model_id, self._limits = model_id, limits
        self._scenes: dict[str, Scene | None] = {}

    def has(self, name: str) -> bool:
        """Whether it is known what becomes of a name."""
        return name in self._scenes

    def scene(self, name: str) -> Scene | None:
        """Of a preset that was read; None if it cannot be played."""
        return self._scenes.get(name)

    def read(self, names: Iterable[str]) -> None:
        """Read presets that are not known yet, and again those that could not be played."""
        for name in names:
            if self._scenes.get(name) is None:
                self._scenes[name] = self._read(name)

    def condition(self, name: str) -> Condition:
        """A condition by name.

        Raises:
            UserError: there is none, it was made for other weights, or the model does not take it.
        """
        condition = self.library.load_condition(name, self._model_id)
        self._limits.check(condition)
        return condition

    def _read(self, name: str) -> Scene | None:
        try:
            preset = self.library.preset_named(name)
            scene = Scene.from_preset(preset, self.library, self._model_id)
            scene.check(self._limits)
        except (UserError, ConditionError, OSError):
            return None
        return scene


def sane(controls: Controls) -> Controls:
    """(N_CONTROLS,) of numbers within their ranges, whatever came."""
    taken = np.nan_to_num(controls, nan=0.0, posinf=0.0, neginf=0.0)
    taken[GAINS] = np.clip(taken[GAINS], LEAST_GAIN, MOST_GAIN)
    taken[MORPHS] = np.clip(taken[MORPHS], -1, 1)
    taken[Control.FADE] = np.clip(taken[Control.FADE], 0, MOST_FADE)
    taken[Control.PRESET] = np.clip(np.round(taken[Control.PRESET]), 0, N_PRESETS - 1)
    return taken


def mixed(preset: Scene, controls: Controls) -> Scene:
    """A preset's scene as the host has set it: gains, mutes and morphs are added.

    Args:
        preset: its scene.
        controls: sane ones.
    """
    return replace(
        preset,
        stems=tuple(_stem(stem, slot, controls) for slot, stem in enumerate(preset.stems)),
        remainder=_strip(
            preset.remainder, controls[Control.REMAINDER_GAIN], controls[Control.REMAINDER_MUTE]
        ),
        master_db=_sum(preset.master_db, controls[Control.MASTER_GAIN]),
        fade_ms=float(controls[Control.FADE]),
        bypass=bool(controls[Control.BYPASS] > 0.5),
    )


def fallback_of(scene: Scene) -> PlugInFallback:
    """What the plug-in plays when a hop is late: it has no masks to hold, so it has the input."""
    return PlugInFallback.SILENCE if scene.fallback == "silence" else PlugInFallback.DRY


def _stem(stem: Stem, slot: int, controls: Controls) -> Stem:
    if slot >= N_STRIPS:
        return stem
    gain, mute = (controls[first + 2 * slot] for first in (Control.FIRST_GAIN, Control.FIRST_MUTE))
    changed = replace(stem, strip=_strip(stem.strip, gain, mute))
    more = float(controls[Control.FIRST_MORPH + slot])
    if stem.condition_b is None or not more:
        return changed
    return replace(changed, morph=min(max(stem.morph + more, 0.0), 1.0))


def _strip(strip: Strip, gain: float, mute: float) -> Strip:
    return replace(strip, gain_db=_sum(strip.gain_db, gain), mute=strip.mute or bool(mute > 0.5))


def _sum(preset_db: float, host_db: float) -> float:
    if host_db <= LEAST_GAIN:
        return SILENCE_DB
    return min(max(preset_db + float(host_db), SILENCE_DB), LOUDEST_STRIP)
