"""A controller with more than fits comfortably on a screen."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from helpers.makers import MakeCondition
from helpers.terminal import STATUS
from rtmss.conditions.library import Library
from rtmss.engine.control import Scene, Stem
from rtmss.live.control.controller import MixerController
from rtmss.live.shared.state import N_METERS, SharedState


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
