"""The terminal of the live host: what plays and how well, drawn or told in lines."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.text import Text

from rtmss.live.control.controller import MixerController
from rtmss.live.control.drawing import (
    N_LINES,
    dbfs,
    help_line,
    length,
    line,
    message_lines,
    plain,
    strips_table,
)
from rtmss.live.control.keys import Keys, key_lines, rows
from rtmss.live.control.screen import Screen
from rtmss.live.control.song_text import cue_line, song_line, song_numbers, song_state
from rtmss.live.shared.state import Meter, Status

DRAW_SECONDS, LINE_SECONDS = 0.1, 5.0
CARD_KEY = "L"
PEAK_FALL = 0.8
"""What is left of a peak mark at the next drawing: 20 dB/s."""


def view(
    controller: MixerController,
    levels: Mapping[str, Meter],
    status: Status,
    message: str = "",
    selected: str = "",
) -> RenderableType:
    """Everything at a glance, 80 columns by 24 lines at most; `selected` is the name of a strip."""
    strips = strips_table(rows(controller.scene), selected, levels)
    above: list[RenderableType] = [*_head(controller, status), strips, Text(), *_foot(status)]
    below = [help_line(keys) for keys in key_lines(controller)]
    n_lines = len(above) + strips.row_count + len(below)
    return Group(*above, *message_lines(message, N_LINES - n_lines), *below)


def _head(controller: MixerController, status: Status) -> list[Text]:
    state_style = "bold black on green" if status.state == "running" else "bold white on red"
    priority = "real-time" if status.realtime else "normal priority"
    device = f"  {status.sample_rate} Hz, block {status.block}, {priority}"
    transport = controller.shared.transport
    cues = controller.cues
    end = "x" if transport.song else "space"
    panic = (
        (f" PANIC: silent, {end} ends it ", "bold white on red") if controller.shared.panic else ""
    )
    song = (f" {song_state(transport).upper()} ", "reverse"), f" {plain(song_line(transport))}"
    bypass = (
        (" BYPASS: the input is heard, b ends it ", "bold black on yellow")
        if controller.scene.bypass
        else ""
    )
    return [
        line(
            (f" {status.state.upper()} ", state_style),
            (f" {plain(controller.preset):.40}", "bold"),
            device,
        ),
        line(
            f"latency {length(status.latency, status.sample_rate)} + device "
            f"{length(status.device_latency, status.sample_rate)}",
            _drift(status),
        ),
        *([line(*song)] if transport.song else []),
        *([] if cues is None else [line((" CUE ", "reverse"), f" {plain(cue_line(cues))}")]),
        line(panic, bypass, _recording(controller), _midi(controller)),
    ]


def _recording(controller: MixerController) -> tuple[str, str]:
    state, seconds, lost = controller.shared.recording
    if state == "off":
        return "", ""
    missing = f", {lost} hops lost" if lost else ""
    word = "REC" if state == "recording" else "RECORDING STOPPED AT"
    return f" {word} {int(seconds // 60)}:{int(seconds % 60):02d}{missing} ", "bold white on red"


def _midi(controller: MixerController) -> tuple[str, str]:
    midi = controller.midi
    if midi is None:
        return "", ""
    if midi.learning:
        return f" MIDI: move a control for {plain(midi.learning)} ", "bold black on yellow"
    missing = ", ".join(midi.missing)
    return (f" MIDI waits for {plain(missing)} ", "bold red") if missing else (" MIDI ", "green")


def _drift(status: Status) -> str:
    return f", drift {status.drift_ppm:+.0f} ppm" if status.n_devices > 1 else ""


def _foot(status: Status) -> list[Text]:
    p50, p99, p999, longest = status.p50_ms, status.p99_ms, status.p999_ms, status.max_ms
    steps = f"   step ms: p50 {p50:.2f}  p99 {p99:.2f}  p99.9 {p999:.2f}  max {longest:.2f}"
    counts = {
        "late hops": status.late,
        "fallbacks": status.fallbacks,
        "xruns": status.xruns,
    }
    counts["bad samples"] = status.bad_samples
    if status.bad_outputs:
        counts["bad outputs"] = status.bad_outputs
    shown = [(f"{name} {count}  ", "bold red" if count else "") for name, count in counts.items()]
    return [
        line(
            "load ",
            (f"{status.load:.0%}", "bold red" if status.load >= 1 else "bold"),
            steps,
        ),
        line(*shown),
    ]


def status_line(controller: MixerController, status: Status) -> str:
    """How it goes, for a log that a person reads."""
    alarms = ", PANIC" * controller.shared.panic + ", BYPASS" * controller.scene.bypass
    state, seconds, lost = controller.shared.recording
    recording = "" if state == "off" else f", recording {seconds:.0f} s, lost hops {lost}"
    if state == "stopped":
        recording = f", RECORDING STOPPED at {seconds:.0f} s"
    times = f"load {status.load:.0%}, p99 {status.p99_ms:.2f} ms"
    counts = f"late hops {status.late}, fallbacks {status.fallbacks}, xruns {status.xruns}"
    latency = f"latency {length(status.latency, status.sample_rate)}{_drift(status)}"
    transport = controller.shared.transport
    song = f", {song_state(transport)} {plain(song_line(transport))}" if transport.song else ""
    cue = f", cue {plain(controller.cues.name) or 'none'}" if controller.cues else ""
    if controller.midi is not None and controller.midi.missing:
        cue += f", MIDI waits for {plain(', '.join(controller.midi.missing))}"
    return (
        f"{status.state} {plain(controller.preset)}{alarms}, {latency}, {times}, "
        f"{counts}{recording}{song}{cue}"
    )


def statistics_line(
    controller: MixerController, status: Status, levels: Mapping[str, Meter]
) -> str:
    """All that is known as one JSON object on one line, levels in dBFS."""
    strips = {
        name: {
            "peak": dbfs(level.peak),
            "rms": dbfs(level.rms),
        }
        for name, level in levels.items()
    }
    numbers = status._asdict()
    if status.n_devices == 1:
        del numbers["drift_ppm"]
    recording = controller.shared.recording._asdict()
    told = {"preset": controller.preset, **numbers, "recording": recording, "levels": strips}
    song = song_numbers(controller.shared.transport)
    cues: dict[str, object] = {} if controller.cues is None else {"cue": controller.cues.name}
    if controller.midi is not None:
        cues["midi"] = {"ports": controller.midi.ports, **controller.midi.counts}
    return json.dumps(told | cues if song is None else {**told, **cues, "song": song})


class Terminal:
    """The mixer on the terminal: drawn on a TTY, otherwise one line now and then."""

    def __init__(
        self,
        controller: MixerController,
        console: Console,
        keyboard: int = 0,
    ) -> None:
        """Touch nothing yet.

        Args:
            controller: what is shown and changed; its owner flushes it.
            console: where it is shown.
            keyboard: file descriptor that keys are read from if it is a TTY.
        """
        self.keys = Keys(controller)
        self._controller = controller
        self._screen = Screen(console, keyboard)
        self._message = ""
        self._card, self._is_card_shown = "", False
        self._peaks: dict[str, float] = {}
        """Highest since the last drawing, so that none is missed between two."""
        self._due = 0.0

    def __enter__(self) -> Self:
        self._screen.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._screen.__exit__(kind, error, trace)

    def say(self, message: str) -> None:
        """Show a line until the next key."""
        self._message = message
        if not self._screen.is_drawn_on:
            self._screen.tell(message)

    def show_card(self, text: str) -> None:
        """Show lines instead of the mixer until the next key, and again with CARD_KEY."""
        self._card, self._is_card_shown = text, bool(text)
        if not self._screen.is_drawn_on:
            self._screen.tell_lines(text)

    def poll(self) -> bool:
        """Act on the keys that wait and draw if it is time; False once the user asked to quit."""
        for key in self._screen.typed():
            self._is_card_shown = bool(self._card) and key == CARD_KEY and not self._is_card_shown
            self.say(self.keys.press(key))
        levels = self._controller.meters()
        self._peaks = {
            name: max(
                level.peak,
                self._peaks.get(name, 0.0),
            )
            for name, level in levels.items()
        }
        now = time.monotonic()
        if now >= self._due:
            self._due = now + (DRAW_SECONDS if self._screen.is_drawn_on else LINE_SECONDS)
            self._show(levels)
        return not self.keys.is_done

    def _show(self, levels: Mapping[str, Meter]) -> None:
        if not self._screen.can_take:
            return
        status = self._controller.status
        if not self._screen.is_drawn_on:
            self._screen.tell(status_line(self._controller, status))
            return
        if self._is_card_shown:
            self._screen.draw(Text(f"{self._card}\n{CARD_KEY} shows this again", no_wrap=True))
            return
        shown = {
            name: Meter(
                self._peaks[name],
                level.rms,
            )
            for name, level in levels.items()
        }
        selected = self.keys.row.name
        self._screen.draw(view(self._controller, shown, status, self._message, selected))
        self._peaks = {name: peak * PEAK_FALL for name, peak in self._peaks.items()}
