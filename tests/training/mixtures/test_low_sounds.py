"""Sounds that are put under others."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from helpers.makers import Noise
from rtmss.training.mixtures.low_sounds import draw_noise_bass, draw_sub_bass, put_under

RATE = 44100


def rng() -> np.random.Generator:
    return np.random.default_rng(3)


def test_a_noise_bass_is_low_and_leaves_the_rest_as_it_was(noise: Noise) -> None:
    audio, n_with_bass = torch.from_numpy(noise(44100)), 0
    for seed in range(8):
        sound = torch.from_numpy(
            draw_noise_bass(
                44100,
                44100,
                np.random.default_rng(seed),
            )
        )
        added = (
            put_under(
                audio[None],
                torch.tensor([0]),
                sound[None],
            )[0]
            - audio
        )
        power = torch.fft.rfft(added).abs().square().sum(0)  # bins of 1 Hz
        n_with_bass += int(added.square().mean() > 1e-3 * audio.square().mean())
        assert power[400:].sum() <= 1e-3 * power.sum()
    assert n_with_bass >= 4


def test_sub_notes_are_tones_below_the_sound(noise: Noise) -> None:
    generator = rng()
    for _ in range(20):
        audio = torch.from_numpy(noise(RATE))
        sound = torch.from_numpy(draw_sub_bass(RATE, RATE, generator))
        added = (
            put_under(
                audio[None],
                torch.tensor([0]),
                sound[None],
            )[0]
            - audio
        )
        assert torch.isfinite(added).all()
        level = 10 * torch.log10(added.square().mean() / audio.square().mean())
        assert -12.5 < level < 16.5
        assert (added[0] - added[1]).abs().max() < 1e-3  # in the middle
        power = torch.fft.rfft(added[0]).abs().square()
        assert power[:500].sum() > 0.9 * power.sum()
        assert 20 < power.argmax() < 400


def test_only_the_parts_that_are_named_have_a_sound_under_them(noise: Noise) -> None:
    audio, sounds = torch.stack([torch.from_numpy(noise(100))] * 3), torch.ones(1, 100)
    added = put_under(audio, torch.tensor([1]), sounds) - audio
    assert added[1].numpy() == pytest.approx(
        float(audio[1].square().mean().sqrt()),
        rel=1e-4,
    )
    assert not added[[0, 2]].any()
    assert (
        put_under(
            audio,
            torch.zeros(0, dtype=torch.long),
            torch.zeros(0, 100),
        )
        is audio
    )
