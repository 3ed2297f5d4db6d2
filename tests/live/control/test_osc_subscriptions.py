"""Who is told what by OSC, and for how long."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from helpers.dispatcher import ME, YOU, Room, tell
from helpers.makers import MakeCondition
from rtmss.live.control.osc.fairness import Peer
from rtmss.live.control.osc.peers import MAX_PEERS
from rtmss.live.control.osc.state import meter_values
from rtmss.live.shared.state import SharedState


@pytest.fixture
def room(make_condition: MakeCondition) -> Iterator[Room]:
    shared = SharedState.create(12)
    room = Room(shared, make_condition)
    yield room
    shared.close(unlink=True)


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
