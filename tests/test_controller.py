"""The control side's view: changes now, changes later, presets in the background."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import MakeCondition

from rtmss.conditions.condition import save_condition
from rtmss.conditions.preset import Library
from rtmss.config import UserError
from rtmss.engine.control import Scene, Stem, Strip
from rtmss.live.control.controller import AHEAD_HOPS, MAX_SCHEDULED, Desk, Loaded
from rtmss.live.shared.state import N_METERS, Link, Status


@pytest.fixture
def desk(link: Link, tmp_path: Path, make_condition: MakeCondition) -> Desk:
    condition = make_condition("vocals")
    save_condition(tmp_path / "conditions" / "me.safetensors", condition)
    (tmp_path / "solo.yaml").write_text("stems: {me: {condition: me, mute: true}}\nfallback: dry\n")
    (tmp_path / "broken.yaml").write_text("stems: {me: {condition: nobody}}\n")
    desk = Desk(link, Library([tmp_path]), condition.header.model_id, 64)
    desk.play("first", Scene((Stem("voice", condition),)))
    desk.flush()
    return desk


def _reach(link: Link, hop: int, seconds: float = 0.0) -> None:
    link.report(Status("running", hop, seconds, sample_rate=8000), np.zeros((N_METERS, 2), np.float32))


def _sent(link: Link) -> list[tuple[int, float]]:
    """Hop and gain of what counts."""
    return [(entry.hop, entry.scene.stems[0].strip.gain_db) for entry in link.receive(0)]


def _gain(gain_db: float, name: str = "voice"):  # type: ignore[no-untyped-def]
    return lambda scene: scene.with_strip(name, gain_db=gain_db)


def test_nothing_is_sent_before_the_flush(desk: Desk, link: Link) -> None:
    desk.change(_gain(-6.0))
    assert _sent(link) == [(0, 0.0)]
    desk.flush()
    assert _sent(link) == [(0, -6.0)]


def test_all_changes_before_a_flush_go_in_one_scene(desk: Desk) -> None:
    number = desk.number
    desk.change(_gain(-6.0))
    desk.change(lambda scene: replace(scene, bypass=True))
    desk.flush()
    assert desk.number == number + 1


def test_a_flush_without_changes_sends_nothing(desk: Desk) -> None:
    number = desk.number
    desk.flush()
    assert desk.number == number


def test_a_change_that_cannot_be_made_is_refused_and_changes_nothing(desk: Desk) -> None:
    before = desk.scene
    for hop in (0, 50):
        with pytest.raises(UserError, match="no stem 'vioce'; did you mean 'voice'"):
            desk.change(_gain(-6.0, "vioce"), hop)
    assert desk.scene is before
    assert desk.scheduled == []


def test_a_change_for_later_is_sent_with_its_hop_and_leaves_the_present_alone(desk: Desk, link: Link) -> None:
    desk.change(_gain(-9.0), hop=20)
    desk.flush()
    assert _sent(link) == [(0, 0.0), (20, -9.0)]


def test_a_change_made_meanwhile_is_heard_now_and_then_too(desk: Desk, link: Link) -> None:
    desk.change(_gain(-9.0), hop=20)
    desk.flush()
    desk.change(lambda scene: scene.with_strip("voice", mute=True))
    desk.flush()
    now, later = link.receive(0)
    assert (now.scene.stems[0].strip, later.scene.stems[0].strip) == (Strip(0.0, True), Strip(-9.0, True))


def test_once_its_hop_is_reached_a_change_belongs_to_the_scene(desk: Desk, link: Link) -> None:
    desk.change(_gain(-9.0), hop=20)
    desk.flush()
    _reach(link, 20)
    desk.flush()
    assert desk.scene.stems[0].strip.gain_db == -9.0
    assert _sent(link) == [(0, -9.0)]


def test_changes_for_much_later_wait_until_their_hop_is_near(desk: Desk, link: Link) -> None:
    due = 3 * AHEAD_HOPS
    desk.change(_gain(-9.0), hop=due)
    desk.flush()
    assert _sent(link) == [(0, 0.0)]
    _reach(link, due - AHEAD_HOPS)
    desk.flush()
    assert _sent(link) == [(0, 0.0), (due, -9.0)]


def test_what_was_due_in_an_engine_that_died_is_heard_at_once(desk: Desk, link: Link) -> None:
    _reach(link, 1000)
    desk.flush()
    desk.change(_gain(-9.0), hop=1100)
    desk.flush()
    _reach(link, 3)
    desk.flush()
    assert _sent(link) == [(0, -9.0)]


def test_too_many_changes_for_later_are_refused(desk: Desk) -> None:
    for hop in range(MAX_SCHEDULED):
        desk.change(_gain(-1.0), hop + 1)
    with pytest.raises(UserError, match="waiting already"):
        desk.change(_gain(-1.0), 5)


def test_a_desk_that_comes_back_finds_the_scene_that_plays(desk: Desk, link: Link, tmp_path: Path) -> None:
    desk.change(_gain(-6.0))
    desk.flush()
    again = Desk(link, Library([tmp_path]), "", 64)
    assert (again.preset, again.number) == ("first", desk.number)
    assert again.scene.stems[0].strip.gain_db == -6.0


def test_a_desk_that_comes_back_takes_back_what_it_no_longer_knows_of(desk: Desk, link: Link, tmp_path: Path) -> None:
    desk.change(_gain(-9.0), hop=20)
    desk.flush()
    Desk(link, Library([tmp_path]), "", 64).flush()
    assert _sent(link) == [(0, 0.0)]


_there: list[Loaded] = []


def _wait(desk: Desk) -> Loaded:
    """The next one to be there."""
    for _ in range(200):
        _there.extend(desk.finish_loading())
        if _there:
            return _there.pop(0)
        time.sleep(0.01)
    raise AssertionError


def test_a_preset_loads_in_the_background_and_keeps_the_bypass(desk: Desk, link: Link) -> None:
    desk.change(lambda scene: replace(scene, bypass=True))
    desk.start_loading("solo")
    assert _wait(desk).error is None
    desk.flush()
    entry = link.receive(0)[-1]
    assert (entry.preset, entry.scene.bypass, entry.scene.fallback) == ("solo", True, "dry")
    assert entry.scene.stems[0].strip.mute


def test_a_preset_asked_for_in_a_panic_ends_it(desk: Desk, link: Link) -> None:
    link.panic = True
    desk.start_loading("solo")
    _wait(desk)
    assert not link.panic


def test_a_preset_asked_for_before_a_panic_does_not_end_it(desk: Desk, link: Link) -> None:
    desk.start_loading("solo")
    link.panic = True
    _wait(desk)
    assert link.panic


def test_presets_are_there_in_the_order_of_asking(desk: Desk) -> None:
    for name in ("solo", "broken", "solo"):
        desk.start_loading(name)
    assert [_wait(desk).name, _wait(desk).name, _wait(desk).name] == ["solo", "broken", "solo"]


@pytest.mark.parametrize(
    ("name", "message"),
    [("solos", "did you mean 'solo'"), ("broken", "no condition 'nobody'"), ("./solo.yaml", "no preset")],
)
def test_a_preset_that_fails_to_load_leaves_the_scene_alone(desk: Desk, name: str, message: str) -> None:
    before = desk.scene
    desk.start_loading(name)
    error = _wait(desk).error
    assert message in str(error)
    assert desk.scene is before


def test_a_path_is_no_name_of_a_preset(desk: Desk, tmp_path: Path) -> None:
    desk.start_loading(str(tmp_path / "solo.yaml"))
    assert _wait(desk).scene is None


def test_a_moment_falls_into_the_hop_that_is_stepped_then(desk: Desk, link: Link) -> None:
    _reach(link, 100, seconds=50.0)
    assert desk.hop_at(50.0 + 64 / 8000 * 10) == 110
    assert desk.hop_at(50.0 + 64 / 8000 * 9.5) == 110
