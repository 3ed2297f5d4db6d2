"""The terminal of the live host: what plays and how well, drawn or told in lines."""

from __future__ import annotations

import json
import math
import os
import select
import textwrap
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from types import TracebackType
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from rtmss.console import can_take
from rtmss.engine.control import Scene
from rtmss.live.control.controller import MixerController
from rtmss.live.control.keys import Key, Keys, key_lines, rows, split_keys
from rtmss.live.control.song_text import cue_line, song_line, song_numbers, song_state
from rtmss.live.shared.state import Meter, Status

try:
    import termios
    import tty

    HAS_KEYS = True
except ImportError:  # Windows
    HAS_KEYS = False

N_COLUMNS, N_LINES = 80, 24
METER_DB, METER_WIDTH = -60.0, 24
"""Level at the left end of a meter; the right end is full scale."""
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
    strips = _strips(controller.scene, levels, selected)
    above: list[RenderableType] = [*_head(controller, status), strips, Text(), *_foot(status)]
    below = [_help(keys) for keys in key_lines(controller)]
    n_lines = len(above) + strips.row_count + len(below)
    return Group(*above, *_message(message, N_LINES - n_lines), *below)


def _message(message: str, n_lines: int) -> list[Text]:
    """A message in whole words, in one line at least and `n_lines` at most."""
    lines = textwrap.wrap(_plain(message), N_COLUMNS, max_lines=max(n_lines, 1), placeholder=" …")
    return [_line((line, "bold yellow")) for line in lines or [""]]


def _help(keys: Sequence[Key]) -> Text:
    return Text(" ", no_wrap=True).join(
        Text.assemble((row.shown, "bold"), f" {row.does}") for row in keys
    )


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
    song = (f" {song_state(transport).upper()} ", "reverse"), f" {_plain(song_line(transport))}"
    bypass = (
        (" BYPASS: the input is heard, b ends it ", "bold black on yellow")
        if controller.scene.bypass
        else ""
    )
    return [
        _line(
            (f" {status.state.upper()} ", state_style),
            (f" {_plain(controller.preset):.40}", "bold"),
            device,
        ),
        _line(
            f"latency {_length(status.latency, status)} + device "
            f"{_length(status.device_latency, status)}",
            _drift(status),
        ),
        *([_line(*song)] if transport.song else []),
        *([] if cues is None else [_line((" CUE ", "reverse"), f" {_plain(cue_line(cues))}")]),
        _line(panic, bypass, _recording(controller), _midi(controller)),
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
        return f" MIDI: move a control for {_plain(midi.learning)} ", "bold black on yellow"
    missing = ", ".join(midi.missing)
    return (f" MIDI waits for {_plain(missing)} ", "bold red") if missing else (" MIDI ", "green")


def _drift(status: Status) -> str:
    return f", drift {status.drift_ppm:+.0f} ppm" if status.n_devices > 1 else ""


def _strips(
    scene: Scene,
    levels: Mapping[str, Meter],
    selected: str,
) -> Table:
    table = Table(
        box=None,
        padding=(0, 1, 0, 0),
        header_style="dim",
        pad_edge=False,
    )
    for title, width in (
        ("", 2),
        ("strip", 9),
        ("condition", 12),
        ("-60     -40     -20    0", METER_WIDTH),
    ):
        table.add_column(title, width=width, no_wrap=True)
    for title, width in (
        ("rms", 6),
        ("peak", 6),
        ("gain dB", 7),
        ("pan", 3),
    ):
        table.add_column(title, width=width, justify="right", no_wrap=True)
    table.add_column("", width=3, no_wrap=True)
    is_any_solo = any(row.strip.solo for row in rows(scene))
    for row in rows(scene):
        is_selected, strip = row.name == selected, row.strip
        is_silent = strip.mute or (is_any_solo and not strip.solo and row.name != "master")
        style = "reverse" if is_selected else "dim" if is_silent else ""
        names = [f"{'>' if is_selected else ' '}{row.key}", _plain(row.name), _plain(row.condition)]
        flags = Text.assemble(
            ("M" if strip.mute else " ", "bold red"),
            " ",
            ("S" if strip.solo else " ", "bold yellow"),
        )
        level = _level(levels.get(row.name, Meter(0, 0)))
        table.add_row(
            *(Text(name, style) for name in names),
            *level,
            f"{strip.gain_db:+.1f}",
            _pan(strip.pan),
            flags,
        )
    return table


def _level(meter: Meter) -> tuple[Text, Text, Text]:
    """The bar of the RMS with a mark at the peak, and both as numbers; red is full scale."""
    filled, peak = _n_cells(meter.rms), _n_cells(meter.peak)
    bar = "█" * filled + " " * (METER_WIDTH - filled)
    bar = bar[: peak - 1] + "┃" + bar[peak:] if peak else bar
    text = Text(bar, "green")
    text.stylize("yellow", METER_WIDTH * 4 // 5)
    text.stylize("red", METER_WIDTH - 1)
    return (
        text,
        Text(f"{dbfs(meter.rms):.1f}"),
        Text(f"{dbfs(meter.peak):.1f}", "bold red" if meter.peak >= 1 else ""),
    )


def _pan(pan: float) -> str:
    """`L3` or `R10`, in tenths; nothing in the middle."""
    side = "L" if pan < 0 else "R"
    return f"{side}{10 * abs(pan):.0f}" if pan else ""


def _n_cells(level: float) -> int:
    return round(
        METER_WIDTH
        * min(
            max(1 - dbfs(level) / METER_DB, 0.0),
            1.0,
        )
    )


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
        _line(
            "load ",
            (f"{status.load:.0%}", "bold red" if status.load >= 1 else "bold"),
            steps,
        ),
        _line(*shown),
    ]


def _line(*parts: str | tuple[str, str]) -> Text:
    return Text.assemble(*parts, no_wrap=True, overflow="ellipsis")


def _plain(text: str) -> str:
    """One line that holds no commands to the terminal; names come from files."""
    return "".join(character if character.isprintable() else " " for character in text)


def _length(n_samples: int, status: Status) -> str:
    milliseconds = 1000 * n_samples / status.sample_rate if status.sample_rate else 0.0
    return f"{n_samples} samples = {milliseconds:.1f} ms"


def dbfs(level: float) -> float:
    """A level with full scale 1 in dBFS, rounded to 0.1; silence is -120."""
    return (
        round(
            20 * math.log10(min(max(1e-6, level), 1e6)),
            1,
        )
        + 0.0
    )  # no -0.0


def status_line(controller: MixerController, status: Status) -> str:
    """How it goes, for a log that a person reads."""
    alarms = ", PANIC" * controller.shared.panic + ", BYPASS" * controller.scene.bypass
    state, seconds, lost = controller.shared.recording
    recording = "" if state == "off" else f", recording {seconds:.0f} s, lost hops {lost}"
    if state == "stopped":
        recording = f", RECORDING STOPPED at {seconds:.0f} s"
    times = f"load {status.load:.0%}, p99 {status.p99_ms:.2f} ms"
    counts = f"late hops {status.late}, fallbacks {status.fallbacks}, xruns {status.xruns}"
    latency = f"latency {_length(status.latency, status)}{_drift(status)}"
    transport = controller.shared.transport
    song = f", {song_state(transport)} {_plain(song_line(transport))}" if transport.song else ""
    cue = f", cue {_plain(controller.cues.name) or 'none'}" if controller.cues else ""
    if controller.midi is not None and controller.midi.missing:
        cue += f", MIDI waits for {_plain(', '.join(controller.midi.missing))}"
    return (
        f"{status.state} {_plain(controller.preset)}{alarms}, {latency}, {times}, "
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


@contextmanager
def _cbreak(keyboard: int) -> Iterator[None]:
    """Keys one by one and unseen, until the end."""
    before = termios.tcgetattr(keyboard)
    before[3] |= termios.ECHO | termios.ICANON  # a process that was killed leaves them off
    tty.setcbreak(keyboard, termios.TCSANOW)
    try:
        yield
    finally:
        with suppress(termios.error):  # the terminal may have gone
            termios.tcsetattr(keyboard, termios.TCSANOW, before)


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
        self._controller, self._console, self._keyboard = controller, console, keyboard
        self._live: Live | None = None
        self._has_keys = False
        self._message, self._pending = "", ""
        self._card, self._is_card_shown = "", False
        self._peaks: dict[str, float] = {}
        """Highest since the last drawing, so that none is missed between two."""
        self._due = 0.0
        self._on_exit = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            if HAS_KEYS and os.isatty(self._keyboard):
                stack.enter_context(_cbreak(self._keyboard))
                self._has_keys = True
            if self._console.is_terminal and not self._console.is_dumb_terminal:
                self._live = stack.enter_context(
                    Live(console=self._console, screen=True, auto_refresh=False)
                )
            self._on_exit = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._has_keys, self._live = False, None
        self._on_exit.__exit__(kind, error, trace)

    def say(self, message: str) -> None:
        """Show a line until the next key."""
        self._message = message
        if self._live is None:
            self._print(message)

    def show_card(self, text: str) -> None:
        """Show lines instead of the mixer until the next key, and again with CARD_KEY."""
        self._card, self._is_card_shown = text, bool(text)
        if self._live is None:
            self._console.print(Text(text), soft_wrap=True)

    def poll(self) -> bool:
        """Act on the keys that wait and draw if it is time; False once the user asked to quit."""
        for key in self._read_keys():
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
            self._due = now + (LINE_SECONDS if self._live is None else DRAW_SECONDS)
            self._show(levels)
        return not self.keys.is_done

    def _show(self, levels: Mapping[str, Meter]) -> None:
        if not can_take(self._console.file):
            return  # Ctrl-S has stopped the terminal, or nobody reads the pipe
        status = self._controller.status
        if self._live is None:
            self._print(status_line(self._controller, status))
            return
        if self._is_card_shown:
            self._live.update(Text(f"{self._card}\n{CARD_KEY} shows this again", no_wrap=True))
            self._live.refresh()
            return
        shown = {
            name: Meter(
                self._peaks[name],
                level.rms,
            )
            for name, level in levels.items()
        }
        self._live.update(
            view(
                self._controller,
                shown,
                status,
                self._message,
                self.keys.row.name,
            ),
            refresh=True,
        )
        self._peaks = {name: peak * PEAK_FALL for name, peak in self._peaks.items()}

    def _print(self, line: str) -> None:
        if line:
            self._console.print(Text(_plain(line)), soft_wrap=True)

    def _read_keys(self) -> list[str]:
        if (
            not self._has_keys
            or not select.select(
                [self._keyboard],
                [],
                [],
                0,
            )[0]
        ):
            return []
        try:
            read = os.read(self._keyboard, 1024)
        except OSError:  # the terminal has gone
            read = b""
        self._has_keys = bool(read)
        keys, self._pending = split_keys(self._pending + read.decode("ascii", "ignore"))
        return keys
