"""A session log without its recording."""

from __future__ import annotations

from pathlib import Path

import pytest

from helpers.makers import MakeCondition
from rtmss.engine.control import Scene, Stem, Strip
from rtmss.recording.log import LOG, VECTORS, Event, Header, Vectors

HOP, MODEL_ID = 64, "0123456789ab"


@pytest.fixture
def logged_scene(make_condition: MakeCondition) -> Scene:
    return Scene(
        (
            Stem(
                "voice",
                make_condition("vocals"),
                Strip(-6.0, False, True, (1, 3), pan=0.5),
            ),
        ),
        Strip(mute=True),
        -2.5,
        75.0,
        fallback="hold",
    )


@pytest.fixture
def log(tmp_path: Path, logged_scene: Scene) -> Path:
    """Begins with one scene, takes up another at hop 10, has a step of 4 hops, lost hops, and an
    end.
    """
    vectors = Vectors(tmp_path / VECTORS)
    header = Header(
        model_id=MODEL_ID,
        sample_rate=8000,
        hop_length=HOP,
        delay=64,
        n_outputs=4,
    )
    louder = vectors.record(logged_scene.with_strip("voice", gain_db=0.1))
    events = [
        Event(event="start", hop=0, scene=vectors.record(logged_scene)),
        Event(event="scene", hop=0, scene=vectors.record(logged_scene)),
        Event(event="scene", hop=10, scene=louder),
        Event(event="step", hop=20, hops=4),
        Event(event="late", hop=20, hops=3),
        Event(event="gave_up", hop=30, hops=5),
        Event(event="lost", hop=40, hops=6),
        Event(event="end", hop=60, reason="stopped"),
    ]
    (tmp_path / LOG).write_text(
        header.model_dump_json() + "\n" + "".join(event.line() for event in events)
    )
    return tmp_path / LOG
