"""A song in the place of an input: where it is, jumps, loops, and that no hop is late for them."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from helpers.makers import MakeCondition, Noise
from helpers.song import publish_song
from rtmss.audio import Audio
from rtmss.config import PROFILES, SeparatorConfig
from rtmss.engine.control import Scene, Stem
from rtmss.engine.session import Session
from rtmss.live.buffers.declick import FADE
from rtmss.live.buffers.timeline import MOST_WAITING, Timeline
from rtmss.live.realtime.player import Player
from rtmss.live.shared.song_state import SongInfo, TransportCommand, loop, play, seek
from rtmss.live.shared.state import SharedState
from rtmss.live.song.jump import SLACK, Jump, WarmUp
from rtmss.live.song.source import AHEAD, SongSource
from rtmss.model.separator import SeparatorModel

HOP, RATE = 64, 8000
N_SAMPLES = 400 * HOP
WARM_UP = WarmUp.most
GAP = 1 + WARM_UP // WarmUp.block + SLACK
"""Hops of a whole warmed-up jump: the one that fades out, then silence."""
Make = Callable[..., "Show"]


@dataclass
class Show:
    """A player of a song, without a device."""

    shared: SharedState
    player: Player
    source: SongSource
    model: SeparatorModel
    song: Audio
    scene: Scene

    @property
    def lag(self) -> int:
        return self.player.timeline.lag

    def run(self, n_hops: int, *, work: bool = True) -> Audio:
        """What is heard while the next hops come in; the first of them is heard after `lag`."""
        out = np.zeros((2, n_hops * HOP), np.float32)
        for start in range(0, out.shape[1], HOP):
            self.player.timeline.exchange(out[:0, :HOP], out[:, start : start + HOP])
            if work:
                self.player.work()
        return out

    def stream(self, start: int, n_hops: int, n_before: int) -> Audio:
        """What a stream gives from a place of the song on that began `n_before` hops earlier."""
        session = Session(self.model, self.scene)
        first = start - n_before * HOP
        padded = np.pad(self.song, ((0, 0), (0, 99 * HOP)))
        return session.step(padded[:, first : first + (n_before + n_hops) * HOP]).mix[
            :, n_before * HOP :
        ]

    @property
    def position(self) -> int:
        return round(self.shared.transport.playback.read().position_seconds * RATE)

    @property
    def is_playing(self) -> bool:
        return self.shared.transport.playback.read().is_playing


@pytest.fixture
def show(
    tiny: SeparatorModel,
    shared: SharedState,
    make_condition: MakeCondition,
    noise: Noise,
    tmp_path: Path,
) -> Iterator[Make]:
    """show(**commands) starts to play a song of noise; `has_time` says whether both sessions fit
    into a hop.
    """

    def make(
        *, has_time: bool = True, channels: int = 2, fallback: str = "silence", **commands: float
    ) -> Show:
        scene = Scene((Stem("voice", make_condition("vocals")),), fade_ms=0.0, fallback=fallback)  # type: ignore[arg-type]
        shared.send(scene, "first")
        shared.transport.insert(Path("song.wav"), TransportCommand(**commands))  # type: ignore[arg-type]
        song = noise(N_SAMPLES, channels=channels)
        publish_song(shared, tmp_path / "decoded.f32", song)
        sessions = Session(tiny), Session(tiny)
        timeline = Timeline(2, HOP, HOP, sessions[0].delay)
        source = SongSource(*sessions, timeline, shared.transport)
        source.has_time = lambda: has_time
        return Show(
            shared,
            Player(source, timeline, shared),
            source,
            tiny,
            np.broadcast_to(song, (2, N_SAMPLES)),
            scene,
        )

    yield make


def rms(audio: Audio) -> float:
    return float(np.sqrt(np.square(audio).mean()))


def n_silent(audio: Audio) -> int:
    """Length of the longest silence in whole hops."""
    longest = length = 0
    for start in range(0, audio.shape[1], HOP):
        length = 0 if audio[:, start : start + HOP].any() else length + 1
        longest = max(longest, length)
    return longest


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


@pytest.mark.parametrize("channels", [1, 2])
def test_a_song_sounds_like_a_stream_that_it_comes_in_by(show: Make, channels: int) -> None:
    one = show(channels=channels)
    heard, expected = one.run(60), one.stream(0, 60, 0)
    assert rms(expected) > 0.01
    assert np.abs(heard[:, one.lag + FADE :] - expected[:, FADE : -one.lag]).max() < 1e-6
    assert one.player.timeline.n_late == 0


def test_after_a_seek_it_sounds_like_a_stream_that_began_earlier(show: Make) -> None:
    one, target = show(), 201 * HOP + 17
    one.run(20)
    one.shared.transport.change(seek(target / RATE))
    heard = one.run(GAP + 30)[:, GAP * HOP + one.lag :]
    expected = one.stream(target, 40, WARM_UP)[:, : heard.shape[1]]
    assert rms(expected) > 0.01
    assert np.abs(heard[:, FADE:] - expected[:, FADE:]).max() < 1e-6
    cold = one.stream(target, 40, 0)[:, : heard.shape[1]]
    assert np.abs(heard - cold).max() > 1e-4, "a cold start would pass too"


def test_a_seek_falls_silent_at_once_and_no_longer_than_it_takes(show: Make) -> None:
    one = show()
    one.run(20)
    one.shared.transport.change(seek(2.0))
    heard = one.run(GAP + 10)[:, one.lag :]
    assert not heard[:, HOP : GAP * HOP].any()
    assert heard[:, GAP * HOP : (GAP + 1) * HOP].any()


@pytest.mark.slow
def test_no_hop_is_late_for_a_jump(show: Make) -> None:
    one = show()
    for _ in range(5):
        one.run(GAP + 20)
        one.shared.transport.change(seek(1.6))
    assert one.player.timeline.n_late == 0


def test_a_slow_engine_is_not_late_while_it_warms_up(show: Make) -> None:
    one = show()
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
def test_jumps_come_without_a_click(show: Make, kind: str) -> None:
    one = show(has_time=kind == "loop")
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


def test_a_loop_closes_without_a_gap_and_keeps_its_length(show: Make) -> None:
    a, b = 100 * HOP + 11, 190 * HOP + 30
    one = show(is_looping=True, a_seconds=a / RATE, b_seconds=b / RATE)
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


def test_after_a_loop_it_sounds_like_a_stream_that_began_earlier(show: Make) -> None:
    a, b = 100 * HOP, 190 * HOP + 30
    one = show(is_looping=True, a_seconds=a / RATE, b_seconds=b / RATE)
    heard = one.run(190 + 60)[:, 190 * HOP + one.lag :]
    expected = one.stream(a - 30, 60, WARM_UP)[:, : heard.shape[1]]
    assert rms(expected) > 0.01
    assert np.abs(heard[:, FADE:] - expected[:, FADE:]).max() < 1e-6


def test_without_time_for_two_sessions_a_loop_keeps_its_length_with_a_gap(show: Make) -> None:
    a, b = 100 * HOP, 190 * HOP
    one = show(has_time=False, is_looping=True, a_seconds=a / RATE, b_seconds=b / RATE)
    heard = one.run(190 + 60)[:, one.lag :]
    assert not heard[:, (190 - GAP + 1) * HOP : 190 * HOP].any()
    after = heard[:, 190 * HOP :]
    expected = one.stream(a, 60, WARM_UP)[:, : after.shape[1]]
    assert np.abs(after[:, FADE:] - expected[:, FADE:]).max() < 1e-6
    assert one.player.timeline.n_late == 0


def test_a_short_loop_that_the_position_is_almost_through_still_goes_back(show: Make) -> None:
    one = show()
    one.run(100)
    one.shared.transport.change(
        loop(is_looping=True, a_seconds=0.2, b_seconds=one.position / RATE + 0.01)
    )
    one.run(GAP + 5)
    assert 0.2 * RATE <= one.position <= 0.2 * RATE + 16 * HOP
    assert one.player.timeline.n_late == 0


@pytest.mark.parametrize("n_loops", [1, 3])
def test_a_loop_is_played_as_often_as_was_asked_and_then_left(show: Make, n_loops: int) -> None:
    a, b = 100 * HOP, 180 * HOP
    one = show(is_looping=True, a_seconds=a / RATE, b_seconds=b / RATE, n_loops=n_loops)
    one.run(180 + (n_loops - 1) * 80)
    assert one.position == b
    one.run(20)
    assert one.position == b + 20 * HOP
    assert one.shared.transport.playback.read().n_passes == n_loops - 1


def test_a_pause_just_before_the_end_of_a_loop_loses_nothing(show: Make) -> None:
    a, b = 100 * HOP, 180 * HOP
    one = show(is_looping=True, a_seconds=a / RATE, b_seconds=b / RATE)
    one.run(140)
    one.shared.transport.change(play(on=False))
    one.run(60)
    assert one.position == 141 * HOP
    one.shared.transport.change(play(on=True))
    heard = one.run(38 + 20)[:, one.lag + HOP :]
    assert n_silent(heard) == 0
    assert one.position == a + 19 * HOP


def test_the_output_is_delivered_before_the_other_session_takes_its_time(
    show: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = show(is_looping=True, a_seconds=100 * HOP / RATE, b_seconds=140 * HOP / RATE)
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
    show: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = show()
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


def test_only_what_the_session_gives_alone_is_called_plain(show: Make) -> None:
    one = show()
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


def test_a_loop_that_was_cleared_is_left(show: Make) -> None:
    one = show(is_looping=True, a_seconds=100 * HOP / RATE, b_seconds=180 * HOP / RATE)
    one.run(175)
    one.shared.transport.change(loop(is_looping=False))
    heard = one.run(30)
    assert one.position == 205 * HOP
    assert n_silent(heard) == 0


def test_a_loop_without_an_end_ends_with_the_song(show: Make) -> None:
    one = show(is_looping=True, a_seconds=300 * HOP / RATE, seek_seconds=310 * HOP / RATE)
    one.run(GAP + 90 + 10)
    assert one.is_playing
    assert 300 * HOP <= one.position <= 312 * HOP


def test_at_its_end_the_song_stops_in_silence_and_stays_there(show: Make) -> None:
    one = show(seek_seconds=(N_SAMPLES - 20 * HOP) / RATE)
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


def test_a_song_at_its_end_begins_again_when_it_is_to_play(show: Make) -> None:
    one = show(seek_seconds=(N_SAMPLES - 20 * HOP) / RATE)
    one.run(GAP + 60)
    one.shared.transport.change(play(on=True))
    one.run(30)
    assert one.is_playing
    assert one.position == 30 * HOP


def test_a_pause_is_silent_and_goes_on_where_it_stopped(show: Make) -> None:
    one = show()
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


def test_a_seek_in_a_pause_is_ready_when_it_plays_again(show: Make) -> None:
    one = show()
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


def test_the_last_of_several_seeks_counts(show: Make) -> None:
    one = show()
    one.run(20)
    for seconds in (1.0, 2.5, 0.5):
        one.shared.transport.change(seek(seconds))
        one.run(3)
    one.run(GAP + 10)
    assert 0.5 * RATE < one.position < 0.5 * RATE + 20 * HOP


def test_a_new_engine_goes_on_where_the_old_one_was(show: Make, tiny: SeparatorModel) -> None:
    one = show()
    one.run(150)
    place = one.position
    one.shared.transport.change(loop(is_looping=True, a_seconds=0.5))
    timeline = Timeline(2, HOP, HOP, one.source.session.delay)
    source = SongSource(Session(tiny), Session(tiny), timeline, one.shared.transport)
    two = Show(one.shared, Player(source, timeline, one.shared), source, tiny, one.song, one.scene)
    heard = two.run(GAP + 20)
    assert two.position == place + 21 * HOP
    expected = one.stream(place, 40, WARM_UP)
    start = (GAP - 1) * HOP + two.lag
    n = heard.shape[1] - start
    assert np.abs(heard[:, start + FADE :] - expected[:, FADE:n]).max() < 1e-6


def test_the_latency_is_the_same_before_and_after_a_jump(show: Make) -> None:
    one = show()
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


def test_the_dry_fallback_is_the_song_at_the_same_latency_even_after_a_jump(show: Make) -> None:
    one = show(fallback="dry")
    one.run(20)
    one.shared.transport.change(seek(2.0))
    one.run(GAP + 1)
    heard = one.run(8, work=False)
    place = 2 * RATE - one.source.session.delay
    assert np.array_equal(heard[:, 2 * HOP :], one.song[:, place + 2 * HOP : place + 8 * HOP])
    assert one.player.timeline.n_late > 0


def test_the_first_hop_after_a_jump_has_a_dry_fallback_too(show: Make) -> None:
    one = show(fallback="dry")
    one.run(20)
    one.shared.transport.change(seek(2.0))
    one.run(GAP)
    timeline = one.player.timeline
    heard = one.run(1, work=False)
    one.source.read(*timeline.hops())  # and then it gets stuck
    heard = one.run(1, work=False)
    place = 2 * RATE - one.source.session.delay
    assert np.array_equal(heard[:, FADE - 1 :], one.song[:, place + FADE - 1 : place + HOP])


def test_a_stuck_engine_plays_nothing_old_in_the_end(show: Make) -> None:
    one = show(fallback="dry")
    one.run(80)
    heard = one.run(AHEAD + 20, work=False)
    assert heard[:, 5 * HOP : AHEAD * HOP].any()
    assert not heard[:, (AHEAD + 5) * HOP :].any()


def test_after_a_stall_the_song_is_where_the_clock_says(show: Make) -> None:
    one, n_stuck = show(), MOST_WAITING // HOP + 30
    one.run(30)
    one.run(n_stuck, work=False)  # most of these hops are given up
    one.run(30)
    assert one.position == (60 + n_stuck) * HOP


def test_a_scene_that_changes_during_a_jump_is_heard_after_it(
    show: Make, make_condition: MakeCondition
) -> None:
    one = show()
    one.run(20)
    one.shared.transport.change(seek(2.0))
    one.run(5)
    one.shared.send(one.scene.with_strip("voice", mute=True).with_strip("remainder", mute=True), "")
    assert not one.run(GAP + 20)[:, 10 * HOP :].any()


def test_a_fader_that_glides_goes_on_after_a_jump(show: Make) -> None:
    one = show()
    one.run(20)
    one.shared.send(Scene(one.scene.stems, master_db=-120.0, fade_ms=1000.0 * 60 * HOP / RATE), "")
    one.run(5)
    one.shared.transport.change(seek(1.0))
    heard = one.run(GAP + 65)[:, one.lag + GAP * HOP :]
    levels = [rms(heard[:, i * HOP : (i + 4) * HOP]) for i in (1, 15, 30, 45, 57)]
    assert all(louder > 1.2 * softer for louder, softer in itertools.pairwise(levels))
    assert levels[-1] == 0


def test_nothing_sounds_before_the_decoded_song_is_there(show: Make) -> None:
    one = show()
    one.shared.transport.info.write(SongInfo())
    assert not one.run(20).any()
    assert one.player.timeline.n_late == 0
    one.shared.transport.info.write(SongInfo(1, RATE, N_SAMPLES, 2))
    assert one.run(20).any()


def test_a_decoded_song_of_another_rate_is_not_played(show: Make) -> None:
    one = show()
    one.shared.transport.info.write(SongInfo(2, 2 * RATE, N_SAMPLES, 2))
    assert not one.run(20).any()


def test_bad_samples_of_the_song_are_counted_over_jumps(show: Make) -> None:
    one = show()
    song = one.song.copy()
    song[0, 10 * HOP] = song[0, 260 * HOP] = np.nan
    publish_song(one.shared, one.shared.transport.samples_path.with_name("bad.f32"), song)
    one.run(20)
    one.shared.transport.change(seek(250 * HOP / RATE))
    one.run(GAP + 20)
    assert one.shared.read()[0].bad_samples == 2
