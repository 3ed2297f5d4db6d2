"""A song that plays between two points again and again."""

from __future__ import annotations

import numpy as np
import pytest

from helpers.song_player import Make, n_silent, rms
from rtmss.engine.control import Scene
from rtmss.live.buffers.declick import FADE
from rtmss.live.shared.song_state import loop, play
from rtmss.live.song.jump import SLACK, WarmUp

HOP, RATE = 64, 8000
N_SAMPLES = 400 * HOP
WARM_UP = WarmUp.most
GAP = 1 + WARM_UP // WarmUp.block + SLACK
"""Hops of a whole warmed-up jump: the one that fades out, then silence."""


@pytest.mark.slow
def test_a_loop_closes_without_a_gap_and_keeps_its_length(play_song: Make) -> None:
    a, b = 100 * HOP + 11, 190 * HOP + 30
    one = play_song(is_looping=True, a_seconds=a / RATE, b_seconds=b / RATE)
    one.shared.send(Scene(one.scene.stems, bypass=True, fade_ms=0.0), "")
    latency = one.player.timeline.latency
    heard = one.run(400)[:, latency:]
    length, places = b - a, np.arange(heard.shape[1])
    expected = one.song[:, np.where(places < b, places, a + (places - a) % length)]
    away = np.abs((places - b + length // 2) % length - length // 2) > FADE + HOP
    away |= places < b - FADE - HOP
    away[:FADE] = False
    assert np.abs(heard[:, away] - expected[:, away]).max() == 0
    assert n_silent(heard) == 0
    assert one.player.timeline.n_late == 0


@pytest.mark.slow
def test_after_a_loop_it_sounds_like_a_stream_that_began_earlier(play_song: Make) -> None:
    a, b = 100 * HOP, 190 * HOP + 30
    one = play_song(is_looping=True, a_seconds=a / RATE, b_seconds=b / RATE)
    heard = one.run(190 + 60)[:, 190 * HOP + one.lag :]
    expected = one.stream(a - 30, 60, WARM_UP)[:, : heard.shape[1]]
    assert rms(expected) > 0.01
    assert np.abs(heard[:, FADE:] - expected[:, FADE:]).max() < 1e-6


@pytest.mark.slow
def test_without_time_for_two_sessions_a_loop_keeps_its_length_with_a_gap(play_song: Make) -> None:
    a, b = 100 * HOP, 190 * HOP
    one = play_song(has_time=False, is_looping=True, a_seconds=a / RATE, b_seconds=b / RATE)
    heard = one.run(190 + 60)[:, one.lag :]
    assert not heard[:, (190 - GAP + 1) * HOP : 190 * HOP].any()
    after = heard[:, 190 * HOP :]
    expected = one.stream(a, 60, WARM_UP)[:, : after.shape[1]]
    assert np.abs(after[:, FADE:] - expected[:, FADE:]).max() < 1e-6
    assert one.player.timeline.n_late == 0


@pytest.mark.slow
def test_a_short_loop_that_the_position_is_almost_through_still_goes_back(play_song: Make) -> None:
    one = play_song()
    one.run(100)
    one.shared.transport.change(
        loop(is_looping=True, a_seconds=0.2, b_seconds=one.position / RATE + 0.01)
    )
    one.run(GAP + 5)
    assert 0.2 * RATE <= one.position <= 0.2 * RATE + 16 * HOP
    assert one.player.timeline.n_late == 0


@pytest.mark.slow
@pytest.mark.parametrize("n_loops", [1, 3])
def test_a_loop_is_played_as_often_as_was_asked_and_then_left(
    play_song: Make, n_loops: int
) -> None:
    a, b = 100 * HOP, 180 * HOP
    one = play_song(is_looping=True, a_seconds=a / RATE, b_seconds=b / RATE, n_loops=n_loops)
    one.run(180 + (n_loops - 1) * 80)
    assert one.position == b
    one.run(20)
    assert one.position == b + 20 * HOP
    assert one.shared.transport.playback.read().n_passes == n_loops - 1


@pytest.mark.slow
def test_a_pause_just_before_the_end_of_a_loop_loses_nothing(play_song: Make) -> None:
    a, b = 100 * HOP, 180 * HOP
    one = play_song(is_looping=True, a_seconds=a / RATE, b_seconds=b / RATE)
    one.run(140)
    one.shared.transport.change(play(on=False))
    one.run(60)
    assert one.position == 141 * HOP
    one.shared.transport.change(play(on=True))
    heard = one.run(38 + 20)[:, one.lag + HOP :]
    assert n_silent(heard) == 0
    assert one.position == a + 19 * HOP


@pytest.mark.slow
def test_a_loop_that_was_cleared_is_left(play_song: Make) -> None:
    one = play_song(is_looping=True, a_seconds=100 * HOP / RATE, b_seconds=180 * HOP / RATE)
    one.run(175)
    one.shared.transport.change(loop(is_looping=False))
    heard = one.run(30)
    assert one.position == 205 * HOP
    assert n_silent(heard) == 0
