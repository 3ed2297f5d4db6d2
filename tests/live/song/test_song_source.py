"""A song in the place of an input: where it is, jumps, loops, and that no hop is late for them."""

from __future__ import annotations

import itertools
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from helpers.makers import MakeCondition
from helpers.song import publish_song
from helpers.song_player import Make, rms
from rtmss.audio import Audio
from rtmss.config import PROFILES, SeparatorConfig
from rtmss.engine.control import Scene
from rtmss.live.buffers.declick import FADE
from rtmss.live.buffers.timeline import MOST_WAITING, Timeline
from rtmss.live.shared.song_state import SongInfo, play, seek
from rtmss.live.song.jump import SLACK, Jump, WarmUp
from rtmss.live.song.source import AHEAD, SongSource

HOP, RATE = 64, 8000
N_SAMPLES = 400 * HOP
WARM_UP = WarmUp.most
GAP = 1 + WARM_UP // WarmUp.block + SLACK
"""Hops of a whole warmed-up jump: the one that fades out, then silence."""


@pytest.mark.parametrize("profile", PROFILES)
def test_where_frames_come_more_often_as_much_of_the_song_is_heard_beforehand(profile: str) -> None:
    config = SeparatorConfig().retimed(PROFILES[profile])
    warm_up, hop = WarmUp.of(config.unet), config.stft.hop_length
    assert warm_up.most * hop == 64 * 512
    assert warm_up.before(10**6, hop) == warm_up.most
    # The work in a silent hop keeps its share of the time there is.
    assert warm_up.block * 512 == 4 * hop
    timeline = Timeline(2, hop, 1024, config.delay)
    assert (1 + warm_up.silence(warm_up.most)) * hop + timeline.lag < timeline.n_hops * hop


@pytest.mark.slow
@pytest.mark.parametrize("channels", [1, 2])
def test_a_song_sounds_like_a_stream_that_it_comes_in_by(play_song: Make, channels: int) -> None:
    one = play_song(channels=channels)
    heard, expected = one.run(60), one.stream(0, 60, 0)
    assert rms(expected) > 0.01
    assert np.abs(heard[:, one.lag + FADE :] - expected[:, FADE : -one.lag]).max() < 1e-6
    assert one.player.timeline.n_late == 0


@pytest.mark.slow
def test_the_output_is_delivered_before_the_other_session_takes_its_time(
    play_song: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = play_song(is_looping=True, a_seconds=100 * HOP / RATE, b_seconds=140 * HOP / RATE)
    one.run(100)
    done: list[str] = []
    deliver, warm = one.player.timeline.deliver, Jump.warm

    def delivered(hop: int, mix: Audio) -> None:
        done.append("delivered")
        deliver(hop, mix)

    def warmed(jump: Jump, *args: Any) -> None:
        done.append("warmed")
        warm(jump, *args)

    monkeypatch.setattr(one.player.timeline, "deliver", delivered)
    monkeypatch.setattr(Jump, "warm", warmed)
    one.run(30)
    assert done.count("delivered") == 30
    assert done.count("warmed") > 20
    assert all(
        before == "delivered" for before, after in pairwise(["", *done]) if after == "warmed"
    )


def test_sessions_take_turns_only_where_a_step_is_short(
    play_song: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = play_song()
    source = SongSource(
        one.source.session, one.source._spare, one.player.timeline, one.shared.transport
    )
    for share, expected in ((0.1, True), (0.7, False)):
        clock = itertools.count(0, share * HOP / RATE)
        monkeypatch.setattr(
            "rtmss.live.song.source.time.perf_counter", lambda clock=clock: next(clock)
        )
        for _ in range(40):
            source._timed_step(np.zeros((2, HOP), np.float32))
        assert source.has_time() == expected


def test_only_what_the_session_gives_alone_is_called_plain(play_song: Make) -> None:
    one = play_song()
    plain = []
    for change in (None, play(on=False), play(on=True), seek(2.0)):
        if change:
            one.shared.transport.change(change)
        for _ in range(GAP + 3):
            one.run(1)
            plain.append(one.source.is_plain)
    n = GAP + 3
    assert all(plain[:n])
    assert not any(plain[n : 2 * n + 1])
    assert all(plain[2 * n + 1 : 3 * n])
    assert plain[3 * n :] == [False] * (GAP + 1) + [True] * 2


@pytest.mark.slow
def test_the_latency_is_the_same_before_and_after_a_jump(play_song: Make) -> None:
    one = play_song()
    one.shared.send(Scene(one.scene.stems, bypass=True, fade_ms=0.0), "")
    latency = one.player.timeline.latency
    before = one.run(50)
    one.shared.transport.change(seek(2.0))
    after = one.run(GAP + 20)
    assert np.array_equal(before[:, latency + FADE :], one.song[:, FADE : 50 * HOP - latency])
    start = GAP * HOP + one.lag
    n = after.shape[1] - start
    place = 2 * RATE - one.source.session.delay
    assert np.array_equal(after[:, start + FADE :], one.song[:, place + FADE : place + n])


def test_the_dry_fallback_is_the_song_at_the_same_latency_even_after_a_jump(
    play_song: Make,
) -> None:
    one = play_song(fallback="dry")
    one.run(20)
    one.shared.transport.change(seek(2.0))
    one.run(GAP + 1)
    heard = one.run(8, work=False)
    place = 2 * RATE - one.source.session.delay
    assert np.array_equal(heard[:, 2 * HOP :], one.song[:, place + 2 * HOP : place + 8 * HOP])
    assert one.player.timeline.n_late > 0


def test_the_first_hop_after_a_jump_has_a_dry_fallback_too(play_song: Make) -> None:
    one = play_song(fallback="dry")
    one.run(20)
    one.shared.transport.change(seek(2.0))
    one.run(GAP)
    timeline = one.player.timeline
    heard = one.run(1, work=False)
    one.source.read(*timeline.hops())  # and then it gets stuck
    heard = one.run(1, work=False)
    place = 2 * RATE - one.source.session.delay
    assert np.array_equal(heard[:, FADE - 1 :], one.song[:, place + FADE - 1 : place + HOP])


def test_a_stuck_engine_plays_nothing_old_in_the_end(play_song: Make) -> None:
    one = play_song(fallback="dry")
    one.run(80)
    heard = one.run(AHEAD + 20, work=False)
    assert heard[:, 5 * HOP : AHEAD * HOP].any()
    assert not heard[:, (AHEAD + 5) * HOP :].any()


def test_after_a_stall_the_song_is_where_the_clock_says(play_song: Make) -> None:
    one, n_stuck = play_song(), MOST_WAITING // HOP + 30
    one.run(30)
    one.run(n_stuck, work=False)  # most of these hops are given up
    one.run(30)
    assert one.position == (60 + n_stuck) * HOP


def test_a_scene_that_changes_during_a_jump_is_heard_after_it(
    play_song: Make, make_condition: MakeCondition
) -> None:
    one = play_song()
    one.run(20)
    one.shared.transport.change(seek(2.0))
    one.run(5)
    one.shared.send(one.scene.with_strip("voice", mute=True).with_strip("remainder", mute=True), "")
    assert not one.run(GAP + 20)[:, 10 * HOP :].any()


def test_a_fader_that_glides_goes_on_after_a_jump(play_song: Make) -> None:
    one = play_song()
    one.run(20)
    one.shared.send(Scene(one.scene.stems, master_db=-120.0, fade_ms=1000.0 * 60 * HOP / RATE), "")
    one.run(5)
    one.shared.transport.change(seek(1.0))
    heard = one.run(GAP + 65)[:, one.lag + GAP * HOP :]
    levels = [rms(heard[:, i * HOP : (i + 4) * HOP]) for i in (1, 15, 30, 45, 57)]
    assert all(louder > 1.2 * softer for louder, softer in itertools.pairwise(levels))
    assert levels[-1] == 0


def test_nothing_sounds_before_the_decoded_song_is_there(play_song: Make) -> None:
    one = play_song()
    one.shared.transport.info.write(SongInfo())
    assert not one.run(20).any()
    assert one.player.timeline.n_late == 0
    one.shared.transport.info.write(SongInfo(1, RATE, N_SAMPLES, 2))
    assert one.run(20).any()


def test_a_decoded_song_of_another_rate_is_not_played(play_song: Make) -> None:
    one = play_song()
    one.shared.transport.info.write(SongInfo(2, 2 * RATE, N_SAMPLES, 2))
    assert not one.run(20).any()


def test_bad_samples_of_the_song_are_counted_over_jumps(play_song: Make) -> None:
    one = play_song()
    song = one.song.copy()
    song[0, 10 * HOP] = song[0, 260 * HOP] = np.nan
    publish_song(one.shared, one.shared.transport.samples_path.with_name("bad.f32"), song)
    one.run(20)
    one.shared.transport.change(seek(250 * HOP / RATE))
    one.run(GAP + 20)
    assert one.shared.read()[0].bad_samples == 2
