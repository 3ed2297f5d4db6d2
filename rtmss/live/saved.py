"""The scene that played last, on disk, so that an evening goes on where it was cut off.

It is a preset with what presets leave out. It is written by the control side every few seconds, and
read by `rtmss live --resume`.
"""

from __future__ import annotations

import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import NamedTuple

import yaml

from rtmss.bounded import is_there
from rtmss.conditions.library import Library
from rtmss.conditions.preset import MasterPreset, Preset, StemPreset, StripPreset
from rtmss.config import Config, UserError, read_yaml
from rtmss.engine.control import Scene, Stem
from rtmss.ownership import whole_file

FILE = "last-scene.yaml"
SAVE_SECONDS = 2.0
PLACE_SECONDS = 5.0
"""A song is resumed at most so long before the place where it was cut off."""


class SavedScene(Config):
    """The file."""

    preset: str
    """The preset that was played last; the scene may have gone far from it."""
    bypass: bool = False
    cue: str = ""
    """The cue of a set list that came last."""
    seconds: float = 0.0
    """Place in the song of that cue, some seconds ago."""
    scene: Preset


class Resumed(NamedTuple):
    """What is played again."""

    scene: Scene
    preset: str
    cue: str = ""
    seconds: float = 0.0


def preset_of(scene: Scene) -> Preset:
    """A scene as a preset, which knows conditions by their names."""
    return Preset(
        stems={stem.name: _stem(stem) for stem in scene.stems},
        remainder=StripPreset(**asdict(scene.remainder)),
        master=MasterPreset(gain_db=scene.master_db, mute=scene.master_mute),
        fade_ms=scene.fade_ms,
        fallback=scene.fallback,
    )


def _stem(stem: Stem) -> StemPreset:
    return StemPreset(
        **asdict(stem.strip),
        condition=stem.condition.name,
        condition_b=stem.condition_b.name if stem.condition_b else None,
        morph=stem.morph,
    )


class SceneSaver:
    """Writes a scene whenever it has changed, but not all the time."""

    def __init__(self, folder: Path) -> None:
        """Say where the file goes."""
        self._path = folder / FILE
        self._due = 0.0
        self._saved: Resumed | None = None
        self.problem = ""
        """Why the scene cannot be written; nothing is raised, as the sound goes on."""

    def save(self, scene: Scene, preset: str, cue: str = "", seconds: float = 0.0) -> None:
        """Write what plays if it is time and it is another than before.

        Args:
            scene: it.
            preset: its name.
            cue: the cue of a set list that came last.
            seconds: place in its song.
        """
        now, place = time.monotonic(), seconds // PLACE_SECONDS * PLACE_SECONDS
        playing = Resumed(scene, preset, cue, place)
        if now < self._due or not scene.stems or self._saved == playing:
            return
        self._due = now + SAVE_SECONDS
        saved = SavedScene(
            preset=preset, bypass=scene.bypass, cue=cue, seconds=place, scene=preset_of(scene)
        )
        text = yaml.safe_dump(saved.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with whole_file(self._path) as partial:
                partial.write_text(text, encoding="utf-8")
        except OSError as error:
            self.problem = f"{self._path}: cannot be written ({error.strerror or error})"
            return
        self._saved, self.problem = playing, ""


def resume(folder: Path, library: Library, model_id: str) -> Resumed:
    """The scene that played last.

    Args:
        folder: the user's own.
        library: conditions come from it.
        model_id: of the weights.

    Raises:
        UserError: there is none, it is damaged, or a condition is gone.
    """
    path = folder / FILE
    if not is_there(path):
        raise UserError(f"{path}: nothing was played here before; start without --resume")
    saved = read_yaml(path, SavedScene)
    scene = Scene.from_preset(saved.scene, library, model_id)
    scene = replace(scene, bypass=saved.bypass)
    return Resumed(scene, saved.preset, saved.cue, saved.seconds)
