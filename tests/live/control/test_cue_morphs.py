"""A cue that morphs a stem: at once, or over its fade."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from helpers.cues import HOP, RATE, Songs, Stage, make_sheet
from rtmss.live.shared.state import SharedState
from rtmss.model.separator import SeparatorModel

N_FADE = 40
FADE_MS = N_FADE * HOP * 1000 / RATE


@pytest.fixture
def stage(shared: SharedState, tiny: SeparatorModel, tmp_path: Path) -> Stage:
    return Stage(shared, tiny, tmp_path)


def songs(*cues: dict[str, object]) -> Songs:
    named = [{"name": str(i), **cue} for i, cue in enumerate(cues)]
    return [{"name": "one", "cues": named}]


def morphs(stage: Stage) -> list[float]:
    """Of the stem, in each hop."""
    return [scene.stems[0].morph for _, scene in stage.heard]


def play(stage: Stage, songs: Songs, n_before: int = 10) -> None:
    stage.begin(make_sheet(songs, files=False))
    stage.cues.fire(0)
    stage.run(n_before)
    stage.cues.fire(1)


def test_without_a_fade_a_morph_is_there_at_once(stage: Stage) -> None:
    play(stage, songs({"morph": 0.75}))
    stage.run(3)
    assert morphs(stage)[9:12] == [0.0, 0.75, 0.75]


def test_with_a_fade_a_stem_is_morphed_step_by_step_in_a_straight_line(stage: Stage) -> None:
    play(stage, songs({"morph": 1.0, "fade": FADE_MS}))
    stage.run(N_FADE + 10)
    way = np.array(morphs(stage)[10:])
    assert way[0] < 0.05
    steps = np.diff(way[: N_FADE - 1])
    assert steps.max() - steps.min() < 1e-9
    assert steps[0] == pytest.approx(1 / N_FADE)
    assert way[N_FADE + 1 :].tolist() == [1.0] * 9
    stem = stage.heard[-1][1].stems[0]
    assert stem.target == stem.condition_b
    assert stage.heard[-1][1].fade_ms == 30.0


def test_a_morph_goes_on_from_where_it_is(stage: Stage) -> None:
    play(stage, songs({"morph": 1.0, "fade": FADE_MS}, {"morph": 0.0, "fade": FADE_MS}))
    stage.run(N_FADE // 2)
    top = morphs(stage)[-1]
    assert 0.4 < top < 0.6
    stage.cues.fire(2)
    stage.run(N_FADE + 5)
    way = np.array(morphs(stage)[10:])
    assert np.abs(np.diff(way)).max() < 1.5 / N_FADE
    assert way.max() <= top + 1.5 / N_FADE
    assert way[-1] == 0.0


def test_a_morph_by_hand_ends_that_of_the_cue(stage: Stage) -> None:
    play(stage, songs({"morph": 1.0, "fade": FADE_MS}))
    stage.run(10)
    [stem] = stage.controller.scene.stems
    by_hand = replace(stem, morph=0.125)
    stage.controller.change(lambda scene: replace(scene, stems=(by_hand,)))
    stage.run(N_FADE + 10)
    assert morphs(stage)[-1] == 0.125


def test_after_a_crash_in_the_middle_the_morph_is_where_it_was_to_be(stage: Stage) -> None:
    plan = songs({"morph": 1.0, "fade": FADE_MS})
    play(stage, plan)
    stage.run(N_FADE // 2)
    stage.start_control(make_sheet(plan, files=False))
    stage.run(3)
    assert morphs(stage)[-1] == 1.0


def test_a_gain_glides_in_a_straight_line_beside_a_morph(stage: Stage) -> None:
    play(stage, songs({"morph": 1.0, "gain_too": -120.0, "fade": FADE_MS}))
    faders = []
    for _ in range(N_FADE + 8):
        stage.run(1)
        faders.append(float(stage.player.source.session._mixer.current[0, 0]))
    line = np.array(faders[:N_FADE])
    steps = np.diff(line)
    assert steps.max() < 0
    assert steps.max() - steps.min() < 1e-6
    assert faders[-1] == 0.0
    assert stage.heard[-1][1].fade_ms == 30.0
