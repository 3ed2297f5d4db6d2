from __future__ import annotations

import sys
from collections.abc import Callable

import numpy as np
import pytest

from rtmss.audio import Audio
from rtmss.config import PROFILES, ConfigError, StftConfig
from rtmss.evaluation.baselines import (
    centre_cut,
    ideal_binary_mask,
    ideal_ratio_mask,
    learned_spectra,
    percussive_part,
)
from rtmss.evaluation.metrics import level_db, sdr_db

SAMPLE_RATE = 22050


@pytest.fixture(scope="module")
def tone() -> Audio:
    time = np.arange(SAMPLE_RATE) / SAMPLE_RATE
    return (0.2 * np.sin(2 * np.pi * np.array([[440.0], [450.0]]) * time)).astype(np.float32)


@pytest.fixture(scope="module")
def clicks() -> Audio:
    audio = np.zeros((2, SAMPLE_RATE), np.float32)
    audio[:, 2000::5000] = 0.8
    return audio


@pytest.mark.slow
def test_hpss_keeps_clicks_and_drops_tones(tone: Audio, clicks: Audio) -> None:
    estimate = percussive_part(tone + clicks)
    assert estimate.shape == tone.shape
    assert estimate.dtype == np.float32
    assert sdr_db(clicks, estimate) > 5 > sdr_db(clicks, tone + clicks)


def test_a_missing_librosa_is_named_with_its_extra(
    monkeypatch: pytest.MonkeyPatch, clicks: Audio
) -> None:
    monkeypatch.setitem(sys.modules, "librosa", None)
    with pytest.raises(ConfigError, match=r"rtmss\[train\]"):
        percussive_part(clicks)


def test_centre_cut_of_a_mono_mixture_is_all_of_it(tone: Audio) -> None:
    mono = np.repeat(tone[:1], 2, axis=0)
    np.testing.assert_allclose(centre_cut(mono), mono, atol=1e-5)


def test_centre_cut_drops_what_one_side_alone_plays(tone: Audio) -> None:
    one_side = tone * np.array(
        [[1.0], [0.0]],
        np.float32,
    )
    assert level_db(centre_cut(one_side), one_side) < -60


def test_centre_cut_drops_what_is_out_of_phase(tone: Audio) -> None:
    opposed = tone[:1] * np.array(
        [[1.0], [-0.5]],
        np.float32,
    )
    assert level_db(centre_cut(opposed), opposed) < -60


def test_centre_cut_finds_the_voice_between_two_sides(tone: Audio) -> None:
    rng = np.random.default_rng(0)
    voice = np.repeat(
        rng.normal(0, 0.1, (1, SAMPLE_RATE)),
        2,
        axis=0,
    ).astype(np.float32)
    sides = rng.normal(
        0,
        0.1,
        (2, SAMPLE_RATE),
    ).astype(np.float32)
    assert (
        sdr_db(
            voice,
            centre_cut(voice + sides),
        )
        > sdr_db(voice, voice + sides) + 2
    )


def test_spectra_learned_from_clips_find_what_sounds_like_them(tone: Audio) -> None:
    time = np.arange(SAMPLE_RATE) / SAMPLE_RATE
    fast = np.sin(2 * np.pi * 7 * time) > 0
    other = (0.2 * fast * np.sin(2 * np.pi * 1500 * time)).astype(np.float32) * np.ones(
        (2, 1), np.float32
    )
    for target, rest in ((tone, other), (other, tone)):
        estimate = learned_spectra(
            target + rest,
            [target[:, :9000], target[:1, 9000:]],
        )
        assert estimate.shape == target.shape
        assert estimate.dtype == np.float32
        assert sdr_db(target, estimate) > 8 > sdr_db(target, target + rest)


def test_learned_spectra_are_the_same_every_time(tone: Audio, clicks: Audio) -> None:
    once, again = (
        learned_spectra(
            tone + clicks,
            [clicks],
        )
        for _ in range(2)
    )
    assert np.array_equal(once, again)


def test_learned_spectra_leave_out_what_the_clips_do_not_have(tone: Audio) -> None:
    time = np.arange(SAMPLE_RATE) / SAMPLE_RATE
    high = (0.2 * np.sin(2 * np.pi * 5000 * time)).astype(np.float32) * np.ones(
        (2, 1),
        np.float32,
    )
    assert level_db(learned_spectra(tone, [high]), tone) < -15


Mask = Callable[[Audio, Audio, StftConfig], Audio]
oracles = pytest.mark.parametrize("oracle", [ideal_ratio_mask, ideal_binary_mask])


@oracles
@pytest.mark.parametrize("profile", ["default", "tight"])
@pytest.mark.parametrize("n_samples", [4096, 5001])
def test_an_oracle_is_aligned_to_the_sample(oracle: Mask, profile: str, n_samples: int) -> None:
    target = (
        np.random.default_rng(0)
        .normal(
            0,
            0.1,
            (2, n_samples),
        )
        .astype(np.float32)
    )
    np.testing.assert_allclose(
        oracle(target, target, PROFILES[profile]),
        target,
        atol=1e-5,
    )


@oracles
def test_an_oracle_separates_what_does_not_overlap(oracle: Mask, tone: Audio) -> None:
    other = (
        np.random.default_rng(0)
        .normal(
            0,
            0.1,
            tone.shape,
        )
        .astype(np.float32)
    )
    assert (
        sdr_db(tone, oracle(tone, tone + other, PROFILES["default"]))
        > sdr_db(tone, tone + other) + 8
    )


@oracles
def test_an_oracle_of_a_silent_target_is_silent(oracle: Mask, tone: Audio) -> None:
    assert (
        np.abs(
            oracle(
                np.zeros_like(tone),
                tone,
                PROFILES["default"],
            )
        ).max()
        < 1e-6
    )


def test_the_binary_oracle_takes_all_of_a_bin_or_nothing(tone: Audio) -> None:
    stft = PROFILES["default"]
    # One share of the mixture everywhere: the ratio takes that share of the power, the binary mask
    # all or nothing.
    np.testing.assert_allclose(
        ideal_binary_mask(0.6 * tone, tone, stft),
        tone,
        atol=1e-5,
    )
    assert (
        np.abs(
            ideal_binary_mask(
                0.4 * tone,
                tone,
                stft,
            )
        ).max()
        < 1e-6
    )
    share = 0.6**2 / (0.6**2 + 0.4**2)
    np.testing.assert_allclose(
        ideal_ratio_mask(0.6 * tone, tone, stft),
        share * tone,
        atol=1e-4,
    )
