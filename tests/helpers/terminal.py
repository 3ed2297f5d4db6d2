"""The terminal's view as lines, and keys pressed."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console, RenderableType

from helpers.makers import MakeCondition
from rtmss.conditions.library import Library
from rtmss.engine.control import Scene, Stem
from rtmss.live.control.controller import MixerController
from rtmss.live.control.keys import Keys
from rtmss.live.control.mixer_keys import split_keys
from rtmss.live.shared.state import N_METERS, SharedState, Status

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


def draw(
    shown: RenderableType,
    *,
    is_terminal: bool = False,
) -> list[str]:
    """Lines at 80 by 24."""
    file = io.StringIO()
    Console(
        width=80,
        height=24,
        file=file,
        force_terminal=is_terminal,
    ).print(shown)
    return file.getvalue().splitlines()


def press(controller: MixerController, keys: str) -> list[str]:
    """Messages of keys pressed one after the other."""
    pressed = Keys(controller)
    return [pressed.press(key) for key in split_keys(keys)[0]]


def row_of(lines: list[str], name: str) -> str:
    """The line that shows a strip."""
    return next(line for line in lines if name in line)


@pytest.fixture
def controller(tmp_path: Path, make_condition: MakeCondition) -> Iterator[MixerController]:
    """Eight stems of long names, and an engine that reports STATUS."""
    shared = SharedState.create(12)
    shared.report(
        STATUS,
        np.full((N_METERS, 2), 0.1, np.float32),
    )
    controller = MixerController(shared, Library([tmp_path]), "0123456789ab")
    names = [f"stem-{i}-of-a-very-long-name" for i in range(1, 9)]
    controller.play(
        "four-stems",
        Scene(
            tuple(
                Stem(
                    name,
                    make_condition(f"from-{name}"),
                )
                for name in names
            )
        ),
    )
    yield controller
    shared.close(unlink=True)
