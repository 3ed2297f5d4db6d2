"""Who has moved a thing last counts, OSC or the host."""

from __future__ import annotations

import json

import numpy as np
import pytest

from helpers.makers import MakeCondition
from rtmss.conditions.condition import Condition
from rtmss.engine.control import Scene, Stem, Strip
from rtmss.serve.layout import N_CONTROLS, Control
from rtmss.serve.mapped import Controls
from rtmss.serve.moves import (
    BYPASS,
    PRESET,
    RELEASE,
    Held,
    Place,
    Value,
    control_of,
    joined,
    moved,
    of_text,
    to_text,
)

GAIN_B, MUTE_A = Place("b", "gain_db"), Place("a", "mute")
PAN_A, MASTER = Place("a", "pan"), Place("", "master_db")


@pytest.fixture
def scene(make_condition: MakeCondition) -> Scene:
    return Scene((Stem("a", make_condition("a", 0)), Stem("b", make_condition("b", 1))))


def _controls(**values: float) -> Controls:
    controls = np.zeros(N_CONTROLS, np.float32)
    for name, value in values.items():
        controls[Control[name]] = value
    return controls


def test_every_control_of_the_host_that_osc_has_too_is_found(scene: Scene) -> None:
    settings_of_scene = ("preset", "bypass", "master_db", "fade_ms")
    found = {
        control_of(Place(owner, field), scene)
        for owner in ("", "remainder", "a", "b", "c")
        for field in (*settings_of_scene, "gain_db", "mute", "morph", "pan", "solo")
    }
    second = {Control.FIRST_GAIN + 2, Control.FIRST_MUTE + 2, Control.FIRST_MORPH + 1}
    ours = set(Control) - {Control.FALLBACK, Control.WAIT} | second | {None}
    assert found == ours


def test_a_move_is_kept_until_the_host_moves_the_same_thing(scene: Scene) -> None:
    held = Held()
    held.give_back(_controls(), "two")
    held.take_up({GAIN_B: -6.0, MUTE_A: True, PAN_A: 0.5}, _controls(), scene)
    held.give_back(_controls(FIRST_GAIN=3, MASTER_GAIN=-1), "two")
    assert held.moves == {GAIN_B: -6.0, MUTE_A: True, PAN_A: 0.5}
    controls = _controls()
    controls[Control.FIRST_GAIN + 2] = -0.1
    held.give_back(controls, "two")
    assert held.moves == {MUTE_A: True, PAN_A: 0.5}
    held.give_back(_controls(FIRST_MUTE=1), "two")
    assert held.moves == {PAN_A: 0.5}


def test_osc_takes_a_thing_again_from_where_the_host_has_it_then(scene: Scene) -> None:
    held = Held()
    held.give_back(_controls(), "two")
    held.take_up({MASTER: -6.0}, _controls(), scene)
    held.take_up({MASTER: -9.0}, _controls(MASTER_GAIN=-3), scene)
    held.give_back(_controls(MASTER_GAIN=-3), "two")
    assert held.moves == {MASTER: -9.0}
    held.give_back(_controls(), "two")
    assert held.moves == {}


@pytest.mark.parametrize("of_host", [True, False])
def test_a_preset_begins_without_moves_but_for_the_bypass(scene: Scene, of_host: bool) -> None:
    held = Held()
    held.give_back(_controls(), "two")
    held.take_up({MASTER: -6.0, BYPASS: True, PAN_A: 1.0}, _controls(), scene)
    if of_host:
        held.give_back(_controls(PRESET=1), "one")
        assert held.moves == {BYPASS: True}
        assert held.preset == ""
    else:
        held.take_up({PRESET: "one"}, _controls(), scene)
        assert held.moves == {BYPASS: True, PRESET: "one"}
        assert held.preset == "one"


def test_a_preset_of_osc_goes_where_the_host_chooses_one(scene: Scene) -> None:
    held = Held()
    held.give_back(_controls(), "two")
    held.take_up({PRESET: "one"}, _controls(), scene)
    held.take_up({MASTER: -6.0}, _controls(), scene)
    held.give_back(_controls(), "two")
    assert held.preset == "one"
    held.give_back(_controls(PRESET=4), "two")
    assert held.moves == {}


def test_a_release_gives_all_back(scene: Scene) -> None:
    held = Held()
    held.take_up({PRESET: "one"}, _controls(), scene)
    held.take_up({RELEASE: True}, _controls(), scene)
    assert held.moves == {}
    assert joined({MASTER: 1.0}, {RELEASE: True}) == {}


def test_a_scene_is_moved_where_it_can_be(scene: Scene, make_condition: MakeCondition) -> None:
    other = make_condition("c", 2)
    moves: dict[Place, Value] = {
        GAIN_B: -6.0,
        MUTE_A: True,
        MASTER: -3.0,
        Place("remainder", "pan"): -1.0,
        Place("b", "condition_b"): other,
        Place("b", "morph"): 0.5,
        Place("gone", "mute"): True,
        PRESET: "one",
    }
    changed = moved(scene, moves)
    assert changed.stems[0] == Stem("a", scene.stems[0].condition, Strip(mute=True))
    assert changed.stems[1] == Stem("b", scene.stems[1].condition, Strip(-6.0), other, 0.5)
    assert (changed.master_db, changed.remainder.pan) == (-3.0, -1.0)
    assert moved(scene, {PRESET: "one"}) is scene


def test_moves_go_through_a_text(make_condition: MakeCondition) -> None:
    conditions: dict[str, Condition] = {"ä b": make_condition("ä b", 2)}
    moves: dict[Place, Value] = {
        GAIN_B: -6.5,
        MUTE_A: False,
        PRESET: "four stems",
        Place("ü", "condition"): conditions["ä b"],
        Place("ü", "condition_b"): None,
    }
    text = to_text(moves)
    assert of_text(text, conditions.__getitem__) == moves
    assert ["ü", "condition", "ä b"] in json.loads(text)
    assert of_text("", conditions.__getitem__) == {}
