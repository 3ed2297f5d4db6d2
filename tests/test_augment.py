from __future__ import annotations

import numpy as np
import pytest
import torch
from conftest import Noise
from torch import Tensor

from rtmss.training.augment import (
    FADE,
    growl,
    random_equaliser,
    random_room,
    saturate,
    speed_and_colour,
    sub_notes,
    to_stereo,
)

RATE = 44100


def rng() -> np.random.Generator:
    return np.random.default_rng(3)


def peak_hz(audio: Tensor) -> float:
    spectrum = torch.fft.rfft(audio[0] * torch.hann_window(audio.shape[-1])).abs()
    return float(spectrum.argmax()) * RATE / audio.shape[-1]


@pytest.mark.parametrize("n_out", [20000, 16000, 25000])
def test_a_tone_is_transposed_by_the_speed(n_out: int) -> None:
    tone = torch.sin(torch.arange(20000) * (2 * np.pi * 1000 / RATE))[None]
    played = speed_and_colour(tone, n_out, RATE, rng(), colour=0, room=0)
    assert played.shape == (1, n_out)
    assert peak_hz(played) == pytest.approx(1000 * 20000 / n_out, abs=RATE / n_out)


def test_at_its_own_speed_a_take_stays_as_it_is(noise: Noise) -> None:
    audio = torch.from_numpy(noise(9000))
    assert (speed_and_colour(audio, 9000, RATE, rng(), colour=0, room=0) - audio).abs().max() < 1e-5


def test_a_speed_change_keeps_the_level() -> None:
    tone = torch.sin(torch.arange(20000) * (2 * np.pi * 1000 / RATE))[None]
    played = speed_and_colour(tone, 16000, RATE, rng(), colour=0, room=0)[..., FADE:-FADE]
    assert float(played.std()) == pytest.approx(float(tone.std()), rel=0.02)


def test_a_room_makes_mono_stereo(noise: Noise) -> None:
    played = speed_and_colour(torch.from_numpy(noise(9000, 1)), 9000, RATE, rng(), colour=0, room=1)
    assert played.shape == (2, 9000)
    assert (played[0] - played[1]).abs().max() > 1e-3


def test_a_room_starts_with_the_direct_sound() -> None:
    room = random_room(20000, RATE, rng())
    assert room[:, 0].tolist() == [1, 1]
    assert room[:, 1:].square().sum() < 1


def test_an_equaliser_is_smooth_and_moderate() -> None:
    for seed in range(20):
        gains_db = 20 * random_equaliser(1025, RATE, np.random.default_rng(seed)).log10()
        assert gains_db.max() < 25
        assert gains_db[10:].diff().abs().max() < 6


def test_saturation_keeps_the_level_and_bends_the_wave(noise: Noise) -> None:
    audio = torch.from_numpy(noise(9000))
    driven = saturate(audio, rng())
    assert float(driven.square().mean()) == pytest.approx(float(audio.square().mean()), rel=1e-3)
    assert (driven - audio).abs().max() > 1e-3


def test_saturated_silence_is_silence() -> None:
    assert not saturate(torch.zeros(2, 100), rng()).any()


def test_panned_mono_keeps_its_power(noise: Noise) -> None:
    audio = torch.from_numpy(noise(9000, 1))
    for seed in range(10):
        stereo = to_stereo(audio, np.random.default_rng(seed))
        assert float(stereo.square().sum()) == pytest.approx(2 * float(audio.square().sum()), rel=1e-4)


def test_stereo_only_changes_sides_and_polarity(noise: Noise) -> None:
    audio = torch.from_numpy(noise(100))
    for seed in range(10):
        stereo = to_stereo(audio, np.random.default_rng(seed))
        assert any(torch.equal(stereo, sign * sides) for sign in (1, -1) for sides in (audio, audio.flip(0)))


def test_a_seed_fixes_everything(noise: Noise) -> None:
    audio = torch.from_numpy(noise(9000, 1))
    a, b = (speed_and_colour(audio, 8000, RATE, rng(), colour=1, room=1) for _ in range(2))
    assert torch.equal(a, b)


def test_a_growl_is_low_and_leaves_the_rest_as_it_was(noise: Noise) -> None:
    audio, n_growling = torch.from_numpy(noise(44100)), 0
    for seed in range(8):
        added = growl(audio, 44100, np.random.default_rng(seed)) - audio
        power = torch.fft.rfft(added).abs().square().sum(0)  # bins of 1 Hz
        n_growling += int(added.square().mean() > 1e-3 * audio.square().mean())
        assert power[400:].sum() <= 1e-3 * power.sum()
    assert n_growling >= 4


def test_sub_notes_are_tones_below_the_sound(noise: Noise) -> None:
    generator = rng()
    for _ in range(20):
        audio = torch.from_numpy(noise(RATE))
        added = sub_notes(audio, RATE, generator) - audio
        assert torch.isfinite(added).all()
        level = 10 * torch.log10(added.square().mean() / audio.square().mean())
        assert -12.5 < level < 16.5
        assert (added[0] - added[1]).abs().max() < 1e-3  # in the middle
        power = torch.fft.rfft(added[0]).abs().square()
        assert power[:500].sum() > 0.9 * power.sum()
        assert 20 < power.argmax() < 400
