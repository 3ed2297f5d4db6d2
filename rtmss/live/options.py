"""What an engine is started with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

EXIT_REFUSED = 2
"""Exit status of an engine or a control side that cannot start as it was asked to."""
EXIT_LOST = 3
"""Exit status of an engine whose device has stopped calling."""
SILENT_SECONDS = 1.0
"""Without a block for so long, the device is taken to be lost."""


@dataclass(frozen=True)
class EngineOptions:
    """What an engine is started with."""

    weights: Path | None
    """None for those that come with rtmss."""
    device: str | None
    """By name; None for the default."""
    block: int | None
    """Samples per block; None for what the device brings at once."""
    n_outputs: int
    """Output channels to open, as far as the device has them."""
    sample_rate: int | None
    """Hz; None for the device's own."""
    n_queued: int | None
    """Blocks that a step may take; None gives it the time of one hop."""
    source: str | None = None
    """The input's device by name where it is another than the output's."""
    sink: str | None = None
    """The output's device by name."""
    ring: Path | None = None
    """Shared memory for a recorder, if there is one."""
    graph: Path | None = None
    """The network for ONNX Runtime; None for eager torch."""
    profile: str | None = None
    """A latency profile; None for that of the weights."""
