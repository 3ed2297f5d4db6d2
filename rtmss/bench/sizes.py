"""What does not depend on the machine: latency in samples, parameters, bytes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rtmss.config import PROFILES, SeparatorConfig
from rtmss.live.buffers.timeline import Timeline
from rtmss.model.separator import SeparatorModel

BLOCKS = (64, 128, 256, 441, 480, 512, 1024, 2048)
"""What sound devices bring at once; 441 and 480 are 10 ms."""


@dataclass(frozen=True)
class LatencyRow:
    """From a sound at the input to the same sound at the output, without the device's own time. In
    samples.
    """

    profile: str
    block: int
    hop: int
    algorithmic: int
    """Of the synthesis window alone: what a device would have that brought and took single hops in
    no time.
    """
    waiting: int
    """For a step to end and, where blocks are not hops, for the rest of one."""
    total: int
    milliseconds: float
    """The total, at the sample rate of the default weights."""


@dataclass(frozen=True)
class SizeRow:
    """Parts of the model."""

    part: str
    n_parameters: int
    n_bytes: int
    """As float32 in memory."""


def latencies(blocks: Sequence[int] = BLOCKS) -> list[LatencyRow]:
    """Those of the live host's own timeline, for every profile and these blocks in samples.

    Raises:
        UserError: a block is too long for the timeline.
    """
    rows = []
    for name, stft in PROFILES.items():
        for block in blocks:
            total = Timeline(2, stft.hop_length, block, stft.delay).latency
            milliseconds = 1000 * total / SeparatorConfig().sample_rate
            row = LatencyRow(
                name,
                block,
                stft.hop_length,
                stft.latency,
                total - stft.latency,
                total,
                milliseconds,
            )
            rows.append(row)
    return rows


def sizes(
    model: SeparatorModel,
    weights: Path,
) -> tuple[list[SizeRow], int]:
    """Parameters by part, and the size in bytes of the file that holds them."""
    rows = []
    for name, part in model.named_children():
        numbers = [p.numel() for p in part.parameters()]
        rows.append(
            SizeRow(
                name.replace("_", " "),
                sum(numbers),
                4 * sum(numbers),
            )
        )
    return rows, weights.stat().st_size
