"""The transport of a song by keys, and what the terminal shows of it."""

from __future__ import annotations

import json
import math

import pytest

from helpers.makers import MakeCondition
from helpers.song import SECONDS, follow, insert
from helpers.terminal import STATUS, draw, press
from rtmss.conditions.library import Library
from rtmss.engine.control import Scene, Stem
from rtmss.live.control.controller import MixerController
from rtmss.live.control.terminal import statistics_line, status_line, view
from rtmss.live.shared.song_state import (
    TransportCommand,
    play,
)
from rtmss.live.shared.state import SharedState


@pytest.fixture
def controller(shared: SharedState, make_condition: MakeCondition) -> MixerController:
    """Eight stems."""
    controller = MixerController(shared, Library([]), "0123456789ab")
    controller.play(
        "karaoke", Scene(tuple(Stem(f"stem-{i}", make_condition()) for i in range(1, 9)))
    )
    return controller


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
    ("keys", "place"),
    [
        ("\x1b[C", 105.0),
        ("\x1bOD", 95.0),
        ("\x1b[C\x1b[C\x1b[C", 115.0),
    ],
)
def test_arrows_go_five_seconds_and_add_up(
    controller: MixerController, keys: str, place: float
) -> None:
    transport = insert(controller.shared)
    follow(transport, position=100.0)
    press(controller, keys)
    assert transport.command.read().seek_seconds == place


def test_arrows_stop_at_the_ends_of_the_song(controller: MixerController) -> None:
    transport = insert(controller.shared)
    follow(transport, position=3.0)
    assert press(controller, "\x1b[D") == [""]
    assert transport.command.read().seek_seconds == 0.0
    follow(transport, position=199.0)
    press(controller, "\x1b[C")
    assert transport.command.read().seek_seconds == SECONDS


def test_brackets_make_a_loop_of_where_it_is_and_a_backslash_clears_it(
    controller: MixerController,
) -> None:
    transport = insert(controller.shared)
    follow(transport, position=30.0)
    press(controller, "[")
    assert (transport.command.read().a_seconds, transport.command.read().is_looping) == (
        30.0,
        False,
    )
    assert "B has to come" in press(controller, "]")[0]
    follow(transport, position=40.0)
    press(controller, "]")
    assert transport.command.read()[4:7] == (True, 30.0, 40.0)
    follow(transport, position=50.0)
    press(controller, "[")
    assert transport.command.read()[4:7] == (
        True,
        50.0,
        math.inf,
    )
    press(controller, "\\")
    assert transport.command.read()[4:7] == (
        False,
        0.0,
        math.inf,
    )


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
    follow(transport, position=12.3456, n_passes=2)
    song = json.loads(statistics_line(controller, STATUS, {}))["song"]
    assert (
        song["state"],
        song["position"],
        song["length"],
    ) == ("playing", 12.346, 200.0)
    assert (
        song["loop"],
        song["a"],
        song["b"],
        song["passes"],
    ) == (True, 10.0, 200.0, 2)
    assert "playing 0:12.3 of 3:20.0  loop 0:10.0 to the end, pass 3" in status_line(
        controller, STATUS
    )
