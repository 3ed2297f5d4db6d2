"""None"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from helpers.dispatcher import ME, Room, tell
from helpers.makers import MakeCondition
from rtmss.engine.control import Scene
from rtmss.live.control.osc.codec import Argument, Message, message
from rtmss.live.shared.state import Recording, SharedState


@pytest.fixture
def room(make_condition: MakeCondition) -> Iterator[Room]:
    shared = SharedState.create(12)
    room = Room(shared, make_condition)
    yield room
    shared.close(unlink=True)


def test_a_ping_is_answered_with_the_version_and_what_came(room: Room) -> None:
    assert room.ask("/rtmss/ping", 1, "x", 0.5, True, b"b") == [
        ("/rtmss/pong", "1.2.3", 1, "x", 0.5, True, b"b")
    ]


@pytest.mark.parametrize("owner", ["stem/vocals", "remainder"])
def test_a_strip_has_a_pan(room: Room, owner: str) -> None:
    address = f"/rtmss/{owner}/pan"
    assert room.ask(address) == [(address, 0.0)]
    room.ask(address, -0.5)
    assert room.ask(address) == [(address, -0.5)]
    assert room.ask(address, 1.5)[0][:3] == ("/rtmss/fail", address, "range")


def test_the_master_has_no_pan(room: Room) -> None:
    assert room.ask("/rtmss/master/pan", 0.5)[0][:3] == (
        "/rtmss/fail",
        "/rtmss/master/pan",
        "address",
    )


def test_gain_and_fader_are_two_views_of_one_value(room: Room) -> None:
    room.ask("/rtmss/stem/vocals/gain", -14.0)
    assert room.ask("/rtmss/stem/vocals/fader") == [("/rtmss/stem/vocals/fader", 0.5)]
    room.ask("/rtmss/stem/vocals/fader", 1)
    assert room.ask("/rtmss/stem/vocals/gain") == [("/rtmss/stem/vocals/gain", 12.0)]


@pytest.mark.parametrize(
    ("address", "value", "expected"),
    [
        ("/rtmss/remainder/gain", -3, lambda s: s.remainder.gain_db == -3.0),
        ("/rtmss/remainder/mute", True, lambda s: s.remainder.mute),
        ("/rtmss/remainder/solo", 1.0, lambda s: s.remainder.solo is True),
        (
            "/rtmss/stem/drums/solo",
            1,
            lambda s: s.stems[1].strip.solo is True and not s.stems[0].strip.solo,
        ),
        (
            "/rtmss/stem/drums/condition",
            "choir",
            lambda s: s.stems[1].condition.header.name == "choir",
        ),
        ("/rtmss/master/gain", -6.0, lambda s: s.master_db == -6.0),
        ("/rtmss/master/fader", 0.75, lambda s: s.master_db == 0.0),
        ("/rtmss/master/mute", 1, lambda s: s.master_mute is True and s.master_db == 0.0),
        ("/rtmss/fade", 250, lambda s: s.fade_ms == 250.0),
        ("/rtmss/bypass", 1, lambda s: s.bypass is True),
        (
            "/rtmss/stem/*/mute",
            True,
            lambda s: all(stem.strip.mute for stem in s.stems) and not s.remainder.mute,
        ),
        (
            "/rtmss/{remainder,master}/gain",
            -1.0,
            lambda s: s.remainder.gain_db == s.master_db == -1,
        ),
    ],
)
def test_a_value_is_set(
    room: Room, address: str, value: Argument, expected: Callable[[Scene], bool]
) -> None:
    if address == "/rtmss/master/fader":
        room.ask("/rtmss/master/gain", 5.0)
    assert not expected(room.controller.scene)
    assert room.ask(address, value) == []
    assert expected(room.controller.scene)


def test_unsolo_ends_every_solo(room: Room) -> None:
    room.ask("/rtmss/stem/*/solo", 1)
    room.ask("/rtmss/remainder/solo", 1)
    room.ask("/rtmss/unsolo", 0)
    assert room.controller.scene.remainder.solo
    room.ask("/rtmss/unsolo")
    assert not room.controller.scene.remainder.solo
    assert not any(stem.strip.solo for stem in room.controller.scene.stems)


@pytest.mark.parametrize(
    ("address", "args", "code", "text"),
    [
        (
            "/rtmss/stem/vocals/gain",
            (float("nan"),),
            "range",
            "expected a number from -120 to 12 dB, got nan",
        ),
        ("/rtmss/stem/vocals/gain", (float("inf"),), "range", "got inf"),
        ("/rtmss/stem/vocals/gain", (13.0,), "range", "from -120 to 12 dB, got 13"),
        (
            "/rtmss/stem/vocals/gain",
            ("loud",),
            "type",
            "expected a number from -120 to 12 dB, got type 's'",
        ),
        ("/rtmss/stem/vocals/gain", (True,), "type", "got type 'T'"),
        ("/rtmss/stem/vocals/gain", (1.0, 2.0), "arity", "expected 1 argument, got 2"),
        ("/rtmss/stem/vocals/mute", (2,), "range", "expected 0 or 1, got 2"),
        ("/rtmss/stem/vocals/mute", (None,), "type", "expected 0 or 1, got type 'N'"),
        (
            "/rtmss/stem/vocal/gain",
            (1.0,),
            "name",
            "no stem 'vocal'; did you mean 'vocals'? known: drums, vocals",
        ),
        (
            "/rtmss/stem/vocals/condition",
            ("chor",),
            "name",
            "no condition 'chor'; known: vocals, drums, choir",
        ),
        ("/rtmss/stem/vocals/condition", (3,), "type", "expected a text"),
        ("/rtmss/stem/vocals/width", (0.0,), "address", "no address '/rtmss/stem/vocals/width'"),
        ("/rtmss/fad", (0.0,), "address", "did you mean '/rtmss/fade'?"),
        ("/rtmss/fade", (10001,), "range", "from 0 to 10000 ms, got 10001"),
        ("/rtmss/preset", ("karaoka",), "name", "no preset 'karaoka'; did you mean 'karaoke'?"),
        ("/rtmss/preset", ("../../etc/passwd.yaml",), "name", "no preset"),
        ("/rtmss/sync", (), "arity", "expected 1 argument, got 0"),
        ("/rtmss/sync", (1.5,), "type", "expected a whole number"),
        ("/rtmss/sync", (float("inf"),), "range", "got inf"),
        ("/rtmss/bypass", (float("nan"),), "range", "expected 0 or 1, got nan"),
        ("/rtmss/meters", (31,), "range", "from 0 to 30 Hz, got 31"),
        ("/rtmss/subscribe", ("/rtmss", 3601), "range", "from 1 to 3600 s"),
        ("/rtmss/subscribe", ("/rtmss/[",), "address", "does not pair up"),
        ("/rtmss/status", (1,), "arity", "expected 0 arguments, got 1"),
        ("/rtmss/master/solo", (1,), "address", "no address '/rtmss/master/solo'"),
        ("/rtmss/stem/*/width", (0.0,), "address", "nothing that can be set matches"),
        ("/rtmss/pres*s", ("x",), "address", "nothing that can be set matches"),
        ("/other", (), "address", "no address '/other'"),
    ],
)
def test_a_refusal_says_why_and_changes_nothing(
    room: Room, address: str, args: tuple[Argument, ...], code: str, text: str
) -> None:
    before = room.controller.scene
    [
        (
            fail,
            refused,
            found,
            why,
        )
    ] = room.ask(address, *args)
    assert (fail, refused, found) == ("/rtmss/fail", address, code)
    assert text in why
    assert room.controller.scene is before


def test_a_bundle_with_one_bad_message_changes_nothing(room: Room) -> None:
    before = room.controller.scene
    good, bad = message("/rtmss/bypass", 1), message("/rtmss/fade", -1)
    answers = room.send(good, bad, message("/rtmss/nothing"), message("/rtmss/ping"))
    assert [answer[:2] for answer in answers] == [
        ("/rtmss/fail", "/rtmss/fade"),
        ("/rtmss/fail", "/rtmss/nothing"),
    ]
    assert room.controller.scene is before


def test_a_query_in_a_bundle_sees_its_changes(room: Room) -> None:
    assert room.send(
        message("/rtmss/fade"),
        message("/rtmss/fade", 5),
    ) == [("/rtmss/fade", 5.0)]


def test_a_pattern_without_arguments_asks_and_never_panics(room: Room) -> None:
    answers = room.ask("/rtmss/*")
    assert {"/rtmss/preset", "/rtmss/stems", "/rtmss/fade", "/rtmss/latency"} <= {
        answer[0] for answer in answers
    }
    assert not room.controller.shared.panic
    assert room.dispatcher.peers.subscribers == {}


def test_panic_acts_even_in_a_bundle_that_is_refused(room: Room) -> None:
    assert (
        room.send(
            message("/rtmss/fade", -1),
            message("/rtmss/panic"),
        )[0][0]
        == "/rtmss/fail"
    )
    assert room.controller.shared.panic


@pytest.mark.parametrize("when", [-5.0, 5.0, 3600.0])
def test_panic_waits_for_no_time_tag(room: Room, when: float) -> None:
    room.ask("/rtmss/panic", 1, when=time.time() + when)
    assert room.controller.shared.panic


def test_panic_ends_with_0(room: Room) -> None:
    room.ask("/rtmss/panic")
    room.ask("/rtmss/panic", 0)
    assert not room.controller.shared.panic


def test_the_status_is_one_bundle(room: Room) -> None:
    room.play(late=3, load=0.25, xruns=2)
    [packet] = room.dispatcher.handle(
        [Message("/rtmss/status")],
        None,
        ME,
    )
    told: dict[str, Any] = dict(tell([packet]))
    assert told["/rtmss/status/state"] == "running"
    assert told["/rtmss/status/late"] == 3
    assert told["/rtmss/status/load"] == 0.25
    assert room.ask("/rtmss/status/xruns") == [("/rtmss/status/xruns", 2)]


def test_a_recording_is_told_of_where_there_is_one(room: Room) -> None:
    assert room.ask("/rtmss/status/recording")[0][:3] == (
        "/rtmss/fail",
        "/rtmss/status/recording",
        "address",
    )
    room.controller.shared.recording = Recording("recording", 12.5, 3)
    told = room.ask("/rtmss/status")
    for name, value in (
        ("recording", "recording"),
        ("recording_seconds", 12.5),
        ("recording_lost", 3),
    ):
        assert room.ask(f"/rtmss/status/{name}") == [(f"/rtmss/status/{name}", value)]
        assert (f"/rtmss/status/{name}", value) in told


def test_the_drift_is_there_with_two_devices_only(room: Room) -> None:
    assert room.ask("/rtmss/status/drift")[0][:3] == (
        "/rtmss/fail",
        "/rtmss/status/drift",
        "address",
    )
    room.play(n_devices=2, drift_ppm=-12.5)
    assert room.ask("/rtmss/status/drift") == [("/rtmss/status/drift", -12.5)]
    assert ("/rtmss/status/drift", -12.5) in room.ask("/rtmss/status")


def test_names_are_several_arguments(room: Room) -> None:
    assert room.ask("/rtmss/stems") == [("/rtmss/stems", "vocals", "drums")]
    assert room.ask("/rtmss/presets") == [("/rtmss/presets", "drumless", "karaoke")]
    assert room.ask("/rtmss/conditions") == [("/rtmss/conditions", "choir", "drums", "vocals")]


def test_latency_is_samples_and_ms(room: Room) -> None:
    [(_, samples, ms)] = room.ask("/rtmss/latency")
    assert (samples, ms) == (1024, pytest.approx(23.22, abs=0.01))


def test_a_stem_is_morphed(room: Room) -> None:
    assert room.ask("/rtmss/stem/vocals/condition/b") == [
        ("/rtmss/stem/vocals/condition/b", "-"),
    ]
    room.send(
        message("/rtmss/stem/vocals/condition/b", "choir"),
        message("/rtmss/stem/vocals/morph", 0.25),
    )
    (stem, _) = room.controller.scene.stems
    assert stem.condition_b is not None
    assert (stem.condition.name, stem.condition_b.name, stem.morph) == ("vocals", "choir", 0.25)
    assert room.ask("/rtmss/stem/vocals/morph") == [("/rtmss/stem/vocals/morph", 0.25)]
    room.ask("/rtmss/stem/vocals/condition/b", "-")
    assert room.controller.scene.stems[0].condition_b is None
    assert room.ask("/rtmss/stem/vocals/morph", 1.5)[0][2] == "range"
    assert room.ask("/rtmss/stem/vocals/condition/b", "nobody")[0][2] == "name"
