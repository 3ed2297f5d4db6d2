"""The transport of a song: shared memory, OSC addresses, keys, and what the terminal shows."""

from __future__ import annotations

import json
import math
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import MakeCondition
from test_osc_dispatch import ME, Room, tell
from test_terminal import STATUS, draw, press

from rtmss.cli import main
from rtmss.conditions.preset import Library
from rtmss.config import UserError
from rtmss.engine.control import Scene, Stem
from rtmss.files import Audio
from rtmss.live.control.controller import Desk
from rtmss.live.control.osc.codec import Argument, message
from rtmss.live.control.osc.song import FEEDBACK_SECONDS, PREFIX
from rtmss.live.control.osc.state import scene_values
from rtmss.live.control.terminal import statistics_line, status_line, view
from rtmss.live.shared.song_state import Offer, Playback, Transport, Wish, checked, loop, parse_loop, play, seek
from rtmss.live.shared.state import Link

SECONDS = 200.0


def insert(link: Link, seconds: float = SECONDS, **wishes: float) -> Transport:
    """A song of that length plays; an engine has obeyed all that was asked for."""
    link.transport.insert(Path("/music/a song.wav"), Wish(**wishes))  # type: ignore[arg-type]
    link.transport.offer.write(Offer(1, 44100, round(seconds * 44100)))
    return link.transport


def obey(transport: Transport, position: float | None = None, n_passes: int = 0) -> None:
    """An engine does what is wished for."""
    wish = transport.wish.read()
    place = transport.position_seconds if position is None else position
    numbers = wish.n_plays, wish.n_seeks, wish.n_loop_changes
    transport.playback.write(Playback(place, transport.is_playing, n_passes, *numbers, 44100))


@pytest.fixture
def room(link: Link, make_condition: MakeCondition) -> Room:
    return Room(link, make_condition)


@pytest.fixture
def desk(link: Link, make_condition: MakeCondition) -> Desk:
    """Eight stems."""
    desk = Desk(link, Library([]), "0123456789ab", 512)
    desk.play("karaoke", Scene(tuple(Stem(f"stem-{i}", make_condition()) for i in range(1, 9))))
    return desk


# Shared memory.


def test_a_wish_arrives_as_it_was_sent(link: Link) -> None:
    wish = Wish(False, 3, 12.25, 4, True, 1 / 3, math.inf, 7, 9)
    link.transport.wish.write(wish)
    assert Link.attach(link.path, 12).transport.wish.read() == wish


def test_nothing_plays_until_a_song_is_inserted(link: Link) -> None:
    assert link.transport.song == ""
    assert link.transport.wish.read() == Wish()
    insert(link, seek_seconds=30.0)
    other = Link.attach(link.path, 12).transport
    assert (other.song, other.position_seconds, other.seconds) == ("/music/a song.wav", 30.0, SECONDS)


def test_an_engine_gets_no_half_written_wish_and_does_not_wait(link: Link) -> None:
    record = link.transport.wish
    record.write(Wish(n_seeks=1))
    record._memory["version"] += 1  # a writer is at work, or was killed
    assert record.glance() is None
    record.write(Wish(n_seeks=2))
    assert record.glance() == Wish(n_seeks=2)


def test_a_reader_never_sees_parts_of_two_values(link: Link) -> None:
    record, done = link.transport.playback, threading.Event()

    def write() -> None:
        n = 0
        while not done.is_set():
            n += 1
            record.write(Playback(float(n), True, n, n, n, n, n))

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(3000):
            value = record.glance()
            assert value is None or len({*value} - {True}) <= 1 or value == Playback()
    finally:
        done.set()
        writer.join()


def test_a_value_that_a_killed_writer_left_is_better_than_none(link: Link) -> None:
    record = link.transport.playback
    record.write(Playback(77.0))
    record._memory["version"] += 1
    assert record.read().position_seconds == 77.0


def test_a_path_that_is_too_long_is_refused(link: Link) -> None:
    with pytest.raises(UserError, match="longer than 1024 bytes"):
        link.transport.insert(Path("x" * 1025), Wish())


@pytest.mark.parametrize(
    ("wish", "text"),
    [
        (Wish(seek_seconds=200.5), "seek to 200.5 s: the song has 200.00 s"),
        (Wish(seek_seconds=-1.0), "seek to -1 s"),
        (Wish(a_seconds=300.0), "the loop begins at 300 s: the song has 200.00 s"),
        (Wish(b_seconds=201.0), "the loop ends at 201 s: the song has 200.00 s"),
        (Wish(a_seconds=50.0, b_seconds=40.0), "from 50 to 40 s: B has to come 0.5 s after A or later"),
        (Wish(a_seconds=50.0, b_seconds=50.2), "from 50 to 50.2 s"),
        (Wish(a_seconds=199.8), "from 199.8 to 200 s"),
    ],
)
def test_what_a_song_cannot_do_is_refused_with_its_length(wish: Wish, text: str) -> None:
    with pytest.raises(UserError, match=text):
        checked(wish, SECONDS)


def test_the_very_end_can_be_reached_whatever_rounding_does() -> None:
    assert checked(Wish(seek_seconds=200.00001), SECONDS).seek_seconds == 200.00001


def test_a_length_that_the_header_got_wrong_blocks_nothing(link: Link) -> None:
    transport = insert(link, seek_seconds=250.0, b_seconds=260.0)
    transport.change(play(on=False))
    wish = transport.wish.read()
    assert (wish.b_seconds, wish.seek_seconds, wish.is_playing) == (math.inf, SECONDS, False)


@pytest.mark.parametrize(
    ("text", "ends"),
    [("12.5:20", (12.5, 20.0)), (" 3 : 4 ", (3.0, 4.0)), (":20", (0.0, 20.0)), ("7:", (7.0, math.inf))],
)
def test_a_loop_is_two_times_or_one(text: str, ends: tuple[float, float]) -> None:
    assert parse_loop(text) == ends


@pytest.mark.parametrize("text", ["12", "1:2:3", "a:b", "1-2"])
def test_a_loop_that_is_none_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(UserError, match=r"expected a loop as A:B in seconds, as in 12\.5:20"):
        parse_loop(text)


# OSC.


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("play", 0, lambda wish: not wish.is_playing),
        ("position", 30.5, lambda wish: wish.seek_seconds == 30.5),
        ("loop", True, lambda wish: wish.is_looping is True),
        ("a", 10, lambda wish: wish.a_seconds == 10.0),
        ("b", 20, lambda wish: wish.b_seconds == 20.0),
        ("loops", 4, lambda wish: wish.n_loops == 4),
    ],
)
def test_an_address_is_set_and_says_so_at_once(
    room: Room,
    name: str,
    value: Argument,
    expected: Callable[[Wish], bool],
) -> None:
    transport, address = insert(room.desk.link), PREFIX + name
    assert not expected(transport.wish.read())
    assert room.send(message(address, value), message(address)) == [(address, value)]
    assert expected(transport.wish.read())
    obey(transport)
    assert room.ask(address) == [(address, value)]


def test_length_and_passes_can_be_asked(room: Room) -> None:
    obey(insert(room.desk.link), n_passes=3)
    assert room.ask("/rtmss/transport/length") == [("/rtmss/transport/length", 200.0)]
    assert room.ask("/rtmss/transport/passes") == [("/rtmss/transport/passes", 3)]
    assert room.ask("/rtmss/transport/b") == [("/rtmss/transport/b", 200.0)]


@pytest.mark.parametrize("args", [(), (1.0,)])
@pytest.mark.parametrize("name", ["play", "position", "loop", "a", "b", "loops"])
def test_without_a_song_every_address_is_refused_and_says_what_would_do(
    room: Room,
    name: str,
    args: tuple[Argument, ...],
) -> None:
    [(fail, address, code, text)] = room.ask(PREFIX + name, *args)
    assert (fail, address, code) == ("/rtmss/fail", PREFIX + name, "song")
    assert text == "no song is played; start rtmss live with --file SONG"
    assert room.desk.link.transport.wish.read() == Wish()


def test_without_a_song_a_pattern_passes_the_transport_by(room: Room) -> None:
    assert not [told for told in room.ask("/rtmss/*") if PREFIX in told[0]]
    assert room.ask("/rtmss/transport/*")[0][2] == "address"
    insert(room.desk.link)
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
def test_a_refusal_changes_nothing(room: Room, name: str, value: Argument, code: str, text: str) -> None:
    transport = insert(room.desk.link, a_seconds=10.0)
    before = transport.wish.read()
    [(_, address, refused, why)] = room.ask(PREFIX + name, value)
    assert (address, refused) == (PREFIX + name, code)
    assert text in why
    assert transport.wish.read() == before


def test_both_ends_of_a_loop_move_together_in_a_bundle_in_any_order(room: Room) -> None:
    transport = insert(room.desk.link, a_seconds=10.0, b_seconds=20.0)
    assert room.send(message(PREFIX + "a", 50.0), message(PREFIX + "b", 60.0)) == []
    assert (transport.wish.read().a_seconds, transport.wish.read().b_seconds) == (50.0, 60.0)
    assert room.send(message(PREFIX + "b", 2.0), message(PREFIX + "a", 1.0)) == []
    assert room.ask(PREFIX + "a", 5.0)[0][2] == "refused"


def test_a_bundle_is_all_or_nothing_with_a_song_too(room: Room) -> None:
    transport = insert(room.desk.link)
    before = room.desk.scene
    [(_, address, code, _)] = room.send(message("/rtmss/bypass", 1), message(PREFIX + "position", 300.0))
    assert (address, code) == ("#bundle", "refused")
    assert room.desk.scene is before
    room.send(message(PREFIX + "position", 30.0), message("/rtmss/fade", -1))
    assert transport.wish.read().n_seeks == 0


def test_the_transport_cannot_be_put_off(room: Room) -> None:
    insert(room.desk.link)
    [(_, _, code, text)] = room.ask(PREFIX + "play", 0, when=time.time() + 1)
    assert (code, text) == ("time", "/rtmss/transport/play cannot be put off; send it without a time tag")


def test_while_the_song_is_read_it_can_be_asked_and_not_moved(room: Room) -> None:
    insert(room.desk.link, seconds=0.0)
    assert room.ask(PREFIX + "length") == [(PREFIX + "length", 0.0)]
    assert room.ask(PREFIX + "play", 0)[0][3] == "a song.wav is still being read"


def test_subscribers_get_the_position_five_times_a_second_and_the_rest_at_once(room: Room) -> None:
    transport, now = insert(room.desk.link), 100.0
    room.ask("/rtmss/subscribe", "/rtmss/transport")

    def told(at: float) -> dict[str, tuple[Argument, ...]]:
        values = scene_values(room.desk) | room.dispatcher.song.values(now + at)
        packets = [packet for _, packet in room.dispatcher.peers.changes(values)]
        return {one[0].removeprefix(PREFIX): one[1:] for one in tell(packets)}

    assert set(told(0.0)) == {"play", "position", "length", "loop", "a", "b", "loops", "passes"}
    n_told = 0
    for i in range(1, 101):
        obey(transport, position=i / 100)
        n_told += "position" in told(i / 100)
    assert n_told == pytest.approx(1 / FEEDBACK_SECONDS, abs=1)
    transport.change(play(on=False))
    assert told(1.001) == {"play": (0,)}


# Keys and the view.


def test_the_space_bar_plays_and_pauses_and_x_is_the_panic(desk: Desk) -> None:
    transport = insert(desk.link)
    press(desk, " ")
    assert (transport.is_playing, desk.link.panic) == (False, False)
    press(desk, " x")
    assert (transport.is_playing, desk.link.panic) == (True, True)


def test_without_a_song_the_space_bar_is_the_panic_and_x_too(desk: Desk) -> None:
    press(desk, " ")
    assert desk.link.panic
    press(desk, "x\x1b[C[]\\")
    assert not desk.link.panic
    assert desk.link.transport.wish.read() == Wish()


@pytest.mark.parametrize(("keys", "place"), [("\x1b[C", 105.0), ("\x1bOD", 95.0), ("\x1b[C\x1b[C\x1b[C", 115.0)])
def test_arrows_go_five_seconds_and_add_up(desk: Desk, keys: str, place: float) -> None:
    transport = insert(desk.link)
    obey(transport, position=100.0)
    press(desk, keys)
    assert transport.wish.read().seek_seconds == place


def test_arrows_stop_at_the_ends_of_the_song(desk: Desk) -> None:
    transport = insert(desk.link)
    obey(transport, position=3.0)
    assert press(desk, "\x1b[D") == [""]
    assert transport.wish.read().seek_seconds == 0.0
    obey(transport, position=199.0)
    press(desk, "\x1b[C")
    assert transport.wish.read().seek_seconds == SECONDS


def test_brackets_make_a_loop_of_where_it_is_and_a_backslash_clears_it(desk: Desk) -> None:
    transport = insert(desk.link)
    obey(transport, position=30.0)
    press(desk, "[")
    assert (transport.wish.read().a_seconds, transport.wish.read().is_looping) == (30.0, False)
    assert "B has to come" in press(desk, "]")[0]
    obey(transport, position=40.0)
    press(desk, "]")
    assert transport.wish.read()[4:7] == (True, 30.0, 40.0)
    obey(transport, position=50.0)
    press(desk, "[")
    assert transport.wish.read()[4:7] == (True, 50.0, math.inf)
    press(desk, "\\")
    assert transport.wish.read()[4:7] == (False, 0.0, math.inf)


def test_the_view_has_a_line_for_the_song_and_its_keys_and_still_fits(desk: Desk) -> None:
    insert(desk.link, is_looping=True, a_seconds=10.0, b_seconds=75.5, n_loops=4, seek_seconds=62.34)
    desk.link.panic = True
    lines = draw(view(desk, {}, STATUS))
    assert " PLAYING  1:02.3 of 3:20.0  loop 0:10.0 to 1:15.5, pass 1 of 4  a song.wav" in lines
    assert "x ends it" in "".join(lines)
    assert len(lines) <= 24
    assert max(len(line.rstrip()) for line in lines) <= 80
    assert "space play" in lines[-1]
    assert "space" not in lines[-2]


def test_the_view_says_that_a_song_is_being_read_or_paused(desk: Desk) -> None:
    transport = insert(desk.link, seconds=0.0)
    assert "READING" in "".join(draw(view(desk, {}, STATUS)))
    insert(desk.link)
    transport.change(play(on=False))
    assert "PAUSED" in "".join(draw(view(desk, {}, STATUS)))


def test_lines_for_logs_and_scripts_say_where_the_song_is(desk: Desk) -> None:
    assert "song" not in json.loads(statistics_line(desk, STATUS, {}))
    transport = insert(desk.link, is_looping=True, a_seconds=10.0)
    obey(transport, position=12.3456, n_passes=2)
    song = json.loads(statistics_line(desk, STATUS, {}))["song"]
    assert (song["state"], song["position"], song["length"]) == ("playing", 12.346, 200.0)
    assert (song["loop"], song["a"], song["b"], song["passes"]) == (True, 10.0, 200.0, 2)
    assert "playing 0:12.3 of 3:20.0  loop 0:10.0 to the end, pass 3" in status_line(desk, STATUS)


# The command line.


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--loop", "1:2"], "--loop, --loops and --start are for a song; name it with --file"),
        (["--file", "SONG", "--start", "3"], "seek to 3 s: the song has 2.00 s"),
        (["--file", "SONG", "--loop", "1:1.2"], "B has to come 0.5 s after A or later"),
        (["--file", "SONG", "--loop", "1:9"], "the loop ends at 9 s: the song has 2.00 s"),
        (["--file", "SONG", "--input", "mic"], "--file plays in the place of an input; leave --input out"),
        (["--file", "none.wav"], "none.wav: no such file"),
    ],
)
def test_a_song_that_cannot_be_played_so_is_refused_before_anything_starts(
    tmp_path: Path,
    write_audio: Callable[[Path, Audio, int], Path],
    noise: Callable[..., Audio],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    text: str,
) -> None:
    song = write_audio(tmp_path / "song.wav", noise(16000), 8000)
    monkeypatch.setattr(sys, "argv", ["rtmss", "live", *[str(song) if word == "SONG" else word for word in words]])
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 1
    assert text in capsys.readouterr().err


def test_peers_that_do_not_ask_are_told_nothing_of_the_song(room: Room) -> None:
    insert(room.desk.link)
    assert room.dispatcher.peers.changes(scene_values(room.desk) | room.dispatcher.song.values(0.0)) == []
    assert ME not in room.dispatcher.peers.subscribers
    assert room.desk.scene == Scene(room.desk.scene.stems)


def test_seeks_and_loops_of_the_same_place_are_new_commands(link: Link) -> None:
    transport = insert(link)
    for _ in range(2):
        transport.change(seek(5.0), loop(is_looping=True))
    assert (transport.wish.read().n_seeks, transport.wish.read().n_loop_changes) == (2, 2)
