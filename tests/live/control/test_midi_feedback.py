"""Lights and motor faders follow the mix, and nothing goes round in circles."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from helpers.dispatcher import Room
from helpers.makers import MakeCondition
from helpers.midi import FADER, MUTE, PAD, PAN, PAN_RAW, Stage
from rtmss.live.shared.state import SharedState


@pytest.fixture
def stage(shared: SharedState, make_condition: MakeCondition, tmp_path: Path) -> Stage:
    return Stage(Room(shared, make_condition), tmp_path)


def test_a_motor_fader_follows_changes_from_elsewhere(stage: Stage) -> None:
    stage.begin(PAN_RAW | {"channel": 5}, PAD)
    stage.room.ask(PAN, 1.0)
    stage.room.ask(MUTE, 1)
    stage.wait()
    assert stage.told() == [(0xB4, 10, 127), (0x90, 36, 127)]
    stage.wait()
    assert stage.told() == []


def test_a_fader_is_not_told_what_it_has_said(stage: Stage) -> None:
    stage.begin(PAN_RAW)
    stage.cc(10, *range(0, 128, 5))
    stage.wait()
    assert stage.told() == []


def test_a_knob_under_a_hand_is_told_nothing_until_it_rests(stage: Stage) -> None:
    stage.begin(PAN_RAW)
    stage.cc(10, 50)
    stage.room.ask(PAN, 1.0)
    stage.wait(0.15)
    assert stage.told() == []
    stage.wait(0.3)
    assert stage.told() == [(0xB0, 10, 127)]


def test_a_light_that_its_button_may_have_put_out_is_set_again(stage: Stage) -> None:
    stage.begin({"control": "note 1", "address": FADER, "args": [0.5]})
    for _ in range(2):
        stage.press(1)
        stage.wait()
        assert stage.told()[-1] == (0x90, 1, 127)


def test_lights_are_on_the_channel_that_was_heard(stage: Stage) -> None:
    stage.begin(PAD)
    stage.press(36, channel=10)
    stage.wait()
    assert stage.told()[-1] == (0x99, 36, 127)


def test_all_lights_are_set_at_the_start_unless_they_are_left_alone(stage: Stage) -> None:
    stage.begin(PAD, {**PAN_RAW, "feedback": False}, {"control": "cc14 3", "address": FADER})
    stage.start()
    stage.port.is_plugged = False
    stage.wait()
    stage.port.is_plugged = True
    stage.wait()
    place = round(0.75 * 16383)
    assert stage.told() == [(0x90, 36, 0), (0xB0, 3, place >> 7), (0xB0, 35, place & 127)]


def test_a_button_for_what_is_not_there_is_dark(stage: Stage) -> None:
    stage.begin({"control": "note 1", "address": "/rtmss/stem/#2/mute"})
    stage.room.ask("/rtmss/stem/drums/mute", 1)
    stage.wait()
    controller = stage.room.controller
    controller.scene = type(controller.scene)(controller.scene.stems[:1])
    stage.wait()
    assert stage.told() == [(0x90, 1, 127), (0x90, 1, 0)]


GAIN = "/rtmss/remainder/gain"
ECHOED: list[dict[str, Any]] = [
    PAN_RAW,
    PAD,
    {"control": "pitch", "address": FADER, "pickup": False},
    {"control": "cc14 3", "address": GAIN, "pickup": False},
]
ASKED = st.one_of(
    st.tuples(st.just(PAN), st.floats(-1, 1, width=32)),
    st.tuples(st.just(FADER), st.floats(0, 1, width=32)),
    st.tuples(st.just(GAIN), st.floats(-120, 12, width=32)),
    st.tuples(st.just(MUTE), st.booleans().map(int)),
)


@example(asked=[*[[]] * 6, [(GAIN, -60.0)], [(GAIN, 0.0)]], n_late=0)
@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=30
)
@given(st.lists(st.lists(ASKED, max_size=3), max_size=12), st.integers(0, 8))
def test_a_controller_that_sends_everything_back_changes_nothing(
    stage: Stage, asked: list[list[tuple[str, float]]], n_late: int
) -> None:
    """What it was told comes back some turns later, up to 40 ms."""
    stage.begin(*ECHOED)
    stage.room.controller.change(lambda scene: scene.with_strip("vocals", pan=0, mute=False))
    late: list[list[Any]] = [[] for _ in range(n_late)]
    for changes in (*asked, *[[]] * 60):
        for address, value in changes:
            stage.room.ask(address, value)
        before = stage.room.controller.scene
        late.append(list(stage.port.sent))
        stage.clear()
        stage.turn(*late.pop(0))
        assert stage.room.controller.scene == before
    assert not any(late)
    assert stage.told() == []


# Floods, faults.
