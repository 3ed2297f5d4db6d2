"""Blocks to hops and back: constant latency, and what plays when a hop is late."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest

from rtmss.audio import Audio
from rtmss.conditions.preset import Fallback
from rtmss.config import UserError
from rtmss.live.buffers.declick import FADE
from rtmss.live.buffers.timeline import HOLD_HOPS, Timeline, adaptation, blocks_per_hop

HOP, DELAY = 64, 64
SIZES = [1, 32, 48, 64, 100, 128, 441, 480]


def _stream(n: int) -> Audio:
    return (
        np.random.default_rng(0)
        .uniform(
            -0.5,
            0.5,
            (2, n),
        )
        .astype(np.float32)
    )


class Engine:
    """Delays its input by DELAY samples, as a session in bypass does, at the other end of a
    timeline.
    """

    def __init__(self, timeline: Timeline) -> None:
        self.timeline = timeline
        self._past = np.zeros((2, DELAY), np.float32)

    def step(self) -> None:
        first, n = self.timeline.hops()
        for hop in range(first, first + n):
            samples = np.concatenate(
                [self._past, self.timeline.read_input(1)],
                axis=1,
            )
            self._past = samples[:, HOP:]
            self.timeline.deliver(hop, samples[:, :HOP])


def _play(
    timeline: Timeline,
    audio: Audio,
    block: int,
    n_behind: int = 0,
    is_stuck: Callable[[int], bool] = lambda _: False,
) -> Audio:
    """Run a stream whose engine answers `n_behind` blocks later, or not at all while it is
    stuck.
    """
    engine, out = Engine(timeline), np.zeros_like(audio)
    for number, start in enumerate(
        range(
            0,
            audio.shape[1] - block + 1,
            block,
        )
    ):
        if number % (n_behind + 1) == 0 and not is_stuck(start):
            engine.step()
        timeline.exchange(
            audio[:, start : start + block],
            out[:, start : start + block],
        )
    return out


def _smallest_lag(block: int, hop: int, n_queued: int) -> int:
    """By trying: the smallest lag at which no sample is asked for before its hop could be there."""
    for lag in range(4 * (block + hop)):
        for number in range(4 * hop):
            whole_hops = max(0, number + 1 - n_queued) * block // hop
            if (number + 1) * block - lag > whole_hops * hop:
                break
        else:
            return lag
    raise AssertionError


@pytest.mark.parametrize("block", SIZES)
@pytest.mark.parametrize("n_queued", [0, 1, 3])
def test_the_adaptation_is_the_smallest_lag_that_a_queue_simulation_finds(
    block: int, n_queued: int
) -> None:
    assert adaptation(block, HOP, n_queued) == _smallest_lag(block, HOP, n_queued)


@pytest.mark.parametrize("block", SIZES)
def test_the_queue_gives_a_step_nearly_the_time_of_a_hop_and_no_block_more(block: int) -> None:
    assert (
        0.9 * HOP
        <= blocks_per_hop(block, HOP) * block
        < max(
            HOP,
            0.9 * HOP + block,
        )
    )


@pytest.mark.parametrize(
    ("block", "n_queued"),
    [
        (64, 8),
        (128, 4),
        (256, 2),
        (512, 1),
    ],
)
def test_at_48_khz_the_queue_is_no_longer_than_at_44(block: int, n_queued: int) -> None:
    assert blocks_per_hop(block, 557) == blocks_per_hop(block, 512) == n_queued


@pytest.mark.parametrize("block", SIZES)
def test_the_output_is_the_input_delayed_by_the_latency(block: int) -> None:
    timeline, audio = (
        Timeline(
            2,
            HOP,
            block,
            DELAY,
        ),
        _stream(60 * 480),
    )
    out = _play(timeline, audio, block)
    n = audio.shape[1] // block * block - timeline.latency
    assert np.array_equal(
        out[:, timeline.latency : timeline.latency + n],
        audio[:, :n],
    )
    assert not out[:, : timeline.latency].any()
    assert timeline.n_late == 0


@pytest.mark.parametrize("block", [32, 64, 100])
def test_an_engine_that_needs_the_whole_queue_is_still_in_time(block: int) -> None:
    timeline, audio = (
        Timeline(
            2,
            HOP,
            block,
            DELAY,
        ),
        _stream(200 * block),
    )
    out = _play(timeline, audio, block, n_behind=timeline.n_queued - 1)
    assert timeline.n_late == 0
    assert np.array_equal(
        out[:, timeline.latency :],
        audio[:, : -timeline.latency],
    )


@pytest.mark.parametrize("block", [32, 64, 100])
@pytest.mark.parametrize("fallback", ["silence", "dry"])
def test_after_late_hops_the_latency_is_what_it_was(block: int, fallback: Fallback) -> None:
    timeline, audio = (
        Timeline(
            2,
            HOP,
            block,
            DELAY,
        ),
        _stream(300 * 100),
    )
    timeline.fallback = fallback
    out = _play(timeline, audio, block, is_stuck=lambda start: 5000 < start < 5600)
    after = 7000
    n = audio.shape[1] // block * block - after
    assert timeline.n_late > 0
    assert np.array_equal(
        out[:, after : after + n], audio[:, after - timeline.latency : after - timeline.latency + n]
    )


def test_late_hops_are_counted_one_by_one_and_their_fallback_once() -> None:
    timeline, audio = Timeline(2, HOP, 32, DELAY), _stream(6400)
    _play(timeline, audio, 32, is_stuck=lambda start: 32 * 60 <= start < 32 * 70)
    assert (timeline.n_late, timeline.n_fallbacks) == (5, 1)


def _while_stuck(fallback: Fallback) -> tuple[Audio, Audio]:
    """What is played in the middle of a gap, and what the input was there."""
    timeline, audio = Timeline(2, HOP, 64, DELAY), _stream(6400)
    timeline.fallback = fallback
    out = _play(timeline, audio, 64, is_stuck=lambda start: 64 * 30 <= start < 64 * 50)
    piece = slice(64 * 40, 64 * 45)
    return out[:, piece], audio[:, piece.start - timeline.latency : piece.stop - timeline.latency]


def test_the_dry_fallback_is_the_input_at_the_same_latency() -> None:
    out, audio = _while_stuck("dry")
    assert np.array_equal(out, audio)


def test_the_silent_fallback_lets_nothing_through() -> None:
    out, _ = _while_stuck("silence")
    assert not out.any()


@pytest.mark.parametrize("block", [16, 64, 100])
def test_a_fallback_comes_and_goes_without_a_step(block: int) -> None:
    timeline, audio = (
        Timeline(2, HOP, block, DELAY),
        np.full(
            (2, 9600),
            0.5,
            np.float32,
        ),
    )
    out = _play(timeline, audio, block, is_stuck=lambda start: 4000 < start < 6000)
    played = out[:, timeline.latency : 9600 // block * block]
    assert played.min() == 0
    assert np.abs(np.diff(played)).max() <= 0.5 / FADE + 1e-6


@pytest.mark.parametrize("block", [16, 64, 100])
def test_a_panic_silences_within_a_fade_and_ends_without_a_step(block: int) -> None:
    timeline, engine_audio = (
        Timeline(2, HOP, block, DELAY),
        np.full((2, 300 * block), 0.5, np.float32),
    )
    engine, out = Engine(timeline), np.zeros_like(engine_audio)
    for number in range(300):
        timeline.is_silent = lambda: 100 <= number < 200  # noqa: B023 (asked within this turn)
        engine.step()
        piece = slice(number * block, (number + 1) * block)
        timeline.exchange(engine_audio[:, piece], out[:, piece])
    assert not out[:, 100 * block + FADE : 200 * block].any()
    assert (out[:, 200 * block + FADE :] == 0.5).all()
    assert all(abs(b - a) <= 0.5 / FADE + 1e-6 for a, b in pairwise(out[0, timeline.latency + 1 :]))


def test_mono_is_played_on_both_sides() -> None:
    timeline, audio = (
        Timeline(
            2,
            HOP,
            64,
            DELAY,
        ),
        _stream(6400)[:1],
    )
    engine, out = (
        Engine(timeline),
        np.zeros(
            (2, 6400),
            np.float32,
        ),
    )
    for start in range(0, 6400, 64):
        engine.step()
        timeline.exchange(
            audio[:, start : start + 64],
            out[:, start : start + 64],
        )
    assert np.array_equal(
        out[:, timeline.latency :],
        np.repeat(
            audio[:, : -timeline.latency],
            2,
            axis=0,
        ),
    )


def test_what_a_block_has_waited_before_is_part_of_the_latency() -> None:
    assert (
        Timeline(
            2,
            64,
            64,
            128,
            n_resampler=300,
        ).latency
        == Timeline(2, 64, 64, 128).latency + 300
    )


@pytest.mark.parametrize("hop", [HOP, 512])
def test_too_much_waiting_is_refused_and_what_is_not_fits_into_the_rings(hop: int) -> None:
    with pytest.raises(UserError, match="16 blocks of 1024 samples are too many"):
        Timeline(2, hop, 1024, DELAY, n_queued=16)
    patient = Timeline(2, hop, 1024, 23040, n_queued=13)
    assert patient.lag + patient.delay + 2 * patient.block < patient.n_hops * hop // 2


def test_the_grid_of_sizes_holds_blocks_that_share_no_factor_with_a_hop() -> None:
    assert any(math.gcd(block, HOP) == 1 for block in SIZES)


def _while_held(n_stuck: int) -> Audio:
    """What is played while an engine supposes 0.25 for every hop and delivers none of the last
    `n_stuck`.
    """
    timeline, out = (
        Timeline(2, HOP, HOP, DELAY),
        np.zeros(
            (2, 40 * HOP),
            np.float32,
        ),
    )
    timeline.fallback = "hold"
    for number in range(40):
        first, n = timeline.hops()
        for hop in range(first, first + n):
            timeline.read_input(1)
            timeline.write_fallback(
                hop,
                np.full((2, HOP), 0.25, np.float32),
            )
            if hop < 38 - n_stuck:
                timeline.deliver(
                    hop,
                    np.full((2, HOP), 0.5, np.float32),
                )
        piece = slice(number * HOP, (number + 1) * HOP)
        timeline.exchange(
            np.zeros((2, HOP), np.float32),
            out[:, piece],
        )
    return out


def test_the_hold_fallback_plays_what_was_supposed() -> None:
    out = _while_held(4)
    assert (out[:, -3 * HOP :] == 0.25).all()


def test_the_hold_fallback_ends_in_silence() -> None:
    out = _while_held(HOLD_HOPS + 5)
    assert not out[:, -3 * HOP :].any()
    assert (out[:, -7 * HOP : -6 * HOP] == 0.25).all()


def test_holding_begins_and_ends_without_a_step() -> None:
    assert np.abs(np.diff(_while_held(HOLD_HOPS + 5)[:, 8 * HOP :])).max() <= 0.5 / FADE + 1e-6
