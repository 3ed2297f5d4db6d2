"""Capturing over OSC and by keys: what is asked, what is answered, and what stems then play."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from helpers.capturing import RATE, Stage, tone
from helpers.dispatcher import ME, YOU, LoadedLibrary, Room, Told, tell
from helpers.makers import MakeCondition
from rtmss.conditions.condition import Condition
from rtmss.live.control.captures import Captures
from rtmss.live.control.keys import Keys
from rtmss.live.control.osc.codec import message
from rtmss.live.control.osc.pending import MAX_JOBS, WAIT_SECONDS
from rtmss.live.shared import capture_ring
from rtmss.live.shared.jobs import MAX_WAITING
from rtmss.live.shared.state import SharedState
from rtmss.model.separator import SeparatorModel


class DraftLibrary(LoadedLibrary):
    """Conditions out of memory, and drafts before them."""

    def __init__(self, conditions: dict[str, Condition], stage: Stage) -> None:
        super().__init__(conditions)
        self._stage = stage

    def conditions(self) -> dict[str, Path]:
        drafts = (self._stage.folder / "conditions").glob("*.safetensors")
        return super().conditions() | {path.stem: path for path in drafts}

    def load_condition(self, name: str, model_id: str | None = None) -> Condition:
        if self._stage.drafts.path(name).is_file():
            return self._stage.drafts.load(name)
        return super().load_condition(name, model_id)


class CaptureRoom(Room):
    """A dispatcher, and a builder that works when it is told to."""

    def __init__(self, shared: SharedState, make_condition: MakeCondition, stage: Stage) -> None:
        super().__init__(shared, make_condition)
        self.stage = stage
        known = {
            name: make_condition(name, seed)
            for seed, name in enumerate(("vocals", "drums", "choir"))
        }
        self.controller.library = DraftLibrary(known, stage)
        self.controller.captures = Captures(stage.ring, stage.queue)
        stage.play(tone(300, 3), self.controller.scene)

    def finish(self, now: float | None = None) -> Told:
        """The builder does all that it was asked, and the engine takes up what came of it."""
        while self.stage.builder.work():
            pass
        answers = self._turn(now)
        self.play(hop=self.status.hop + 1)
        return answers + self._turn(now)

    def _turn(self, now: float | None) -> Told:
        captured = self.controller.finish_captures()
        self.controller.flush()
        moment = time.monotonic() if now is None else now
        answers = self.dispatcher.pending.step([], moment, captured)
        return tell([answer for _, answer in answers])

    def condition_of(self, stem: str) -> Condition:
        (found,) = [one for one in self.controller.scene.stems if one.name == stem]
        return found.condition


@pytest.fixture
def stage(tmp_path: Path, tiny: SeparatorModel, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    monkeypatch.setattr(capture_ring, "RING_SAMPLES", 20 * RATE)
    monkeypatch.setattr(capture_ring, "MARGIN_SAMPLES", RATE)
    stage = Stage(tmp_path, tiny)
    yield stage
    stage.close()


@pytest.fixture
def room(shared: SharedState, make_condition: MakeCondition, stage: Stage) -> CaptureRoom:
    return CaptureRoom(shared, make_condition, stage)


def test_capture_build_and_play(room: CaptureRoom) -> None:
    assert room.ask("/rtmss/capture/last", "flute", "positive", 2.0) == []
    assert room.finish() == [
        ("/rtmss/done", "/rtmss/capture/last", "flute", "positive-001: 2.0 s of input")
    ]
    room.ask("/rtmss/condition/build", "flute")
    assert room.ask("/rtmss/stem/vocals/condition", "flute") == []
    assert room.condition_of("vocals").name == "vocals", "it is not built yet"
    assert room.finish() == [
        ("/rtmss/done", "/rtmss/condition/build", "flute", "1 positive and 0 negative clips")
    ]
    assert room.condition_of("vocals") == room.stage.drafts.load("flute")


def test_one_bundle_does_it_all(room: CaptureRoom) -> None:
    answers = room.send(
        message("/rtmss/capture/last", "flute", "positive", 2.0),
        message("/rtmss/condition/build", "flute"),
        message("/rtmss/stem/drums/condition", "flute"),
    )
    assert answers == []
    assert [one[:3] for one in room.finish()] == [
        ("/rtmss/done", "/rtmss/capture/last", "flute"),
        ("/rtmss/done", "/rtmss/condition/build", "flute"),
    ]
    assert room.condition_of("drums").name == "flute"


def test_a_stem_that_plays_a_condition_follows_its_refinement_and_its_undoing(
    room: CaptureRoom,
) -> None:
    room.send(
        message("/rtmss/capture/last", "flute", "positive", 2.0),
        message("/rtmss/condition/build", "flute"),
        message("/rtmss/stem/vocals/condition", "flute"),
    )
    room.finish()
    first = room.condition_of("vocals")
    room.stage.play(tone(900, 2), room.controller.scene)
    room.send(
        message("/rtmss/capture/last", "flute", "negative", 1.0, "vocals"),
        message("/rtmss/condition/build", "flute"),
    )
    room.finish()
    assert room.condition_of("vocals") != first
    room.ask("/rtmss/condition/undo", "flute")
    room.finish()
    assert room.condition_of("vocals") == first


def test_done_is_said_when_it_is_heard(room: CaptureRoom) -> None:
    room.send(
        message("/rtmss/capture/last", "flute", "positive", 2.0),
        message("/rtmss/condition/build", "flute"),
        message("/rtmss/stem/vocals/condition", "flute"),
    )
    while room.stage.builder.work():
        pass
    heard_before = room._turn(None)
    assert [one[1] for one in heard_before] == ["/rtmss/capture/last"]
    room.play(hop=200)
    assert [one[1] for one in room._turn(None)] == ["/rtmss/condition/build"]


def test_a_build_that_fails_is_told_and_leaves_the_stem(room: CaptureRoom) -> None:
    room.ask("/rtmss/condition/build", "flute")
    room.ask("/rtmss/stem/vocals/condition", "flute")
    assert room.finish() == [
        (
            "/rtmss/fail",
            "/rtmss/condition/build",
            "refused",
            "flute: 'flute' has no clips; capture some",
        )
    ]
    assert room.condition_of("vocals").name == "vocals"
    assert room.ask("/rtmss/stem/vocals/condition", "flute")[0][2] == "name"


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("last", "a b", "positive", 2.0), "name", "cannot name a condition"),
        (("last", "a/../b", "positive", 2.0), "name", "cannot name a condition"),
        (("last", "flute", "both", 2.0), "name", "no role 'both'"),
        (("last", "flute", "positive", 61.0), "range", "60"),
        (("last", "flute", "positive", float("nan")), "range", "nan"),
        (("last", "flute", "positive"), "arity", "3 to 4"),
        (("start", "flute"), "arity", "2 to 3"),
        (("stop",), "arity", "1 argument"),
        (("range", "flute", "positive", 5.0, 5.0), "name", "is empty"),
        (("range", "flute", "positive", 5.0, 70.0), "name", "at most 60 s"),
    ],
)
def test_what_cannot_be_is_refused_and_asks_nothing(
    room: CaptureRoom, words: tuple[Any, ...], code: str, said: str
) -> None:
    ((address, _, told, text),) = room.ask(f"/rtmss/capture/{words[0]}", *words[1:])
    assert (address, told) == ("/rtmss/fail", code)
    assert said in text
    assert room.stage.queue.n_waiting == 0


def test_one_bad_message_keeps_its_packet_from_capturing(room: CaptureRoom) -> None:
    room.send(
        message("/rtmss/capture/last", "flute", "positive", 2.0),
        message("/rtmss/stem/vocals/gain", 99.0),
    )
    assert room.stage.queue.n_waiting == 0


def test_capturing_cannot_be_put_off(room: CaptureRoom) -> None:
    ((_, _, code, _),) = room.ask(
        "/rtmss/capture/last", "flute", "positive", 2.0, when=time.time() + 1
    )
    assert code == "time"


def test_a_peer_has_so_many_jobs_and_others_have_room(room: CaptureRoom) -> None:
    for _ in range(MAX_JOBS):
        assert room.ask("/rtmss/capture/last", "flute", "positive", 1.0) == []
    assert room.ask("/rtmss/capture/last", "flute", "positive", 1.0)[0][2] == "busy"
    assert room.ask("/rtmss/capture/last", "flute", "positive", 1.0, peer=YOU) == []
    room.finish()
    assert room.ask("/rtmss/capture/last", "flute", "positive", 1.0, peer=ME) == []


def test_all_peers_together_fill_the_queue_and_no_more(room: CaptureRoom) -> None:
    for number in range(MAX_WAITING):
        peer = ME._replace(port=6000 + number)
        assert room.ask("/rtmss/condition/inspect", "flute", peer=peer) == []
    assert room.ask("/rtmss/condition/inspect", "flute")[0][2] == "busy"


def test_a_builder_that_says_nothing_is_a_failure_in_the_end(room: CaptureRoom) -> None:
    room.ask("/rtmss/condition/build", "flute")
    late = time.monotonic() + WAIT_SECONDS + 1
    ((address, asked, code, _),) = room._turn(late)
    assert (address, asked, code) == ("/rtmss/fail", "/rtmss/condition/build", "timeout")


def test_who_asked_hears_the_warnings_too(room: CaptureRoom) -> None:
    room.stage.play(tone(300, 2, level=0.004))
    room.ask("/rtmss/capture/last", "flute", "positive", 2.0)
    warning, done = room.finish()
    assert warning[:3] == ("/rtmss/warning", "/rtmss/capture/last", "flute")
    assert "very quiet" in warning[3]
    assert done[0] == "/rtmss/done"


def test_inspect_answers_in_rows(room: CaptureRoom) -> None:
    room.send(
        message("/rtmss/capture/last", "flute", "positive", 2.0),
        message("/rtmss/condition/build", "flute"),
        message("/rtmss/condition/inspect", "flute"),
    )
    told = room.finish()
    assert ("/rtmss/condition/clip", "flute", "positive-001.flac", "positive", 1.0) in told
    assert ("/rtmss/condition/source", "flute", "input") in [row[:3] for row in told]
    assert told[-1][:3] == ("/rtmss/done", "/rtmss/condition/inspect", "flute")


def test_open_captures_can_be_asked_for_and_are_told_to_subscribers(room: CaptureRoom) -> None:
    room.ask("/rtmss/subscribe", "/rtmss/capture")
    room.changes()
    room.ask("/rtmss/capture/start", "flute", "positive")
    room.finish()
    assert room.ask("/rtmss/capture/open") == [("/rtmss/capture/open", "flute")]
    assert ("/rtmss/capture/open", "flute") in room.changes()[ME]
    room.ask("/rtmss/capture/stop", "flute")
    room.finish()
    assert room.ask("/rtmss/capture/open") == [("/rtmss/capture/open",)]


@pytest.mark.parametrize(
    "words",
    [
        ("/rtmss/capture/last", "flute", "positive", 2.0),
        ("/rtmss/capture/open",),
        ("/rtmss/condition/build", "flute"),
    ],
)
def test_without_capturing_it_says_so(room: CaptureRoom, words: tuple[Any, ...]) -> None:
    room.controller.captures = None
    ((_, _, code, text),) = room.ask(*words)
    assert code == "capture"
    assert "--no-capture" in text


def test_before_anything_plays_nothing_can_be_captured(
    shared: SharedState, make_condition: MakeCondition, stage: Stage
) -> None:
    room = Room(shared, make_condition)
    room.controller.captures = Captures(stage.ring, stage.queue)
    ((_, _, _, text),) = room.ask("/rtmss/capture/last", "flute", "positive", 2.0)
    assert text == "nothing has been played yet"


def test_answers_to_a_control_side_before_are_taken_up_without_a_word(room: CaptureRoom) -> None:
    room.send(
        message("/rtmss/capture/last", "flute", "positive", 2.0),
        message("/rtmss/condition/build", "flute"),
        message("/rtmss/stem/vocals/condition", "flute"),
    )
    room.dispatcher.pending = type(room.dispatcher.pending)(room.controller)
    assert room.finish() == []
    assert room.condition_of("vocals") == room.stage.drafts.load("flute")


def test_a_condition_of_other_weights_is_not_refined(room: CaptureRoom) -> None:
    room.ask("/rtmss/capture/last", "vocals", "negative", 2.0)
    room.ask("/rtmss/condition/build", "vocals")
    (text,) = [one[3] for one in room.finish() if one[0] == "/rtmss/fail"]
    assert "was made for weights" in text


# By keys.


@pytest.fixture
def keys(room: CaptureRoom) -> Keys:
    return Keys(room.controller)


def test_c_captures_a_new_sound_for_the_selected_stem(room: CaptureRoom, keys: Keys) -> None:
    keys.press("2")
    assert keys.press("c") == ""
    room.finish()
    assert room.condition_of("drums").name == "sound-1"
    keys.press("c")
    room.finish()
    assert room.condition_of("drums").name == "sound-2"


def test_n_and_t_refine_and_z_goes_back(room: CaptureRoom, keys: Keys) -> None:
    keys.press("1")
    keys.press("c")
    room.finish()
    first = room.condition_of("vocals")
    room.stage.play(tone(900, 2), room.controller.scene)
    keys.press("n")
    room.finish()
    second = room.condition_of("vocals")
    keys.press("t")
    room.finish()
    third = room.condition_of("vocals")
    assert len({first.key, second.key, third.key}) == 3
    assert [len(third.header.positive), len(third.header.negative)] == [2, 1]
    keys.press("w")
    room.finish()
    fourth = room.condition_of("vocals")
    assert [len(fourth.header.positive), len(fourth.header.negative)] == [2, 2]
    keys.press("z")
    room.finish()
    keys.press("z")
    room.finish()
    assert room.condition_of("vocals") == second


@pytest.mark.parametrize("key", "cnwtz")
def test_keys_need_a_stem(room: CaptureRoom, keys: Keys, key: str) -> None:
    keys.press("r")
    assert "select one" in keys.press(key)
    room.controller.captures = None
    assert keys.press(key) == "", "the key is none then"


@pytest.mark.parametrize("length", [100, 8_000, 20_000])
def test_a_source_of_any_length_is_answered(room: CaptureRoom, length: int) -> None:
    told = room.ask("/rtmss/capture/last", "flute", "positive", 2.0, "x" * length)
    told = told or room.finish()
    assert told[-1][:2] == ("/rtmss/fail", "/rtmss/capture/last")
