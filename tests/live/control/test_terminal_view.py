"""The terminal's view: what is shown, where, and within 80 columns by 24 lines."""

import json
from dataclasses import replace

import pytest

from helpers.makers import MakeCondition
from helpers.terminal import STATUS, draw, row_of
from rtmss.engine.control import Scene, Stem
from rtmss.live.control.controller import MixerController
from rtmss.live.control.terminal import statistics_line, status_line, view
from rtmss.live.shared.state import Meter, Recording, Status

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


@pytest.mark.parametrize("status", [STATUS, WORST, Status()])
@pytest.mark.parametrize(
    ("message", "n_lines"),
    [
        ("", 1),
        ("two\nlines", 1),
        ("a word " * 20, 2),
        ("a word " * 100, 5),
        ("x" * 1000, 5),
    ],
)
def test_eight_stems_and_a_message_fit_into_24_lines(
    controller: MixerController, status: Status, message: str, n_lines: int
) -> None:
    controller.scene = replace(controller.scene, bypass=True)
    controller.preset = "x" * 64
    controller.shared.panic = True
    loud = {name: Meter(1e6, 1e6) for name in controller.meters()}
    lines = draw(view(controller, loud, status, message, "master"))
    assert len(lines) == 3 + 1 + 10 + 1 + 2 + n_lines + 2
    assert n_lines > 2 or all(word in " ".join(lines) for word in message.split())
    assert max(len(line.rstrip()) for line in lines) <= 80


def test_stems_come_first_then_remainder_then_master(controller: MixerController) -> None:
    lines = draw(view(controller, {}, STATUS))
    first = [line.split()[0] for line in lines[4:14]]
    assert first == [
        "1",
        "2",
        "3",
        "4",
        "5",
        "6",
        "7",
        "8",
        "r",
        "0",
    ]
    assert ("remainder" in lines[12]) and ("master" in lines[13])


def test_a_stem_shows_its_condition(controller: MixerController) -> None:
    assert "from-stem-2" in row_of(draw(view(controller, {}, STATUS)), " 2 ")


def test_a_strip_shows_its_level_and_gain_and_flags(controller: MixerController) -> None:
    controller.scene = controller.scene.with_strip(
        "remainder",
        gain_db=-7.5,
        mute=True,
        solo=True,
    )
    line = row_of(
        draw(
            view(
                controller,
                {"remainder": Meter(0.5, 0.1)},
                STATUS,
            )
        ),
        "remainder",
    )
    assert line.split()[-5:] == [
        "-20.0",
        "-6.0",
        "-7.5",
        "M",
        "S",
    ]


def test_the_master_shows_its_gain(controller: MixerController) -> None:
    controller.scene = replace(controller.scene, master_db=3)
    assert (
        row_of(
            draw(view(controller, {}, STATUS)),
            "master",
        ).split()[-1]
        == "+3.0"
    )


@pytest.mark.parametrize(
    ("rms", "n_filled"),
    [
        (1.0, 24),
        (10 ** (-20 / 20), 16),
        (10 ** (-40 / 20), 8),
        (1e-5, 0),
    ],
)
def test_a_bar_is_as_long_as_its_scale_says(
    controller: MixerController, rms: float, n_filled: int
) -> None:
    lines = draw(
        view(
            controller,
            {"master": Meter(0, rms)},
            STATUS,
        )
    )
    assert row_of(lines, "master").count("█") == n_filled


def test_the_peak_is_marked_where_the_scale_says(controller: MixerController) -> None:
    lines = draw(
        view(
            controller,
            {
                "master": Meter(
                    10 ** (-20 / 20),
                    10 ** (-40 / 20),
                )
            },
            STATUS,
        )
    )
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
        draw(
            view(
                controller,
                {},
                STATUS._replace(realtime=1),
            )
        )[0]
        .rstrip()
        .endswith("block 128, real-time")
    )


def test_the_latency_stands_in_samples_and_milliseconds(controller: MixerController) -> None:
    assert "latency 1664 samples = 37.7 ms + device 256 samples = 5.8 ms" in draw(
        view(controller, {}, STATUS)
    )


def test_the_drift_is_shown_where_there_are_two_devices(controller: MixerController) -> None:
    two = STATUS._replace(n_devices=2, drift_ppm=-37.4)
    assert draw(
        view(
            controller,
            {},
            two,
        )
    )[1].endswith("ms, drift -37 ppm")
    assert ", drift -37 ppm," in status_line(controller, two)
    assert (
        json.loads(
            statistics_line(
                controller,
                two,
                {},
            )
        )["drift_ppm"]
        == -37.4
    )
    assert "drift" not in "".join(
        draw(
            view(
                controller,
                {},
                STATUS,
            )
        )
    ) + statistics_line(controller, STATUS, {})


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
        not in (
            draw(
                view(
                    controller,
                    {},
                    STATUS,
                )
            )[2]
            + status_line(controller, STATUS)
        ).lower()
    )
    controller.shared.recording = recording
    assert (
        draw(
            view(
                controller,
                {},
                STATUS,
            )
        )[2].rstrip()
        == drawn.rstrip()
    )
    assert status_line(controller, STATUS).endswith(told)
    assert (
        json.loads(
            statistics_line(
                controller,
                STATUS,
                {},
            )
        )["recording"]
        == recording._asdict()
    )


def test_the_foot_holds_load_and_step_times_and_counts(controller: MixerController) -> None:
    load, counts = draw(
        view(
            controller,
            {},
            STATUS,
        )
    )[15:17]
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


@pytest.mark.parametrize(
    ("pan", "shown"),
    [(-0.3, "L3"), (1.0, "R10")],
)
def test_a_strip_shows_its_pan(controller: MixerController, pan: float, shown: str) -> None:
    controller.scene = controller.scene.with_strip("remainder", pan=pan)
    assert (
        row_of(
            draw(view(controller, {}, STATUS)),
            "remainder",
        ).split()[-1]
        == shown
    )
