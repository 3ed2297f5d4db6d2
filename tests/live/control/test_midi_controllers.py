"""A controller plays the mix: faders, buttons and encoders, and their lights."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from helpers.cues import Songs, make_sheet
from helpers.dispatcher import Room
from helpers.makers import MakeCondition
from helpers.midi import FADER, MUTE, PAD, PAN, PAN_KNOB, PAN_RAW, Stage
from helpers.models import make_condition as condition_of
from rtmss.live.control.cues.player import CuePlayer
from rtmss.live.control.midi.binding import PickUp
from rtmss.live.control.midi.controller import ECHO_SECONDS
from rtmss.live.control.midi.messages import control_change, note_on, pitch_wheel, program_change
from rtmss.live.control.osc.state import Values
from rtmss.live.control.osc.table import gain_of
from rtmss.live.shared.state import SharedState


@pytest.fixture
def stage(shared: SharedState, make_condition: MakeCondition, tmp_path: Path) -> Stage:
    return Stage(Room(shared, make_condition), tmp_path)


def test_a_fader_moves_a_gain_over_the_taper_of_all_faders(stage: Stage) -> None:
    stage.begin({"control": "cc 7", "address": FADER, "pickup": False})
    stage.cc(7, 0)
    assert stage.strip().gain_db == -120
    stage.cc(7, 64)
    assert stage.strip().gain_db == pytest.approx(gain_of(64 / 127))
    stage.cc(7, 127)
    assert stage.strip().gain_db == 12
    assert stage.strip("drums").gain_db == 0


@pytest.mark.parametrize("channel", [1, 9, 16])
def test_a_control_without_a_channel_is_heard_on_all(stage: Stage, channel: int) -> None:
    stage.begin(PAN_RAW)
    stage.cc(10, 127, channel=channel)
    assert stage.strip().pan == 1


def test_a_control_with_a_channel_is_heard_there_alone(stage: Stage) -> None:
    stage.begin(PAN_RAW | {"channel": 3})
    stage.cc(10, 127)
    assert stage.strip().pan == 0
    stage.cc(10, 127, channel=3)
    assert stage.strip().pan == 1


def test_a_control_of_a_port_is_heard_there_alone(stage: Stage) -> None:
    stage.begin(PAN_RAW | {"port": "b"}, ports=("a", "b"))
    stage.turn(control_change(1, 10, 127), port="a")
    assert stage.strip().pan == 0
    stage.turn(control_change(1, 10, 127), port="b")
    assert stage.strip().pan == 1


def test_a_stem_by_its_number_follows_what_plays(stage: Stage) -> None:
    stage.begin({"control": "cc 1", "address": "/rtmss/stem/#2/pan", "pickup": False})
    stage.cc(1, 127)
    assert stage.strip("drums").pan == 1
    controller = stage.room.controller
    controller.scene = type(controller.scene)(controller.scene.stems[:1])
    stage.cc(1, 0)  # nobody is there
    assert controller.scene.stems[0].strip.pan == 0


@pytest.mark.parametrize(
    ("control", "messages"),
    [
        ("cc14 10", [control_change(1, 10, 64), control_change(1, 42, 3)]),
        ("pitch", [pitch_wheel(1, 3)]),
        (
            "nrpn 300",
            [control_change(1, *one) for one in ((99, 2), (98, 44), (6, 64), (38, 3))],
        ),
    ],
)
def test_fourteen_bits_are_all_used(stage: Stage, control: str, messages: list[Any]) -> None:
    stage.begin({"control": control, "address": PAN})
    stage.turn(*messages)
    assert stage.strip().pan == pytest.approx(2 * (64 * 128 + 3) / 16383 - 1, abs=1e-12)


@pytest.mark.parametrize(
    ("kind", "up", "down"),
    [("twos-complement", 1, 127), ("offset-64", 65, 63), ("sign-magnitude", 1, 65)],
)
def test_an_encoder_goes_on_from_the_present_value(
    stage: Stage, kind: str, up: int, down: int
) -> None:
    stage.begin({"control": "cc 10", "address": PAN, "relative": kind, "step": 0.05})
    stage.room.ask(PAN, -0.5)
    stage.cc(10, up, up, up)
    assert stage.strip().pan == pytest.approx(-0.2)
    stage.turn(*[control_change(1, 10, down)] * 4)
    assert stage.strip().pan == pytest.approx(-0.6)
    stage.turn(*[control_change(1, 10, up)] * 100)
    assert stage.strip().pan == 1


def test_ticks_of_an_encoder_add_up_to_a_whole_number(stage: Stage) -> None:
    loops = {"control": "cc 1", "address": "/rtmss/transport/loops", "range": [0, 10]}
    stage.begin(loops | {"relative": "twos-complement", "step": 0.03})
    values: Values = {"/rtmss/transport/loops": (0,)}
    (binding,) = stage.controllers._controllers[0].bound.by_control.values()
    said = []
    for _ in range(7):
        message = binding[0].move(1, "/rtmss/transport/loops", values)
        if message is not None:
            said.append(message.args[0])
            values = {"/rtmss/transport/loops": message.args}
    assert said == [1, 2]


def test_a_pad_turns_a_switch_over_and_shows_it(stage: Stage) -> None:
    stage.begin(PAD)
    stage.press(36)
    assert stage.strip().mute
    stage.wait()
    assert stage.told()[-1] == (0x90, 36, 127)
    stage.press(36)
    assert not stage.strip().mute
    stage.wait()
    assert stage.told()[-1] == (0x90, 36, 0)


def test_a_pad_that_is_held_is_on_meanwhile(stage: Stage) -> None:
    stage.begin(PAD | {"button": "hold"})
    stage.turn(note_on(1, 36, 1))
    assert stage.strip().mute
    stage.turn(note_on(1, 36, 0))
    assert not stage.strip().mute


@pytest.mark.parametrize("values", [(127, 0, 127, 0, 127), (127, 127, 127), (100, 127, 63, 90)])
def test_a_button_by_control_changes_is_pressed_once_each_time(
    stage: Stage, values: tuple[int, ...]
) -> None:
    stage.begin({"control": "cc 48", "address": MUTE})
    for value in values:
        stage.now += ECHO_SECONDS
        stage.cc(48, value)
    assert stage.strip().mute == (values[0] == 127)


def test_a_program_presses_a_button(stage: Stage) -> None:
    stage.begin({"control": "program 5", "address": FADER, "args": [0.5]})
    stage.turn(program_change(1, 5))
    assert stage.strip().gain_db == -14


def test_a_button_that_says_something_is_lit_while_it_is_so(stage: Stage) -> None:
    choir = {"control": "note 1", "address": "/rtmss/stem/vocals/condition", "args": ["choir"]}
    preset = {"control": "note 2", "address": "/rtmss/preset/karaoke", "light": [5, 21]}
    stage.begin(choir, preset)
    stage.press(1)
    assert stage.room.controller.scene.stems[0].condition.name == "choir"
    stage.room.controller.preset = "karaoke"
    stage.wait()
    assert set(stage.told()) == {(0x90, 1, 127), (0x90, 2, 21)}


def test_several_entries_of_a_control_are_one_packet(stage: Stage) -> None:
    stage.begin(PAD, PAD | {"address": "/rtmss/stem/drums/solo", "args": [True]})
    stage.press(36)
    assert stage.strip().mute
    assert stage.strip("drums").solo


def test_panic_and_unsolo_and_bypass_are_buttons(stage: Stage) -> None:
    controller = stage.room.controller
    names = ("panic", "unsolo", "bypass")
    stage.begin(
        *({"control": f"note {i}", "address": f"/rtmss/{name}"} for i, name in enumerate(names))
    )
    stage.room.ask("/rtmss/stem/vocals/solo", 1)
    for note in range(3):
        stage.press(note)
    assert controller.shared.panic
    assert controller.scene.bypass
    assert not stage.strip().solo
    stage.press(0)
    assert not controller.shared.panic


CUES: Songs = [{"name": "one", "cues": [{"name": "verse"}, {"name": "chorus"}]}]


def test_pads_step_through_cues(stage: Stage) -> None:
    stage.begin(
        {"control": "note 1", "address": "/rtmss/cue/next"},
        {"control": "note 2", "address": "/rtmss/cue/go", "args": ["one/chorus"]},
    )
    cues = stage.room.controller.cues = CuePlayer(
        make_sheet(CUES, files=False), stage.room.controller
    )
    stage.press(1)
    stage.press(1)
    assert cues.name == "one/verse"
    stage.press(2)
    assert cues.name == "one/chorus"
    stage.wait()
    assert (0x90, 2, 127) in stage.told()


def test_what_is_refused_is_said_but_not_all_the_time(stage: Stage) -> None:
    stage.begin({"control": "note 1", "address": "/rtmss/cue/next"}, PAN_RAW)
    stage.controllers.take_news()
    for _ in range(50):
        stage.press(1)
    assert (
        len([one for one in stage.controllers.take_news() if "no set list is played" in one]) == 1
    )
    stage.turn(note_on(1, 1, 9), control_change(1, 10, 127))
    assert stage.strip().pan == 1


def test_a_control_for_what_is_not_there_does_nothing(stage: Stage) -> None:
    stage.begin(
        {"control": "cc 1", "address": "/rtmss/transport/position", "range": [0, 9]}, PAN_RAW
    )
    stage.turn(control_change(1, 1, 9), control_change(1, 10, 127))
    assert stage.strip().pan == 1


# Pick-up.


def test_a_fader_does_nothing_until_it_has_passed_the_present_value(stage: Stage) -> None:
    stage.begin(PAN_KNOB)
    stage.cc(10, 0, 20, 60)
    assert stage.strip().pan == 0
    stage.cc(10, 70)
    assert stage.strip().pan == pytest.approx(2 * 70 / 127 - 1)
    stage.cc(10, 100)
    assert stage.strip().pan == pytest.approx(2 * 100 / 127 - 1)
    stage.room.ask(PAN, -1.0)
    stage.cc(10, 90, 50)
    assert stage.strip().pan == -1
    stage.cc(10, 1)
    assert stage.strip().pan == pytest.approx(2 / 127 - 1)


@pytest.mark.parametrize("fields", [{"pickup": False}, {}])
def test_pick_up_can_be_off_for_one_or_for_all(stage: Stage, fields: dict[str, Any]) -> None:
    stage.begin(PAN_KNOB | fields, pickup=bool(fields))
    stage.cc(10, 5)
    assert stage.strip().pan == pytest.approx(10 / 127 - 1)


PLACES = st.lists(st.integers(0, 127), min_size=1, max_size=30)


@given(st.floats(0, 127), PLACES)
def test_a_fader_never_jumps_to_where_it_has_not_come_from(
    present: float, places: list[int]
) -> None:
    """Whoever looks at the value sees it begin where it was, and follow from there."""
    pick_up, has_taken, before = PickUp(127), False, None
    for place in places:
        takes = pick_up.takes(place, present)
        is_near = abs(place - present) <= 1
        is_passed = before is not None and min(before, place) <= present <= max(before, place)
        assert takes == (has_taken or is_near or is_passed)
        if takes:
            pick_up.set_to(place)
            present, has_taken = place, True
        before = place


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=30
)
@given(st.lists(st.one_of(PLACES, st.floats(-1, 1, width=32)), max_size=8))
def test_only_a_fader_that_was_there_moves_the_value(
    stage: Stage, steps: list[list[int] | float]
) -> None:
    stage.begin(PAN_KNOB)
    stage.room.ask(PAN, 0.0)
    place, is_held, present = None, False, 0.0
    for step in steps:
        if isinstance(step, float):
            stage.room.ask(PAN, step)
            is_held = is_held and abs((step - present) * 63.5) < 0.5
            present = step
            continue
        for one in step:
            stage.now += ECHO_SECONDS
            stage.cc(10, one)
            at = (present + 1) * 63.5
            passed = place is not None and (place - at) * (one - at) <= 0
            if is_held or passed or abs(one - at) <= 1:
                is_held = True
                present = present if round(at) == one else one / 63.5 - 1
            place = one
            assert stage.strip().pan == pytest.approx(present, abs=1e-9)


# Lights and motor faders.


def test_without_a_port_the_addresses_say_how_to_start(stage: Stage) -> None:
    for address in ("/rtmss/midi/map", "/rtmss/midi/ports", "/rtmss/midi/learn"):
        told = stage.room.ask(address, *(["/rtmss/bypass"] * address.endswith("learn")))
        assert told[0][:3] == ("/rtmss/fail", address, "midi")
        assert "--midi PORT" in told[0][3]


def test_changes_by_midi_are_those_of_osc(stage: Stage, shared: SharedState) -> None:
    """What is sent to the engine, and so recorded, is the same scene."""
    stage.begin({"control": "pitch", "address": "/rtmss/remainder/gain", "pickup": False})
    stage.turn(pitch_wheel(1, 100))
    stage.room.controller.flush()
    by_midi = shared.latest()
    stage.room.ask("/rtmss/remainder/gain", gain_of((8192 + 100) / 16383))
    stage.room.controller.flush()
    by_osc = shared.latest()
    assert by_midi is not None
    assert by_osc is not None
    assert by_midi.scene.remainder.gain_db != 0
    assert math.isclose(
        by_midi.scene.remainder.gain_db, by_osc.scene.remainder.gain_db, abs_tol=1e-5
    )
    assert condition_of("vocals").name == by_midi.scene.stems[0].condition.name
