"""Figures of the engine for whoever listens to them: they change all the time, and are told now and
then.
"""

from __future__ import annotations

from collections.abc import Callable

from rtmss.live.control.controller import MixerController
from rtmss.live.control.osc.state import Values, latency_values, status_values

FIGURES = ("/rtmss/status/", "/rtmss/latency")
"""How their addresses begin."""
FIGURES_SECONDS = 0.2
"""They are told no more often than this."""


class Figures:
    """Status and latency, which stand still in between."""

    def __init__(self, controller: MixerController, counts: Callable[[], dict[str, int]]) -> None:
        """Say whose, and what is counted elsewhere."""
        self._controller, self._counts = controller, counts
        self._values: Values = {}
        self._due = 0.0

    def values(self, now: float, is_heard: bool) -> Values:
        """What is told at `now` in seconds of `time.monotonic()`; nothing where nobody listens."""
        if not is_heard:
            self._values = {}
        elif now >= self._due or not self._values:
            status = status_values(self._controller, self._counts())
            del status["/rtmss/status/state"]  # told at once with everything else
            self._values = status | latency_values(self._controller)
            self._due = now + FIGURES_SECONDS
        return self._values
