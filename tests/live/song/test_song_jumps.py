"""A song that jumps: seeks, pauses, and its end."""

from __future__ import annotations

import numpy as np
import pytest

from helpers.song import publish_song
from helpers.song_player import Make, SongPlayer, n_silent, rms
from rtmss.engine.control import Scene
from rtmss.engine.session import Session
from rtmss.live.buffers.declick import FADE
from rtmss.live.buffers.timeline import Timeline
from rtmss.live.realtime.player import Player
from rtmss.live.shared.song_state import loop, play, seek
from rtmss.live.song.jump import SLACK, WarmUp
from rtmss.live.song.source import SongSource
from rtmss.model.separator import SeparatorModel

HOP, RATE = 64, 8000
N_SAMPLES = 400 * HOP
WARM_UP = WarmUp.most
GAP = 1 + WARM_UP // WarmUp.block + SLACK
"""Hops of a whole warmed-up jump: the one that fades out, then silence."""


def test_after_a_seek_it_sounds_like_a_stream_that_began_earlier(play_song: Make) -> None:
    one, target = play_song(), 201 * HOP + 17
    one.run(20)
    one.shared.transport.change(seek(target / RATE))
    heard = one.run(GAP + 30)[:, GAP * HOP + one.lag :]
    expected = one.stream(target, 40, WARM_UP)[:, : heard.shape[1]]
    assert rms(expected) > 0.01
    assert np.abs(heard[:, FADE:] - expected[:, FADE:]).max() < 1e-6
    cold = one.stream(target, 40, 0)[:, : heard.shape[1]]
    assert np.abs(heard - cold).max() > 1e-4, "a cold start would pass too"


def test_a_seek_falls_silent_at_once_and_no_longer_than_it_takes(play_song: Make) -> None:
    one = play_song()
    one.run(20)
    one.shared.transport.change(seek(2.0))
    heard = one.run(GAP + 10)[:, one.lag :]
    assert not heard[:, HOP : GAP * HOP].any()
    assert heard[:, GAP * HOP : (GAP + 1) * HOP].any()


@pytest.mark.slow
def test_no_hop_is_late_for_a_jump(play_song: Make) -> None:
    one = play_song()
    for _ in range(5):
        one.run(GAP + 20)
        one.shared.transport.change(seek(1.6))
    assert one.player.timeline.n_late == 0


def test_a_slow_engine_is_not_late_while_it_warms_up(play_song: Make) -> None:
    one = play_song()
    one.run(20)
    one.shared.transport.change(seek(2.0))
    one.run(2)
    for _ in range(5):
        one.run(2, work=False)
        one.run(1)
    one.run(20)
    assert one.player.timeline.n_late == 0


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["seek", "pause", "loop", "loop with a gap", "end"])
def test_jumps_come_without_a_click(play_song: Make, kind: str) -> None:
    one = play_song(has_time=kind == "loop")
    t = np.arange(N_SAMPLES) / RATE
    low = np.asarray(0.5 * np.sin(2 * np.pi * 20 * t)[None], np.float32)
    publish_song(one.shared, one.shared.transport.samples_path.with_name("low.f32"), low)
    one.shared.send(Scene(bypass=True), "")
    heard = [one.run(120)]
    if kind == "seek":
        one.shared.transport.change(seek(0.987))
    elif kind == "pause":
        one.shared.transport.change(play(on=False))
        heard.append(one.run(9))
        one.shared.transport.change(play(on=True))
    elif kind == "end":
        one.shared.transport.change(seek((N_SAMPLES - 20 * HOP + 7) / RATE))
    else:
        one.shared.transport.change(loop(is_looping=True, a_seconds=0.617, b_seconds=1.8))
    out = np.concatenate([*heard, one.run(150)], axis=1)
    assert np.abs(out).max() > 0.49
    assert np.abs(np.diff(out)).max() < 1.1 * (1 / FADE + 0.5 * 2 * np.pi * 20 / RATE)


@pytest.mark.slow
def test_a_loop_without_an_end_ends_with_the_song(play_song: Make) -> None:
    one = play_song(is_looping=True, a_seconds=300 * HOP / RATE, seek_seconds=310 * HOP / RATE)
    one.run(GAP + 90 + 10)
    assert one.is_playing
    assert 300 * HOP <= one.position <= 312 * HOP


def test_at_its_end_the_song_stops_in_silence_and_stays_there(play_song: Make) -> None:
    one = play_song(seek_seconds=(N_SAMPLES - 20 * HOP) / RATE)
    heard = one.run(GAP + 60)[:, one.lag :]
    expected = one.stream(N_SAMPLES - 20 * HOP, 22, WARM_UP)
    assert not one.is_playing
    assert one.position == N_SAMPLES
    start = (GAP - 1) * HOP
    assert (
        np.abs(heard[:, start + FADE : start + 20 * HOP] - expected[:, FADE : 20 * HOP]).max()
        < 1e-6
    )
    assert not heard[:, start + 23 * HOP :].any()
    assert one.player.timeline.n_late == 0


def test_a_song_at_its_end_begins_again_when_it_is_to_play(play_song: Make) -> None:
    one = play_song(seek_seconds=(N_SAMPLES - 20 * HOP) / RATE)
    one.run(GAP + 60)
    one.shared.transport.change(play(on=True))
    one.run(30)
    assert one.is_playing
    assert one.position == 30 * HOP


def test_a_pause_is_silent_and_goes_on_where_it_stopped(play_song: Make) -> None:
    one = play_song()
    before = one.run(40)
    one.shared.transport.change(play(on=False))
    pause = one.run(30)
    one.shared.transport.change(play(on=True))
    after = one.run(40)
    expected = one.stream(0, 90, 0)
    assert not pause[:, one.lag + HOP :].any()
    assert n_silent(before[:, one.player.timeline.latency :]) == 0
    resumed = after[:, one.lag + FADE :]
    assert np.abs(resumed - expected[:, 41 * HOP + FADE :][:, : resumed.shape[1]]).max() < 1e-6
    assert one.player.timeline.n_late == 0


def test_a_seek_in_a_pause_is_ready_when_it_plays_again(play_song: Make) -> None:
    one = play_song()
    one.run(20)
    one.shared.transport.change(play(on=False))
    one.run(5)
    one.shared.transport.change(seek(2.0))
    assert not one.run(GAP + 5)[:, 2 * HOP :].any()
    assert (one.position, one.is_playing) == (2 * RATE, False)
    one.shared.transport.change(play(on=True))
    heard = one.run(30)[:, one.lag :]
    expected = one.stream(2 * RATE, 40, WARM_UP)[:, : heard.shape[1]]
    assert np.abs(heard[:, FADE:] - expected[:, FADE:]).max() < 1e-6


def test_the_last_of_several_seeks_counts(play_song: Make) -> None:
    one = play_song()
    one.run(20)
    for seconds in (1.0, 2.5, 0.5):
        one.shared.transport.change(seek(seconds))
        one.run(3)
    one.run(GAP + 10)
    assert 0.5 * RATE < one.position < 0.5 * RATE + 20 * HOP


@pytest.mark.slow
def test_a_new_engine_goes_on_where_the_old_one_was(play_song: Make, tiny: SeparatorModel) -> None:
    one = play_song()
    one.run(150)
    place = one.position
    one.shared.transport.change(loop(is_looping=True, a_seconds=0.5))
    timeline = Timeline(2, HOP, HOP, one.source.session.delay)
    source = SongSource(Session(tiny), Session(tiny), timeline, one.shared.transport)
    two = SongPlayer(
        one.shared, Player(source, timeline, one.shared), source, tiny, one.song, one.scene
    )
    heard = two.run(GAP + 20)
    assert two.position == place + 21 * HOP
    expected = one.stream(place, 40, WARM_UP)
    start = (GAP - 1) * HOP + two.lag
    n = heard.shape[1] - start
    assert np.abs(heard[:, start + FADE :] - expected[:, FADE:n]).max() < 1e-6
