"""What a mixer looks like on a terminal of 80 columns: strips, levels, messages, help."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence

from rich.table import Table
from rich.text import Text

from rtmss.live.control.mixer_keys import MASTER, Key, StripRow
from rtmss.live.shared.state import Meter

N_COLUMNS, N_LINES = 80, 24
METER_DB, METER_WIDTH = -60.0, 24
"""Level at the left end of a meter; the right end is full scale."""


def line(*parts: str | tuple[str, str]) -> Text:
    """One line of texts and of texts with their styles; what does not fit is cut off."""
    return Text.assemble(*parts, no_wrap=True, overflow="ellipsis")


def plain(text: str) -> str:
    """One line that holds no commands to the terminal; names come from files."""
    return "".join(character if character.isprintable() else " " for character in text)


def length(n_samples: int, sample_rate: int) -> str:
    """A number of samples, and how long they are at a rate in Hz, of which 0 is none."""
    milliseconds = 1000 * n_samples / sample_rate if sample_rate else 0.0
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


def message_lines(message: str, n_lines: int) -> list[Text]:
    """A message in whole words, in one line at least and `n_lines` at most."""
    lines = textwrap.wrap(plain(message), N_COLUMNS, max_lines=max(n_lines, 1), placeholder=" …")
    return [line((text, "bold yellow")) for text in lines or [""]]


def help_line(keys: Sequence[Key]) -> Text:
    """Keys, each with what it does."""
    return Text(" ", no_wrap=True).join(
        Text.assemble((row.shown, "bold"), f" {row.does}") for row in keys
    )


def strips_table(
    rows: Sequence[StripRow],
    selected: str,
    levels: Mapping[str, Meter] | None,
) -> Table:
    """Every strip in a line.

    Args:
        rows: the strips.
        selected: the name of one of them.
        levels: by name; None where there are none to show, and names have their room.
    """
    table = _empty_table(has_levels=levels is not None)
    is_any_solo = any(row.strip.solo for row in rows)
    for row in rows:
        is_selected, strip = row.name == selected, row.strip
        is_silent = strip.mute or (is_any_solo and not strip.solo and row.name != MASTER)
        style = "reverse" if is_selected else "dim" if is_silent else ""
        names = [f"{'>' if is_selected else ' '}{row.key}", plain(row.name), plain(row.condition)]
        flags = Text.assemble(
            ("M" if strip.mute else " ", "bold red"),
            " ",
            ("S" if strip.solo else " ", "bold yellow"),
        )
        level = () if levels is None else _level(levels.get(row.name, Meter(0, 0)))
        table.add_row(
            *(Text(name, style) for name in names),
            *level,
            f"{strip.gain_db:+.1f}",
            _pan(strip.pan),
            flags,
        )
    return table


def _empty_table(*, has_levels: bool) -> Table:
    table = Table(
        box=None,
        padding=(0, 1, 0, 0),
        header_style="dim",
        pad_edge=False,
    )
    names = (9, 12) if has_levels else (26, 27)
    for title, width in zip(("", "strip", "condition"), (2, *names), strict=True):
        table.add_column(title, width=width, no_wrap=True)
    if has_levels:
        table.add_column("-60     -40     -20    0", width=METER_WIDTH, no_wrap=True)
    numbers = {"rms": 6, "peak": 6} if has_levels else {}
    for title, width in (numbers | {"gain dB": 7, "pan": 3}).items():
        table.add_column(title, width=width, justify="right", no_wrap=True)
    table.add_column("", width=3, no_wrap=True)
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
