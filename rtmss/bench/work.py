"""How much there is to multiply in a hop, and how much this machine could."""

from __future__ import annotations

import time

import torch
from torch.utils.flop_counter import FlopCounterMode

from rtmss.model.separator import N_CHANNELS, SeparatorModel

N_PEAK = 1024
"""Rows and columns of the matrices whose product is the measure."""


def macs_per_hop(model: SeparatorModel, n_targets: int) -> int:
    """Multiply-adds of matrix products, convolutions and the transforms' own products in one hop of eager torch."""
    audio = torch.zeros(1, N_CHANNELS, model.config.stft.hop_length)
    condition = torch.zeros(1, n_targets, model.config.unet.n_condition)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(audio, condition, model.init_state(1, n_targets))
    n_flops: int = counter.get_total_flops()
    return n_flops // 2


def peak_macs_per_second(n_trials: int = 60) -> float:
    """Multiply-adds a second of the best of some products of two float32 matrices, on one thread."""
    a, b = torch.randn(N_PEAK, N_PEAK), torch.randn(N_PEAK, N_PEAK)
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        shortest = float("inf")
        for _ in range(n_trials):
            started = time.perf_counter()
            a @ b
            shortest = min(shortest, time.perf_counter() - started)
    finally:
        torch.set_num_threads(n_threads)
    return N_PEAK**3 / shortest
