"""How many streams one device serves: all of them in one step, which has to end before the next hop
is due.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from rtmss.audio import Audio
from rtmss.bench.steps import percentiles_ms
from rtmss.engine.backends.streams import StreamBatch
from rtmss.model.separator import N_CHANNELS, SeparatorModel
from rtmss.threads import torch_threads

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
    rng = np.random.default_rng(0)
    rows: list[StreamRow] = []
    with torch_threads(n_threads):
        for n in numbers:
            batch = _playing(model, n, n_targets, device, rng)
            audio = 0.1 * rng.standard_normal((n, N_CHANNELS, hop), np.float32)
            seconds = [_step_seconds(batch, audio) for _ in range(N_WARM + n_hops)][N_WARM:]
            p50, p99, longest = percentiles_ms(seconds, 50, 99, 100)
            n_late = sum(1000 * s > hop_ms for s in seconds)
            rows.append(StreamRow(device, n, n_targets, n_hops, p50, p99, longest, n_late, hop_ms))
            if not rows[-1].is_served:
                break
    return rows


def _playing(
    model: SeparatorModel, n_streams: int, n_targets: int, device: str, rng: np.random.Generator
) -> StreamBatch:
    """Streams whose targets are anything."""
    batch = StreamBatch(model, n_streams, n_targets, device)
    for stream in range(n_streams):
        for slot in range(n_targets):
            batch.put(stream, slot, rng.random(model.config.unet.n_condition, np.float32))
    return batch


def _step_seconds(batch: StreamBatch, audio: Audio) -> float:
    """What a step takes: it gives arrays in the processor's memory, so the device is done."""
    started = time.perf_counter()
    batch.step(audio)
    return time.perf_counter() - started
