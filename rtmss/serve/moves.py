"""What OSC has moved of an instance, and who has moved a thing last: OSC or the host.

A move is kept until the host moves the same thing, or chooses another preset.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from typing import Any, NamedTuple

from rtmss.conditions.condition import Condition
from rtmss.conditions.strip import Strip
from rtmss.engine.control import Scene, Stem
from rtmss.serve.layout import N_STRIPS, Control
from rtmss.serve.mapped import Controls

REMAINDER = "remainder"


class Place(NamedTuple):
    """A thing that can be moved."""

    owner: str
    """A stem, `remainder`, or nothing for what belongs to the whole scene."""
    field: str
    """Of its strip, of the stem, or of the scene; or PRESET."""


Value = float | bool | str | Condition | None
Moves = Mapping[Place, Value]
PRESET = Place("", "preset")
"""Another preset; it comes alone."""
RELEASE = Place("", "release")
"""All is the host's again; it comes alone."""
BYPASS = Place("", "bypass")
_STRIP_FIELDS = frozenset(field.name for field in fields(Strip))
_STEM_FIELDS = frozenset(field.name for field in fields(Stem)) - {"name", "strip"}
_CONDITIONS = {"condition", "condition_b"}
_OF_SCENE = {
    PRESET: Control.PRESET,
    BYPASS: Control.BYPASS,
    Place("", "master_db"): Control.MASTER_GAIN,
    Place("", "fade_ms"): Control.FADE,
    Place(REMAINDER, "gain_db"): Control.REMAINDER_GAIN,
    Place(REMAINDER, "mute"): Control.REMAINDER_MUTE,
}
_OF_STEMS = {
    "gain_db": (Control.FIRST_GAIN, 2),
    "mute": (Control.FIRST_MUTE, 2),
    "morph": (Control.FIRST_MORPH, 1),
}
"""The first stem's control, and how far apart those of the next ones are."""


def control_of(place: Place, preset: Scene) -> int | None:
    """Where the host has the same thing; None where it has not."""
    if place in _OF_SCENE:
        return _OF_SCENE[place]
    slots = {stem.name: slot for slot, stem in enumerate(preset.stems)}
    if place.owner not in slots or place.field not in _OF_STEMS or slots[place.owner] >= N_STRIPS:
        return None
    first, step = _OF_STEMS[place.field]
    return first + step * slots[place.owner]


def joined(before: Moves, news: Moves) -> dict[Place, Value]:
    """What is moved after some more moves. A preset begins without those before it, but for the
    bypass.
    """
    if RELEASE in news:
        return {}
    kept = before if PRESET not in news else {p: v for p, v in before.items() if p == BYPASS}
    return {**kept, **news}


def moved(scene: Scene, moves: Moves) -> Scene:
    """A scene with what is moved of it; moves of stems that it does not have wait."""
    by_owner: dict[str, dict[str, Any]] = {}
    for place, value in moves.items():
        if place != PRESET:
            by_owner.setdefault(place.owner, {})[place.field] = value
    if not by_owner:
        return scene
    return replace(
        scene,
        stems=tuple(_stem(stem, by_owner.get(stem.name, {})) for stem in scene.stems),
        remainder=replace(scene.remainder, **by_owner.get(REMAINDER, {})),
        **by_owner.get("", {}),
    )


def _stem(stem: Stem, values: dict[str, Any]) -> Stem:
    if not values:
        return stem
    own = {name: value for name, value in values.items() if name in _STEM_FIELDS}
    strip = {name: value for name, value in values.items() if name in _STRIP_FIELDS}
    return replace(stem, strip=replace(stem.strip, **strip), **own)


class Held:
    """The moves that count, in the thread that plays."""

    def __init__(self) -> None:
        """Start with none."""
        self.moves: Moves = {}
        """Set anew with every change, never changed: another thread may look."""
        self._hosts: dict[Place, tuple[int, float]] = {}
        """What the host had set in the same place when it was moved, and by which control."""
        self._preset = ""

    @property
    def preset(self) -> str:
        """That OSC has chosen; nothing where it has not."""
        return str(self.moves.get(PRESET, ""))

    def give_back(self, controls: Controls, preset: str) -> None:
        """Give the host what it has moved since.

        Args:
            controls: what it has set now.
            preset: the one that it has chosen now.
        """
        is_other = preset != self._preset
        self._preset = preset
        taken = {p for p, (control, before) in self._hosts.items() if controls[control] != before}
        if is_other or PRESET in taken:
            taken |= self.moves.keys() - {BYPASS}
        if not taken.isdisjoint(self.moves):
            self._keep({p: value for p, value in self.moves.items() if p not in taken})

    def take_up(self, news: Moves, controls: Controls, preset: Scene) -> None:
        """Move more.

        Args:
            news: what OSC has moved.
            controls: what the host has set at that hop.
            preset: the scene of the preset that plays, which knows the places of its stems.
        """
        self._keep(joined(self.moves, news))
        for place in news.keys() & self.moves.keys():
            control = control_of(place, preset)
            if control is not None:
                self._hosts[place] = control, float(controls[control])

    def _keep(self, moves: Moves) -> None:
        self.moves = moves
        self._hosts = {place: known for place, known in self._hosts.items() if place in moves}


def to_text(moves: Moves) -> str:
    """Moves for another process; conditions by their names."""
    rows = [
        (*place, value.name if isinstance(value, Condition) else value)
        for place, value in moves.items()
    ]
    return json.dumps(rows, ensure_ascii=False, separators=(",", ":"))


def of_text(text: str, condition: Callable[[str], Condition]) -> dict[Place, Value]:
    """The same moves again.

    Args:
        text: of `to_text`.
        condition: finds one by name.

    Raises:
        UserError: a condition cannot be had.
    """
    moves: dict[Place, Value] = {}
    for owner, field, value in json.loads(text) if text else ():
        is_condition = field in _CONDITIONS and value is not None
        moves[Place(owner, field)] = condition(value) if is_condition else value
    return moves
