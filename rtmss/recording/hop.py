"""One hop of a recording, and how far a recorder has come.

Axes: N stems, C channels, O output channels, S samples.
"""

from __future__ import annotations

from typing import NamedTuple

from rtmss.audio import Audio
from rtmss.engine.control import Scene


class EngineRun(NamedTuple):
    """What holds for all hops of one engine."""

    number: int = 0
    sample_rate: int = 0
    hop_length: int = 0
    delay: int = 0
    n_outputs: int = 0
    block: int = 0
    latency: int = 0
    backend: str = ""


class StepInfo(NamedTuple):
    """What the engine knows of a step apart from the sound; counts are since its start."""

    step: int = 0
    """Hops stepped together, at the first of them; else 0."""
    n_bad_samples: int = 0
    n_bad_outputs: int = 0
    n_xruns: int = 0
    is_panic: bool = False
    is_transport: bool = False
    """Whether the transport of a song has a hand in it."""


class Hop(NamedTuple):
    """One hop that was played."""

    number: int
    """Counts all hops of all streams, from 1."""
    hop: int
    """In its stream."""
    run: EngineRun
    info: StepInfo
    start: Scene | None
    """With which the session began again just before."""
    scene: Scene
    scene_number: int
    """The same for as long as no scene is taken up."""
    input: Audio
    """(C, S)."""
    stems: Audio
    """(N, C, S)."""
    remainder: Audio
    """(C, S)."""
    mix: Audio
    """(O, S)."""


class Position(NamedTuple):
    """How far the reader is; kept in the memory, for the reader that comes after it."""

    number: int = 0
    """Of the last hop that was dealt with."""
    n_late: int = 0
    run: int = 0
    take: int = 0
    hop: int = 0
    """The next in that stream."""
    scene: int = 0
    n_lost: int = 0
    n_bad_samples: int = 0
    n_bad_outputs: int = 0
    n_xruns: int = 0
    is_panic: int = 0
    is_transport: int = 0
    has_stopped: int = 0
