"""The engine without its device: scenes at their hop, status, meters, and falling behind."""

from __future__ import annotations

import numpy as np
import pytest

from helpers.makers import MakeCondition, Noise
from rtmss.audio import Audio
from rtmss.engine.control import Scene, Stem, Strip
from rtmss.engine.session import Session
from rtmss.live.buffers.timeline import Timeline
from rtmss.live.realtime.player import Player
from rtmss.live.realtime.source import DeviceSource
from rtmss.live.realtime.step_times import StepTimes
from rtmss.live.shared.state import SharedState, Status
from rtmss.model.separator import SeparatorModel

HOP = 64


@pytest.fixture
def scene(make_condition: MakeCondition) -> Scene:
    return Scene((Stem("voice", make_condition("vocals")),), fade_ms=0.0)


@pytest.fixture
def player(tiny: SeparatorModel, shared: SharedState, scene: Scene) -> Player:
    shared.send(scene, "first")
    session = Session(tiny)
    timeline = Timeline(2, HOP, HOP, session.delay)
    return Player(DeviceSource(session, timeline), timeline, shared)


def _feed(
    player: Player,
    audio: Audio,
    *,
    work: bool = True,
) -> Audio:
    out = np.zeros_like(audio)
    for start in range(0, audio.shape[1], HOP):
        if work:
            player.work()
        player.timeline.exchange(
            audio[:, start : start + HOP],
            out[:, start : start + HOP],
        )
    return out


def test_what_is_heard_is_what_the_session_gives(
    player: Player, tiny: SeparatorModel, scene: Scene, noise: Noise
) -> None:
    audio = noise(40 * HOP)
    heard = _feed(player, audio)
    alone = Session(tiny, scene)
    expected = np.concatenate(
        [
            alone.step(audio[:, i : i + HOP]).mix
            for i in range(
                0,
                audio.shape[1],
                HOP,
            )
        ],
        axis=1,
    )
    lag = player.timeline.lag
    assert np.abs(heard[:, lag:]).max() > 0.01
    assert np.abs(heard[:, lag:] - expected[:, :-lag]).max() < 1e-6


def test_a_scene_for_later_is_heard_from_its_hop_on(
    player: Player, shared: SharedState, scene: Scene, noise: Noise
) -> None:
    muted = Scene(
        tuple(
            Stem(
                s.name,
                s.condition,
                Strip(mute=True),
            )
            for s in scene.stems
        ),
        Strip(mute=True),
        fade_ms=0.0,
    )
    shared.send(scene, "", [(10, muted)])
    heard = _feed(player, noise(30 * HOP))
    lag = player.timeline.lag
    assert np.abs(heard[:, lag + 9 * HOP : lag + 10 * HOP]).max() > 0.01
    assert not heard[:, lag + 10 * HOP :].any()


def test_a_scene_for_later_keeps_its_hop_when_the_engine_is_behind(
    player: Player, shared: SharedState, scene: Scene, noise: Noise
) -> None:
    shared.send(
        scene,
        "",
        [
            (
                3,
                Scene(
                    scene.stems,
                    bypass=True,
                    fade_ms=0.0,
                ),
            )
        ],
    )
    _feed(player, noise(6 * HOP), work=False)
    player.work()
    assert player.timeline.hops()[0] == 3
    assert not player.source.scene.bypass
    player.work()
    assert player.source.scene.bypass


def test_the_status_says_what_has_been_stepped_and_taken_up(
    player: Player, shared: SharedState, scene: Scene, noise: Noise
) -> None:
    number = shared.send(scene.with_strip("voice", gain_db=-3.0), "second")
    _feed(player, noise(20 * HOP))
    status = shared.read()[0]
    assert (
        status.state,
        status.hop,
        status.applied,
        status.late,
    ) == ("running", 19, number, 0)
    assert (status.sample_rate, status.block, status.latency) == (
        8000,
        HOP,
        player.timeline.latency,
    )
    assert 0 < status.p50_ms <= status.p999_ms <= status.max_ms
    assert status.load > 0


def test_late_hops_and_bad_samples_are_reported(
    player: Player, shared: SharedState, noise: Noise
) -> None:
    audio = noise(40 * HOP)
    audio[0, 5] = np.nan
    _feed(player, audio[:, : 10 * HOP])
    _feed(
        player,
        audio[:, 10 * HOP : 20 * HOP],
        work=False,
    )
    _feed(player, audio[:, 20 * HOP :])
    status = shared.read()[0]
    assert status.late > 5
    assert (status.fallbacks, status.bad_samples) == (1, 1)


def test_an_engine_too_far_behind_gives_up_what_is_older(player: Player, noise: Noise) -> None:
    _feed(
        player,
        noise((player.timeline.n_hops - 4) * HOP),
        work=False,
    )
    while player.work():
        pass
    assert player.timeline.hops() == (player.timeline.n_hops - 4, 0)


def test_after_such_a_gap_the_sound_is_at_its_place_again(
    player: Player, shared: SharedState, scene: Scene, noise: Noise
) -> None:
    shared.send(
        Scene(scene.stems, bypass=True, fade_ms=0.0),
        "",
    )
    n_hops = player.timeline.n_hops
    audio, gap, after = noise((n_hops + 30) * HOP), 10 * HOP, (n_hops + 6) * HOP
    _feed(player, audio[:, :gap])
    _feed(player, audio[:, gap:after], work=False)
    heard, latency = (
        _feed(
            player,
            audio[:, after:],
        ),
        player.timeline.latency,
    )
    assert not heard[:, :HOP].any()  # nothing of what was heard before the gap
    assert np.array_equal(
        heard[:, 8 * HOP :],
        audio[:, after + 8 * HOP - latency : -latency],
    )


def test_meters_follow_the_faders(
    player: Player, shared: SharedState, scene: Scene, noise: Noise
) -> None:
    _feed(player, noise(10 * HOP))
    before = shared.read()[1]
    shared.send(scene.with_strip("voice", mute=True), "")
    _feed(player, noise(10 * HOP))
    after = shared.read()[1]
    assert before[0].peak > before[0].rms > 0
    assert after[0].peak == 0
    assert after[1].peak > 0
    assert after[-1].rms == pytest.approx(
        after[1].rms,
        rel=1e-4,
    )


def test_a_panic_reaches_the_timeline(player: Player, shared: SharedState, noise: Noise) -> None:
    shared.panic = True
    heard = _feed(player, noise(10 * HOP))
    assert not heard[:, 2 * HOP :].any()


def test_the_fallback_is_that_of_the_scene(
    player: Player, shared: SharedState, scene: Scene
) -> None:
    shared.send(Scene(scene.stems, fallback="dry"), "")
    _feed(
        player,
        np.zeros((2, 2 * HOP), np.float32),
    )
    assert player.timeline.fallback == "dry"


def test_percentiles_are_those_of_the_sorted_times() -> None:
    times, milliseconds = StepTimes(), np.random.default_rng(0).gamma(2.0, 2.0, 5000)
    for value in milliseconds:
        times.add(float(value))
    expected = np.quantile(milliseconds, [0.5, 0.99, 0.999], method="inverted_cdf")
    assert times.percentiles((0.5, 0.99, 0.999)) == pytest.approx(expected, abs=0.051)
    assert times.max_ms == milliseconds.max()


def test_without_steps_there_are_no_percentiles() -> None:
    assert StepTimes().percentiles((0.5,)) == [0.0]


def test_an_untouched_status_is_starting() -> None:
    assert Status().state == "starting"
