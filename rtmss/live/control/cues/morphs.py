"""Morphs that glide over the fade of a cue: the mixer glides gains, and stems are morphed step by
step.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from rtmss.engine.control import Scene, Stem


class Morph(NamedTuple):
    """How far one stem goes."""

    stem: str
    start: float
    end: float


class MorphGlide:
    """Changes of the scene on the way; a stem that is morphed by hand meanwhile is left alone."""

    def __init__(self, morphs: Sequence[Morph]) -> None:
        self._morphs = {morph.stem: morph for morph in morphs}
        self._at = {morph.stem: morph.start for morph in morphs}

    def __bool__(self) -> bool:
        """Whether anything is morphed."""
        return bool(self._morphs)

    def to(self, share: float, scene: Scene) -> Scene:
        """The scene with a share of the way gone, 1 for all of it."""
        stems = tuple(self._step(stem, share) for stem in scene.stems)
        return replace(scene, stems=stems)

    def _step(self, stem: Stem, share: float) -> Stem:
        morph = self._morphs.get(stem.name)
        if morph is None:
            return stem
        if stem.morph != self._at[stem.name]:
            del self._morphs[stem.name]
            return stem
        at = morph.end if share >= 1 else morph.start + share * (morph.end - morph.start)
        self._at[stem.name] = at
        return replace(stem, morph=at)


def held_back(before: Scene, after: Scene) -> tuple[Scene, MorphGlide]:
    """The scene with its morphs where they were before, and what leads to where they are to be.

    What a stem plays has to be on the way: a morph to elsewhere is a switch, as it is anyway.
    """
    known = {stem.name: stem for stem in before.stems}
    stems, morphs = [], []
    for stem in after.stems:
        old = known.get(stem.name, stem)
        is_pair = old.condition_b == stem.condition_b or old.morph == 0
        is_way = is_pair and old.condition == stem.condition and old.morph != stem.morph
        if is_way:
            morphs.append(Morph(stem.name, old.morph, stem.morph))
        stems.append(replace(stem, morph=old.morph) if is_way else stem)
    return replace(after, stems=tuple(stems)), MorphGlide(morphs)
