"""The transport of a song over OSC."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from helpers.dispatcher import ME, Room, tell
from helpers.makers import MakeCondition
from helpers.song import follow, insert
from rtmss.engine.control import Scene
from rtmss.live.control.osc.codec import Argument, message
from rtmss.live.control.osc.song import FEEDBACK_SECONDS, PREFIX
from rtmss.live.control.osc.state import scene_values
from rtmss.live.shared.song_state import (
    TransportCommand,
    play,
)
from rtmss.live.shared.state import SharedState


@pytest.fixture
def room(shared: SharedState, make_condition: MakeCondition) -> Room:
    return Room(shared, make_condition)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("play", 0, lambda command: not command.is_playing),
        ("position", 30.5, lambda command: command.seek_seconds == 30.5),
        ("loop", True, lambda command: command.is_looping is True),
        ("a", 10, lambda command: command.a_seconds == 10.0),
        ("b", 20, lambda command: command.b_seconds == 20.0),
        ("loops", 4, lambda command: command.n_loops == 4),
    ],
)
def test_an_address_is_set_and_says_so_at_once(
    room: Room,
    name: str,
    value: Argument,
    expected: Callable[[TransportCommand], bool],
) -> None:
    transport, address = insert(room.controller.shared), PREFIX + name
    assert not expected(transport.command.read())
    assert room.send(
        message(address, value),
        message(address),
    ) == [(address, value)]
    assert expected(transport.command.read())
    follow(transport)
    assert room.ask(address) == [(address, value)]


def test_length_and_passes_can_be_asked(room: Room) -> None:
    follow(insert(room.controller.shared), n_passes=3)
    assert room.ask("/rtmss/transport/length") == [("/rtmss/transport/length", 200.0)]
    assert room.ask("/rtmss/transport/passes") == [("/rtmss/transport/passes", 3)]
    assert room.ask("/rtmss/transport/b") == [("/rtmss/transport/b", 200.0)]


@pytest.mark.parametrize("args", [(), (1.0,)])
@pytest.mark.parametrize(
    "name",
    ["play", "position", "loop", "a", "b", "loops"],
)
def test_without_a_song_every_address_is_refused_and_says_what_would_do(
    room: Room,
    name: str,
    args: tuple[Argument, ...],
) -> None:
    [
        (
            fail,
            address,
            code,
            text,
        )
    ] = room.ask(PREFIX + name, *args)
    assert (fail, address, code) == ("/rtmss/fail", PREFIX + name, "song")
    assert text == "no song is played; start rtmss live with --file SONG"
    assert room.controller.shared.transport.command.read() == TransportCommand()


def test_without_a_song_a_pattern_passes_the_transport_by(room: Room) -> None:
    assert not [told for told in room.ask("/rtmss/*") if PREFIX in told[0]]
    assert room.ask("/rtmss/transport/*")[0][2] == "address"
    insert(room.controller.shared)
    assert len(room.ask("/rtmss/transport/*")) == 8


@pytest.mark.parametrize(
    ("name", "value", "code", "text"),
    [
        ("position", 200.5, "refused", "the song has 200.00 s"),
        ("position", -1.0, "range", "from 0 to 86400 s, got -1"),
        ("position", float("nan"), "range", "got nan"),
        ("b", 5.0, "refused", "B has to come 0.5 s after A or later"),
        ("loops", 1.5, "type", "expected a whole number from 0 to 9999"),
        ("length", 3.0, "arity", "expected 0 arguments, got 1"),
        ("play", 2, "range", "expected 0 or 1, got 2"),
    ],
)
def test_a_refusal_changes_nothing(
    room: Room, name: str, value: Argument, code: str, text: str
) -> None:
    transport = insert(room.controller.shared, a_seconds=10.0)
    before = transport.command.read()
    [
        (
            _,
            address,
            refused,
            why,
        )
    ] = room.ask(PREFIX + name, value)
    assert (address, refused) == (PREFIX + name, code)
    assert text in why
    assert transport.command.read() == before


def test_both_ends_of_a_loop_move_together_in_a_bundle_in_any_order(room: Room) -> None:
    transport = insert(room.controller.shared, a_seconds=10.0, b_seconds=20.0)
    assert (
        room.send(
            message(PREFIX + "a", 50.0),
            message(PREFIX + "b", 60.0),
        )
        == []
    )
    assert (transport.command.read().a_seconds, transport.command.read().b_seconds) == (50.0, 60.0)
    assert (
        room.send(
            message(PREFIX + "b", 2.0),
            message(PREFIX + "a", 1.0),
        )
        == []
    )
    assert room.ask(PREFIX + "a", 5.0)[0][2] == "refused"


def test_a_bundle_is_all_or_nothing_with_a_song_too(room: Room) -> None:
    transport = insert(room.controller.shared)
    before = room.controller.scene
    [(_, address, code, _)] = room.send(
        message("/rtmss/bypass", 1), message(PREFIX + "position", 300.0)
    )
    assert (address, code) == ("#bundle", "refused")
    assert room.controller.scene is before
    room.send(
        message(PREFIX + "position", 30.0),
        message("/rtmss/fade", -1),
    )
    assert transport.command.read().n_seeks == 0


def test_the_transport_cannot_be_put_off(room: Room) -> None:
    insert(room.controller.shared)
    [(_, _, code, text)] = room.ask(
        PREFIX + "play",
        0,
        when=time.time() + 1,
    )
    assert (code, text) == (
        "time",
        "/rtmss/transport/play cannot be put off; send it without a time tag",
    )


def test_while_the_song_is_read_it_can_be_asked_and_not_moved(room: Room) -> None:
    insert(room.controller.shared, seconds=0.0)
    assert room.ask(PREFIX + "length") == [(PREFIX + "length", 0.0)]
    assert room.ask(PREFIX + "play", 0)[0][3] == "a song.wav is still being read"


def test_subscribers_get_the_position_five_times_a_second_and_the_rest_at_once(room: Room) -> None:
    transport, now = insert(room.controller.shared), 100.0
    room.ask("/rtmss/subscribe", "/rtmss/transport")

    def told(at: float) -> dict[str, tuple[Argument, ...]]:
        values = scene_values(room.controller) | room.dispatcher.song.values(now + at)
        packets = [packet for _, packet in room.dispatcher.peers.changes(values)]
        return {one[0].removeprefix(PREFIX): one[1:] for one in tell(packets)}

    assert set(told(0.0)) == {
        "play",
        "position",
        "length",
        "loop",
        "a",
        "b",
        "loops",
        "passes",
    }
    n_told = 0
    for i in range(1, 101):
        follow(transport, position=i / 100)
        n_told += "position" in told(i / 100)
    assert n_told == pytest.approx(1 / FEEDBACK_SECONDS, abs=1)
    transport.change(play(on=False))
    assert told(1.001) == {"play": (0,)}


def test_peers_that_do_not_ask_are_told_nothing_of_the_song(room: Room) -> None:
    insert(room.controller.shared)
    assert (
        room.dispatcher.peers.changes(
            scene_values(room.controller) | room.dispatcher.song.values(0.0)
        )
        == []
    )
    assert ME not in room.dispatcher.peers.subscribers
    assert room.controller.scene == Scene(room.controller.scene.stems)
