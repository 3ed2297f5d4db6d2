from __future__ import annotations

import io
import json
import os
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from helpers.makers import MakeCondition
from helpers.terminal import STATUS, draw, press
from rtmss.conditions.library import Library
from rtmss.config import UserError
from rtmss.engine.control import Scene, Stem, Strip
from rtmss.live.control.controller import MixerController
from rtmss.live.control.keys import Keys, split_keys
from rtmss.live.control.terminal import Terminal, dbfs, statistics_line, status_line, view
from rtmss.live.shared.state import N_METERS, Meter, Recording, SharedState, Status

WORST = STATUS._replace(
    state="reopening",
    late=10**8,
    fallbacks=10**8,
    xruns=10**8,
    bad_samples=10**8,
    load=12.3,
    p50_ms=1234.5,
    p99_ms=1234.5,
    p999_ms=1234.5,
    max_ms=12345.6,
    sample_rate=192000,
    block=16384,
    latency=123456,
    device_latency=123456,
)


@pytest.fixture
def controller(tmp_path: Path, make_condition: MakeCondition) -> Iterator[MixerController]:
    """Eight stems of long names, and an engine that reports STATUS."""
    shared = SharedState.create(12)
    shared.report(STATUS, np.full((N_METERS, 2), 0.1, np.float32))
    controller = MixerController(shared, Library([tmp_path]), "0123456789ab")
    names = [f"stem-{i}-of-a-very-long-name" for i in range(1, 9)]
    controller.play(
        "four-stems", Scene(tuple(Stem(name, make_condition(f"from-{name}")) for name in names))
    )
    yield controller
    shared.close(unlink=True)


def row_of(lines: list[str], name: str) -> str:
    return next(line for line in lines if name in line)


@pytest.fixture
def played(controller: MixerController, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Presets that the controller was asked to load, of three there are."""
    asked: list[str] = []
    monkeypatch.setattr(controller, "start_loading", asked.append)
    monkeypatch.setattr(
        controller.library, "presets", lambda: {name: Path(name) for name in ("c", "a", "b")}
    )
    controller.preset = "a"
    return asked


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """clock[0] is the time."""
    now = [100.0]
    monkeypatch.setattr("rtmss.live.control.terminal.time.monotonic", lambda: now[0])
    return now


# The view.


@pytest.mark.parametrize("status", [STATUS, WORST, Status()])
@pytest.mark.parametrize("message", ["", "a word " * 40, "two\nlines"])
def test_eight_stems_fit_into_24_lines_and_none_wraps(
    controller: MixerController, status: Status, message: str
) -> None:
    controller.scene = replace(controller.scene, bypass=True)
    controller.preset = "x" * 64
    controller.shared.panic = True
    loud = {name: Meter(1e6, 1e6) for name in controller.meters()}
    lines = draw(view(controller, loud, status, message, "master"))
    assert len(lines) == 3 + 1 + 10 + 1 + 2 + 3
    assert max(len(line.rstrip()) for line in lines) <= 80


def test_stems_come_first_then_remainder_then_master(controller: MixerController) -> None:
    lines = draw(view(controller, {}, STATUS))
    first = [line.split()[0] for line in lines[4:14]]
    assert first == ["1", "2", "3", "4", "5", "6", "7", "8", "r", "0"]
    assert ("remainder" in lines[12]) and ("master" in lines[13])


def test_a_stem_shows_its_condition(controller: MixerController) -> None:
    assert "from-stem-2" in row_of(draw(view(controller, {}, STATUS)), " 2 ")


def test_a_strip_shows_its_level_and_gain_and_flags(controller: MixerController) -> None:
    controller.scene = controller.scene.with_strip("remainder", gain_db=-7.5, mute=True, solo=True)
    line = row_of(draw(view(controller, {"remainder": Meter(0.5, 0.1)}, STATUS)), "remainder")
    assert line.split()[-5:] == ["-20.0", "-6.0", "-7.5", "M", "S"]


def test_the_master_shows_its_gain(controller: MixerController) -> None:
    controller.scene = replace(controller.scene, master_db=3)
    assert row_of(draw(view(controller, {}, STATUS)), "master").split()[-1] == "+3.0"


@pytest.mark.parametrize(
    ("rms", "n_filled"), [(1.0, 24), (10 ** (-20 / 20), 16), (10 ** (-40 / 20), 8), (1e-5, 0)]
)
def test_a_bar_is_as_long_as_its_scale_says(
    controller: MixerController, rms: float, n_filled: int
) -> None:
    lines = draw(view(controller, {"master": Meter(0, rms)}, STATUS))
    assert row_of(lines, "master").count("█") == n_filled


def test_the_peak_is_marked_where_the_scale_says(controller: MixerController) -> None:
    lines = draw(view(controller, {"master": Meter(10 ** (-20 / 20), 10 ** (-40 / 20))}, STATUS))
    start = lines[3].index("-60")
    assert row_of(lines, "master")[start : start + 24] == "████████" + " " * 7 + "┃" + " " * 8


def test_the_head_names_state_and_preset_and_device(controller: MixerController) -> None:
    first = draw(view(controller, {}, STATUS))[0]
    assert first.split() == [
        "RUNNING",
        "four-stems",
        "44100",
        "Hz,",
        "block",
        "128,",
        "normal",
        "priority",
    ]


def test_real_time_priority_is_shown(controller: MixerController) -> None:
    assert (
        draw(view(controller, {}, STATUS._replace(realtime=1)))[0]
        .rstrip()
        .endswith("block 128, real-time")
    )


def test_the_latency_stands_in_samples_and_milliseconds(controller: MixerController) -> None:
    assert "latency 1664 samples = 37.7 ms + device 256 samples = 5.8 ms" in draw(
        view(controller, {}, STATUS)
    )


def test_the_drift_is_shown_where_there_are_two_devices(controller: MixerController) -> None:
    two = STATUS._replace(n_devices=2, drift_ppm=-37.4)
    assert draw(view(controller, {}, two))[1].endswith("ms, drift -37 ppm")
    assert ", drift -37 ppm," in status_line(controller, two)
    assert json.loads(statistics_line(controller, two, {}))["drift_ppm"] == -37.4
    assert "drift" not in "".join(draw(view(controller, {}, STATUS))) + statistics_line(
        controller, STATUS, {}
    )


@pytest.mark.parametrize(
    ("recording", "drawn", "told"),
    [
        (Recording("recording", 65.9), " REC 1:05 ", ", recording 66 s, lost hops 0"),
        (
            Recording("recording", 3600, 7),
            " REC 60:00, 7 hops lost ",
            ", recording 3600 s, lost hops 7",
        ),
        (Recording("stopped", 9.0), " RECORDING STOPPED AT 0:09 ", ", RECORDING STOPPED at 9 s"),
    ],
)
def test_a_recording_is_shown(
    controller: MixerController, recording: Recording, drawn: str, told: str
) -> None:
    assert (
        "rec"
        not in (draw(view(controller, {}, STATUS))[2] + status_line(controller, STATUS)).lower()
    )
    controller.shared.recording = recording
    assert draw(view(controller, {}, STATUS))[2].rstrip() == drawn.rstrip()
    assert status_line(controller, STATUS).endswith(told)
    assert json.loads(statistics_line(controller, STATUS, {}))["recording"] == recording._asdict()


def test_the_foot_holds_load_and_step_times_and_counts(controller: MixerController) -> None:
    load, counts = draw(view(controller, {}, STATUS))[15:17]
    assert load == "load 43%   step ms: p50 4.91  p99 6.28  p99.9 8.37  max 19.46"
    assert counts.split() == [
        "late",
        "hops",
        "12",
        "fallbacks",
        "5",
        "xruns",
        "7",
        "bad",
        "samples",
        "2",
    ]


def test_bypass_is_shown_while_it_is_on(controller: MixerController) -> None:
    before = draw(view(controller, {}, STATUS))
    controller.scene = replace(controller.scene, bypass=True)
    assert "BYPASS" in "".join(draw(view(controller, {}, STATUS)))
    assert "BYPASS" not in "".join(before)


def test_panic_is_shown_while_it_is_on(controller: MixerController) -> None:
    before = draw(view(controller, {}, STATUS))
    controller.shared.panic = True
    assert "PANIC" in "".join(draw(view(controller, {}, STATUS)))
    assert "PANIC" not in "".join(before)


def test_the_message_is_shown(controller: MixerController) -> None:
    assert "no preset 'x'" in draw(view(controller, {}, STATUS, "no preset 'x'"))


def test_the_selected_strip_is_marked(controller: MixerController) -> None:
    marked = [
        line
        for line in draw(view(controller, {}, STATUS, selected="remainder"))
        if line.startswith(">")
    ]
    assert len(marked) == 1
    assert "remainder" in marked[0]


def test_a_name_from_a_file_gives_the_terminal_no_commands(
    controller: MixerController, make_condition: MakeCondition
) -> None:
    controller.scene = Scene((Stem("a", make_condition("\x1b[2J\nx")),))
    lines = draw(view(controller, {}, STATUS), is_terminal=True)
    assert "\x1b[2J" not in "".join(lines)
    assert len(lines) == 3 + 1 + 3 + 1 + 2 + 3


def test_drawing_changes_nothing(controller: MixerController) -> None:
    controller.flush()
    before = controller.scene, controller.number, controller.shared.panic
    draw(view(controller, controller.meters(), controller.status))
    controller.flush()
    assert (controller.scene, controller.number, controller.shared.panic) == before


# Keys.


@pytest.mark.parametrize("key", "12345678r")
def test_a_key_selects_the_strip_that_it_stands_beside(
    controller: MixerController, key: str
) -> None:
    press(controller, key + "m")
    strips = {str(i): stem.strip for i, stem in enumerate(controller.scene.stems, 1)} | {
        "r": controller.scene.remainder
    }
    assert [name for name, strip in strips.items() if strip.mute] == [key]


def test_zero_selects_the_master(controller: MixerController) -> None:
    press(controller, "0+")
    assert controller.scene.master_db == 1


@pytest.mark.parametrize("key", ["m", "s"])
def test_a_second_press_takes_the_first_back(controller: MixerController, key: str) -> None:
    before = controller.scene
    press(controller, key)
    assert controller.scene.stems[0].strip == Strip(mute=key == "m", solo=key == "s")
    press(controller, key)
    assert controller.scene == before


@pytest.mark.parametrize(
    ("keys", "gain_db"), [("++-", 1), ("\x1b[A", 1), ("\x1bOA=", 2), ("\x1b[B_", -2)]
)
def test_the_gain_goes_in_steps_of_1_db(
    controller: MixerController, keys: str, gain_db: float
) -> None:
    press(controller, keys)
    assert controller.scene.stems[0].strip.gain_db == gain_db


@pytest.mark.parametrize(("keys", "gain_db"), [("+" * 30, 12), ("-" * 150, -120)])
@pytest.mark.parametrize("strip", "10")
def test_the_gain_stops_at_its_ends(
    controller: MixerController, strip: str, keys: str, gain_db: float
) -> None:
    press(controller, strip + keys)
    assert gain_db == (
        controller.scene.master_db if strip == "0" else controller.scene.stems[0].strip.gain_db
    )


@pytest.mark.parametrize(
    ("keys", "pan"), [("<", -0.1), (">>>", 0.3), ("<>", 0.0), ("<" * 15, -1.0), (">" * 15, 1.0)]
)
def test_a_strip_is_panned_in_tenths_up_to_its_sides(
    controller: MixerController, keys: str, pan: float
) -> None:
    press(controller, keys)
    assert controller.scene.stems[0].strip.pan == pan


def test_the_master_has_no_pan(controller: MixerController) -> None:
    assert "no pan" in press(controller, "0<")[1]


@pytest.mark.parametrize(("pan", "shown"), [(-0.3, "L3"), (1.0, "R10")])
def test_a_strip_shows_its_pan(controller: MixerController, pan: float, shown: str) -> None:
    controller.scene = controller.scene.with_strip("remainder", pan=pan)
    assert row_of(draw(view(controller, {}, STATUS)), "remainder").split()[-1] == shown


def test_u_takes_every_solo_back_and_leaves_mutes(controller: MixerController) -> None:
    press(controller, "1ms3srsu")
    strips = [*(stem.strip for stem in controller.scene.stems), controller.scene.remainder]
    assert not any(strip.solo for strip in strips)
    assert strips[0].mute


def test_b_bypasses_until_it_is_pressed_again(controller: MixerController) -> None:
    press(controller, "b")
    assert controller.scene.bypass
    press(controller, "b")
    assert not controller.scene.bypass


def test_space_is_a_panic_until_it_is_pressed_again(controller: MixerController) -> None:
    press(controller, " ")
    assert controller.shared.panic
    press(controller, " ")
    assert not controller.shared.panic


def test_presets_follow_each_other_in_a_circle(
    controller: MixerController, played: list[str]
) -> None:
    press(controller, "pppPPP")
    assert played == ["b", "c", "a", "c", "b", "a"]


def test_a_preset_that_another_hand_chose_is_counted_from(
    controller: MixerController, played: list[str]
) -> None:
    keys = Keys(controller)
    keys.press("p")
    controller.preset = "c"
    keys.press("P")
    assert played == ["b", "b"]


def test_the_neighbours_of_a_deleted_preset_are_where_it_was(
    controller: MixerController, played: list[str]
) -> None:
    controller.preset = "bb"
    press(controller, "p")
    press(controller, "P")
    assert played == ["c", "b"]


def test_a_number_without_a_stem_is_refused_and_the_selection_stays(
    controller: MixerController,
) -> None:
    controller.scene = Scene(controller.scene.stems[:3])
    assert press(controller, "27m")[1] == "no strip '7'; known: 0, 1, 2, 3, r"
    assert controller.scene.stems[1].strip.mute


def test_the_master_is_muted_like_any_strip_and_shows_it(controller: MixerController) -> None:
    assert press(controller, "0m") == ["", ""]
    assert controller.scene.master_mute
    assert row_of(draw(view(controller, {}, STATUS)), "master").split()[-1] == "M"
    press(controller, "0m")
    assert not controller.scene.master_mute


def test_the_master_cannot_be_soloed(controller: MixerController) -> None:
    before = controller.scene
    assert "no solo" in press(controller, "0s")[1]
    assert controller.scene == before


def test_what_the_desk_refuses_becomes_the_message(
    controller: MixerController, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(change: object) -> None:
        raise UserError("not now")

    monkeypatch.setattr(controller, "change", refuse)
    assert press(controller, "m") == ["not now"]


def test_the_selection_follows_the_name_into_another_scene(controller: MixerController) -> None:
    keys = Keys(controller)
    keys.press("3")
    stems = controller.scene.stems
    controller.scene = Scene((stems[5], stems[2]))
    keys.press("m")
    assert [stem.strip.mute for stem in controller.scene.stems] == [False, True]


def test_the_first_strip_is_selected_where_the_old_one_is_gone(controller: MixerController) -> None:
    keys = Keys(controller)
    keys.press("3")
    controller.scene = Scene(controller.scene.stems[:2])
    keys.press("m")
    assert [stem.strip.mute for stem in controller.scene.stems] == [True, False]


@pytest.mark.parametrize(
    ("typed", "keys", "pending"),
    [
        ("a\x1b[Ab", ["a", "up", "b"], ""),
        ("a\x1b", ["a"], "\x1b"),
        ("\x1b[1;", [], "\x1b[1;"),
        ("\x1b[3~m", ["\x1b[3~", "m"], ""),
        ("\x1bOP", ["\x1bOP"], ""),
        ("\x1bm", ["\x1b", "m"], ""),
    ],
    ids=["arrow", "half", "most", "delete", "f1", "escape"],
)
def test_escape_sequences_are_one_key_and_wait_for_their_end(
    typed: str, keys: list[str], pending: str
) -> None:
    assert split_keys(typed) == (keys, pending)


# Lines.


@pytest.mark.parametrize(
    ("level", "db"),
    [(1.0, 0.0), (0.5, -6.0), (0.0, -120.0), (float("nan"), -120.0), (float("inf"), 120.0)],
)
def test_levels_are_finite_decibels(level: float, db: float) -> None:
    assert dbfs(level) == db


def test_statistics_are_one_line_with_every_number_of_the_status(
    controller: MixerController,
) -> None:
    line = statistics_line(
        controller, STATUS, {"remainder": Meter(0.5, 0.1), "master": Meter(0, 0)}
    )
    told = json.loads(line)
    assert "\n" not in line
    assert {name: told[name] for name in Status._fields if name != "drift_ppm"} | {
        "drift_ppm": 0
    } == STATUS._asdict()
    assert told["preset"] == "four-stems"
    levels = {"remainder": {"peak": -6.0, "rms": -20.0}, "master": {"peak": -120.0, "rms": -120.0}}
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
            controller.shared.report(STATUS, np.full((N_METERS, 2), level, np.float32))
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


def test_keys_typed_at_a_terminal_reach_the_desk(
    controller: MixerController, pty: tuple[int, int]
) -> None:
    with Terminal(controller, make_console(is_terminal=False)[0], pty[1]) as terminal:
        os.write(pty[0], b"2m\x1b[Bq")
        deadline = time.monotonic() + 10
        while terminal.poll() and time.monotonic() < deadline:
            time.sleep(0.01)
        assert not terminal.poll()
    assert controller.scene.stems[1].strip == Strip(gain_db=-1, mute=True)


def test_no_poll_waits_for_a_key(controller: MixerController, pty: tuple[int, int]) -> None:
    with Terminal(controller, make_console(is_terminal=False)[0], pty[1]) as terminal:
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
    with Terminal(controller, make_console(is_terminal=False)[0], pty[1]):
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

    monkeypatch.setattr("rtmss.live.control.terminal.os.read", refuse)
    with Terminal(controller, make_console(is_terminal=False)[0], pty[1]) as terminal:
        os.write(pty[0], b"\n")
        time.sleep(0.2)
        assert terminal.poll()
