"""Asymmetric window pairs for low latency with good frequency resolution.

Source: Wang et al., "Low-latency monaural speech separation with deep filter-bank", arXiv
2106.11794: a long analysis window whose last part matches a short synthesis window.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from rtmss.config import StftConfig


def analysis_window(config: StftConfig) -> Tensor:
    """(n_fft,) float32: a long sine rise, then the falling half of a sine over n_synthesis / 2
    samples.
    """
    n_fall = config.n_synthesis // 2
    n_rise = config.n_fft - n_fall
    rise = torch.sin(
        torch.arange(
            n_rise,
            dtype=torch.float64,
        )
        * (math.pi / (2 * n_rise))
    )
    fall = torch.cos(
        torch.arange(
            n_fall,
            dtype=torch.float64,
        )
        * (math.pi / (2 * n_fall))
    )
    return torch.cat([rise, fall]).float()


def synthesis_window(config: StftConfig) -> Tensor:
    """(n_synthesis,) float32: times the end of the analysis window it gives a periodic Hann that
    overlap-adds to 1.
    """
    n = config.n_synthesis
    hann = torch.hann_window(
        n,
        periodic=True,
        dtype=torch.float64,
    ) * (2 * config.hop_length / n)
    end_of_analysis = analysis_window(config)[-n:].double()
    return torch.where(
        hann == 0,
        hann,
        hann / end_of_analysis.clamp_min(1e-12),
    ).float()
