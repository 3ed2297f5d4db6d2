"""Compressors and limiters whose gain is one curve: for all channels, and over a mixture for all of its stems alike, so
that what is asked of a mastered mixture still adds up to it.

Feed-forward, by the peaks of short blocks: Giannoulis, Massberg, Reiss, "Digital Dynamic Range Compressor Design",
JAES 60 (2012).

Axes: P parts or mixtures, C channels, S samples, T blocks.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

BLOCK = 64
"""Samples that have one gain, between which it goes in straight lines."""

UNCOMPRESSED = (0.0, 1.0, 0.01, 0.1)
"""The compressor that changes nothing."""

UNMASTERED = (*UNCOMPRESSED, 0.0, 0.1)
"""The same for a mixture."""

MASTERED = (4.0, 3.0, 0.01, 0.15, 8.0, 0.06)
"""A loud record, for evaluation."""


def draw_compressor(rng: np.random.Generator) -> tuple[float, ...]:
    """Threshold in dB over the RMS, ratio, attack and release in seconds."""
    return rng.uniform(-4, 8), rng.uniform(1.5, 6), 10 ** rng.uniform(-3, -1.5), 10 ** rng.uniform(-1.5, -0.4)


def draw_master(rng: np.random.Generator) -> tuple[float, ...]:
    """A gentle compressor as `draw_compressor` gives it; then how many decibels louder a limiter makes everything under
    the same peak, and its release in seconds.
    """
    threshold, ratio, attack, release = draw_compressor(rng)
    return threshold + 2, 1 + (ratio - 1) / 2, attack, release, rng.uniform(0, 12), 10 ** rng.uniform(-2, -0.7)


def compress(audio: Tensor, compressors: Tensor, sample_rate: int) -> Tensor:
    """(P, C, S) through what `draw_compressor` gives, (P, 4); levels are kept."""
    squeezed = audio * compressor_gains(audio, compressors, sample_rate)
    energies = [x.square().mean((1, 2), keepdim=True) for x in (audio, squeezed)]
    return squeezed * (energies[0] / energies[1].clamp_min(1e-12)).sqrt()


def master_gains(audio: Tensor, masters: Tensor, sample_rate: int) -> Tensor:
    """(P, 1, S) gains of what `draw_master` gives, (P, 6), for (P, C, S) mixtures. Peaks stay as high as they were."""
    gains = compressor_gains(audio, masters[:, :4], sample_rate)
    peaks = [x.abs().amax((1, 2), keepdim=True) for x in (audio, audio * gains)]
    gains = gains * (peaks[0] / peaks[1].clamp_min(1e-6)).clamp_min(1)
    return gains * limiter_gains(audio * gains, masters[:, 4], masters[:, 5], sample_rate)


def compressor_gains(audio: Tensor, compressors: Tensor, sample_rate: int) -> Tensor:
    """(P, 1, S) gains, at most 1, of what `draw_compressor` gives, (P, 4), for (P, C, S)."""
    threshold, ratio, attack, release = compressors.unbind(1)
    rms_db = 10 * torch.log10(audio.square().mean((1, 2)) + 1e-12)
    over = (_peaks_db(audio) - (threshold + rms_db)[:, None]).clamp_min(0)
    reduction = _released(over * (1 - 1 / ratio)[:, None], release, sample_rate)
    return _gains(_smoothed(reduction, attack, sample_rate), audio.shape[-1])


def limiter_gains(audio: Tensor, drops: Tensor, releases: Tensor, sample_rate: int) -> Tensor:
    """(P, 1, S) gains that lower the peaks of (P, C, S) by `drops` (P,) dB or less, the loudest by all of it, and then
    raise everything by it. It looks ahead, so no peak ends above the loudest one before.
    """
    peaks = _peaks_db(audio)
    over = (peaks - (peaks.amax(1) - drops)[:, None]).clamp_min(0)
    ahead = torch.nn.functional.max_pool1d(over[:, None], 3, stride=1, padding=1)[:, 0]
    raised: Tensor = 10 ** (drops / 20)[:, None, None]
    return raised * _gains(_released(ahead, releases, sample_rate), audio.shape[-1])


def _peaks_db(audio: Tensor) -> Tensor:
    """(P, C, S) -> (P, T)."""
    padded = torch.nn.functional.pad(audio, (0, -audio.shape[-1] % BLOCK))
    return 20 * torch.log10(torch.unflatten(padded.abs(), -1, (-1, BLOCK)).amax((1, 3)) + 1e-6)


def _released(reduction: Tensor, release: Tensor, sample_rate: int) -> Tensor:
    """(P, T) dB that rise at once and fall exponentially: `max(now, before * fall)`, by doubling."""
    fall = torch.exp(-BLOCK / (sample_rate * release))[:, None]
    n_blocks, n = reduction.shape[1], 1
    while n < n_blocks:
        earlier = torch.nn.functional.pad(reduction[:, :-n], (n, 0))
        reduction = torch.maximum(reduction, earlier * fall**n)
        n *= 2
    return reduction


def _smoothed(reduction: Tensor, attack: Tensor, sample_rate: int) -> Tensor:
    """(P, T) dB through a one-pole low-pass."""
    n_blocks = reduction.shape[1]
    steps = torch.arange(n_blocks, device=reduction.device)
    kernel = torch.exp(-BLOCK * steps / (sample_rate * attack[:, None]))
    kernel = kernel / kernel.sum(1, keepdim=True)
    smooth: Tensor = torch.fft.irfft(torch.fft.rfft(reduction, 2 * n_blocks) * torch.fft.rfft(kernel, 2 * n_blocks))
    return smooth[:, :n_blocks].clamp_min(0)


def _gains(reduction: Tensor, n_samples: int) -> Tensor:
    """(P, T) dB of reduction -> (P, 1, S) gains."""
    n = reduction.shape[1] * BLOCK
    between = torch.nn.functional.interpolate(reduction[:, None], n, mode="linear", align_corners=False)
    gains: Tensor = 10 ** (-between[..., :n_samples] / 20)
    return gains
