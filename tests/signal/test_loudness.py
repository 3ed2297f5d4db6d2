"""Loudness and true peak: after the standard, and streamed."""

from __future__ import annotations

import numpy as np
import pyloudnorm
import pytest

from helpers.makers import Noise
from rtmss.audio import Audio
from rtmss.signal.loudness import Levels, Meter


def measure(audio: Audio, rate: int, *cuts: int) -> Levels:
    meter = Meter(rate, len(audio))
    for piece in np.split(audio, cuts, axis=-1):
        meter.push(piece)
    return meter.finish()


@pytest.mark.parametrize("rate", [22050, 44100, 48000, 96000])
@pytest.mark.parametrize("channels", [1, 2])
def test_loudness_is_that_of_another_implementation(noise: Noise, rate: int, channels: int) -> None:
    swell = np.linspace(
        0.001,
        1,
        5 * rate + 777,
        dtype=np.float32,
    )  # the gates have work
    audio = noise(len(swell), channels) * swell
    expected = pyloudnorm.Meter(rate, filter_class="DeMan").integrated_loudness(audio.T)
    assert measure(audio, rate).loudness_lufs == pytest.approx(expected, abs=1e-3)


def test_cutting_into_pieces_changes_nothing(noise: Noise) -> None:
    audio = noise(3 * 44100 + 5)
    whole, cut = (
        measure(audio, 44100),
        measure(
            audio,
            44100,
            1,
            4410,
            4411,
            70000,
        ),
    )
    assert cut == pytest.approx(whole, abs=1e-6)


def test_a_tone_at_full_scale_is_as_loud_as_the_standard_says() -> None:
    tone = np.sin(
        2 * np.pi * 997 * np.arange(48000 * 5) / 48000,
        dtype=np.float32,
    )[None]
    levels = measure(tone, 48000)
    assert levels.loudness_lufs == pytest.approx(-3.01, abs=0.01)
    assert levels.level_db == pytest.approx(-3.01, abs=0.01)


def test_the_true_peak_lies_between_samples() -> None:
    """Samples of a tone at a quarter of the rate, half way up its slopes."""
    tone = np.sin(
        np.pi / 2 * np.arange(48000) + np.pi / 4,
        dtype=np.float32,
    )[None]
    assert np.abs(tone).max() < 0.71
    middle = tone * np.hanning(48000).astype(np.float32)
    assert measure(middle, 48000).true_peak_db == pytest.approx(0, abs=0.1)


def test_silence_has_no_loudness() -> None:
    assert measure(
        np.zeros((2, 44100), np.float32),
        44100,
    ) == Levels(None, None, None)


def test_what_is_shorter_than_a_block_has_a_peak_and_no_loudness(noise: Noise) -> None:
    levels = measure(noise(4000), 44100)
    assert levels.loudness_lufs is None
    assert levels.true_peak_db is not None
    assert levels.true_peak_db < 0
