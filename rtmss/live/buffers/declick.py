"""Joins sounds of different origin without a click, and ends sound without one.

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
            left = (
                np.arange(
                    self._n_left - 1,
                    self._n_left - 1 - n,
                    -1,
                    dtype=np.float32,
                )
                / FADE
            )
            out[:, :n] += self._step[:, None] * left
            self._n_left -= n
        self._last[:] = out[:, -1]


class Gate:
    """Fades sound out, and in again, over FADE samples each."""

    def __init__(self) -> None:
        self._gain = 1.0

    def apply(self, out: Audio, *, is_open: bool) -> None:
        """Let (C, S) through, or fall silent, in place."""
        wanted = 1.0 if is_open else 0.0
        if self._gain != wanted:
            steps = (
                np.arange(
                    1,
                    out.shape[1] + 1,
                    dtype=np.float32,
                )
                / FADE
            )
            gains = np.clip(
                self._gain + (steps if is_open else -steps),
                0,
                1,
            )
            out *= gains
            self._gain = float(gains[-1])
        elif not is_open:
            out[:] = 0
