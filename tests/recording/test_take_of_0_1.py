"""The log of a take that rtmss 0.1 recorded says today what it said then."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from rtmss.engine.control import Scene
from rtmss.recording.log import LOG, VECTORS
from rtmss.recording.log_reader import SessionLog

TAKE = Path(__file__).with_name("take_of_0_1")
MODEL_ID = "53f776895341"


@pytest.fixture(scope="module")
def written() -> list[dict[str, Any]]:
    """The lines of the log, read without rtmss."""
    return [json.loads(line) for line in (TAKE / LOG).read_text().splitlines()]


@pytest.fixture(scope="module")
def log() -> SessionLog:
    return SessionLog.load(TAKE / LOG, MODEL_ID)


def _fields(scene: Scene) -> dict[str, Any]:
    """A scene in the words of 0.1, with vectors in the place of their names."""

    def strip(values: Any) -> dict[str, Any]:
        names = ("gain_db", "mute", "solo", "channels")
        return {name: getattr(values, name) for name in names}

    stems = [
        strip(stem.strip) | {"name": stem.name, "condition": stem.condition.vector.tolist()}
        for stem in scene.stems
    ]
    names = ("master_db", "master_mute", "fade_ms", "bypass", "fallback")
    return {"stems": stems, "remainder": strip(scene.remainder)} | {
        name: getattr(scene, name) for name in names
    }


def _with_vectors(scene: dict[str, Any], vectors: dict[str, np.ndarray]) -> dict[str, Any]:
    stems = [
        stem
        | {"channels": tuple(stem["channels"]), "condition": vectors[stem["condition"]].tolist()}
        for stem in scene["stems"]
    ]
    remainder = scene["remainder"] | {"channels": tuple(scene["remainder"]["channels"])}
    return scene | {"stems": stems, "remainder": remainder}


def test_every_scene_is_the_one_that_was_played(
    log: SessionLog, written: list[dict[str, Any]]
) -> None:
    vectors = load_file(TAKE / VECTORS)
    scenes = [line for line in written if line.get("scene")]
    assert len(scenes) == len(log.scenes) > 10
    for line in scenes:
        scene = log.scenes[line["event"], line["hop"]]
        assert _fields(scene) == _with_vectors(line["scene"], vectors)
        assert {stem.strip.pan for stem in scene.stems} == {0.0}
        assert {stem.morph for stem in scene.stems} == {0.0}


def test_the_model_hears_the_stream_as_it_did(log: SessionLog) -> None:
    assert not log.header.is_resampled
    assert (log.header.hop_length, log.header.delay, log.header.sample_rate) == (512, 512, 44100)


def test_hops_are_stepped_as_they_were(log: SessionLog, written: list[dict[str, Any]]) -> None:
    end = written[-1]["hop"]
    steps = list(log.steps(end))
    assert [step.hop for step in steps] == list(range(end))
    taken_up = {step.hop for step in steps if step.scene is not None}
    assert taken_up == {line["hop"] for line in written if line.get("event") == "scene"}
