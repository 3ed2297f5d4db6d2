"""Whether a device brings other blocks than it did, as JACK may be told to while it plays.

PortAudio cuts longer blocks into those that were asked for, so that several come at once and then
none for a while. The time of one block is too short then for what has to be stepped between two.
"""

from __future__ import annotations

WINDOW_SECONDS = 2.0
N_WINDOWS = 2
"""In a row that have to say the same."""
QUICK = 0.25
"""Of a block's time: what comes sooner after the one before came at once with it."""
FEW = 0.1
"""A device that brought more than this share at once from the beginning is no judge."""
NEAR = 0.03
BURSTS = tuple((n - 1) / n for n in (2, 4, 8, 16, 32))
"""The share that comes at once where a device's blocks are so many times as long; block sizes are
powers of two."""


class Pace:
    """Looks at when blocks come; times are in seconds."""

    def __init__(self, block_seconds: float) -> None:
        self._quick = QUICK * block_seconds
        self._n_window = max(16, round(WINDOW_SECONDS / block_seconds))
        self._last = 0.0
        self._n_blocks = self._n_quick = self._n_alike = 0
        self._share: float | None = None
        """Of the first window."""
        self._burst = 0.0
        self.has_changed = False
        """Whether other blocks come than at first."""

    def came(self, now: float) -> None:
        """A block has come."""
        self._n_quick += now - self._last < self._quick
        self._last = now
        self._n_blocks += 1
        if self._n_blocks == self._n_window:
            self._judge(self._n_quick / self._n_window)
            self._n_blocks = self._n_quick = 0

    def _judge(self, share: float) -> None:
        if self._share is None:
            self._share = share
            return
        burst = next((one for one in BURSTS if abs(share - one) < NEAR), 0.0)
        self._n_alike = self._n_alike + 1 if burst and burst == self._burst else int(burst > 0)
        self._burst = burst
        self.has_changed |= self._n_alike >= N_WINDOWS and self._share < FEW
