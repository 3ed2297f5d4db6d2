from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from helpers.dispatcher import ME, YOU, Room, Told, tell
from helpers.makers import MakeCondition
from rtmss.conditions.library import Library
from rtmss.config import ConfigError
from rtmss.engine.control import Scene
from rtmss.live.control.osc.codec import Argument, Message, message
from rtmss.live.control.osc.fairness import Peer
from rtmss.live.control.osc.peers import MAX_PEERS
from rtmss.live.control.osc.state import meter_values
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


def test_a_bundle_to_come_is_heard_at_its_hop_and_not_before(room: Room) -> None:
    room.send(
        message("/rtmss/bypass", 1),
        message("/rtmss/fade", 7),
        when=time.time() + 0.2,
    )
    assert not room.controller.scene.bypass
    [(hop, _)] = room.controller.scheduled
    assert hop == pytest.approx(100 + 0.2 * 44100 / 512, abs=2)
    room.step()
    entries = room.controller.shared.receive(0)
    assert [entry.hop for entry in entries] == [0, hop]
    assert (entries[1].scene.bypass, entries[1].scene.fade_ms) == (True, 7.0)
    room.play(hop)
    room.step()
    assert room.controller.scene.bypass


def test_a_late_bundle_plays_at_once_and_is_counted(room: Room) -> None:
    room.ask("/rtmss/bypass", 1, when=time.time() - 1)
    assert room.controller.scene.bypass
    assert room.ask("/rtmss/status/late_bundles") == [("/rtmss/status/late_bundles", 1)]


def test_a_bundle_of_2036_is_refused(room: Room) -> None:
    [(_, address, code, text)] = room.ask(
        "/rtmss/bypass",
        1,
        when=time.time() + 61,
    )
    assert (address, code) == ("#bundle", "time")
    assert "at most 60 s ahead" in text
    assert room.controller.scheduled == []


def test_a_preset_cannot_be_put_off(room: Room) -> None:
    [(_, _, code, text)] = room.ask(
        "/rtmss/preset",
        "karaoke",
        when=time.time() + 1,
    )
    assert (code, text) == ("time", "/rtmss/preset cannot be put off; send it without a time tag")


def test_a_full_queue_refuses(room: Room) -> None:
    for _ in range(256):
        assert (
            room.ask(
                "/rtmss/bypass",
                1,
                when=time.time() + 30,
            )
            == []
        )
    [(_, address, code, text)] = room.ask(
        "/rtmss/bypass",
        1,
        when=time.time() + 30,
    )
    assert (address, code, text) == ("/rtmss/bypass", "refused", "256 changes are waiting already")


def test_sync_is_answered_when_what_came_before_is_heard(room: Room) -> None:
    room.ask("/rtmss/bypass", 1)
    room.ask("/rtmss/sync", 7)
    number = room.controller.number
    assert room.step() == []
    room.play(110, applied=number)
    assert room.step() == []
    room.play(111, applied=number + 1)
    assert room.step() == [("/rtmss/synced", 7, 111)]
    assert room.step() == []


def test_sync_waits_for_a_bundle_to_come(room: Room) -> None:
    room.ask("/rtmss/bypass", 1, when=time.time() + 0.1)
    room.ask("/rtmss/sync", 1)
    room.step()
    hop = room.controller.scheduled[0][0]
    room.play(hop - 1)
    assert room.step() == []
    room.play(hop)
    assert room.step() == [("/rtmss/synced", 1, hop)]


def test_a_sync_that_the_engine_never_hears_fails(room: Room) -> None:
    room.ask("/rtmss/bypass", 1)
    room.ask("/rtmss/sync", 7)
    room.step()
    room.play(applied=0)
    [
        (
            _,
            address,
            code,
            _,
        )
    ] = room.step(time.monotonic() + 31)
    assert (address, code) == ("/rtmss/sync", "timeout")


@pytest.fixture
def loads(room: Room, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Presets are made of thin air; the names in the order of loading."""
    names: list[str] = []

    def from_preset(preset: Any, library: Library, model_id: str) -> Scene:
        names.append(preset)
        if preset == "drumless":
            raise ConfigError("it is empty")
        return Scene(room.controller.scene.stems[:1], fade_ms=77.0)

    monkeypatch.setattr(room.controller.library, "preset_named", lambda name: name)
    monkeypatch.setattr(Scene, "from_preset", from_preset)
    return names


def test_a_preset_is_done_when_it_is_heard(room: Room, loads: list[str]) -> None:
    assert room.ask("/rtmss/preset", "karaoke") == []
    room.until(lambda: room.step() or room.controller.preset == "karaoke")
    assert room.controller.scene.fade_ms == 77.0
    assert room.step() == []
    room.play()
    assert room.step() == [("/rtmss/done", "/rtmss/preset", "karaoke")]
    assert room.ask("/rtmss/preset") == [("/rtmss/preset", "karaoke")]


def test_a_preset_that_cannot_be_read_fails(room: Room, loads: list[str]) -> None:
    room.ask("/rtmss/preset", "drumless")
    assert room.until(room.step) == [
        (
            "/rtmss/fail",
            "/rtmss/preset",
            "refused",
            "it is empty",
        )
    ]
    assert room.controller.preset == "start"


def test_presets_are_loaded_in_order_and_a_sync_waits_for_them(
    room: Room, loads: list[str]
) -> None:
    for name in ("drumless", "karaoke", "drumless", "karaoke"):
        room.ask("/rtmss/preset", name)
    room.ask("/rtmss/sync", 9)
    told: Told = []

    def go() -> bool:
        room.play()
        told.extend(room.step())
        return bool(told) and told[-1][0] == "/rtmss/synced"

    room.until(go)
    assert loads == ["drumless", "karaoke", "drumless", "karaoke"]
    assert sorted(one[0] for one in told[:-1]) == ["/rtmss/done"] * 2 + ["/rtmss/fail"] * 2


def test_too_many_presets_are_refused(
    room: Room, loads: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room.controller, "start_loading", lambda _: None)
    for _ in range(8):
        assert room.ask("/rtmss/preset", "karaoke") == []
    assert room.ask("/rtmss/preset", "karaoke")[0][2] == "busy"


def test_a_subscriber_gets_everything_and_then_only_changes(room: Room) -> None:
    room.ask("/rtmss/subscribe")
    dump = {told[0]: told[1:] for told in room.changes()[ME]}
    assert dump["/rtmss/stem/vocals/fader"] == (0.75,)
    assert dump["/rtmss/stem/drums/condition"] == ("drums",)
    assert dump["/rtmss/stems"] == ("vocals", "drums")
    assert room.changes() == {}
    room.ask("/rtmss/stem/vocals/gain", 12.0)
    assert room.changes() == {
        ME: [("/rtmss/stem/vocals/gain", 12.0), ("/rtmss/stem/vocals/fader", 1.0)]
    }


def test_everybody_is_told_the_sender_too(room: Room) -> None:
    for peer in (ME, YOU):
        room.ask("/rtmss/subscribe", "/rtmss/bypass", peer=peer)
    room.changes()
    room.ask("/rtmss/bypass", 1)
    assert room.changes() == {peer: [("/rtmss/bypass", 1)] for peer in (ME, YOU)}


def test_a_pattern_narrows_a_subscription(room: Room) -> None:
    room.ask("/rtmss/subscribe", "/rtmss/stem/*/mute", 60)
    assert room.changes() == {ME: [("/rtmss/stem/vocals/mute", 0), ("/rtmss/stem/drums/mute", 0)]}


def test_subscribing_again_changes_nothing_but_tells_all_again(room: Room) -> None:
    room.ask("/rtmss/subscribe", "/rtmss/fade")
    room.changes()
    room.ask("/rtmss/subscribe", "/rtmss/fade")
    assert room.changes() == {ME: [("/rtmss/fade", 30.0)]}
    assert len(room.dispatcher.peers.subscribers) == 1


def test_a_subscription_ends_unless_its_peer_says_something(room: Room) -> None:
    peers, now = room.dispatcher.peers, time.monotonic()
    room.ask("/rtmss/subscribe", "/rtmss", 10)
    peers.touch(ME, now + 8)
    peers.expire(now + 17)
    assert ME in peers.subscribers
    peers.expire(now + 19)
    assert peers.subscribers == {}


def test_a_ttl_may_stand_alone(room: Room) -> None:
    room.ask("/rtmss/subscribe", 100)
    assert (
        room.dispatcher.peers.subscribers[ME].ttl,
        room.dispatcher.peers.subscribers[ME].pattern,
    ) == (100, "/rtmss")


def test_one_peer_too_many_takes_the_place_of_one_of_the_host_with_most(room: Room) -> None:
    room.ask("/rtmss/subscribe", peer=YOU)
    for port in range(MAX_PEERS):
        assert room.ask("/rtmss/subscribe", peer=Peer("10.0.0.1", port)) == []
    subscribers = room.dispatcher.peers.subscribers
    assert len(subscribers) == MAX_PEERS
    assert YOU in subscribers
    assert Peer("10.0.0.1", 0) not in subscribers
    assert room.dispatcher.peers.take_displaced() == [Peer("10.0.0.1", 0)]


def test_meters_come_at_their_rate_and_are_never_made_up_for(room: Room) -> None:
    peers = room.dispatcher.peers
    room.ask("/rtmss/meters", 10)
    assert room.ask("/rtmss/meters") == [("/rtmss/meters", 10.0)]
    start = time.monotonic()

    def count(at: float) -> int:
        return len(peers.meters(lambda: meter_values(room.controller), start + at))

    assert [
        count(at)
        for at in (
            0.0,
            0.05,
            0.11,
            5.0,
            5.05,
            5.12,
        )
    ] == [1, 0, 1, 1, 0, 1]
    told: dict[str, Any] = dict(
        tell(
            [packet for _, packet in peers.meters(lambda: meter_values(room.controller), start + 9)]
        )
    )
    assert told["/rtmss/meter/vocals/peak"] == 0.0
    assert told["/rtmss/meter/master/rms"] == pytest.approx(-20, abs=1e-4)
    assert {name.split("/")[3] for name in told} == {
        "vocals",
        "drums",
        "remainder",
        "master",
    }


def test_a_fail_from_another_host_is_not_answered(room: Room) -> None:
    assert (
        room.ask(
            "/rtmss/fail",
            "/x",
            "y",
            "z",
        )
        == room.ask("/rtmss/pong")
        == []
    )
