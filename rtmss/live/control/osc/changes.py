"""All changes of the mix that a packet asks for, as one change: it costs the same however many
messages there were.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from rtmss.conditions.condition import Condition
from rtmss.conditions.strip import Strip, settings
from rtmss.config import UserError
from rtmss.engine.control import Scene, Stem
from rtmss.live.control.osc.arguments import Value
from rtmss.live.control.osc.fairness import Peer
from rtmss.live.control.osc.table import gain_of

REMAINDER = "remainder"
_STRIP_NAMES = {setting.leaf: name for name, _, setting in settings(Strip)}
_STEM_NAMES = {setting.leaf: name for name, _, setting in settings(Stem)}
_MIX_NAMES = {setting.leaf: name for name, _, setting in settings(Scene)}


@dataclass
class PacketChange:
    """A change from scene to scene. Of two messages about the same thing the later one counts."""

    peer: Peer
    """Who asked for it."""
    ends_solos: bool = False
    """Before anything else: solos that came after it are among the strips'."""
    conditions: dict[str, Condition] = field(default_factory=dict)
    """By stem."""
    stems: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By stem: where it morphs to, and how far."""
    strips: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Settings by stem or `remainder`."""
    mix: dict[str, Any] = field(default_factory=dict)

    def __bool__(self) -> bool:
        """Whether it changes anything."""
        changed = self.conditions or self.stems or self.strips or self.mix
        return bool(self.ends_solos or changed)

    def end_solos(self) -> None:
        """Take back every solo there is by then."""
        self.ends_solos = True
        for changed in self.strips.values():
            changed.pop("solo", None)

    def set_value(self, address: str, value: Value) -> None:
        """Set what an address of a setting stands for."""
        path = address.removeprefix("/rtmss/")
        if path.endswith("fader"):
            path = path.removesuffix("fader") + "gain"
            value = gain_of(float(value))
        if path in _MIX_NAMES:
            self.mix[_MIX_NAMES[path]] = value
            return
        *_, owner, leaf = path.split("/")
        if leaf in _STEM_NAMES:
            self.set_stem(owner, **{_STEM_NAMES[leaf]: value})
            return
        self.strips.setdefault(owner, {})[_STRIP_NAMES[leaf]] = value

    def set_stem(self, stem: str, **changed: Any) -> None:
        """Set fields of a stem that are not of its strip."""
        self.stems.setdefault(stem, {}).update(changed)

    def __call__(self, scene: Scene) -> Scene:
        """The scene with all of it.

        Raises:
            UserError: a stem of it is not there.
        """
        names = {REMAINDER, *(stem.name for stem in scene.stems)}
        named = self.strips.keys() | self.conditions.keys() | self.stems.keys()
        missing = named - names
        if missing:
            raise UserError(f"no stem '{min(missing)}'")
        stems = tuple(self._stem(stem) for stem in scene.stems)
        remainder = self._strip(REMAINDER, scene.remainder)
        return replace(scene, stems=stems, remainder=remainder, **self.mix)

    def _stem(self, stem: Stem) -> Stem:
        return replace(
            stem,
            condition=self.conditions.get(stem.name, stem.condition),
            strip=self._strip(stem.name, stem.strip),
            **self.stems.get(stem.name, {}),
        )

    def _strip(self, name: str, strip: Strip) -> Strip:
        changed = self.strips.get(name, {})
        if self.ends_solos and strip.solo:
            changed = {"solo": False} | changed
        return replace(strip, **changed) if changed else strip
