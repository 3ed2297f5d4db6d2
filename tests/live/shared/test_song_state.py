"""The transport of a song: shared memory, OSC addresses, keys, and what the terminal shows."""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from helpers.dispatcher import ME, Room, tell
from helpers.makers import MakeCondition, WriteAudio
from helpers.terminal import STATUS, draw, press
from rtmss.audio import Audio
from rtmss.cli import main
from rtmss.conditions.library import Library
from rtmss.config import UserError
from rtmss.engine.control import Scene, Stem
from rtmss.live.control.controller import MixerController
from rtmss.live.control.osc.codec import Argument, message
from rtmss.live.control.osc.song import FEEDBACK_SECONDS, PREFIX
from rtmss.live.control.osc.state import scene_values
from rtmss.live.control.terminal import statistics_line, status_line, view
from rtmss.live.shared.song_state import (
    Playback,
    SongInfo,
    Transport,
    TransportCommand,
    checked,
    loop,
    parse_loop,
    play,
    seek,
)
from rtmss.live.shared.state import SharedState

SECONDS = 200.0


def insert(shared: SharedState, seconds: float = SECONDS, **commands: float) -> Transport:
    """A song of that length plays; an engine has obeyed all that was asked for."""
    shared.transport.insert(Path("/music/a song.wav"), TransportCommand(**commands))  # type: ignore[arg-type]
    shared.transport.info.write(SongInfo(1, 44100, round(seconds * 44100)))
    return shared.transport


def obey(transport: Transport, position: float | None = None, n_passes: int = 0) -> None:
    """An engine does what is wished for."""
    command = transport.command.read()
    place = transport.position_seconds if position is None else position
    numbers = command.n_plays, command.n_seeks, command.n_loop_changes
    transport.playback.write(Playback(place, transport.is_playing, n_passes, *numbers, 44100))


@pytest.fixture
def room(shared: SharedState, make_condition: MakeCondition) -> Room:
    return Room(shared, make_condition)


@pytest.fixture
def controller(shared: SharedState, make_condition: MakeCondition) -> MixerController:
    """Eight stems."""
    controller = MixerController(shared, Library([]), "0123456789ab")
    controller.play(
        "karaoke", Scene(tuple(Stem(f"stem-{i}", make_condition()) for i in range(1, 9)))
    )
    return controller


# Shared memory.


def test_a_wish_arrives_as_it_was_sent(shared: SharedState) -> None:
    command = TransportCommand(False, 3, 12.25, 4, True, 1 / 3, math.inf, 7, 9)
    shared.transport.command.write(command)
    assert SharedState.attach(shared.path, 12).transport.command.read() == command


def test_nothing_plays_until_a_song_is_inserted(shared: SharedState) -> None:
    assert shared.transport.song == ""
    assert shared.transport.command.read() == TransportCommand()
    insert(shared, seek_seconds=30.0)
    other = SharedState.attach(shared.path, 12).transport
    assert (other.song, other.position_seconds, other.seconds) == (
        "/music/a song.wav",
        30.0,
        SECONDS,
    )


def test_an_engine_gets_no_half_written_wish_and_does_not_wait(shared: SharedState) -> None:
    record = shared.transport.command
    record.write(TransportCommand(n_seeks=1))
    record._row["version"] += 1  # a writer is at work, or was killed
    assert record.try_read() is None
    record.write(TransportCommand(n_seeks=2))
    assert record.try_read() == TransportCommand(n_seeks=2)


def test_a_value_that_a_killed_writer_left_is_better_than_none(shared: SharedState) -> None:
    record = shared.transport.playback
    record.write(Playback(77.0))
    record._row["version"] += 1
    assert record.read().position_seconds == 77.0


def test_a_path_that_is_too_long_is_refused(shared: SharedState) -> None:
    with pytest.raises(UserError, match="longer than 1024 bytes"):
        shared.transport.insert(Path("x" * 1025), TransportCommand())


@pytest.mark.parametrize(
    ("command", "text"),
    [
        (TransportCommand(seek_seconds=200.5), "seek to 200.5 s: the song has 200.00 s"),
        (TransportCommand(seek_seconds=-1.0), "seek to -1 s"),
        (TransportCommand(a_seconds=300.0), "the loop begins at 300 s: the song has 200.00 s"),
        (TransportCommand(b_seconds=201.0), "the loop ends at 201 s: the song has 200.00 s"),
        (
            TransportCommand(a_seconds=50.0, b_seconds=40.0),
            "from 50 to 40 s: B has to come 0.5 s after A or later",
        ),
        (TransportCommand(a_seconds=50.0, b_seconds=50.2), "from 50 to 50.2 s"),
        (TransportCommand(a_seconds=199.8), "from 199.8 to 200 s"),
    ],
)
def test_what_a_song_cannot_do_is_refused_with_its_length(
    command: TransportCommand, text: str
) -> None:
    with pytest.raises(UserError, match=text):
        checked(command, SECONDS)


def test_the_very_end_can_be_reached_whatever_rounding_does() -> None:
    assert checked(TransportCommand(seek_seconds=200.00001), SECONDS).seek_seconds == 200.00001


def test_a_length_that_the_header_got_wrong_blocks_nothing(shared: SharedState) -> None:
    transport = insert(shared, seek_seconds=250.0, b_seconds=260.0)
    transport.change(play(on=False))
    command = transport.command.read()
    assert (command.b_seconds, command.seek_seconds, command.is_playing) == (
        math.inf,
        SECONDS,
        False,
    )


@pytest.mark.parametrize(
    ("text", "ends"),
    [
        ("12.5:20", (12.5, 20.0)),
        (" 3 : 4 ", (3.0, 4.0)),
        (":20", (0.0, 20.0)),
        ("7:", (7.0, math.inf)),
    ],
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
    assert room.send(message(address, value), message(address)) == [(address, value)]
    assert expected(transport.command.read())
    obey(transport)
    assert room.ask(address) == [(address, value)]


def test_length_and_passes_can_be_asked(room: Room) -> None:
    obey(insert(room.controller.shared), n_passes=3)
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
    [(_, address, refused, why)] = room.ask(PREFIX + name, value)
    assert (address, refused) == (PREFIX + name, code)
    assert text in why
    assert transport.command.read() == before


def test_both_ends_of_a_loop_move_together_in_a_bundle_in_any_order(room: Room) -> None:
    transport = insert(room.controller.shared, a_seconds=10.0, b_seconds=20.0)
    assert room.send(message(PREFIX + "a", 50.0), message(PREFIX + "b", 60.0)) == []
    assert (transport.command.read().a_seconds, transport.command.read().b_seconds) == (50.0, 60.0)
    assert room.send(message(PREFIX + "b", 2.0), message(PREFIX + "a", 1.0)) == []
    assert room.ask(PREFIX + "a", 5.0)[0][2] == "refused"


def test_a_bundle_is_all_or_nothing_with_a_song_too(room: Room) -> None:
    transport = insert(room.controller.shared)
    before = room.controller.scene
    [(_, address, code, _)] = room.send(
        message("/rtmss/bypass", 1), message(PREFIX + "position", 300.0)
    )
    assert (address, code) == ("#bundle", "refused")
    assert room.controller.scene is before
    room.send(message(PREFIX + "position", 30.0), message("/rtmss/fade", -1))
    assert transport.command.read().n_seeks == 0


def test_the_transport_cannot_be_put_off(room: Room) -> None:
    insert(room.controller.shared)
    [(_, _, code, text)] = room.ask(PREFIX + "play", 0, when=time.time() + 1)
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

    assert set(told(0.0)) == {"play", "position", "length", "loop", "a", "b", "loops", "passes"}
    n_told = 0
    for i in range(1, 101):
        obey(transport, position=i / 100)
        n_told += "position" in told(i / 100)
    assert n_told == pytest.approx(1 / FEEDBACK_SECONDS, abs=1)
    transport.change(play(on=False))
    assert told(1.001) == {"play": (0,)}


# Keys and the view.


def test_the_space_bar_plays_and_pauses_and_x_is_the_panic(controller: MixerController) -> None:
    transport = insert(controller.shared)
    press(controller, " ")
    assert (transport.is_playing, controller.shared.panic) == (False, False)
    press(controller, " x")
    assert (transport.is_playing, controller.shared.panic) == (True, True)


def test_without_a_song_the_space_bar_is_the_panic_and_x_too(controller: MixerController) -> None:
    press(controller, " ")
    assert controller.shared.panic
    press(controller, "x\x1b[C[]\\")
    assert not controller.shared.panic
    assert controller.shared.transport.command.read() == TransportCommand()


@pytest.mark.parametrize(
    ("keys", "place"), [("\x1b[C", 105.0), ("\x1bOD", 95.0), ("\x1b[C\x1b[C\x1b[C", 115.0)]
)
def test_arrows_go_five_seconds_and_add_up(
    controller: MixerController, keys: str, place: float
) -> None:
    transport = insert(controller.shared)
    obey(transport, position=100.0)
    press(controller, keys)
    assert transport.command.read().seek_seconds == place


def test_arrows_stop_at_the_ends_of_the_song(controller: MixerController) -> None:
    transport = insert(controller.shared)
    obey(transport, position=3.0)
    assert press(controller, "\x1b[D") == [""]
    assert transport.command.read().seek_seconds == 0.0
    obey(transport, position=199.0)
    press(controller, "\x1b[C")
    assert transport.command.read().seek_seconds == SECONDS


def test_brackets_make_a_loop_of_where_it_is_and_a_backslash_clears_it(
    controller: MixerController,
) -> None:
    transport = insert(controller.shared)
    obey(transport, position=30.0)
    press(controller, "[")
    assert (transport.command.read().a_seconds, transport.command.read().is_looping) == (
        30.0,
        False,
    )
    assert "B has to come" in press(controller, "]")[0]
    obey(transport, position=40.0)
    press(controller, "]")
    assert transport.command.read()[4:7] == (True, 30.0, 40.0)
    obey(transport, position=50.0)
    press(controller, "[")
    assert transport.command.read()[4:7] == (True, 50.0, math.inf)
    press(controller, "\\")
    assert transport.command.read()[4:7] == (False, 0.0, math.inf)


def test_the_view_has_a_line_for_the_song_and_its_keys_and_still_fits(
    controller: MixerController,
) -> None:
    insert(
        controller.shared,
        is_looping=True,
        a_seconds=10.0,
        b_seconds=75.5,
        n_loops=4,
        seek_seconds=62.34,
    )
    controller.shared.panic = True
    lines = draw(view(controller, {}, STATUS))
    assert " PLAYING  1:02.3 of 3:20.0  loop 0:10.0 to 1:15.5, pass 1 of 4  a song.wav" in lines
    assert "x ends it" in "".join(lines)
    assert len(lines) <= 24
    assert max(len(line.rstrip()) for line in lines) <= 80
    assert "space play" in lines[-1]
    assert "space" not in lines[-2]


def test_the_view_says_that_a_song_is_being_read_or_paused(controller: MixerController) -> None:
    transport = insert(controller.shared, seconds=0.0)
    assert "READING" in "".join(draw(view(controller, {}, STATUS)))
    insert(controller.shared)
    transport.change(play(on=False))
    assert "PAUSED" in "".join(draw(view(controller, {}, STATUS)))


def test_lines_for_logs_and_scripts_say_where_the_song_is(controller: MixerController) -> None:
    assert "song" not in json.loads(statistics_line(controller, STATUS, {}))
    transport = insert(controller.shared, is_looping=True, a_seconds=10.0)
    obey(transport, position=12.3456, n_passes=2)
    song = json.loads(statistics_line(controller, STATUS, {}))["song"]
    assert (song["state"], song["position"], song["length"]) == ("playing", 12.346, 200.0)
    assert (song["loop"], song["a"], song["b"], song["passes"]) == (True, 10.0, 200.0, 2)
    assert "playing 0:12.3 of 3:20.0  loop 0:10.0 to the end, pass 3" in status_line(
        controller, STATUS
    )


# The command line.


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--loop", "1:2"], "--loop, --loops and --start are for a song; name it with --file"),
        (["--file", "SONG", "--start", "3"], "seek to 3 s: the song has 2.00 s"),
        (["--file", "SONG", "--loop", "1:1.2"], "B has to come 0.5 s after A or later"),
        (["--file", "SONG", "--loop", "1:9"], "the loop ends at 9 s: the song has 2.00 s"),
        (
            ["--file", "SONG", "--input", "mic"],
            "--file plays in the place of an input; leave --input out",
        ),
        (["--file", "none.wav"], "none.wav: no such file"),
    ],
)
def test_a_song_that_cannot_be_played_so_is_refused_before_anything_starts(
    tmp_path: Path,
    write_audio: WriteAudio,
    noise: Callable[..., Audio],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    text: str,
) -> None:
    song = write_audio(tmp_path / "song.wav", noise(16000), 8000)
    monkeypatch.setattr(
        sys, "argv", ["rtmss", "live", *[str(song) if word == "SONG" else word for word in words]]
    )
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 1
    assert text in capsys.readouterr().err


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


def test_seeks_and_loops_of_the_same_place_are_new_commands(shared: SharedState) -> None:
    transport = insert(shared)
    for _ in range(2):
        transport.change(seek(5.0), loop(is_looping=True))
    assert (transport.command.read().n_seeks, transport.command.read().n_loop_changes) == (2, 2)
