"""Formants that move while the pitch stays."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from rtmss.training.mixtures.augment import FADE
from rtmss.training.mixtures.formants import shift_formants

RATE = 44100


def vowel(pitch: float, formant: float, n: int = RATE) -> Tensor:
    """(2, S) harmonics of a pitch in Hz under one resonance."""
    t, harmonics = (
        np.arange(n) / RATE,
        np.arange(
            1,
            int(8000 / pitch),
        ),
    )
    heights = np.exp(-(((harmonics * pitch - formant) / 400) ** 2)) + 1e-3
    wave = (heights[:, None] * np.sin(2 * np.pi * pitch * harmonics[:, None] * t)).sum(0)
    return torch.from_numpy(np.stack([wave, 0.5 * wave])).float()


def test_formants_move_and_the_pitch_stays() -> None:
    voices, middle = torch.stack([vowel(110, 1100)] * 3), slice(FADE, -FADE)
    still, up, down = shift_formants(
        voices,
        torch.tensor([1.0, 1.25, 0.8]),
        RATE,
    )
    assert (still - voices[0])[:, middle].abs().max() < 2e-2 * voices[0].abs().max()
    spectra = [torch.fft.rfft(x[0] * torch.hann_window(RATE)).abs() for x in (still, up, down)]
    centroids = [
        float((x.square() * torch.arange(len(x))).sum() / x.square().sum()) for x in spectra
    ]
    assert centroids[1] > 1.07 * centroids[0]
    assert centroids[2] < 0.93 * centroids[0]
    spectrum, at = spectra[1], torch.arange(6, 18) * 110
    assert (spectrum[at] > 10 * spectrum[at + 55]).all(), "between harmonics there is still nothing"
    assert float(up[0].std() / up[1].std()) == pytest.approx(2, rel=1e-3)
    assert float(up.std()) == pytest.approx(
        float(voices[1].std()),
        rel=1e-2,
    )


def test_the_formants_of_a_high_voice_move_too_and_not_its_harmonics() -> None:
    voice = vowel(520, 1100)
    moved = shift_formants(
        voice[None],
        torch.tensor([1.2]),
        RATE,
    )[0]
    levels = [
        20 * torch.fft.rfft(x[0]).abs()[torch.arange(1, 5) * 520].log10() for x in (voice, moved)
    ]
    change = (levels[1] - levels[0]).numpy()
    assert (np.diff(change) > 0).all(), "ever more towards the top, for the resonance moves up"
    assert np.ptp(change) < 24


def test_formants_of_silence_are_silent() -> None:
    assert not shift_formants(
        torch.zeros(1, 2, 5000),
        torch.tensor([0.8]),
        RATE,
    ).any()
