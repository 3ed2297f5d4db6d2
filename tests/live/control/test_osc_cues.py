"""Cues over OSC: asking for them, being told of them, and switches to the hop."""

from __future__ import annotations

import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from helpers.cues import HOP, RATE, Songs, Stage, make_sheet
from helpers.dispatcher import ME, LoadedLibrary, Room, tell
from helpers.makers import MakeCondition
from helpers.osc_server import Studio
from helpers.song import insert
from rtmss.live.control.cues.player import CuePlayer
from rtmss.live.control.osc.codec import decode, message
from rtmss.live.control.osc.cues import NO_SET_LIST
from rtmss.live.control.osc.dispatch import Dispatcher
from rtmss.live.shared.state import SharedState
from rtmss.model.separator import SeparatorModel

CUES: Songs = [
    {"name": "one", "cues": [{"name": "a b"}, {"name": "solo", "at": 2.0}]},
    {"name": "two", "cues": [{"name": "solo"}]},
]
N_TIMED = 400
"""Cues or switches that have to meet their hops."""


@pytest.fixture
def room(shared: SharedState, make_condition: MakeCondition) -> Room:
    room = Room(shared, make_condition)
    room.controller.cues = CuePlayer(make_sheet(CUES, files=False), room.controller)
    return room


def current(room: Room) -> object:
    return room.ask("/rtmss/cue")[0][1]


def test_cues_are_asked_for_in_order_and_by_name(room: Room) -> None:
    assert room.ask("/rtmss/cues") == [
        ("/rtmss/cues", "one", "one/a b", "one/solo", "two", "two/solo")
    ]
    assert room.ask("/rtmss/cue") == [("/rtmss/cue", "")]
    assert room.ask("/rtmss/cue/upcoming") == [("/rtmss/cue/upcoming", "one")]
    for address, args, expected in (
        ("next", (), "one"),
        ("next", (1,), "one/a b"),
        ("next", (0,), "one/a b"),
        ("previous", (), "one"),
        ("go", ("solo",), "one/solo"),
        ("go", ("two/solo",), "two/solo"),
        ("go", ("solo",), "two/solo"),
        ("go", ("one",), "one"),
    ):
        assert room.ask(f"/rtmss/cue/{address}", *args) == []
        room.step()
        assert current(room) == expected
    assert room.ask("/rtmss/cue/upcoming") == [("/rtmss/cue/upcoming", "one/a b")]


@pytest.mark.parametrize(
    ("address", "args", "code", "text"),
    [
        ("/rtmss/cue/previous", (), "cue", "there is no cue before this one"),
        ("/rtmss/cue/go", ("sola",), "name", "no cue 'sola'; did you mean 'solo'"),
        ("/rtmss/cue/go", (), "arity", "expected 1 argument, got 0"),
        ("/rtmss/cue/go", (3,), "type", "expected a text"),
        ("/rtmss/cue/nxt", (), "address", "no address '/rtmss/cue/nxt'"),
    ],
)
def test_what_cannot_be_is_refused(
    room: Room, address: str, args: tuple[str, ...], code: str, text: str
) -> None:
    [(_, of, told, why)] = room.ask(address, *args)
    assert (of, told) == (address, code)
    assert text in str(why)
    assert current(room) == ""


def test_after_the_last_cue_there_is_none(room: Room) -> None:
    room.ask("/rtmss/cue/go", "two/solo")
    assert room.ask("/rtmss/cue/next")[0][2:] == ("cue", "that was the last cue")
    assert room.ask("/rtmss/cue/upcoming") == [("/rtmss/cue/upcoming", "")]


@pytest.mark.parametrize("address", ["/rtmss/cue", "/rtmss/cues", "/rtmss/cue/next"])
def test_without_a_set_list_there_are_no_cues(
    shared: SharedState, make_condition: MakeCondition, address: str
) -> None:
    room = Room(shared, make_condition)
    assert room.ask(address) == [("/rtmss/fail", address, "cue", NO_SET_LIST)]
    assert not [one for one in room.ask("/rtmss/*") if "cue" in one[0]]


def test_a_packet_asks_for_one_cue_and_what_it_sets_comes_after_it(room: Room) -> None:
    go, gain = message("/rtmss/cue/next"), message("/rtmss/master/gain", -6.0)
    assert room.send(go, go)[0][2] == "cue"
    assert current(room) == ""
    assert room.send(gain, go) == []
    assert (current(room), room.controller.scene.master_db) == ("one", -6.0)


def test_a_bundle_to_come_brings_its_cue_at_its_hop(room: Room) -> None:
    assert room.controller.cues is not None
    room.play(hop_seconds=time.perf_counter())
    room.ask("/rtmss/cue/next", when=time.time() + 0.1)
    assert current(room) == ""
    [(hop, _)] = room.controller.scheduled
    assert 105 < hop < 112
    room.play(hop)
    room.controller.cues.follow()
    assert current(room) == "one"


def test_a_song_that_has_to_go_elsewhere_cannot_be_put_off(room: Room) -> None:
    insert(room.controller.shared)
    room.controller.cues = CuePlayer(make_sheet(CUES, files=True), room.controller)
    told = room.ask("/rtmss/cue/go", "one/solo", when=time.time() + 1)
    assert told[0][2:] == ("time", "the song goes elsewhere for it: that cannot be put off")
    assert room.ask("/rtmss/cue/go", "one/a b", when=time.time() + 1) == []


def test_subscribers_are_told_of_each_cue(studio: Studio) -> None:
    sheet = make_sheet(CUES, files=False)
    studio.controller.cues = CuePlayer(sheet, studio.controller)
    told = studio.ask("/rtmss/subscribe", "/rtmss/cue")
    assert ("/rtmss/cue", "") in told
    told = studio.ask("/rtmss/cue/next")
    assert set(told) == {("/rtmss/cue", "one"), ("/rtmss/cue/upcoming", "one/a b")}


class Clock:
    """Time that goes on by one hop at each hop."""

    def __init__(self) -> None:
        self.n_hops = 0

    def __call__(self) -> float:
        return self.n_hops * HOP / RATE

    def module(self) -> SimpleNamespace:
        return SimpleNamespace(time=self, perf_counter=self, monotonic=self, thread_time=self)


@pytest.mark.slow
def test_hundreds_of_switches_by_time_tag_come_to_their_hops(
    shared: SharedState,
    tiny: SeparatorModel,
    make_condition: MakeCondition,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = Clock()
    for name in ("control.osc.dispatch", "realtime.player"):
        monkeypatch.setattr(f"rtmss.live.{name}.time", clock.module())
    stage = Stage(shared, tiny, tmp_path)
    stage.begin(make_sheet([{"name": "one"}], files=False))
    conditions = {name: make_condition(name, seed) for seed, name in enumerate("abc")}
    stage.controller.library = LoadedLibrary(conditions)
    dispatcher = Dispatcher(stage.controller, "1.2.3")
    rng = np.random.default_rng(0)
    hops = 50 + np.cumsum(rng.integers(1, 4, N_TIMED))
    sent, expected = 0, {int(hop): "abc"[i % 3] for i, hop in enumerate(hops)}
    stage.run(1)
    for now in range(1, int(hops[-1]) + 5):
        clock.n_hops = now
        while sent < len(hops) and hops[sent] <= now + 60:
            # What comes in at that time begins to be heard in that hop's output.
            when = (hops[sent] - 1 - rng.uniform(0.01, 0.99)) * HOP / RATE
            one = decode(message("/rtmss/stem/voice/condition", expected[int(hops[sent])]))
            assert tell(dispatcher.handle(one[0].messages, when, ME)) == []
            sent += 1
        stage.run(1)
    heard = [scene.stems[0].condition.name for _, scene in stage.heard]
    switches = {hop: heard[hop] for hop in range(1, len(heard)) if heard[hop] != heard[hop - 1]}
    assert switches == expected


@pytest.mark.slow
def test_hundreds_of_cues_come_to_their_hops(stage: Stage) -> None:
    shifts = np.random.default_rng(0).uniform(0, 0.015, N_TIMED)
    places = 0.1 + 0.024 * np.arange(N_TIMED) + shifts
    cues = [
        {"name": str(i), "at": at, "gain": -1.0 - i % 100}
        for i, at in enumerate(map(float, places))
    ]
    n_hops = int((places[-1] + 0.2) * RATE) // HOP
    song = np.zeros((2, n_hops * HOP), np.float32)
    stage.begin(make_sheet([{"name": "one", "cues": cues}], files=True), song)
    stage.run(n_hops)
    switches = [
        begins
        for (begins, scene), (_, before) in zip(stage.heard[1:], stage.heard, strict=False)
        if scene.stems[0].strip.gain_db != before.stems[0].strip.gain_db
    ]
    assert len(switches) == N_TIMED - 1  # the first is as loud as what played before it
    errors = (np.round(places[1:] * RATE) - np.round(np.array(switches) * RATE)) // HOP
    assert not errors.any()


@pytest.fixture
def stage(shared: SharedState, tiny: SeparatorModel, tmp_path: Path) -> Stage:
    return Stage(shared, tiny, tmp_path)
