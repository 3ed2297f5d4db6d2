"""A set list with everything that its cues need in memory: none of them waits for a disk."""

from __future__ import annotations

import bisect
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from rtmss.conditions.condition import Condition, ConditionLimits
from rtmss.conditions.library import Library
from rtmss.conditions.set_list import MASTER, Move, SetList
from rtmss.engine.control import Scene, Stem
from rtmss.lookup import find

REMAINDER = "remainder"
_MASTER_NAMES = {"gain_db": "master_db", "mute": "master_mute"}


@dataclass(frozen=True)
class CueChange:
    """What one cue does to a scene, its fade aside."""

    preset: str = ""
    """Name of the preset, if it has one."""
    scene: Scene | None = None
    """That of the preset."""
    mixer: dict[str, Move] = field(default_factory=dict)
    conditions: dict[str, Condition] = field(default_factory=dict)
    """By name."""

    def __call__(self, scene: Scene) -> Scene:
        """The scene after it; bypass stays, and moves of stems that are not there are left out."""
        made = scene if self.scene is None else replace(self.scene, bypass=scene.bypass)
        stems = tuple(
            self._stem(stem, self.mixer[stem.name]) if stem.name in self.mixer else stem
            for stem in made.stems
        )
        mix: dict[str, Any] = {"stems": stems}
        if REMAINDER in self.mixer:
            mix["remainder"] = replace(made.remainder, **self.mixer[REMAINDER].strip)
        if MASTER in self.mixer:
            moved = self.mixer[MASTER].strip
            mix |= {_MASTER_NAMES[name]: value for name, value in moved.items()}
        return replace(made, **mix)

    def missing(self, scene: Scene) -> list[str]:
        """Names of stems that it would move, and that are not there after its preset."""
        there = {stem.name for stem in (self.scene or scene).stems} | {REMAINDER, MASTER}
        return [name for name in self.mixer if name not in there]

    def _stem(self, stem: Stem, move: Move) -> Stem:
        conditions = {
            field: None if name is None else self.conditions[name]
            for field, name in move.conditions.items()
        }
        changes: dict[str, Any] = {**conditions, **move.others}
        return replace(stem, strip=replace(stem.strip, **move.strip), **changes)


@dataclass(frozen=True)
class SheetCue:
    """One cue, ready to play. The first of each song is its beginning."""

    name: str
    """`song/cue`, or `song` for its beginning."""
    song: int
    """Counted from 0."""
    seconds: float | None
    """Where it comes; None for one that comes when it is asked for."""
    change: CueChange
    fade_ms: float | None = None
    is_start: bool = False


@dataclass(frozen=True)
class Sheet:
    """All cues in order."""

    cues: tuple[SheetCue, ...]
    files: tuple[Path, ...] = ()
    """One for each song; none where the input is played."""

    def index(self, name: str, song: int) -> int:
        """The place of a cue, by its whole name, or by that within a song, or by a song's.

        Args:
            name: `song/cue`, `cue` or `song`.
            song: whose cues go first.

        Raises:
            ConfigError: there is none; names near misses.
        """
        known = {cue.name: place for place, cue in enumerate(self.cues)}
        within = {
            cue.name.partition("/")[2]: place
            for place, cue in enumerate(self.cues)
            if cue.song == song and not cue.is_start
        }
        place: int = find(name, known | within, "cue")
        return place

    def start(self, song: int) -> int:
        """The place of the beginning of a song."""
        return self._starts[song]

    def at(self, song: int, seconds: float) -> int:
        """The place of the last cue by time of a song that has come by then."""
        timed = self._timed[song]
        n_come = bisect.bisect_right(timed, (seconds, len(self.cues)))
        return timed[max(n_come, 1) - 1][1]

    def to_come(self, index: int) -> list[int]:
        """Places of the cues by time that follow one of them in its song, in order."""
        timed = self._timed[self.cues[index].song]
        return [place for _, place in timed[self._rank(index) + 1 :]]

    def until(self, index: int) -> list[CueChange]:
        """What leads to a cue from the beginning of its song: cues by time alone if it is one, else
        all that stand before it.
        """
        now = self.cues[index]
        if now.seconds is None:
            first = self._starts[now.song]
            return [cue.change for cue in self.cues[first : index + 1]]
        timed = self._timed[now.song][: self._rank(index) + 1]
        return [self.cues[place].change for _, place in timed]

    def _rank(self, index: int) -> int:
        """How many cues by time come before one of them in its song."""
        now = self.cues[index]
        return bisect.bisect_left(self._timed[now.song], (now.seconds or 0.0, index))

    @cached_property
    def _starts(self) -> tuple[int, ...]:
        return tuple(place for place, cue in enumerate(self.cues) if cue.is_start)

    @cached_property
    def _timed(self) -> tuple[list[tuple[float, int]], ...]:
        """Seconds and places of the cues by time of each song, in order; the first is its
        beginning.
        """
        rows: list[list[tuple[float, int]]] = [[] for _ in self._starts]
        for place, cue in enumerate(self.cues):
            if cue.seconds is not None:
                rows[cue.song].append((cue.seconds, place))
        return tuple(sorted(row) for row in rows)


def load_sheet(
    set_list: SetList, library: Library, model_id: str, limits: ConditionLimits
) -> Sheet:
    """Read all presets and conditions that a set list names.

    Raises:
        UserError: one is missing, broken, or made for other weights.
    """
    loader = Loader(library, model_id, limits)
    cues: list[SheetCue] = []
    for number, song in enumerate(set_list.songs):
        cues.append(SheetCue(song.name, number, 0.0, loader.change(song.preset), is_start=True))
        for cue in song.cues:
            change = loader.change(cue.preset, cue.mixer)
            name, seconds = f"{song.name}/{cue.name}", song.seconds_of(cue)
            cues.append(SheetCue(name, number, seconds, change, cue.fade_ms))
    files = tuple(song.file for song in set_list.songs if song.file is not None)
    return Sheet(tuple(cues), files)


class Loader:
    """Reads presets and conditions, each once."""

    def __init__(self, library: Library, model_id: str, limits: ConditionLimits) -> None:
        self._library, self._model_id, self._limits = library, model_id, limits
        self._scenes: dict[str, Scene] = {}
        self._conditions: dict[str, Condition] = {}

    def change(self, preset: str | None, mixer: dict[str, Move] | None = None) -> CueChange:
        """What a cue does.

        Raises:
            UserError: something that it names is missing, broken, or made for other weights.
        """
        moves = mixer or {}
        names = named_conditions(moves)
        conditions = {name: self.condition(name) for name in sorted(names)}
        if preset is None:
            return CueChange("", None, moves, conditions)
        return CueChange(preset_name(preset), self.scene(preset), moves, conditions)

    def scene(self, preset: str) -> Scene:
        """The scene of a preset.

        Raises:
            UserError: as `change`.
        """
        if preset not in self._scenes:
            loaded = self._library.load_preset(preset)
            scene = Scene.from_preset(loaded, self._library, self._model_id)
            scene.check(self._limits)
            self._scenes[preset] = scene
        return self._scenes[preset]

    def condition(self, name: str) -> Condition:
        """A condition by name.

        Raises:
            UserError: as `change`.
        """
        if name not in self._conditions:
            condition = self._library.load_condition(name, self._model_id)
            self._limits.check(condition)
            self._conditions[name] = condition
        return self._conditions[name]


def named_conditions(mixer: dict[str, Move]) -> set[str]:
    """Names of all conditions that moves ask for."""
    named = (name for move in mixer.values() for name in move.conditions.values())
    return {name for name in named if name is not None}


def preset_name(preset: str) -> str:
    """How a preset is called that was given by name or by file."""
    return Path(preset).name.removesuffix(".yaml").removesuffix(".yml")
