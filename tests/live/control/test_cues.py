"""Cues by time: at their hop, after jumps, in loops, and while somebody dies."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from helpers.cues import HOP, RATE, Stage, make_sheet
from helpers.makers import Noise
from rtmss.audio import Audio
from rtmss.live.shared.state import SharedState
from rtmss.model.separator import SeparatorModel

N_HOPS = 400
TIMES = (0.4, 0.8, 1.2, 1.6, 2.0, 2.4)


@pytest.fixture
def stage(shared: SharedState, tiny: SeparatorModel, tmp_path: Path) -> Stage:
    return Stage(shared, tiny, tmp_path)


@pytest.fixture
def song(noise: Noise) -> Audio:
    return noise(N_HOPS * HOP)


def one_song(*times: float | None, preset: float = -2.0) -> list[dict[str, object]]:
    """A song whose cues set the gain to -10, -11, ... dB."""
    cues = [
        {"name": f"c{i}", "gain": -10.0 - i, **({} if at is None else {"at": at})}
        for i, at in enumerate(times)
    ]
    return [{"name": "one", "preset": preset, "cues": cues}]


def test_each_cue_by_time_is_heard_in_the_hop_that_holds_its_place(
    stage: Stage, song: Audio
) -> None:
    times = sorted(np.random.default_rng(0).uniform(0.1, 2.9, 40))
    stage.begin(make_sheet(one_song(*times), files=True), song)
    stage.run(N_HOPS)
    for i, at in enumerate(times):
        hop = stage.hop_of_gain(-10.0 - i)
        begins = stage.heard[hop][0] * RATE
        assert begins <= round(at * RATE) < begins + HOP, at
    assert stage.cues.name == "one/c39"
    assert stage.player.timeline.n_late == 0
