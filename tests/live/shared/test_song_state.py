"""Commands to a song and what is known of it, in shared memory."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from helpers.makers import WriteAudio
from helpers.song import SECONDS, insert
from rtmss.audio import Audio
from rtmss.cli import main
from rtmss.config import UserError
from rtmss.live.shared.song_state import (
    Playback,
    TransportCommand,
    checked,
    loop,
    parse_loop,
    play,
    seek,
)
from rtmss.live.shared.state import SharedState

# Shared memory.


def test_a_command_arrives_as_it_was_sent(shared: SharedState) -> None:
    command = TransportCommand(
        False,
        3,
        12.25,
        4,
        True,
        1 / 3,
        math.inf,
        7,
        9,
    )
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


def test_an_engine_gets_no_half_written_command_and_does_not_wait(shared: SharedState) -> None:
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
        sys,
        "argv",
        [
            "rtmss",
            "live",
            *[str(song) if word == "SONG" else word for word in words],
        ],
    )
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 1
    assert text in capsys.readouterr().err


def test_seeks_and_loops_of_the_same_place_are_new_commands(shared: SharedState) -> None:
    transport = insert(shared)
    for _ in range(2):
        transport.change(seek(5.0), loop(is_looping=True))
    assert (transport.command.read().n_seeks, transport.command.read().n_loop_changes) == (2, 2)
