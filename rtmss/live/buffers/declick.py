"""Joins sounds of different origin without a click.

Axes: C channels, S samples.
"""

from __future__ import annotations

import numpy as np

from rtmss.audio import Audio

FADE = 64
"""Samples over which sound and fallback pass into each other."""


class Declicker:
    """Joins sounds of different origin: the step between them is spread over FADE samples."""

    def __init__(self, n_channels: int) -> None:
        self._last: Audio = np.zeros(n_channels, np.float32)
        """The last sample played."""
        self._step: Audio = np.zeros(n_channels, np.float32)
        self._n_left = 0
        """Samples over which that step is still being spread."""

    def join(self, out: Audio, *, is_new: bool) -> None:
        """Let (C, S) follow on what went before, in place; `is_new` where it comes from
        elsewhere.
        """
        if is_new:
            self._step[:] = self._last - out[:, 0]
            self._n_left = FADE
        if self._n_left:
            n = min(self._n_left, out.shape[1])
            left = np.arange(self._n_left - 1, self._n_left - 1 - n, -1, dtype=np.float32) / FADE
            out[:, :n] += self._step[:, None] * left
            self._n_left -= n
        self._last[:] = out[:, -1]
