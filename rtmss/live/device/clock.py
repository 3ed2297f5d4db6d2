"""A sound device's clock, filtered out of the times of its blocks.

Method: F. Adriaensen, "Using a DLL to filter time" (LAC 2005). Times are in seconds of one
monotonic clock.
"""

from __future__ import annotations

import math
from typing import NamedTuple

RATIO_LIMIT = 0.005
"""Clocks differ by a few hundredths of a percent; half of one is no drift."""
CLOCK_HZ = 0.01
"""Bandwidth of a clock's loop once it has settled: minutes of warming up pass, the jitter of blocks
does not.
"""
LEARN_SECONDS = 0.4
LEARN_BLOCKS = 8
"""What both clocks have to have seen before anything is heard."""
JUMP_SECONDS = 0.2
"""A clock that is off by half a block or more for so long has lost or gained samples."""
RELEARN_SECONDS = 3.0
"""After a jump a clock knows its rate, not its place, as well as after so long."""
LEAST_USUAL_SECONDS = 1e-5


class Reading(NamedTuple):
    """Where a clock is."""

    n_samples: int
    seconds: float
    """When that many had come, filtered."""
    period: float
    """Seconds per sample."""

    def at(self, seconds: float) -> float:
        """Samples at another moment."""
        return self.n_samples + (seconds - self.seconds) / self.period


class Clock:
    """A device's clock out of the times of its blocks: a delay-locked loop of the second order.

    It starts wide, with the gains of a straight line through all that it has seen, and narrows to
    CLOCK_HZ.
    """

    def __init__(self, sample_rate: int) -> None:
        self.reading = Reading(0, 0.0, 1 / sample_rate)
        self._nominal = 1 / sample_rate
        self._age = 0.0
        """Seconds since it began, or jumped."""
        self._rate_age = 0.0
        """Seconds for which it had learnt its rate before that."""
        self._n_blocks = 0
        self._off_seconds = 0.0
        self._usual = 0.0
        """Seconds by which a block usually misses its time."""

    @property
    def is_settled(self) -> bool:
        """Whether it has seen enough to be believed."""
        return self._n_blocks >= LEARN_BLOCKS and self._age + self._rate_age >= LEARN_SECONDS

    def tick(self, n: int, now: float) -> None:
        """Take note of a block of `n` samples."""
        n_samples, seconds, period = self.reading
        length = n * period
        self._n_blocks += 1
        self._age += length
        error = now - (seconds + length)
        if self._n_blocks == 1 or self._has_jumped(error, length):
            self._rate_age, self._age = (
                min(
                    self._rate_age + self._age,
                    RELEARN_SECONDS,
                ),
                length,
            )
            self._off_seconds, self._usual = 0.0, length / 4
            self.reading = Reading(n_samples + n, now, period)
            return
        error = self._tamed(error)
        period = (
            period
            + _width(
                self._age + self._rate_age,
                length,
            )
            ** 2
            * error
            / n
        )
        period = min(
            max(
                period,
                self._nominal * (1 - RATIO_LIMIT),
            ),
            self._nominal * (1 + RATIO_LIMIT),
        )
        step = math.sqrt(2) * _width(self._age, length) * error
        self.reading = Reading(n_samples + n, seconds + length + step, period)

    def _tamed(self, error: float) -> float:
        """An error no larger than is usual: that a thread was kept waiting says nothing of the
        clock.
        """
        most = 3 * self._usual
        self._usual += (
            min(
                abs(error),
                most,
            )
            - self._usual
        ) / 32
        self._usual = max(self._usual, LEAST_USUAL_SECONDS)
        return min(max(error, -most), most)

    def _has_jumped(self, error: float, length: float) -> bool:
        self._off_seconds = self._off_seconds + length if abs(error) > length / 2 else 0.0
        return self._off_seconds > JUMP_SECONDS + 4 * length


def _width(age: float, length: float) -> float:
    """Radians per block that a clock's loop reaches to when it has learnt for `age` seconds."""
    return min(
        2 * math.pi * max(CLOCK_HZ, 0.45 / age) * length,
        0.5,
    )
