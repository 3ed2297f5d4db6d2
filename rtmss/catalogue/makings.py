"""What is made of songs: plans, under names that say what they depend on.

A name is `<preset>.<model id>.<digest>`, where the digest is of everything else that changes a
sample: stems, conditions, effects, format, loudness. So a preset that was edited is made again, and
one that was not is found.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from rtmss.catalogue.songs import Song
from rtmss.conditions.condition import Condition
from rtmss.conditions.library import Library
from rtmss.conditions.preset import MAX_STEMS, Preset
from rtmss.config import ConfigError
from rtmss.engine.control import Scene, Stem
from rtmss.lookup import find
from rtmss.rendering import FORMATS, RenderPlan, all_conditions


@dataclass(frozen=True)
class Making:
    """One way to render a song."""

    preset: str
    plan: RenderPlan
    name: str


@dataclass(frozen=True)
class Style:
    """What is common to all renders."""

    model_id: str
    profile: str | None = None
    format: str = "wav"
    stems: bool = False
    """Write every stem, and the remainder."""
    loudness_lufs: float | None = None
    """Of every mix; None leaves it as the preset makes it."""

    def __post_init__(self) -> None:
        if self.format not in FORMATS:
            raise ConfigError(f"no format '{self.format}'; known: {', '.join(FORMATS)}")


class Makings:
    """Makings by name, resolved once however many songs share them."""

    def __init__(self, library: Library, style: Style) -> None:
        self.library = library
        self.style = style
        self.by_name: dict[str, Making] = {}
        self._names: dict[tuple[str, tuple[tuple[str, str], ...]], str] = {}

    def of(self, song: Song, presets: Sequence[str]) -> Song:
        """The song with the names of what is to be made of it.

        Args:
            song: with presets and conditions of its own, or none.
            presets: for songs without their own.

        Raises:
            ConfigError: there is no such preset, stem or condition, or nothing says which preset.
            ConditionError: a condition was made for other weights.
        """
        wanted = song.presets or presets
        if not wanted:
            raise ConfigError(f"{song.id}: no preset; give --preset, or one in the manifest")
        names = (self._name(preset, song.conditions) for preset in wanted)
        return replace(song, makings=tuple(dict.fromkeys(names)))

    def _name(
        self,
        preset: str,
        conditions: tuple[tuple[str, str], ...],
    ) -> str:
        key = preset, conditions
        if key not in self._names:
            making = self._make(preset, dict(conditions))
            self.by_name[making.name] = making
            self._names[key] = making.name
        return self._names[key]

    def _make(
        self,
        name: str,
        conditions: dict[str, str],
    ) -> Making:
        preset, style = self.library.load_preset(name), self.style
        changed = dict(preset.stems)
        for stem, condition in conditions.items():
            changed[stem] = replace(find(stem, changed, "stem"), condition=condition)
        preset = preset.model_copy(update={"stems": changed})
        scene = Scene.from_preset(preset, self.library, style.model_id)
        plan = RenderPlan.from_preset(
            preset,
            scene,
            stems=style.stems,
            format=style.format,
        )
        label = Path(name).stem
        return Making(label, bare(plan), f"{label}.{style.model_id}.{_digest(preset, plan, style)}")


def bare(plan: RenderPlan) -> RenderPlan:
    """The plan without what only tells where its conditions came from: it travels."""
    stems = tuple(
        Stem(
            stem.name,
            Condition.bare(stem.target.name, stem.target.vector),
            stem.strip,
        )
        for stem in plan.scene.stems
    )
    return replace(plan, scene=replace(plan.scene, stems=stems))


def passes(makings: Iterable[Making]) -> list[list[Making]]:
    """Makings in groups that one pass of the network can serve."""
    groups: list[list[Making]] = []
    for making in makings:
        for group in groups:
            plans = [*(other.plan for other in group), making.plan]
            if len(all_conditions(plans)) <= MAX_STEMS:
                group.append(making)
                break
        else:
            groups.append([making])
    return groups


def _digest(preset: Preset, plan: RenderPlan, style: Style) -> str:
    content = {
        "preset": preset.model_dump(mode="json", exclude={"description"}),
        "conditions": [stem.target.key for stem in plan.scene.stems],
        "style": asdict(style),
    }
    text = json.dumps(content, sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=4).hexdigest()
