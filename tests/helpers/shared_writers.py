"""Processes that write shared memory as fast as they can, until they are killed. Imports no torch.

Every value that is written is made of one number, so that a reader can tell a torn one.
"""

from __future__ import annotations

import itertools
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from rtmss.engine.control import Scene
from rtmss.live.shared import recorder_ring
from rtmss.live.shared.recorder_ring import RecorderRing, RingShape
from rtmss.live.shared.state import N_METERS, SharedState, Status
from rtmss.recording.hop import StepInfo

N_CONDITION = 12
SHAPE = RingShape(4096, 4, N_CONDITION)
N_SLOTS = 4
"""Hops in the ring: so few that the writer always overwrites what a reader is about to read."""
SESSION: Any = SimpleNamespace(
    n_starts=1,
    first_scene=Scene(),
    scene=Scene(),
)
"""What all hops are of."""


def shorten_ring() -> None:
    """Let rings of SHAPE have N_SLOTS hops, in this process."""
    recorder_ring.RING_SAMPLES = N_SLOTS * SHAPE.hop_length


def write_status(path: Path) -> None:
    """The number is that of the hop, and all levels."""
    shared = SharedState.attach(path, N_CONDITION)
    for number in itertools.count(1):
        shared.report(
            Status(hop=number),
            np.full((N_METERS, 2), number, np.float32),
        )


def write_hop(ring: RecorderRing, number: int) -> None:
    """The number is that of the hop, and all samples."""
    audio = np.full((2, ring.shape.hop_length), number, np.float32)
    output: Any = SimpleNamespace(
        stems=np.stack([audio] * 8),
        remainder=audio,
        mix=np.tile(
            audio,
            (2, 1),
        ),
    )
    ring.put(number, audio, output, SESSION, StepInfo())


def write_hops(path: Path) -> None:
    """One after the other, without end."""
    shorten_ring()
    ring = RecorderRing.attach(path, SHAPE)
    for number in itertools.count(1):
        write_hop(ring, number)


if __name__ == "__main__":
    {
        "status": write_status,
        "hops": write_hops,
    }[sys.argv[1]](Path(sys.argv[2]))
