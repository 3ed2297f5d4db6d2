"""Voices as of other singers: their resonances move, and their pitch stays.

Axes: P parts, C channels, S samples, F bins, T frames.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import avg_pool1d, fold

from rtmss.signal.dynamics import with_level_of


def draw_formants(rng: np.random.Generator) -> float:
    """How far up or down the resonances of a voice move, as a ratio of frequencies; its pitch
    stays.
    """
    return float(2 ** (rng.uniform(-4, 4) / 12))


def shift_formants(audio: Tensor, ratios: Tensor, sample_rate: int) -> Tensor:
    """(P, C, S) with the spectral envelopes of each part stretched over frequency by its ratio,
    (P,).

    Envelopes are power spectra smoothed twice over 500 Hz, wide enough for pitches up to there, and
    alike for all channels. They change by 12 dB at most, and levels are kept. The first and last
    `augment.FADE` samples fade.
    """
    n_fft = 1 << round(np.log2(sample_rate / 20))
    window = torch.hann_window(n_fft, device=audio.device)
    frames = torch.stft(
        audio.flatten(0, 1),
        n_fft,
        window=window,
        return_complex=True,
    )
    power = torch.unflatten(frames.abs().square(), 0, audio.shape[:2]).mean(1)
    envelopes = _log_envelopes(power, round(250 * n_fft / sample_rate))
    change = _stretched(envelopes, ratios) - envelopes
    gains = torch.exp(0.5 * change.clamp(-2.8, 2.8)).repeat_interleave(audio.shape[1], 0)
    shifted = _overlapped(frames * gains, window, audio.shape[-1])
    return with_level_of(
        audio,
        torch.unflatten(shifted, 0, audio.shape[:2]),
    )


def _log_envelopes(power: Tensor, n_around: int) -> Tensor:
    """(P, F, T) logarithm of power smoothed twice over `n_around` bins to either side."""
    smooth = power.transpose(1, 2)
    for _ in range(2):
        smooth = avg_pool1d(smooth, 2 * n_around + 1, 1, n_around, count_include_pad=False)
    return (smooth.transpose(1, 2) + 1e-9).log()


def _stretched(envelopes: Tensor, ratios: Tensor) -> Tensor:
    """(P, F, T) read at each frequency over the part's ratio, (P,), linear between bins."""
    n_bins = envelopes.shape[1]
    place = torch.arange(n_bins, device=envelopes.device) / ratios[:, None]
    below = place.long().clamp_max(n_bins - 2)
    parts = torch.arange(len(envelopes), device=envelopes.device)[:, None]
    return torch.lerp(
        envelopes[parts, below],
        envelopes[parts, below + 1],
        (place - below).clamp_max(1)[..., None],
    )


def _overlapped(frames: Tensor, window: Tensor, n_samples: int) -> Tensor:
    """(P * C, F, T) frames back to (P * C, S) audio, as `istft`, which would wait for the device.

    Hann windows squared, four of which overlap, add up to 3/2.
    """
    n_fft = len(window)
    hop = n_fft // 4
    pieces = torch.fft.irfft(frames, dim=1) * (window / 1.5)[:, None]
    audio = fold(
        pieces,
        (1, n_fft + hop * (pieces.shape[-1] - 1)),
        (1, n_fft),
        stride=(1, hop),
    )[:, 0, 0]
    n_missing = n_samples + n_fft - audio.shape[-1]
    return torch.nn.functional.pad(audio, (0, n_missing))[:, n_fft // 2 : -n_fft // 2]
