"""Shared memory between the engine, the control side and the supervisor."""

from __future__ import annotations

import numpy as np
import pytest

from helpers.makers import MakeCondition
from rtmss.engine.control import Scene, Stem, Strip
from rtmss.live.shared.state import N_METERS, N_SLOTS, Meter, Recording, SharedState, Status

NOTHING = np.zeros((N_METERS, 2), np.float32)


@pytest.fixture
def scene(make_condition: MakeCondition) -> Scene:
    stems = (
        Stem(
            "voice",
            make_condition("vocals"),
            Strip(-6.0, True, False, (1, 2)),
        ),
        Stem(
            "kit",
            make_condition("drums", seed=1),
            Strip(3.0, False, True, (3, 64), pan=-0.25),
        ),
    )
    return Scene(
        stems,
        Strip(-1.5, channels=(5, 6)),
        -2.0,
        75.0,
        True,
        "hold",
        master_mute=True,
    )


def test_a_scene_arrives_as_it_was_sent(shared: SharedState, scene: Scene) -> None:
    shared.send(scene, "tour")
    (entry,) = SharedState.attach(shared.path, 12).receive(0)
    got = entry.scene
    assert (
        entry.number,
        entry.hop,
        entry.preset,
    ) == (1, 0, "tour")
    assert [
        (
            s.name,
            s.condition.name,
            s.strip,
        )
        for s in got.stems
    ] == [
        (
            s.name,
            s.condition.name,
            s.strip,
        )
        for s in scene.stems
    ]
    assert all(
        np.array_equal(a.condition.vector, b.condition.vector)
        for a, b in zip(got.stems, scene.stems, strict=True)
    )
    assert (got.remainder, got.master_db, got.fade_ms) == (
        scene.remainder,
        scene.master_db,
        scene.fade_ms,
    )
    assert (
        got.bypass,
        got.fallback,
        got.master_mute,
    ) == (True, "hold", True)


def test_a_condition_that_comes_again_is_equal(shared: SharedState, scene: Scene) -> None:
    reader = SharedState.attach(shared.path, 12)
    shared.send(scene, "")
    (first,) = reader.receive(0)
    shared.send(scene.with_strip("kit", gain_db=-9.0), "")
    (second,) = reader.receive(1)
    assert second.scene.stems[1].condition == first.scene.stems[1].condition


def test_another_vector_of_the_same_name_is_another_condition(
    shared: SharedState, scene: Scene, make_condition: MakeCondition
) -> None:
    shared.send(scene, "")
    (first,) = shared.receive(0)
    shared.send(
        scene.with_condition("voice", make_condition("vocals", seed=9)),
        "",
    )
    (second,) = shared.receive(1)
    assert second.scene.stems[0].condition != first.scene.stems[0].condition


def test_a_recording_is_off_until_a_recorder_says_otherwise(shared: SharedState) -> None:
    assert shared.recording == Recording("off", 0.0, 0)
    SharedState.attach(shared.path, 12).recording = Recording("stopped", 1.5, 4)
    assert shared.recording == Recording("stopped", 1.5, 4)


def test_only_what_still_counts_is_received(shared: SharedState, scene: Scene) -> None:
    shared.send(scene, "a", [(90, scene)])
    number = shared.send(
        scene,
        "b",
        [(80, scene), (90, scene)],
    )
    assert [(entry.preset, entry.hop) for entry in shared.receive(0)] == [
        ("b", 0),
        ("b", 80),
        ("b", 90),
    ]
    assert shared.receive(number) == []


def test_a_writer_far_ahead_loses_nothing_that_counts(shared: SharedState, scene: Scene) -> None:
    for number in range(3 * N_SLOTS):
        shared.send(scene, str(number))
    assert [entry.preset for entry in shared.receive(0)] == [str(3 * N_SLOTS - 1)]


def test_the_latest_scene_outlives_its_writer(shared: SharedState, scene: Scene) -> None:
    writer = SharedState.attach(shared.path, 12)
    writer.send(scene, "a")
    writer.send(scene, "b", [(500, scene)])
    writer.close()
    latest = SharedState.attach(shared.path, 12).latest()
    assert latest is not None
    assert latest.preset == "b"


def test_a_status_arrives_as_it_was_reported(shared: SharedState) -> None:
    status = Status(
        "running", 7, 12.5, 3, 1, 1, 2, 4, 0.25, 1.0, 2.0, 3.0, 4.0, 48000, 557, 256, 1280, 512
    )
    meters = NOTHING.copy()
    meters[1] = 0.5, 0.25
    shared.report(status, meters)
    read, levels = SharedState.attach(shared.path, 12).read()
    assert read == status
    assert isinstance(read.hop, int)
    assert levels[1] == Meter(0.5, 0.25)


def test_a_writer_killed_half_way_spoils_nothing_for_the_next(shared: SharedState) -> None:
    shared.report(Status(hop=1), NOTHING)
    shared._fields["report"]["version"] += 1
    assert shared.read()[0].hop == 1
    shared.report(Status(hop=2), NOTHING)
    assert shared._fields["report"]["version"] % 2 == 0
    assert shared.read()[0].hop == 2


def test_panic_and_stop_are_seen_by_everybody(shared: SharedState) -> None:
    other = SharedState.attach(shared.path, 12)
    assert (other.panic, other.stop) == (False, False)
    shared.panic = shared.stop = True
    assert (other.panic, other.stop) == (True, True)


def test_unlinking_takes_the_memory_away() -> None:
    shared = SharedState.create(12)
    assert shared.path.exists()
    shared.close(unlink=True)
    assert not shared.path.exists()
