"""What is missing for a set list, found before the evening."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from rtmss.conditions.condition import ConditionLimits
from rtmss.conditions.library import Library
from rtmss.conditions.set_list import Cue, SetList, Song
from rtmss.config import UserError
from rtmss.engine.control import Scene
from rtmss.files import Damage, open_audio
from rtmss.live.control.cues.sheet import CueChange, Loader, named_conditions, preset_name
from rtmss.live.song.decode import BLOCK, MAX_CHANNELS


class Playing(NamedTuple):
    """What plays by a cue."""

    scene: Scene | None
    """None where it is not known, because something is missing."""
    preset: str


class SetListCheck:
    """Looks a set list through; `problems` are lines for a user."""

    def __init__(
        self, set_list: SetList, library: Library, model_id: str, limits: ConditionLimits
    ) -> None:
        self._set_list = set_list
        self._loader = Loader(library, model_id, limits)
        self.problems: list[str] = []

    def run(self, first_preset: str, *, listens: bool = True) -> list[str]:
        """Every problem, song by song.

        Args:
            first_preset: what plays before the first preset of the list.
            listens: whether files are decoded to their ends, which takes a while; otherwise they
                are only opened.
        """
        self.problems = []
        songs = self._set_list.songs
        self._find_doubles("song", [song.name for song in songs])
        without = [song.name for song in songs if song.file is None]
        if self._set_list.has_files and without:
            self._say(without[0], "has no file, and others have; one run plays files or the input")
        playing = self._playing(self._preset("--preset", first_preset), Playing(None, ""))
        for song in songs:
            playing = self._check_song(song, playing, listens=listens)
        return self.problems

    def _check_song(self, song: Song, before: Playing, *, listens: bool) -> Playing:
        """What plays in the end of it."""
        self._find_doubles(f"{song.name}: cue", [cue.name for cue in song.cues])
        seconds = self._listen(song.name, song.file, to_end=listens) if song.file else None
        self._check_times(song, seconds)
        playing = timed = self._playing(self._preset(song.name, song.preset), before)
        for cue in song.cues:
            name = f"{song.name}/{cue.name}"
            change = self._change(name, cue)
            self._find_strangers(name, change, playing if song.seconds_of(cue) is None else timed)
            playing = self._playing(change, playing)
            if song.seconds_of(cue) is not None:
                timed = self._playing(change, timed)
        return playing

    def _find_doubles(self, what: str, names: Iterable[str]) -> None:
        doubles = [name for name, n in Counter(names).items() if n > 1]
        self.problems += [f"{what} '{name}' is there twice" for name in doubles]

    def _listen(self, name: str, file: Path, *, to_end: bool) -> float | None:
        """Length of a file in seconds; None if it cannot be read, or was only opened."""
        damages: list[Damage] = []
        try:
            with open_audio(file, most_channels=MAX_CHANNELS, on_damage=damages.append) as reader:
                for _ in reader.blocks(BLOCK) if to_end else ():
                    pass
                seconds = reader.n_read / reader.sample_rate if to_end else None
        except UserError as error:
            self._say(name, str(error))
            return None
        for damage in damages:
            self._say(name, str(damage))
        return seconds

    def _check_times(self, song: Song, seconds: float | None) -> None:
        before = 0.0
        for cue in song.cues:
            place, name = song.seconds_of(cue), f"{song.name}/{cue.name}"
            if cue.bar is not None and cue.beat >= song.beats_per_bar + 1:
                self._say(name, f"beat {cue.beat:g} of a bar that has {song.beats_per_bar}")
            if place is None:
                continue
            if seconds is not None and place >= seconds:
                self._say(name, f"comes at {place:g} s, and the song has {seconds:.2f} s")
            if place < before:
                self._say(name, f"comes at {place:g} s, before the cue above it at {before:g} s")
            before = max(before, place)

    def _preset(self, name: str, preset: str | None) -> CueChange | None:
        """The change that a preset is; one that does nothing where there is none."""
        if preset is None:
            return CueChange()
        try:
            return CueChange(preset_name(preset), self._loader.scene(preset))
        except UserError as error:
            self._say(name, str(error))
            return None

    def _change(self, name: str, cue: Cue) -> CueChange | None:
        """What a cue does; None where its preset is missing."""
        preset = self._preset(name, cue.preset)
        conditions = {}
        for condition in sorted(named_conditions(cue.mixer)):
            try:
                conditions[condition] = self._loader.condition(condition)
            except UserError as error:
                self._say(name, str(error))
        if preset is None:
            return None
        return CueChange(preset.preset, preset.scene, cue.mixer, conditions)

    def _find_strangers(self, name: str, change: CueChange | None, playing: Playing) -> None:
        """Stems that a cue moves and that are not there."""
        if change is None or (playing.scene is None and change.scene is None):
            return
        preset = change.preset or playing.preset
        scene = change.scene or playing.scene
        assert scene is not None
        there = ", ".join(stem.name for stem in scene.stems)
        for stem in change.missing(scene):
            self._say(name, f"no stem '{stem}' in preset '{preset}'; it has {there}")

    def _playing(self, change: CueChange | None, before: Playing) -> Playing:
        """What plays after a change."""
        if change is None:
            return Playing(None, "")
        if change.scene is not None:
            return Playing(change.scene, change.preset)
        return before

    def _say(self, name: str, problem: str) -> None:
        self.problems.append(f"{name}: {problem}")
