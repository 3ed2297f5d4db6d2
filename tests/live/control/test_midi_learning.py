"""Floods, ports that come and go, and what controls are learned to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from helpers.dispatcher import Room
from helpers.makers import MakeCondition
from helpers.midi import MUTE, PAD, PAN, PAN_KNOB, PAN_RAW, Stage
from rtmss.live.control.midi.controllers import BATCH, MAX_PRESSES
from rtmss.live.control.midi.messages import control_change, note_on
from rtmss.live.shared.state import SharedState


@pytest.fixture
def stage(shared: SharedState, make_condition: MakeCondition, tmp_path: Path) -> Stage:
    return Stage(Room(shared, make_condition), tmp_path)


def test_of_a_flood_the_last_place_counts(stage: Stage) -> None:
    stage.begin(PAN_RAW)
    stage.turn(
        *(control_change(1, 10, i % 128) for i in range(4 * BATCH)), control_change(1, 10, 77)
    )
    for _ in range(20):
        stage.turn()
    assert stage.strip().pan == pytest.approx(2 * 77 / 127 - 1)


def test_a_flood_of_presses_is_cut_off_and_counted(stage: Stage) -> None:
    stage.begin(PAD)
    stage.turn(*[note_on(1, 36, 9)] * (MAX_PRESSES + 10))
    while stage.port.incoming:
        stage.turn()
    assert stage.controllers.counts["midi_lost"] >= 1
    assert stage.controllers.n_lost <= 10


def test_a_port_that_vanishes_is_looked_for_until_it_is_back(stage: Stage) -> None:
    stage.begin(PAN_KNOB, PAD)
    stage.controllers.take_news()
    stage.room.ask(MUTE, 1)
    stage.port.is_plugged = False
    stage.wait()
    assert stage.controllers.missing == ["box"]
    assert "box: " in stage.controllers.ports[0]
    assert stage.controllers.counts["midi_open"] == 0
    stage.room.ask(PAN, 1.0)
    stage.wait(60)
    assert len(stage.controllers.take_news()) <= 2
    stage.clear()
    stage.port.is_plugged = True
    stage.wait()
    assert stage.controllers.ports == ("box: open",)
    assert stage.controllers.counts == {"midi_open": 1, "midi_reconnects": 1, "midi_lost": 0}
    assert stage.controllers.take_news() == ["MIDI box is there again"]
    assert set(stage.told()) == {(0x90, 36, 127), (0xB0, 10, 127)}
    stage.cc(10, 127, 64)
    assert stage.strip().pan == pytest.approx(2 * 64 / 127 - 1)


def test_a_port_may_come_later_and_another_plays_meanwhile(stage: Stage) -> None:
    stage.begin(PAN_RAW, ports=("a", "b"))
    stage.ports["b"].is_plugged = False
    stage.wait()
    stage.turn(control_change(1, 10, 127), port="a")
    assert stage.strip().pan == 1
    stage.ports["b"].is_plugged = True
    stage.wait()
    stage.turn(control_change(1, 10, 0), port="b")
    assert stage.strip().pan == -1


def test_a_port_that_goes_between_two_looks_costs_nothing(stage: Stage) -> None:
    stage.begin(PAN_RAW)
    stage.port.is_plugged = False
    stage.room.ask(PAN, 1.0)
    for _ in range(100):
        stage.turn()
    assert stage.controllers.missing == ["box"]


# Learning.


def test_a_control_is_learned_and_comes_back(stage: Stage) -> None:
    stage.begin(PAD)
    assert stage.room.ask("/rtmss/midi/learn", PAN) == []
    assert stage.room.ask("/rtmss/midi/learning") == [("/rtmss/midi/learning", PAN)]
    stage.cc(20, 10, 11, 12, channel=4)
    assert stage.strip().pan == 0
    stage.wait()
    assert stage.controllers.learning == ""
    assert f"cc 20 channel 4 -> {PAN}" in stage.controllers.lines
    stage.cc(20, 63, 64, channel=4)
    stage.cc(20, 90, channel=4)
    assert stage.strip().pan == pytest.approx(2 * 90 / 127 - 1)
    before = stage.controllers.lines
    stage.start()
    assert stage.controllers.lines == before


def test_who_asked_to_learn_is_told(stage: Stage) -> None:
    stage.begin()
    stage.room.ask("/rtmss/midi/learn", MUTE)
    stage.press(40)
    ((peer, packet),) = stage.controllers.take_answers()
    assert peer.port == 5000
    assert b"/rtmss/done" in packet
    assert b"note 40" in packet
    assert any(MUTE in news for news in stage.controllers.take_news())


def test_an_encoder_and_a_text_are_learned(stage: Stage) -> None:
    stage.begin()
    stage.room.ask("/rtmss/midi/learn", PAN)
    stage.cc(1, 65, 65, 63, 65)
    stage.wait()
    stage.cc(1, 65)
    assert stage.strip().pan == pytest.approx(0.02)
    stage.room.ask("/rtmss/midi/learn", "/rtmss/stem/vocals/condition", "choir")
    stage.press(50)
    stage.press(50)
    assert stage.room.controller.scene.stems[0].condition.name == "choir"


def test_of_several_ports_the_one_is_learned_that_was_moved(stage: Stage) -> None:
    stage.begin(ports=("a", "b"))
    stage.room.ask("/rtmss/midi/learn", MUTE)
    stage.turn(note_on(1, 40, 9), port="b")
    assert stage.controllers.lines == [f"note 40 channel 1 of b -> {MUTE}"]


@pytest.mark.parametrize(
    ("args", "text"),
    [
        (("/rtmss/nothing",), "no address '/rtmss/nothing'"),
        (("/rtmss/stem/*/pan",), "is a pattern"),
        (("/rtmss/preset",), "needs args"),
        (("/rtmss/subscribe",), "is not for a control"),
    ],
)
def test_what_cannot_be_learned_is_refused_at_once(
    stage: Stage, args: tuple[str, ...], text: str
) -> None:
    stage.begin()
    ((*told, why),) = stage.room.ask("/rtmss/midi/learn", *args)
    assert told == ["/rtmss/fail", "/rtmss/midi/learn", "name"]
    assert text in why
    assert stage.controllers.learning == ""


def test_a_pad_cannot_learn_a_number(stage: Stage) -> None:
    stage.begin()
    stage.room.ask("/rtmss/midi/learn", PAN)
    stage.press(40)
    ((_, packet),) = stage.controllers.take_answers()
    assert b"/rtmss/fail" in packet
    assert stage.controllers.lines == []


def test_learning_ends_when_nothing_moves(stage: Stage) -> None:
    stage.begin()
    stage.room.ask("/rtmss/midi/learn", PAN)
    stage.wait(31)
    ((_, packet),) = stage.controllers.take_answers()
    assert b"no control was moved in 30 s" in packet
    assert stage.controllers.learning == ""


def test_only_what_was_asked_for_last_is_learned(stage: Stage) -> None:
    stage.begin()
    for address in (PAN, MUTE):
        stage.room.ask("/rtmss/midi/learn", address)
    ((_, packet),) = stage.controllers.take_answers()
    assert b"/rtmss/fail" in packet
    assert PAN.encode() in packet
    stage.press(40)
    assert stage.controllers.lines == [f"note 40 channel 1 -> {MUTE}"]
    stage.room.ask("/rtmss/midi/learn", MUTE)
    stage.room.ask("/rtmss/midi/forget", MUTE)
    assert stage.controllers.learning == ""


def test_what_cannot_be_saved_is_not_learned(stage: Stage) -> None:
    stage.begin()
    (stage.folder / "file").write_text("", encoding="utf-8")
    stage.folder = stage.folder / "file" / "library"
    stage.controllers._folder = stage.folder
    stage.room.ask("/rtmss/midi/learn", MUTE)
    stage.press(40)
    ((_, packet),) = stage.controllers.take_answers()
    assert b"cannot be written" in packet
    assert stage.controllers.lines == []


def test_a_forgotten_address_has_no_control_also_by_its_number(stage: Stage) -> None:
    stage.begin(PAD | {"address": "/rtmss/stem/#1/mute"}, PAN_RAW)
    assert stage.room.ask("/rtmss/midi/forget", MUTE) == [
        ("/rtmss/done", "/rtmss/midi/forget", MUTE)
    ]
    stage.press(36)
    assert not stage.strip().mute
    stage.start()
    assert stage.controllers.lines == [f"cc 10 -> {PAN}"]
    assert stage.room.ask("/rtmss/midi/map") == [("/rtmss/midi/map", f"cc 10 -> {PAN}")]
    ((address, *_, why),) = stage.room.ask("/rtmss/midi/forget", MUTE)
    assert address == "/rtmss/fail"
    assert "no control is bound" in why
