"""What is heard when a cue comes: its changes as one, and its fade, which is over after it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from rtmss.engine.control import Scene
from rtmss.live.control.cues.morphs import MorphGlide, held_back
from rtmss.live.control.cues.sheet import CueChange


class Firing:
    """A change of the scene that cues make together, at one hop."""

    def __init__(
        self,
        changes: Sequence[CueChange],
        fade_ms: float | None = None,
        base: Scene | None = None,
        before: Firing | None = None,
    ) -> None:
        """Say what it does.

        Args:
            changes: one after the other.
            fade_ms: how long all of it glides; None for as long as any other change.
            base: what the changes begin from; None for what plays by then.
            before: the one whose fade may still be under way then.
        """
        self.changes, self.fade_ms = changes, fade_ms
        self.preset = next((one.preset for one in reversed(changes) if one.preset), "")
        """Name of the preset that plays then; empty if it stays."""
        self.settled_ms = -1.0
        """The fade that holds again after this one's."""
        self.left_out: list[str] = []
        """Stems that it would move, and that were not there when it was last tried."""
        self._left_ms = fade_ms
        """Fade of the scene as it was last set here."""
        self.glide = MorphGlide(())
        """What its fade morphs."""
        self._base, self._before = base, before

    def __call__(self, scene: Scene) -> Scene:
        """The scene after it."""
        made = scene if self._before is None else self._before.settle(scene)
        if self._base is not None:
            made = replace(self._base, bypass=scene.bypass)
        self.left_out = []
        for change in self.changes:
            self.left_out += change.missing(made)
            made = change(made)
        self.settled_ms = made.fade_ms
        if self.fade_ms is None:
            return made
        made, self.glide = held_back(scene, made)
        self._left_ms = self.fade_ms
        return replace(made, fade_ms=self.fade_ms)

    def go_on(self, share: float, left_ms: float, scene: Scene) -> Scene:
        """The scene with a share of the way of its morphs gone; gains glide for what is left of the
        fade, as a scene makes them start anew.
        """
        is_mine = scene.fade_ms == self._left_ms
        made = self.glide.to(share, scene)
        if is_mine:
            self._left_ms = left_ms
            made = replace(made, fade_ms=left_ms)
        return made

    def settle(self, scene: Scene) -> Scene:
        """The scene where the fade leads, with the fade of before, unless another one was set
        meanwhile.
        """
        scene = self.glide.to(1, scene)
        is_mine = self.fade_ms is not None and scene.fade_ms == self._left_ms
        return replace(scene, fade_ms=self.settled_ms) if is_mine else scene
