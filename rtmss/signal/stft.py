"""Streaming short-time Fourier transform: state in, state out.

Axes: B batch, C channels, T frames, F bins. The leading axes of `synthesize` are free.
"""

from __future__ import annotations

import torch
from torch import Tensor

from rtmss.config import StftConfig


def analyze(
    audio: Tensor, past: Tensor, window: Tensor, config: StftConfig
) -> tuple[Tensor, Tensor]:
    """Turn new samples into the frames that they complete.

    Args:
        audio: (B, C, T * hop_length) new samples.
        past: (B, C, n_fft - hop_length) the samples before `audio`.
        window: (n_fft,) from `analysis_window`.

    Returns:
        (B, C, T, F) complex frames, and the next `past`.

    Raises:
        ValueError: the number of samples is not a multiple of hop_length.
    """
    if audio.shape[-1] % config.hop_length:
        raise ValueError(
            f"{audio.shape[-1]} samples are not a multiple of hop_length {config.hop_length}"
        )
    samples = torch.cat([past, audio], dim=-1)
    blocks = samples.unfold(-1, config.n_fft, config.hop_length)
    return torch.fft.rfft(blocks * window), samples[..., audio.shape[-1] :]


def synthesize(
    frames: Tensor, overlap: Tensor, window: Tensor, config: StftConfig
) -> tuple[Tensor, Tensor]:
    """Turn frames into the samples that they complete.

    Args:
        frames: (..., T, F) complex.
        overlap: (..., n_synthesis - hop_length) what earlier frames already gave to the coming
            samples.
        window: (n_synthesis,) from `synthesis_window`.

    Returns:
        (..., T * hop_length) samples, `config.delay` behind the analyzed audio, and the next
        `overlap`.
    """
    hop, n_frames = config.hop_length, frames.shape[-2]
    blocks = (
        torch.fft.irfft(
            frames,
            n=config.n_fft,
        )[..., -config.n_synthesis :]
        * window
    )
    pieces = blocks.unflatten(-1, (-1, hop))
    n_pieces = pieces.shape[-2]
    total = torch.nn.functional.pad(overlap, (0, n_frames * hop))
    for k in range(n_pieces):
        shifted = pieces[..., k, :].flatten(-2)
        total = total + torch.nn.functional.pad(
            shifted,
            (k * hop, (n_pieces - 1 - k) * hop),
        )
    return total[..., : n_frames * hop], total[..., n_frames * hop :]
