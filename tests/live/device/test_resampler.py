"""Two devices whose clocks differ, simulated: what is heard, how late, and what happens when one of
them stumbles.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pytest
from numpy.typing import NDArray

from rtmss.audio import Audio
from rtmss.config import UserError
from rtmss.live.buffers.declick import FADE
from rtmss.live.device.clock import Clock
from rtmss.live.device.resampler import TAPS, AdaptiveResampler, interpolate

RATE = 44100
START = 1000.0
"""Seconds on the computer's clock when both devices start."""
BLOCKS = [
    (256, 256),
    (441, 512),
    (1024, 128),
    (96, 1024),
    (480, 2048),
]
Signal = Callable[[NDArray[np.float64]], NDArray[np.float64]]


@dataclass
class Devices:
    """An input that is `ppm` faster than the output; both bring and take blocks `jitter` seconds
    late on average.
    """

    ppm: float = 0.0
    blocks: tuple[int, int] = (256, 256)
    jitter: float = 0.0
    lost: set[int] = field(default_factory=set)
    """Numbers of input blocks that never arrive."""
    stalled: tuple[float, float] = (0.0, 0.0)
    """Between these seconds the input's thread sleeps; afterwards all that it missed comes at
    once.
    """

    def play(
        self,
        signal: Signal,
        seconds: float,
    ) -> tuple[AdaptiveResampler, Audio]:
        """A bridge, and what the output heard of a signal, which is a function of true time in
        seconds.
        """
        brought, taken = self.blocks
        resampler, rate_in = AdaptiveResampler(1, RATE, brought), RATE * (1 + 1e-6 * self.ppm)
        arrivals = self._times(brought, rate_in, seconds, 1)
        awake = START + self.stalled[1]
        arrivals[(arrivals > START + self.stalled[0]) & (arrivals < awake)] = awake
        events = [(when, 0, k) for k, when in enumerate(arrivals) if k not in self.lost]
        events += [
            (when, 1, k)
            for k, when in enumerate(
                self._times(
                    taken,
                    RATE,
                    seconds,
                    2,
                )
            )
        ]
        heard = []
        for when, is_output, k in sorted(events):
            if is_output:
                heard.append(resampler.read(taken, when)[0])
            else:
                resampler.write(
                    signal(
                        np.arange(
                            k * brought,
                            (k + 1) * brought,
                        )
                        / rate_in
                    )[None].astype(np.float32),
                    when,
                )
        return resampler, np.concatenate(heard)

    def _times(
        self,
        block: int,
        rate: float,
        seconds: float,
        seed: int,
    ) -> NDArray[np.float64]:
        """When the blocks of a device come: once they are full, and then late, but in order."""
        full = (
            START
            + np.arange(
                1,
                int(seconds * rate / block),
            )
            * block
            / rate
        )
        late = np.random.default_rng(seed).exponential(
            self.jitter,
            len(full),
        )
        return np.asarray(np.maximum.accumulate(full + late))


def tone(hertz: float) -> Signal:
    return lambda seconds: 0.5 * np.sin(2 * np.pi * hertz * seconds)


def delays(heard: Audio) -> NDArray[np.float64]:
    """Samples by which a tone of 10 Hz is late, for every period of it."""
    period = RATE // 10
    places = np.arange(len(heard) // period * period)
    turned = heard[: len(places)] * np.exp(-2j * np.pi * places / period)
    phases = np.angle(turned.reshape(-1, period).mean(1))
    return np.asarray((-phases / (2 * np.pi) - 0.25) % 1 * period)


def signal_to_noise_db(heard: Audio, hertz: float) -> float:
    """A tone relative to all that is not the tone; its frequency is fitted to a fraction of a
    ppm.
    """
    places = np.arange(len(heard)) / RATE

    def share_of_noise(frequency: float) -> float:
        both = np.stack(
            [np.sin(2 * np.pi * frequency * places), np.cos(2 * np.pi * frequency * places)], axis=1
        )
        fit = (
            both
            @ np.linalg.lstsq(
                both,
                heard.astype(np.float64),
                rcond=None,
            )[0]
        )
        return float(np.square(heard - fit).mean() / np.square(fit).mean())

    ppm = 0.0
    for step in (1.0, 0.1, 0.01):
        ppm = min(
            ppm + step * np.arange(-12, 13),
            key=lambda ppm: share_of_noise(hertz * (1 + 1e-6 * ppm)),
        )
    return float(-10 * np.log10(share_of_noise(hertz * (1 + 1e-6 * ppm))))


def steepest(audio: Audio) -> float:
    return float(np.abs(np.diff(audio)).max())


@pytest.mark.slow
@pytest.mark.parametrize("blocks", BLOCKS)
@pytest.mark.parametrize("ppm", [200.0, -200.0])
def test_the_latency_is_the_one_that_is_told_and_stays_within_a_sample(
    blocks: tuple[int, int], ppm: float
) -> None:
    resampler, heard = Devices(
        ppm,
        blocks,
        jitter=1e-4,
    ).play(tone(10), 45)
    late = delays(heard)
    assert len(late) > 440
    assert resampler.n_xruns == 0
    assert np.abs(late[300:] - resampler.latency).max() < 1
    assert np.abs(late[20:] - resampler.latency).max() < 10


@pytest.mark.slow
@pytest.mark.parametrize("blocks", BLOCKS)
@pytest.mark.parametrize("hertz", [997.0, 9990.0])
def test_a_tone_comes_through_with_80_db_of_signal_to_noise(
    blocks: tuple[int, int], hertz: float
) -> None:
    _, heard = Devices(
        -200.0,
        blocks,
        jitter=1e-4,
    ).play(tone(hertz), 40)
    assert signal_to_noise_db(heard[-8192:], hertz) > 80


@pytest.mark.slow
@pytest.mark.parametrize("ppm", [-180.0, 0.0, 35.0])
def test_the_drift_is_measured_within_3_ppm(ppm: float) -> None:
    resampler, _ = Devices(
        ppm,
        (256, 441),
        jitter=1e-4,
    ).play(tone(10), 30)
    assert resampler.drift_ppm == pytest.approx(ppm, abs=3)


def test_nothing_clicks_from_the_first_sample_on() -> None:
    _, heard = Devices(
        200.0,
        (441, 256),
        jitter=1e-4,
    ).play(tone(200), 10)
    assert np.abs(heard[RATE:]).max() > 0.49
    assert (
        steepest(heard)
        < steepest(tone(200)(np.arange(RATE) / RATE).astype(np.float32)) + 0.5 / FADE + 1e-3
    )


def test_blocks_that_come_up_to_a_block_late_are_waited_for() -> None:
    resampler, heard = Devices(
        50.0,
        (512, 512),
        stalled=(5.0, 5.005),
    ).play(tone(10), 8)
    assert resampler.n_xruns == 0
    assert np.abs(delays(heard)[20:] - resampler.latency).max() < 1


def test_a_stall_is_silence_and_counted_and_afterwards_all_is_at_its_place() -> None:
    resampler, heard = Devices(
        0.0,
        (512, 512),
        stalled=(10.0, 10.1),
    ).play(tone(10), 20)
    late = delays(heard)
    assert 4 < resampler.n_xruns < 10
    assert not heard[round(10.06 * RATE) : round(10.07 * RATE)].any()
    assert np.abs(late[103:] - resampler.latency).max() < 1
    assert steepest(heard) < 2 * 0.5 / FADE


@pytest.mark.slow
def test_an_input_that_loses_blocks_is_found_again_without_a_step() -> None:
    resampler, heard = Devices(
        0.0,
        (512, 512),
        lost=set(range(900, 903)),
    ).play(tone(10), 40)
    assert resampler.n_xruns > 0
    assert np.abs(delays(heard)[200:] - resampler.latency).max() < 1
    assert steepest(heard) < 2 * 0.5 / FADE


def test_an_input_that_has_gone_is_silence() -> None:
    resampler, heard = Devices(
        0.0,
        (512, 512),
        lost=set(range(500, 5000)),
    ).play(tone(10), 20)
    assert resampler.n_xruns > 100
    assert not heard[10 * RATE :].any()


def test_a_difference_that_is_no_drift_is_counted_and_does_not_end_it() -> None:
    resampler, heard = Devices(10_000.0).play(tone(200), 20)
    assert resampler.n_xruns > 5
    assert np.abs(heard[-RATE:]).max() > 0.4
    assert (
        steepest(heard)
        < steepest(tone(200)(np.arange(RATE) / RATE).astype(np.float32)) + 2 * 0.5 / FADE
    )


def test_two_channels_go_side_by_side() -> None:
    rng, resampler = np.random.default_rng(0), AdaptiveResampler(2, RATE, 64)
    one = 0.1 * rng.standard_normal(64 * 1000).astype(np.float32)
    heard = []
    for k in range(1000):
        resampler.write(
            np.stack([one, -one])[:, 64 * k : 64 * (k + 1)],
            k * 64 / RATE,
        )
        heard.append(resampler.read(64, k * 64 / RATE))
    left, right = np.concatenate(heard, axis=1)
    assert np.abs(left).max() > 0.1
    assert np.array_equal(left, -right)


def test_with_one_clock_the_sound_is_the_input_delayed_to_the_sample() -> None:
    rng, resampler = np.random.default_rng(0), AdaptiveResampler(1, RATE, 64)
    sent = 0.1 * rng.standard_normal((1, 64 * 1000)).astype(np.float32)
    heard = []
    for k in range(1000):
        resampler.write(
            sent[:, 64 * k : 64 * (k + 1)],
            k * 64 / RATE,
        )
        heard.append(resampler.read(64, k * 64 / RATE))
    audio, latency = np.concatenate(heard, axis=1), resampler.latency
    assert np.abs(audio[0, RATE:] - sent[0, RATE - latency : -latency]).max() < 1e-4


def test_a_block_is_kept_while_the_reader_is_away_and_not_forever() -> None:
    resampler = AdaptiveResampler(1, RATE, 256)
    for k in range(400):
        resampler.write(
            np.ones((1, 256), np.float32),
            k * 256 / RATE,
        )
        resampler.read(256, k * 256 / RATE)
    for k in range(400, 2000):
        resampler.write(
            np.ones((1, 256), np.float32),
            k * 256 / RATE,
        )
    heard = resampler.read(256, 2000 * 256 / RATE)
    assert resampler.n_xruns == 1
    assert heard.shape == (1, 256)


def test_the_interpolation_is_flat_and_exact_to_80_db_up_to_18_khz() -> None:
    places = np.sort(np.random.default_rng(0).uniform(0, 2000, 1500))
    for hertz in (20.0, 1000.0, 10_000.0, 18_000.0):
        omega = 2 * np.pi * hertz / RATE
        out = np.zeros((1, len(places)), np.float32)
        interpolate(
            np.sin(omega * np.arange(2100))[None].astype(np.float32),
            places,
            out,
        )
        error = out[0] - np.sin(omega * (places + TAPS // 2 - 1))
        assert np.abs(error).max() < 1e-4


def test_a_clock_learns_its_rate_out_of_jittering_blocks() -> None:
    clock, rng = Clock(RATE), np.random.default_rng(0)
    for k in range(1, 6000):
        clock.tick(
            256,
            k * 256 / (RATE * 1.0001) + rng.exponential(2e-4),
        )
    assert (1 / clock.reading.period / RATE - 1) * 1e6 == pytest.approx(100, abs=2)
    assert clock.reading.at(6000 * 256 / (RATE * 1.0001) + 2e-4) == pytest.approx(
        6000 * 256,
        abs=1,
    )


def test_blocks_that_are_too_long_are_refused() -> None:
    with pytest.raises(UserError, match="blocks of 16384 samples are too long"):
        AdaptiveResampler(1, RATE, 16384)
