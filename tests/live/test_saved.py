"""The scene that played last is on disk, whole, and plays again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from helpers.makers import MakeCondition
from rtmss.conditions.condition import save_condition
from rtmss.conditions.library import Library
from rtmss.config import UserError
from rtmss.engine.control import Scene, Stem, Strip
from rtmss.live import saved
from rtmss.live.saved import FILE, SceneSaver, preset_of, resume

MODEL_ID = "0123456789ab"


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(saved, "SAVE_SECONDS", 0.0)


@pytest.fixture
def library(tmp_path: Path, make_condition: MakeCondition) -> Library:
    for seed, name in enumerate(("lead", "choir")):
        path = tmp_path / "conditions" / f"{name}.safetensors"
        save_condition(path, make_condition(name, seed))
    return Library([tmp_path])


@pytest.fixture
def scene(library: Library) -> Scene:
    lead, choir = (library.load_condition(name) for name in ("lead", "choir"))
    stems = (
        Stem("voice", lead, Strip(-6.0, True, True, (1, 2, 5), pan=0.25), choir, 0.75),
        Stem("second", choir),
    )
    return Scene(stems, Strip(-3.0, channels=(3, 4)), -2.0, 75.0, True, "hold", master_mute=True)


def test_the_scene_plays_again_as_it_was(tmp_path: Path, library: Library, scene: Scene) -> None:
    SceneSaver(tmp_path).save(scene, "tour")
    resumed = resume(tmp_path, library, MODEL_ID)
    assert resumed == (scene, "tour", "", 0.0)


def test_it_is_written_when_it_has_changed_and_not_else(tmp_path: Path, scene: Scene) -> None:
    saver = SceneSaver(tmp_path)
    saver.save(scene, "tour")
    (tmp_path / FILE).unlink()
    saver.save(scene, "tour")
    assert not (tmp_path / FILE).exists()
    saver.save(replace(scene, bypass=False), "tour")
    assert (tmp_path / FILE).exists()


def test_it_is_not_written_all_the_time(
    tmp_path: Path, scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(saved, "SAVE_SECONDS", 60.0)
    saver = SceneSaver(tmp_path)
    saver.save(scene, "tour")
    before = (tmp_path / FILE).read_bytes()
    saver.save(replace(scene, bypass=False), "tour")
    assert (tmp_path / FILE).read_bytes() == before


def test_a_folder_that_cannot_be_written_is_a_problem_and_no_end(
    tmp_path: Path, scene: Scene
) -> None:
    (tmp_path / "file").touch()
    saver = SceneSaver(tmp_path / "file")
    saver.save(scene, "tour")
    assert "cannot be written" in saver.problem


def test_where_nothing_was_played_it_says_so(tmp_path: Path, library: Library) -> None:
    with pytest.raises(UserError, match="nothing was played here before"):
        resume(tmp_path, library, MODEL_ID)


@pytest.mark.parametrize("text", ["", "[]", "preset: a", "preset: a\nscene: {stems: {}}", "\0"])
def test_a_damaged_file_is_refused(tmp_path: Path, library: Library, text: str) -> None:
    (tmp_path / FILE).write_text(text)
    with pytest.raises(UserError, match=FILE):
        resume(tmp_path, library, MODEL_ID)


def test_a_condition_that_is_gone_is_named(tmp_path: Path, library: Library, scene: Scene) -> None:
    SceneSaver(tmp_path).save(scene, "tour")
    (tmp_path / "conditions" / "choir.safetensors").unlink()
    with pytest.raises(UserError, match="choir"):
        resume(tmp_path, library, MODEL_ID)


def test_a_scene_is_a_preset(scene: Scene) -> None:
    preset = preset_of(scene)
    assert preset.stems["voice"].condition_b == "choir"
    assert preset.stems["voice"].channels == (1, 2, 5)


def test_the_cue_is_kept_and_the_place_in_its_song_every_few_seconds(
    tmp_path: Path, library: Library, scene: Scene
) -> None:
    saver = SceneSaver(tmp_path)
    saver.save(scene, "tour", "one/solo", 63.9)
    assert resume(tmp_path, library, MODEL_ID)[2:] == ("one/solo", 60.0)
    (tmp_path / FILE).unlink()
    saver.save(scene, "tour", "one/solo", 64.9)
    assert not (tmp_path / FILE).exists()
    saver.save(scene, "tour", "one/solo", 65.1)
    assert resume(tmp_path, library, MODEL_ID)[2:] == ("one/solo", 65.0)
    saver.save(scene, "tour", "one/end", 65.1)
    assert resume(tmp_path, library, MODEL_ID).cue == "one/end"
