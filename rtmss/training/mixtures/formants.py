"""Voices with other throats: their resonances move, and their pitch stays.

Axes: P parts, C channels, S samples.
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
    power = (
        torch.unflatten(
            frames.abs().square(),
            0,
            audio.shape[:2],
        )
        .mean(1)
        .transpose(1, 2)
    )
    n_around = round(250 * n_fft / sample_rate)
    for _ in range(2):
        power = avg_pool1d(power, 2 * n_around + 1, 1, n_around, count_include_pad=False)
    envelopes = (power.transpose(1, 2) + 1e-9).log()
    place = (
        torch.arange(
            n_fft // 2 + 1,
            device=audio.device,
        )
        / ratios[:, None]
    )
    below = place.long().clamp_max(n_fft // 2 - 1)
    parts = torch.arange(
        len(audio),
        device=audio.device,
    )[:, None]
    stretched = torch.lerp(
        envelopes[parts, below],
        envelopes[parts, below + 1],
        (place - below).clamp_max(1)[..., None],
    )
    gains = torch.exp(0.5 * (stretched - envelopes).clamp(-2.8, 2.8)).repeat_interleave(
        audio.shape[1], 0
    )
    # `istft` would wait for the device. Hann windows squared, four of which overlap, add up to 3/2.
    pieces = (
        torch.fft.irfft(
            frames * gains,
            dim=1,
        )
        * (window / 1.5)[:, None]
    )
    n_padded = audio.shape[-1] + n_fft
    hop = n_fft // 4
    shifted = fold(
        pieces,
        (1, n_fft + hop * (pieces.shape[-1] - 1)),
        (1, n_fft),
        stride=(1, hop),
    )[:, 0, 0]
    shifted = torch.nn.functional.pad(
        shifted,
        (0, n_padded - shifted.shape[-1]),
    )[:, n_fft // 2 : -n_fft // 2]
    return with_level_of(
        audio,
        torch.unflatten(shifted, 0, audio.shape[:2]),
    )
