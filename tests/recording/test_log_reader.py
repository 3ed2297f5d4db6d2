"""A log, read again: what is played together, what is refused, and other files through it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from helpers.makers import MakeCondition
from rtmss.engine.control import Scene
from rtmss.recording.log import LOG, VECTORS, Event, EventKind, Vectors
from rtmss.recording.log_reader import SessionLog, SessionLogError

HOP, MODEL_ID = 64, "0123456789ab"


def _add(log: Path, line: str) -> None:
    with log.open("a") as file:
        file.write(line)


def test_a_scene_comes_back_as_it_was(tmp_path: Path, logged_scene: Scene) -> None:
    record = Vectors(tmp_path / VECTORS).record(logged_scene)
    made = Vectors(tmp_path / VECTORS).make(
        type(record).model_validate_json(record.model_dump_json())
    )
    assert made.stems[0].condition.name == "vocals"
    assert np.array_equal(
        made.stems[0].condition.vector,
        logged_scene.stems[0].condition.vector,
    )
    assert (
        made.stems[0].name,
        made.stems[0].strip,
        made.remainder,
    ) == (
        "voice",
        logged_scene.stems[0].strip,
        logged_scene.remainder,
    )
    assert (made.master_db, made.fade_ms, made.fallback) == (
        logged_scene.master_db,
        logged_scene.fade_ms,
        logged_scene.fallback,
    )


def test_a_log_without_pans_has_none(log: Path) -> None:
    log.write_text(log.read_text().replace(',"pan":0.5', "").replace(',"pan":0.0', ""))
    assert "pan" not in log.read_text()
    scenes = SessionLog.load(log, MODEL_ID).scenes.values()
    assert {stem.strip.pan for scene in scenes for stem in scene.stems} == {0.0}


def test_a_condition_that_stays_is_equal_and_another_vector_is_not(
    tmp_path: Path, logged_scene: Scene, make_condition: MakeCondition
) -> None:
    vectors = Vectors(tmp_path / VECTORS)
    again = vectors.record(logged_scene.with_strip("voice", mute=True))
    other = vectors.record(
        logged_scene.with_condition(
            "voice",
            make_condition("vocals", seed=5),
        )
    )
    first, same, different = (
        vectors.make(record)
        for record in (
            vectors.record(logged_scene),
            again,
            other,
        )
    )
    assert same.stems[0].condition == first.stems[0].condition
    assert different.stems[0].condition != first.stems[0].condition


def test_hops_are_played_together_as_they_were(log: Path) -> None:
    steps = list(SessionLog.load(log, MODEL_ID).steps(70))
    assert [(step.hop, step.n) for step in steps if step.n > 1] == [
        (20, 4),
        (30, 5),
        (40, 6),
    ]
    assert [step.hop for step in steps if step.is_missing] == [30, 40]
    assert [step.hop for step in steps if step.scene or step.start] == [0, 10]
    assert sum(step.n for step in steps) == 70


def test_a_step_ends_where_the_next_scene_begins(log: Path, logged_scene: Scene) -> None:
    _add(
        log,
        Event(
            event="scene",
            hop=22,
            scene=Vectors(log.with_name(VECTORS)).record(logged_scene),
        ).line(),
    )
    steps = [step[:2] for step in SessionLog.load(log, MODEL_ID).steps(70)]
    assert (20, 2) in steps
    assert (22, 1) in steps


def test_a_piece_ends_with_the_file(log: Path) -> None:
    assert list(SessionLog.load(log, MODEL_ID).steps(22))[-1][:2] == (20, 2)


def test_half_a_line_at_the_end_is_left_out(log: Path) -> None:
    whole = SessionLog.load(log, MODEL_ID)
    _add(log, '{"event":"late","hop":6')
    assert SessionLog.load(log, MODEL_ID).events == whole.events


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("nonsense}\n", r"session.jsonl, line 10: not valid JSON: Expecting value"),
        ("[1]}\n", r"line 10: not valid JSON: Extra data"),
        ('{"event":"late","hop":-1}\n', r"line 10: 'hop': .* greater than or equal to 0"),
        (
            '{"event":"late","hop":1,"hopps":2}\n',
            r"line 10: unknown key 'hopps'; known here: event, hop, hops",
        ),
        (
            '{"event":"drums","hop":1}\n',
            r"line 10: 'event': Input should be 'start', 'scene'",
        ),
    ],
)
def test_a_damaged_line_is_named(log: Path, line: str, message: str) -> None:
    _add(log, line)
    with pytest.raises(SessionLogError, match=message):
        SessionLog.load(log, MODEL_ID)


def test_a_log_of_other_weights_is_refused(log: Path) -> None:
    with pytest.raises(
        SessionLogError,
        match=r"was recorded with weights 0123456789ab .* these are ffff; name the same",
    ):
        SessionLog.load(log, "ffff")


def test_a_log_of_another_version_is_refused(log: Path) -> None:
    log.write_text(log.read_text().replace('"version":2', '"version":9', 1))
    with pytest.raises(SessionLogError, match="a log of version 9, this rtmss reads up to 2"):
        SessionLog.load(log, MODEL_ID)


def test_a_missing_vector_is_named(log: Path) -> None:
    log.with_name(VECTORS).unlink()
    with pytest.raises(
        SessionLogError,
        match=r"conditions.safetensors: holds no vector 'vocals-.*', which session.jsonl names",
    ):
        SessionLog.load(log, MODEL_ID)


@pytest.mark.parametrize("name", ["none.jsonl", ""])
def test_what_is_no_log_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(SessionLogError, match="cannot be read"):
        SessionLog.load(tmp_path / name, MODEL_ID)


def test_an_empty_file_is_no_log(tmp_path: Path) -> None:
    (tmp_path / LOG).write_text("")
    with pytest.raises(
        SessionLogError, match=r"is no log; expected the session.jsonl of a recording"
    ):
        SessionLog.load(tmp_path / LOG, MODEL_ID)


def test_every_event_is_explained() -> None:
    for kind in EventKind.__args__:  # type: ignore[attr-defined]
        assert f"\n    {kind}: " in str(Event.__doc__)
