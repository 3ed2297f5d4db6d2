"""Every instance of the plug-in that is there, whether an engine plays it or not."""

from __future__ import annotations

import time
from pathlib import Path
from typing import NamedTuple

from rtmss.config import UserError
from rtmss.serve.layout import STATES, EngineState
from rtmss.serve.mapped import MappedInstance, is_abandoned
from rtmss.serve.places import PREFIX, program_of

ALIVE_NS = 1_000_000_000
"""An engine that was heard of within this is alive, as in the plug-in."""


class Listed(NamedTuple):
    """What is told of an instance."""

    number: int
    """By which OSC knows it; 0 for none."""
    host: str
    preset: str
    sample_rate: int
    """Hz; 0 without a stream."""
    state: str
    n_late: int
    """Hops that were not ready for their place."""
    latency: int
    """Samples; 0 without a stream."""


def instances(folder: Path) -> list[Listed]:
    """All instances of a folder, by their numbers; files that are none are passed over."""
    found = []
    for path in folder.glob(f"{PREFIX}*"):
        if is_abandoned(path):
            continue
        try:
            found.append(_listed(MappedInstance(path)))
        except (UserError, OSError):
            continue
    return sorted(found)


def _listed(instance: MappedInstance) -> Listed:
    stream = instance.stream()
    is_alive = time.monotonic_ns() - instance.engine_beat < ALIVE_NS
    state = instance.state if is_alive else EngineState.NOBODY
    return Listed(
        instance.number,
        program_of(instance.pid),
        instance.playing,
        stream.sample_rate if stream else 0,
        STATES[state],
        instance.n_late,
        stream.delay + stream.lag if stream else 0,
    )
