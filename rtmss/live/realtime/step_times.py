"""How long steps take: percentiles out of a histogram that never grows."""

from __future__ import annotations

import numpy as np

BIN_MS = 0.05
N_BINS = 2000
"""100 ms; what takes longer counts as that, but its maximum is kept."""


class StepTimes:
    """Counts of step times in bins of 0.05 ms."""

    def __init__(self) -> None:
        self.max_ms = 0.0
        self._counts = np.zeros(N_BINS, np.int64)

    def add(self, milliseconds: float, n: int = 1) -> None:
        """Count `n` steps that took so long each."""
        self._counts[min(int(milliseconds / BIN_MS), N_BINS - 1)] += n
        self.max_ms = max(self.max_ms, milliseconds)

    def percentiles(self, shares: tuple[float, ...]) -> list[float]:
        """Step times in ms that these shares (0..1) of all steps did not exceed, to the upper edge
        of a bin.
        """
        sums = np.cumsum(self._counts)
        if not sums[-1]:
            return [0.0] * len(shares)
        bins = np.searchsorted(
            sums,
            np.ceil(np.array(shares) * sums[-1]),
        )
        return [
            min(
                float(edge),
                self.max_ms,
            )
            for edge in (bins + 1) * BIN_MS
        ]
