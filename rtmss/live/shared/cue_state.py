"""Where a set list is: part of the memory that the processes share, so that a control side which
died comes back to its cue.
"""

from __future__ import annotations

from typing import NamedTuple


class CueState(NamedTuple):
    """The control side writes it, and reads it when it starts."""

    current: int = -1
    """Place of the cue that came last; -1 before the first."""
    timed: int = -1
    """Place of the cue by time that came last in the song."""
    n_seeks: int = 0
    """Seeks of the song that have been followed."""
    n_passes: int = 0
    """Passes of the loop that have been followed."""
    began_hop: int = 0
    """Hop at which a song over the input was at a place that is known."""
    began_sample: int = 0
    """That place."""
    began_seconds: float = 0.0
    """When that was, by `time.perf_counter()`, for another engine."""
    settled_ms: float = -1.0
    """Fade that holds again once that of a cue is over; negative while none is under way."""
