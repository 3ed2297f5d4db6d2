"""What befalls captured clips and drafts from outside: each job is answered, the rest is kept."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from helpers.capturing import RATE, Stage, tone
from helpers.makers import MakeCondition
from rtmss.engine.control import Scene, Stem
from rtmss.files import read_audio
from rtmss.live.capture import builder as builder_module
from rtmss.live.shared import capture_ring
from rtmss.live.shared.jobs import Answer, Job
from rtmss.model.separator import SeparatorModel


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capture_ring, "RING_SAMPLES", 20 * RATE)
    monkeypatch.setattr(capture_ring, "MARGIN_SAMPLES", RATE)


@pytest.fixture
def stage(tmp_path: Path, tiny: SeparatorModel) -> Iterator[Stage]:
    """Two clips of a draft are there, and one of another."""
    stage = Stage(tmp_path, tiny)
    for name in ("choir", "choir", "kit"):
        stage.play(tone(300, 2))
        stage.last(name)
    yield stage
    stage.close()


def _clip(stage: Stage) -> Path:
    return stage.drafts.clips("choir")[0].path


def _cut(stage: Stage) -> None:
    _clip(stage).write_bytes(_clip(stage).read_bytes()[:200])


def _empty(stage: Stage) -> None:
    _clip(stage).write_bytes(b"")


def _folder(stage: Stage) -> None:
    path = _clip(stage)
    path.unlink()
    path.mkdir()


def _pipe(stage: Stage) -> None:
    path = _clip(stage)
    path.unlink()
    os.mkfifo(path)


def _link(stage: Stage) -> None:
    path = _clip(stage)
    path.unlink()
    path.symlink_to(path.name)


def _vast(stage: Stage) -> None:
    os.truncate(_clip(stage), 1 << 33)


def _draft(stage: Stage) -> None:
    stage.drafts.path("choir").parent.mkdir(parents=True, exist_ok=True)
    stage.drafts.path("choir").write_bytes(b"no condition")


def _versions(stage: Stage) -> None:
    stage.do(Job(task="build", name="choir"))
    folder = stage.folder / "choir" / "versions"
    folder.mkdir(exist_ok=True)
    for name in ("mine.safetensors", "9999.safetensors"):
        (folder / name).write_bytes(b"no condition")


def _before(stage: Stage) -> None:
    (stage.folder / "choir" / "before.safetensors").write_bytes(b"no condition")


def _gone(stage: Stage) -> None:
    shutil.rmtree(stage.folder)


FAULTS = (_cut, _empty, _folder, _pipe, _link, _vast, _draft, _versions, _before, _gone)
TASKS = ("build", "inspect", "undo", "save", "clear", "delete")


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__.strip("_"))
def test_whatever_was_done_to_its_files_a_draft_is_made_or_refused(
    stage: Stage, fault: Callable[[Stage], None], task: str
) -> None:
    fault(stage)
    answer = stage.do(Job.model_validate({"task": task, "name": "choir"}))[-1]
    assert answer.text or (answer.is_done and answer.clips)
    assert "Error:" not in answer.text, "a bug, and no answer for a person"
    _is_well(stage)


def _is_well(stage: Stage) -> None:
    """Another sound is captured and built as if nothing had been."""
    stage.builder.look_after()
    stage.answers()
    stage.play(tone(300, 2))
    for job in ({"task": "clear"}, {"task": "delete"}):
        stage.do(Job.model_validate(job | {"name": "kit"}))
    assert stage.last("kit")[-1].is_done
    assert stage.do(Job(task="build", name="kit"))[-1].is_done


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__.strip("_"))
def test_it_can_be_thrown_away_and_begun_again(
    stage: Stage, fault: Callable[[Stage], None]
) -> None:
    fault(stage)
    stage.do(Job(task="delete", name="choir"))
    assert stage.last("choir")[-1].is_done
    assert stage.do(Job(task="build", name="choir"))[-1].is_done


OPEN = {"name": "choir", "role": "positive", "source": "input", "start": 0, "number": 1}
LIES = (
    {"start": "0"},
    {"start": None},
    {"start": -1},
    {"start": 1 << 70},
    {"number": 0},
    {"number": 1.5},
    {"role": "neither"},
    {"source": 7},
    {"name": "../choir"},
    {"name": "remainder"},
    {"file": "/dev/full"},
)


def test_a_list_of_captures_is_taken_up(stage: Stage) -> None:
    content = {"ring": stage.ring.identity, "open": [OPEN]}
    (stage.folder / "open.json").write_text(json.dumps(content))
    stage.builder = stage.new_builder()
    assert stage.last("kit")[-1].open == ("choir",)


@pytest.mark.parametrize("lie", LIES, ids=str)
def test_a_list_of_captures_that_lies_is_none(stage: Stage, lie: dict[str, object]) -> None:
    content = {"ring": stage.ring.identity, "open": [OPEN | lie]}
    (stage.folder / "open.json").write_text(json.dumps(content))
    stage.builder = stage.new_builder()
    stage.builder.look_after()
    assert not stage.last("kit")[-1].open
    _is_well(stage)


def _start(stage: Stage, source: str) -> None:
    job = Job(task="start", name="solo", source=source, start=stage.ring.written)
    assert stage.do(job)[-1].is_done


def _stop(stage: Stage) -> Answer:
    return stage.do(Job(task="stop", name="solo", stop=stage.ring.written))[-1]


def _scene(make_condition: MakeCondition, *names: str) -> Scene:
    return Scene(tuple(Stem(name, make_condition(name)) for name in names))


def test_what_a_stem_played_before_it_left_is_kept(
    stage: Stage, make_condition: MakeCondition, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(builder_module, "SAVE_SECONDS", 0.0)
    both = _scene(make_condition, "vocals", "drums")
    stage.play(tone(300, 1), both)
    _start(stage, "drums")
    sound = tone(400, 3)
    stage.play(sound, both)
    stage.builder.look_after()
    stage.play(tone(500, 1), _scene(make_condition, "vocals"))
    stage.builder.look_after()
    answer = _stop(stage)
    assert answer.is_done
    assert "'drums'" in answer.warnings[0]
    (clip,) = stage.drafts.clips("solo")
    assert np.abs(read_audio(clip.path)[0] - sound / 3).max() < 2 / 32768


def test_what_a_stem_played_before_it_moved_is_kept(
    stage: Stage, make_condition: MakeCondition, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another preset has the stem too, at another place."""
    monkeypatch.setattr(builder_module, "SAVE_SECONDS", 0.0)
    stage.play(tone(300, 1), _scene(make_condition, "vocals", "drums"))
    _start(stage, "drums")
    before, after = tone(400, 3), tone(600, 2)
    stage.play(before, _scene(make_condition, "vocals", "drums"))
    stage.builder.look_after()
    stage.play(after, _scene(make_condition, "drums"))
    stage.builder.look_after()
    stage.builder.look_after()
    assert _stop(stage).is_done
    clips = [read_audio(clip.path)[0] for clip in stage.drafts.clips("solo")]
    assert [clip.shape[1] for clip in clips] == [3 * RATE, 2 * RATE]
    assert np.abs(clips[0] - before / 3).max() < 2 / 32768
    assert np.abs(clips[1] - after / 2).max() < 2 / 32768


def test_the_folder_of_a_capture_that_goes_on_may_vanish(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(builder_module, "SAVE_SECONDS", 0.0)
    stage.play(tone(300, 1))
    _start(stage, "input")
    stage.play(tone(400, 2))
    stage.builder.look_after()
    shutil.rmtree(stage.folder)
    stage.play(tone(500, 1))
    stage.builder.look_after()
    assert _stop(stage).is_done
    (clip,) = stage.drafts.clips("solo")
    assert read_audio(clip.path)[0].shape[1] == 3 * RATE


def test_a_version_that_cannot_be_read_is_passed_over(stage: Stage) -> None:
    stage.do(Job(task="build", name="choir"))
    before = stage.known.load_condition("choir")
    stage.play(tone(900, 2))
    stage.last("choir")
    _versions(stage)
    assert stage.known.load_condition("choir") != before
    (answer,) = stage.do(Job(task="undo", name="choir"))
    assert answer.is_done
    assert stage.known.load_condition("choir") == before


def test_a_name_of_every_number_has_room_for_another_clip(stage: Stage) -> None:
    """Somebody called one 999."""
    path = _clip(stage)
    path.rename(path.with_name("positive-999.flac"))
    stage.last("choir", "negative")
    stage.last("choir", "negative")
    assert len(stage.drafts.clips("choir")) == 4
