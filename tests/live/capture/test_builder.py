"""The condition builder: clips out of what was heard, conditions out of clips, and nothing lost."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from helpers.capturing import MODEL_ID, RATE, Stage, tone
from helpers.makers import MakeCondition
from rtmss.audio import Audio
from rtmss.conditions.clips import recorded_clips
from rtmss.conditions.condition import load_condition, save_condition
from rtmss.conditions.encode import create_condition
from rtmss.engine.control import Scene, Stem
from rtmss.files import read_audio
from rtmss.live.capture import builder as builder_module
from rtmss.live.capture.drafts import MAX_CLIPS
from rtmss.live.shared import capture_ring
from rtmss.live.shared.jobs import Job
from rtmss.model.separator import SeparatorModel


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capture_ring, "RING_SAMPLES", 20 * RATE)
    monkeypatch.setattr(capture_ring, "MARGIN_SAMPLES", RATE)


@pytest.fixture
def stage(tmp_path: Path, tiny: SeparatorModel) -> Iterator[Stage]:
    stage = Stage(tmp_path, tiny)
    yield stage
    stage.close()


def test_a_clip_is_what_was_heard(stage: Stage) -> None:
    sound = tone(300, 3)
    stage.play(sound)
    (answer,) = stage.last("choir", seconds=2)
    assert (answer.is_done, answer.text) == (True, "positive-001: 2.0 s of input")
    (clip,) = stage.drafts.clips("choir")
    kept, rate = read_audio(clip.path)
    assert rate == RATE
    assert np.abs(kept - sound[:, -2 * RATE :]).max() < 2 / 32768


def test_quiet_edges_are_left_out(stage: Stage) -> None:
    stage.play(np.concatenate([np.zeros((2, RATE), np.float32), tone(300, 1)], axis=1))
    (answer,) = stage.last("choir", seconds=2)
    assert answer.text == "positive-001: 1.0 s of input"


@pytest.mark.parametrize(
    ("sound", "said"),
    [
        (np.zeros((2, 2 * RATE), np.float32), "silent"),
        (tone(300, 0.3), "too short"),
    ],
)
def test_a_clip_that_says_nothing_is_refused(stage: Stage, sound: Audio, said: str) -> None:
    stage.play(sound)
    (answer,) = stage.last("choir")
    assert not answer.is_done
    assert said in answer.text
    assert "positive-001" in answer.text
    assert not stage.drafts.clips("choir")


@pytest.mark.parametrize(
    ("sound", "said"),
    [
        (tone(300, 2, level=0.004), "very quiet"),
        (np.clip(20 * tone(100, 2), -1, 1), "clipped"),
    ],
)
def test_a_doubtful_clip_is_kept_with_a_warning(stage: Stage, sound: Audio, said: str) -> None:
    stage.play(sound)
    (answer,) = stage.last("choir")
    assert answer.is_done
    (warning,) = answer.warnings
    assert said in warning
    assert "positive-001" in warning


def test_a_build_without_clips_says_why_there_are_none(stage: Stage) -> None:
    stage.play(np.zeros((2, 2 * RATE), np.float32))
    stage.last("choir", seconds=1)
    (answer,) = stage.do(Job(task="build", name="choir"))
    assert "has no clips: positive-001: silent" in answer.text
    (answer,) = stage.do(Job(task="build", name="choir"))
    assert answer.text == "'choir' has no clips; capture some"


def test_a_source_that_is_not_there_is_named_with_those_that_are(
    stage: Stage, make_condition: MakeCondition
) -> None:
    stage.play(tone(300, 1), Scene((Stem("voice", make_condition()),)))
    job = Job(task="last", name="choir", source="kit", stop=RATE)
    (answer,) = stage.do(job)
    assert answer.text == "nothing called 'kit' plays; there are: input, remainder, voice"


def test_a_clip_of_a_stem_is_of_that_stem(stage: Stage, make_condition: MakeCondition) -> None:
    sound = tone(300, 1)
    stage.play(sound, Scene((Stem("voice", make_condition()),)))
    stage.do(Job(task="last", name="choir", role="negative", source="voice", stop=RATE))
    (clip,) = stage.drafts.clips("choir")
    assert clip.role == "negative"
    assert np.abs(read_audio(clip.path)[0] - sound / 2).max() < 2 / 32768


def test_a_capture_goes_on_until_it_is_stopped(stage: Stage) -> None:
    stage.play(tone(200, 1))
    (begun,) = stage.do(Job(task="start", name="choir", start=stage.ring.written))
    assert begun.open == ("choir",)
    sound = tone(300, 2)
    stage.play(sound)
    (ended,) = stage.do(Job(task="stop", name="choir", stop=stage.ring.written))
    assert ended.open == ()
    (clip,) = stage.drafts.clips("choir")
    assert np.abs(read_audio(clip.path)[0] - sound).max() < 2 / 32768


def test_a_capture_that_is_longer_than_what_is_remembered_keeps_its_end(stage: Stage) -> None:
    stage.play(tone(200, 1))
    stage.do(Job(task="start", name="choir", start=stage.ring.written))
    for _ in range(25):
        stage.play(tone(300, 1))
    (ended,) = stage.do(Job(task="stop", name="choir", stop=stage.ring.written))
    assert ended.text == "positive-001: 19.0 s of input"
    assert "only its end" in ended.warnings[0]


@pytest.mark.parametrize("task", ["start", "stop"])
def test_captures_that_are_not_as_they_should_be_are_refused(stage: Stage, task: str) -> None:
    stage.play(tone(200, 1))
    if task == "start":
        stage.do(Job(task="start", name="choir"))
    (answer,) = stage.do(Job.model_validate({"task": task, "name": "choir"}))
    assert not answer.is_done
    assert "is being captured already" in answer.text or "is not being captured" in answer.text


def test_a_capture_that_goes_on_is_on_disk_and_outlives_its_builder(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(builder_module, "SAVE_SECONDS", 0.0)
    stage.play(tone(200, 1))
    stage.do(Job(task="start", name="choir", start=stage.ring.written))
    sound = tone(300, 2)
    stage.play(sound)
    stage.builder.look_after()
    (clip,) = stage.drafts.clips("choir")
    assert np.abs(read_audio(clip.path)[0] - sound).max() < 2 / 32768
    stage.builder = stage.new_builder()
    stage.play(tone(400, 1))
    (ended,) = stage.do(Job(task="stop", name="choir", stop=stage.ring.written))
    assert ended.text == "positive-001: 3.0 s of input"
    assert len(stage.drafts.clips("choir")) == 1


def test_a_clip_that_goes_on_keeps_its_place(stage: Stage) -> None:
    """Also before anything of it is on disk."""
    stage.play(tone(200, 2))
    stage.do(Job(task="start", name="choir", start=stage.ring.written))
    (other,) = stage.last("choir", "positive", 1)
    assert other.text.startswith("positive-002")
    stage.play(tone(300, 2))
    (ended,) = stage.do(Job(task="stop", name="choir", stop=stage.ring.written))
    assert ended.text.startswith("positive-001")
    assert len(stage.drafts.clips("choir")) == 2


def test_captures_of_another_host_do_not_go_on(stage: Stage) -> None:
    stage.play(tone(200, 1))
    stage.do(Job(task="start", name="choir", start=0))
    file = stage.folder / "open.json"
    content = json.loads(file.read_text())
    file.write_text(json.dumps(content | {"ring": "elsewhere"}))
    stage.builder = stage.new_builder()
    (ended,) = stage.do(Job(task="stop", name="choir", stop=RATE))
    assert "is not being captured" in ended.text


@pytest.mark.parametrize("text", ["", "{", "[]", '{"ring": 1}', '{"ring": R, "open": [[1]]}'])
def test_a_damaged_list_of_captures_is_none(stage: Stage, text: str) -> None:
    stage.folder.mkdir(parents=True, exist_ok=True)
    (stage.folder / "open.json").write_text(text.replace("R", str(stage.ring.identity)))
    stage.builder = stage.new_builder()
    stage.play(tone(200, 1))
    (answer,) = stage.last("choir", seconds=1)
    assert answer.is_done


def test_a_condition_of_clips_is_that_of_the_same_files(stage: Stage, tiny: SeparatorModel) -> None:
    for hz in (300, 500):
        stage.play(tone(hz, 2))
        stage.last("choir")
    stage.play(tone(900, 2))
    stage.last("choir", "negative")
    (answer,) = stage.do(Job(task="build", name="choir"))
    assert (answer.is_done, answer.is_new) == (True, True)
    assert answer.text == "2 positive and 1 negative clips"
    built = stage.known.load_condition("choir", MODEL_ID)
    again = [recorded_clips(built.header.positive), recorded_clips(built.header.negative)]
    expected = create_condition(tiny, MODEL_ID, "choir", *again)
    assert np.abs(built.vector - expected.vector).max() < 1e-3, "condition rebuild makes it again"
    files = [str(one.path) for one in stage.drafts.clips("choir")]
    records = (*built.header.positive, *built.header.negative)
    assert [one.file for one in records] == files


def test_a_condition_is_refined_from_what_there_was_before(
    stage: Stage, tiny: SeparatorModel, tmp_path: Path
) -> None:
    stage.play(tone(300, 2))
    stage.last("before")
    clip = stage.drafts.clips("before")[0].path
    old = create_condition(tiny, MODEL_ID, "vocals", [clip], [])
    save_condition(stage.library / "conditions" / "vocals.safetensors", old)
    stage.play(tone(900, 2))
    stage.last("vocals", "negative")
    (answer,) = stage.do(Job(task="build", name="vocals"))
    assert answer.text == "1 positive and 1 negative clips"
    negative = stage.drafts.clips("vocals")[0].path
    both = create_condition(tiny, MODEL_ID, "vocals", [clip], [negative])
    refined = stage.known.load_condition("vocals")
    assert np.abs(refined.vector - both.vector).max() < 1e-5
    stage.do(Job(task="build", name="vocals"))
    again = stage.known.load_condition("vocals")
    assert len(again.header.positive) == 1, "what was before is not counted twice"


def test_undo_takes_the_version_before_and_puts_later_clips_aside(stage: Stage) -> None:
    stage.play(tone(300, 2))
    stage.last("choir")
    stage.do(Job(task="build", name="choir"))
    first = stage.known.load_condition("choir")
    stage.play(tone(900, 2))
    stage.last("choir", "negative")
    stage.do(Job(task="build", name="choir"))
    assert stage.known.load_condition("choir") != first
    (answer,) = stage.do(Job(task="undo", name="choir"))
    assert (answer.is_new, answer.text) == (True, "the version before; 1 clips put aside")
    assert stage.known.load_condition("choir") == first
    assert [clip.role for clip in stage.drafts.clips("choir")] == ["positive"]
    (answer,) = stage.do(Job(task="undo", name="choir"))
    assert "no version before" in answer.text


def test_a_saved_condition_is_in_the_library_and_stays_when_the_draft_goes(stage: Stage) -> None:
    stage.play(tone(300, 2))
    stage.last("choir")
    stage.do(Job(task="build", name="choir"))
    (answer,) = stage.do(Job(task="save", name="choir"))
    assert answer.is_done
    saved = load_condition(stage.library / "conditions" / "choir.safetensors", MODEL_ID)
    assert saved == stage.known.load_condition("choir")
    assert saved.header.positive[0].left_over_db is not None
    stage.do(Job(task="delete", name="choir"))
    assert not (stage.folder / "choir").exists()
    assert stage.known.load_condition("choir") == saved


def test_clear_throws_clips_away_and_keeps_the_condition(stage: Stage) -> None:
    stage.play(tone(300, 2))
    stage.last("choir")
    stage.do(Job(task="build", name="choir"))
    (answer,) = stage.do(Job(task="clear", name="choir"))
    assert answer.text == "1 clips thrown away"
    assert not stage.drafts.clips("choir")
    assert stage.known.load_condition("choir")


def test_inspect_says_how_alike_clips_are_and_what_is_near(stage: Stage) -> None:
    for name, hz in (("choir", 300), ("choir", 310), ("kit", 2000)):
        stage.play(tone(hz, 2))
        stage.last(name)
    for name in ("choir", "kit"):
        stage.do(Job(task="build", name=name))
    (answer,) = stage.do(Job(task="inspect", name="choir"))
    assert [(clip.file, clip.role) for clip in answer.clips] == [
        ("positive-001.flac", "positive"),
        ("positive-002.flac", "positive"),
    ]
    assert all(-1 <= clip.alike <= 1.001 for clip in answer.clips)
    assert [name for name, _ in answer.near] == ["kit"]


def test_inspect_says_how_like_its_clips_is_what_plays(stage: Stage) -> None:
    stage.play(tone(300, 2))
    stage.last("choir")
    stage.do(Job(task="build", name="choir"))
    stage.play(tone(2000, 6))
    (other,) = stage.do(Job(task="inspect", name="choir"))
    stage.play(tone(300, 6))
    (same,) = stage.do(Job(task="inspect", name="choir"))
    assert dict(same.sources)["input"] > dict(other.sources)["input"] + 0.01
    assert dict(same.sources)["input"] > 0.99
    likeness = [value for _, value in same.sources]
    assert likeness == sorted(likeness, reverse=True)
    stage.play(0 * tone(300, 6))
    (silent,) = stage.do(Job(task="inspect", name="choir"))
    assert silent.sources == ()


def test_a_place_in_the_song_is_a_clip(stage: Stage, tmp_path: Path) -> None:
    stage.play(tone(200, 1))
    stage.play(tone(300, 4))
    stage.last("source", seconds=5)
    stage.song = str(stage.drafts.clips("source")[0].path)
    job = Job(task="range", name="choir", from_seconds=1.5, to_seconds=2.5, source="the song")
    (answer,) = stage.do(job)
    assert answer.text == "positive-001: 1.0 s of the song"
    stage.song = ""
    (answer,) = stage.do(job)
    assert "--file" in answer.text


@pytest.mark.parametrize("task", ["build", "undo", "save", "delete", "inspect"])
def test_what_needs_something_that_is_not_there_is_refused(stage: Stage, task: str) -> None:
    (answer,) = stage.do(Job.model_validate({"task": task, "name": "nothing"}))
    assert not answer.is_done
    assert "nothing" in answer.text


def test_there_is_a_limit_to_clips(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    stage.play(tone(300, 1))
    for _ in range(MAX_CLIPS):
        (answer,) = stage.last("choir", seconds=1)
        assert answer.is_done
    (answer,) = stage.last("choir", seconds=1)
    assert f"{MAX_CLIPS} clips already" in answer.text


def test_a_job_that_ended_its_builder_is_answered_and_not_tried_again(stage: Stage) -> None:
    stage.queue.ask(Job(task="build", name="choir"))
    stage.queue.take()
    stage.builder = stage.new_builder()
    (answer,) = stage.answers()
    assert not answer.is_done
    assert "not tried again" in answer.text
    assert not stage.builder.work()


def test_a_bug_is_an_answer(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("oh")

    monkeypatch.setattr(builder_module, "prepare", broken)
    stage.play(tone(300, 1))
    (answer,) = stage.last("choir", seconds=1)
    assert (answer.is_done, answer.text) == (False, "RuntimeError: oh")


def test_a_library_that_cannot_be_written_is_told(stage: Stage) -> None:
    stage.folder.parent.mkdir(parents=True, exist_ok=True)
    stage.folder.write_text("a file where a folder should be")
    stage.play(tone(300, 1))
    (answer,) = stage.last("choir", seconds=1)
    assert not answer.is_done
    assert "cannot be written" in answer.text


def test_what_conditions_leave_of_their_clips_is_measured_when_there_is_time(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(builder_module, "CALM_SECONDS", 0.0)
    stage.play(tone(300, 2))
    stage.last("choir")
    stage.do(Job(task="build", name="choir"))
    assert stage.known.load_condition("choir").header.positive[0].left_over_db is None
    stage.builder.look_after()
    measured = stage.known.load_condition("choir").header.positive[0].left_over_db
    assert measured is not None
    if measured > -5:
        (answer,) = stage.answers()
        assert "holds other sounds" in answer.warnings[0]
        assert (answer.text, answer.is_new) == ("", False)
