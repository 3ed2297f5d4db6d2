"""The control side's view: changes now, changes later, presets in the background."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from helpers.makers import MakeCondition
from rtmss.conditions.condition import save_condition
from rtmss.conditions.library import Library
from rtmss.config import UserError
from rtmss.engine.control import Scene, Stem, Strip
from rtmss.live.control.controller import AHEAD_HOPS, MAX_SCHEDULED, MixerController, PresetLoaded
from rtmss.live.shared.state import N_METERS, SharedState, Status


@pytest.fixture
def controller(
    shared: SharedState, tmp_path: Path, make_condition: MakeCondition
) -> MixerController:
    condition = make_condition("vocals")
    save_condition(tmp_path / "conditions" / "me.safetensors", condition)
    (tmp_path / "solo.yaml").write_text("stems: {me: {condition: me, mute: true}}\nfallback: dry\n")
    (tmp_path / "broken.yaml").write_text("stems: {me: {condition: nobody}}\n")
    controller = MixerController(shared, Library([tmp_path]), condition.header.model_id)
    controller.play("first", Scene((Stem("voice", condition),)))
    controller.flush()
    return controller


def _reach(shared: SharedState, hop: int, seconds: float = 0.0) -> None:
    shared.report(
        Status("running", hop, seconds, sample_rate=8000, hop_length=64),
        np.zeros((N_METERS, 2), np.float32),
    )


def _sent(shared: SharedState) -> list[tuple[int, float]]:
    """Hop and gain of what counts."""
    return [(entry.hop, entry.scene.stems[0].strip.gain_db) for entry in shared.receive(0)]


def _gain(gain_db: float, name: str = "voice"):  # type: ignore[no-untyped-def]
    return lambda scene: scene.with_strip(name, gain_db=gain_db)


def test_nothing_is_sent_before_the_flush(controller: MixerController, shared: SharedState) -> None:
    controller.change(_gain(-6.0))
    assert _sent(shared) == [(0, 0.0)]
    controller.flush()
    assert _sent(shared) == [(0, -6.0)]


def test_all_changes_before_a_flush_go_in_one_scene(controller: MixerController) -> None:
    number = controller.number
    controller.change(_gain(-6.0))
    controller.change(lambda scene: replace(scene, bypass=True))
    controller.flush()
    assert controller.number == number + 1


def test_a_flush_without_changes_sends_nothing(controller: MixerController) -> None:
    number = controller.number
    controller.flush()
    assert controller.number == number


def test_a_change_that_cannot_be_made_is_refused_and_changes_nothing(
    controller: MixerController,
) -> None:
    before = controller.scene
    for hop in (0, 50):
        with pytest.raises(UserError, match="no stem 'vioce'; did you mean 'voice'"):
            controller.change(_gain(-6.0, "vioce"), hop)
    assert controller.scene is before
    assert controller.scheduled == []


def test_a_change_for_later_is_sent_with_its_hop_and_leaves_the_present_alone(
    controller: MixerController, shared: SharedState
) -> None:
    controller.change(_gain(-9.0), hop=20)
    controller.flush()
    assert _sent(shared) == [(0, 0.0), (20, -9.0)]


def test_a_change_made_meanwhile_is_heard_now_and_then_too(
    controller: MixerController, shared: SharedState
) -> None:
    controller.change(_gain(-9.0), hop=20)
    controller.flush()
    controller.change(lambda scene: scene.with_strip("voice", mute=True))
    controller.flush()
    now, later = shared.receive(0)
    assert (now.scene.stems[0].strip, later.scene.stems[0].strip) == (
        Strip(0.0, True),
        Strip(-9.0, True),
    )


def test_once_its_hop_is_reached_a_change_belongs_to_the_scene(
    controller: MixerController, shared: SharedState
) -> None:
    controller.change(_gain(-9.0), hop=20)
    controller.flush()
    _reach(shared, 20)
    controller.flush()
    assert controller.scene.stems[0].strip.gain_db == -9.0
    assert _sent(shared) == [(0, -9.0)]


def test_changes_for_much_later_wait_until_their_hop_is_near(
    controller: MixerController, shared: SharedState
) -> None:
    due = 3 * AHEAD_HOPS
    controller.change(_gain(-9.0), hop=due)
    controller.flush()
    assert _sent(shared) == [(0, 0.0)]
    _reach(shared, due - AHEAD_HOPS)
    controller.flush()
    assert _sent(shared) == [(0, 0.0), (due, -9.0)]


def test_what_was_due_in_an_engine_that_died_is_heard_at_once(
    controller: MixerController, shared: SharedState
) -> None:
    _reach(shared, 1000)
    controller.flush()
    controller.change(_gain(-9.0), hop=1100)
    controller.flush()
    _reach(shared, 3)
    controller.flush()
    assert _sent(shared) == [(0, -9.0)]


def test_too_many_changes_for_later_are_refused(controller: MixerController) -> None:
    for hop in range(MAX_SCHEDULED):
        controller.change(_gain(-1.0), hop + 1)
    with pytest.raises(UserError, match="waiting already"):
        controller.change(_gain(-1.0), 5)


def test_a_control_side_that_comes_back_finds_the_scene_that_plays(
    controller: MixerController, shared: SharedState, tmp_path: Path
) -> None:
    controller.change(_gain(-6.0))
    controller.flush()
    again = MixerController(shared, Library([tmp_path]), "")
    assert (again.preset, again.number) == ("first", controller.number)
    assert again.scene.stems[0].strip.gain_db == -6.0


def test_a_control_side_that_comes_back_takes_back_what_it_no_longer_knows_of(
    controller: MixerController, shared: SharedState, tmp_path: Path
) -> None:
    controller.change(_gain(-9.0), hop=20)
    controller.flush()
    MixerController(shared, Library([tmp_path]), "").flush()
    assert _sent(shared) == [(0, 0.0)]


def _wait(controller: MixerController, n: int = 1) -> list[PresetLoaded]:
    """The next presets to be there, `n` of them."""
    loaded: list[PresetLoaded] = []
    for _ in range(200):
        loaded += controller.finish_loading()
        if len(loaded) >= n:
            return loaded
        time.sleep(0.01)
    raise AssertionError(f"{len(loaded)} of {n} presets are there")


def test_a_preset_loads_in_the_background_and_keeps_the_bypass(
    controller: MixerController, shared: SharedState
) -> None:
    controller.change(lambda scene: replace(scene, bypass=True))
    controller.start_loading("solo")
    assert _wait(controller)[0].error is None
    controller.flush()
    entry = shared.receive(0)[-1]
    assert (
        entry.preset,
        entry.scene.bypass,
        entry.scene.fallback,
    ) == ("solo", True, "dry")
    assert entry.scene.stems[0].strip.mute


def test_a_preset_asked_for_in_a_panic_ends_it(
    controller: MixerController, shared: SharedState
) -> None:
    shared.panic = True
    controller.start_loading("solo")
    _wait(controller)
    assert not shared.panic


def test_a_preset_asked_for_before_a_panic_does_not_end_it(
    controller: MixerController, shared: SharedState
) -> None:
    controller.start_loading("solo")
    shared.panic = True
    _wait(controller)
    assert shared.panic


def test_presets_are_there_in_the_order_of_asking(controller: MixerController) -> None:
    for name in ("solo", "broken", "solo"):
        controller.start_loading(name)
    assert [preset.name for preset in _wait(controller, 3)] == ["solo", "broken", "solo"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("solos", "did you mean 'solo'"),
        ("broken", "no condition 'nobody'"),
        ("./solo.yaml", "no preset"),
    ],
)
def test_a_preset_that_fails_to_load_leaves_the_scene_alone(
    controller: MixerController, name: str, message: str
) -> None:
    before = controller.scene
    controller.start_loading(name)
    error = _wait(controller)[0].error
    assert message in str(error)
    assert controller.scene is before


def test_a_path_is_no_name_of_a_preset(controller: MixerController, tmp_path: Path) -> None:
    controller.start_loading(str(tmp_path / "solo.yaml"))
    assert _wait(controller)[0].scene is None


def test_a_moment_falls_into_the_hop_that_is_stepped_then(
    controller: MixerController, shared: SharedState
) -> None:
    _reach(shared, 100, seconds=50.0)
    assert controller.hop_at(50.0 + 64 / 8000 * 10) == 110
    assert controller.hop_at(50.0 + 64 / 8000 * 9.5) == 110
