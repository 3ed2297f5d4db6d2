"""The terminal's view as lines, and keys pressed."""

from __future__ import annotations

import io

from rich.console import Console, RenderableType

from rtmss.live.control.controller import MixerController
from rtmss.live.control.keys import Keys, split_keys
from rtmss.live.shared.state import Status

STATUS = Status(
    "running",
    4711,
    1.5,
    3,
    late=12,
    fallbacks=5,
    xruns=7,
    bad_samples=2,
    load=0.43,
    p50_ms=4.91,
    p99_ms=6.28,
    p999_ms=8.37,
    max_ms=19.46,
    sample_rate=44100,
    block=128,
    latency=1664,
    device_latency=256,
)


def draw(shown: RenderableType, *, is_terminal: bool = False) -> list[str]:
    """Lines at 80 by 24."""
    file = io.StringIO()
    Console(width=80, height=24, file=file, force_terminal=is_terminal).print(shown)
    return file.getvalue().splitlines()


def press(controller: MixerController, keys: str) -> list[str]:
    """Messages of keys pressed one after the other."""
    pressed = Keys(controller)
    return [pressed.press(key) for key in split_keys(keys)[0]]


def row_of(lines: list[str], name: str) -> str:
    """The line that shows a strip."""
    return next(line for line in lines if name in line)
