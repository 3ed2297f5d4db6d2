"""A studio with a scene, and the events of its takes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from helpers.makers import MakeCondition
from helpers.studio import HOP, Studio
from rtmss.engine.control import Scene, Stem, Strip
from rtmss.live.shared.recorder_ring import RecorderRing, RingShape
from rtmss.live.shared.state import SharedState
from rtmss.model.separator import SeparatorModel
from rtmss.threads import torch_threads


@pytest.fixture
def one_thread() -> Iterator[None]:
    """As the engine and the replay have it."""
    with torch_threads(1):
        yield


@pytest.fixture
def hop_ring() -> Iterator[RecorderRing]:
    ring = RecorderRing.create(RingShape(HOP, 4, 12))
    yield ring
    ring.close(unlink=True)


@pytest.fixture
def recorded_scene(make_condition: MakeCondition) -> Scene:
    return Scene(
        (Stem("voice", make_condition("vocals")),),
        Strip(-2.0),
        fade_ms=40.0,
    )


@pytest.fixture
def recording_studio(
    tiny: SeparatorModel,
    shared: SharedState,
    hop_ring: RecorderRing,
    recorded_scene: Scene,
    tmp_path: Path,
) -> Iterator[Studio]:
    shared.send(recorded_scene, "first")
    studio = Studio(tiny, shared, hop_ring, tmp_path / "rec")
    yield studio
    for recorder in studio.recorders:
        recorder.close()


def take_events(
    take: Path,
    *kinds: str,
) -> list[dict[str, Any]]:
    events = [json.loads(line) for line in (take / "session.jsonl").read_text().splitlines()[1:]]
    return [event for event in events if event["event"] in kinds]
