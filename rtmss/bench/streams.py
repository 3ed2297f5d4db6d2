"""How many streams one device serves: all of them in one step, which has to end before the next hop
is due.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch

from rtmss.engine.backends.streams import StreamBatch
from rtmss.model.separator import N_CHANNELS, SeparatorModel

N_WARM = 10
"""Hops before the first that is timed."""


@dataclass(frozen=True)
class StreamRow:
    """Steps of a number of streams."""

    device: str
    n_streams: int
    n_targets: int
    n_hops: int
    p50_ms: float
    p99_ms: float
    max_ms: float
    n_late: int
    """Hops that took longer than a hop lasts."""
    hop_ms: float

    @property
    def is_served(self) -> bool:
        """99 of 100 steps were ready in time."""
        return self.p99_ms <= self.hop_ms


def measure_streams(
    model: SeparatorModel,
    device: str,
    n_targets: int,
    n_hops: int,
    numbers: Iterable[int],
    n_threads: int = 1,
) -> list[StreamRow]:
    """Step noise through ever more streams, until a device does not keep up.

    Args:
        model: the weights; speed does not depend on what they have learnt.
        device: as torch calls it.
        n_targets: of each stream.
        n_hops: timed ones for each number of streams.
        numbers: of streams, rising.
        n_threads: of a processor.

    Returns:
        One row per number; the last one is the first that is not served, if there was one.
    """
    hop = model.config.stft.hop_length
    hop_ms = 1000 * hop / model.config.sample_rate
    rng, rows = np.random.default_rng(0), []
    before = torch.get_num_threads()
    torch.set_num_threads(n_threads)
    try:
        for n in numbers:
            batch = StreamBatch(model, n, n_targets, device)
            for stream in range(n):
                for slot in range(n_targets):
                    batch.put(
                        stream,
                        slot,
                        rng.random(model.config.unet.n_condition, np.float32),
                    )
            audio = 0.1 * rng.standard_normal((n, N_CHANNELS, hop), np.float32)
            seconds = []
            for _ in range(N_WARM + n_hops):
                started = time.perf_counter()
                batch.step(
                    audio
                )  # what it gives lies in the processor's memory, so the device is done
                seconds.append(time.perf_counter() - started)
            p50, p99, longest = (
                float(ms)
                for ms in 1000
                * np.percentile(
                    seconds[N_WARM:],
                    (50, 99, 100),
                )
            )
            n_late = sum(1000 * s > hop_ms for s in seconds[N_WARM:])
            rows.append(
                StreamRow(
                    device,
                    n,
                    n_targets,
                    n_hops,
                    p50,
                    p99,
                    longest,
                    n_late,
                    hop_ms,
                )
            )
            if not rows[-1].is_served:
                break
    finally:
        torch.set_num_threads(before)
    return rows
