"""A terminal: lines without one, a screen and a keyboard that are given back."""

import io
import json
import os
import time
from collections.abc import Iterator

import numpy as np
import pytest
from rich.console import Console

from helpers.terminal import STATUS
from rtmss.engine.control import Strip
from rtmss.live.control.controller import MixerController
from rtmss.live.control.drawing import dbfs
from rtmss.live.control.terminal import Terminal, statistics_line
from rtmss.live.shared.state import N_METERS, Meter, Status


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """clock[0] is the time."""
    now = [100.0]
    monkeypatch.setattr("rtmss.live.control.terminal.time.monotonic", lambda: now[0])
    return now


# Lines.


@pytest.mark.parametrize(
    ("level", "db"),
    [
        (1.0, 0.0),
        (0.5, -6.0),
        (0.0, -120.0),
        (float("nan"), -120.0),
        (float("inf"), 120.0),
    ],
)
def test_levels_are_finite_decibels(level: float, db: float) -> None:
    assert dbfs(level) == db


def test_statistics_are_one_line_with_every_number_of_the_status(
    controller: MixerController,
) -> None:
    line = statistics_line(
        controller,
        STATUS,
        {
            "remainder": Meter(0.5, 0.1),
            "master": Meter(0, 0),
        },
    )
    told = json.loads(line)
    assert "\n" not in line
    assert {name: told[name] for name in Status._fields if name != "drift_ppm"} | {
        "drift_ppm": 0
    } == STATUS._asdict()
    assert told["preset"] == "four-stems"
    levels = {
        "remainder": {"peak": -6.0, "rms": -20.0},
        "master": {"peak": -120.0, "rms": -120.0},
    }
    assert told["levels"] == levels


# The terminal.


def make_console(*, is_terminal: bool) -> tuple[Console, io.StringIO]:
    file = io.StringIO()
    return Console(
        width=80, height=24, file=file, force_terminal=is_terminal, _environ={"TERM": "xterm"}
    ), file


def test_without_a_tty_a_plain_line_is_told_every_5_s(
    controller: MixerController, clock: list[float]
) -> None:
    console, file = make_console(is_terminal=False)
    with Terminal(controller, console) as terminal:
        for clock[0] in (100.0, 104.9, 105.0, 109.9):
            assert terminal.poll()
    lines = file.getvalue().splitlines()
    assert len(lines) == 2
    assert lines[0].startswith(
        "running four-stems, latency 1664 samples = 37.7 ms, load 43%, p99 6.28 ms, late hops 12"
    )
    assert "\x1b" not in file.getvalue()


def test_without_a_tty_a_message_is_told_once(
    controller: MixerController, clock: list[float]
) -> None:
    console, file = make_console(is_terminal=False)
    with Terminal(controller, console) as terminal:
        terminal.say("the engine was started again")
        terminal.poll()
        clock[0] += 5
        terminal.poll()
    assert file.getvalue().count("started again") == 1


def test_the_view_is_drawn_ten_times_a_second_at_most(
    controller: MixerController, clock: list[float]
) -> None:
    console, file = make_console(is_terminal=True)
    with Terminal(controller, console) as terminal:
        before = file.getvalue().count("RUNNING")
        for i in range(200):
            clock[0] = 100 + i / 200
            terminal.poll()
        assert 9 <= file.getvalue().count("RUNNING") - before <= 10


def test_the_screen_is_given_back_after_an_error(controller: MixerController) -> None:
    console, file = make_console(is_terminal=True)
    with pytest.raises(ZeroDivisionError), Terminal(controller, console):
        assert file.getvalue().count("\x1b[?1049h") == 1
        raise ZeroDivisionError
    assert file.getvalue().count("\x1b[?1049l") == 1


def test_a_peak_between_two_drawings_is_not_missed(
    controller: MixerController, clock: list[float]
) -> None:
    console, file = make_console(is_terminal=True)
    with Terminal(controller, console) as terminal:
        terminal.poll()
        for level in (1.0, 0.1):
            controller.shared.report(
                STATUS,
                np.full((N_METERS, 2), level, np.float32),
            )
            terminal.poll()
        assert " 0.0" not in file.getvalue()
        clock[0] += 1
        terminal.poll()
    assert " 0.0" in file.getvalue()


@pytest.fixture
def pty() -> Iterator[tuple[int, int]]:
    """The typing end and the reading end of a terminal."""
    typing, reading = pytest.importorskip("pty").openpty()
    yield typing, reading
    os.close(typing)
    os.close(reading)


def test_keys_typed_at_a_terminal_reach_the_controller(
    controller: MixerController, pty: tuple[int, int]
) -> None:
    with Terminal(
        controller,
        make_console(is_terminal=False)[0],
        pty[1],
    ) as terminal:
        os.write(pty[0], b"2m\x1b[Bq")
        deadline = time.monotonic() + 10
        while terminal.poll() and time.monotonic() < deadline:
            time.sleep(0.01)
        assert not terminal.poll()
    assert controller.scene.stems[1].strip == Strip(
        gain_db=-1,
        mute=True,
    )


def test_no_poll_waits_for_a_key(controller: MixerController, pty: tuple[int, int]) -> None:
    with Terminal(
        controller,
        make_console(is_terminal=False)[0],
        pty[1],
    ) as terminal:
        assert terminal.poll()


def test_the_keyboard_is_given_back_after_an_error(
    controller: MixerController, pty: tuple[int, int]
) -> None:
    termios = pytest.importorskip("termios")
    before = termios.tcgetattr(pty[1])
    with (
        pytest.raises(ZeroDivisionError),
        Terminal(controller, make_console(is_terminal=False)[0], pty[1]),
    ):
        assert not termios.tcgetattr(pty[1])[3] & (termios.ICANON | termios.ECHO)
        raise ZeroDivisionError
    assert termios.tcgetattr(pty[1]) == before


def test_a_keyboard_that_a_killed_process_left_behind_is_mended(
    controller: MixerController, pty: tuple[int, int]
) -> None:
    termios = pytest.importorskip("termios")
    pytest.importorskip("tty").setcbreak(pty[1])
    with Terminal(
        controller,
        make_console(is_terminal=False)[0],
        pty[1],
    ):
        pass
    assert termios.tcgetattr(pty[1])[3] & termios.ICANON
    assert termios.tcgetattr(pty[1])[3] & termios.ECHO


def test_a_keyboard_that_goes_away_ends_the_keys_and_nothing_else(
    controller: MixerController,
) -> None:
    typing, reading = pytest.importorskip("pty").openpty()
    with Terminal(controller, make_console(is_terminal=False)[0], reading) as terminal:
        os.close(typing)
        assert terminal.poll()
        assert terminal.poll()
    os.close(reading)


def test_a_keyboard_that_cannot_be_read_ends_the_keys_and_nothing_else(
    controller: MixerController, pty: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(keyboard: int, n_bytes: int) -> bytes:
        raise OSError

    monkeypatch.setattr("rtmss.live.control.screen.os.read", refuse)
    with Terminal(
        controller,
        make_console(is_terminal=False)[0],
        pty[1],
    ) as terminal:
        os.write(pty[0], b"\n")
        time.sleep(0.2)
        assert terminal.poll()
