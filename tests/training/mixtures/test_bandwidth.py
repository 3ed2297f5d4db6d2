from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from rtmss.training.mixtures.bandwidth import bandwidth_hz

RATE = 44100


def sound(
    slope_db_per_octave: float, cut_hz: float = RATE, floor_db: float = -90, channels: int = 1
) -> NDArray[np.int16]:
    """(S, C) noise of 8 s whose level falls above 1 kHz, cut off as by resampling, in a little
    noise.
    """
    rng = np.random.default_rng(0)
    n = 8 * RATE
    frequencies = np.fft.rfftfreq(n, 1 / RATE)
    spectrum = np.fft.rfft(rng.standard_normal((channels, n)))
    spectrum *= np.maximum(frequencies / 1000, 1) ** (slope_db_per_octave / 6.02)
    spectrum[:, frequencies > cut_hz] = 0
    audio = np.fft.irfft(spectrum, n)
    audio *= 0.1 / np.sqrt(np.mean(audio**2))
    audio += 10 ** (floor_db / 20) * rng.standard_normal((channels, n))
    return np.asarray(
        np.round(audio.T * 32767).clip(-32768, 32767),
        np.int16,
    )


@pytest.mark.parametrize("cut_hz", [4000, 8000, 11025])
@pytest.mark.parametrize("channels", [1, 2])
def test_a_cut_is_found_and_not_above_it(cut_hz: float, channels: int) -> None:
    assert (
        cut_hz - 500
        <= bandwidth_hz(
            sound(-6, cut_hz, channels=channels),
            RATE,
        )
        <= cut_hz
    )


@pytest.mark.parametrize(
    "slope",
    [0, -6, -12, -24, -40],
)
def test_what_falls_by_itself_is_not_cut(slope: float) -> None:
    assert bandwidth_hz(sound(slope), RATE) == math.inf


def test_a_cut_that_nobody_misses_is_none() -> None:
    assert bandwidth_hz(sound(-6, 16000), RATE) == math.inf


def test_what_lies_in_noise_as_loud_is_not_cut() -> None:
    assert (
        bandwidth_hz(
            sound(-6, 8000, floor_db=-45),
            RATE,
        )
        == math.inf
    )


def test_a_gap_with_sound_above_it_is_no_cut() -> None:
    low, high = sound(-6, 6000), sound(-6, 14000) - sound(-6, 10000)
    assert bandwidth_hz(low + high, RATE) > 13000


def test_a_cut_is_found_though_most_of_the_track_is_silent() -> None:
    audio = np.concatenate(
        [
            np.zeros(
                (40 * RATE, 1),
                np.int16,
            ),
            sound(-6, 8000),
        ]
    )
    assert 7500 <= bandwidth_hz(audio, RATE) <= 8000


@pytest.mark.parametrize("n", [0, 100, 5000])
def test_silence_is_not_cut(n: int) -> None:
    assert (
        bandwidth_hz(
            np.zeros((n, 2), np.int16),
            RATE,
        )
        == math.inf
    )


def test_a_bank_at_a_low_rate_has_nothing_to_cut() -> None:
    assert bandwidth_hz(sound(0)[: 2 * 8000], 8000) == math.inf
