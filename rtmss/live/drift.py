"""Between two sound devices: what one brings, at the pace of the other's clock and at one constant delay.

No two crystals agree, so that a plain queue between two devices would run full or dry. Here the times at which blocks
come and go are filtered (`Clock`), and the input is read at the place where its clock is, less a constant
(`Bridge`), between its samples by a windowed sinc. Method: F. Adriaensen, "Using a DLL to filter time" (LAC 2005) and
"Controlling adaptive resampling" (LAC 2012), as in zita-ajbridge; new is that the ratio of the two filtered clocks is
fed forward, which leaves a loop of the first order to keep the place.

`write` runs in the input's thread and `read` in the output's. No lock: each value has one writer, and what belongs
together is published as one tuple.

Axes: C channels, S samples. Times are in seconds of one monotonic clock.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from rtmss.config import UserError
from rtmss.files import Audio
from rtmss.live.timeline import Joint

TAPS = 48
"""Samples that one interpolated sample is made of: flat, and without images, up to 18 kHz."""
PHASES = 256
"""Places between two samples in the table, and straight lines between those: 96 dB at 20 kHz."""
RATIO_LIMIT = 0.005
"""Clocks differ by a few hundredths of a percent; half of one is no drift."""
CLOCK_HZ = 0.01
"""Bandwidth of a clock's loop once it has settled: minutes of warming up pass, the jitter of blocks does not."""
PLACE_HZ = 0.016
"""Of the loop that keeps the place; the rest of the clocks' wander ends here."""
LEARN_SECONDS = 0.4
LEARN_BLOCKS = 8
"""What both clocks have to have seen before anything is heard."""
JUMP_SECONDS = 0.2
"""A clock that is off by half a block or more for so long has lost or gained samples."""
RELEARN_SECONDS = 3.0
"""After a jump a clock knows its rate, not its place, as well as after so long."""
LEAST_USUAL_SECONDS = 1e-5
RING_SECONDS = 1.5


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

    It starts wide, with the gains of a straight line through all that it has seen, and narrows to CLOCK_HZ.
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
            self._rate_age, self._age = min(self._rate_age + self._age, RELEARN_SECONDS), length
            self._off_seconds, self._usual = 0.0, length / 4
            self.reading = Reading(n_samples + n, now, period)
            return
        error = self._tamed(error)
        period = period + _width(self._age + self._rate_age, length) ** 2 * error / n
        period = min(max(period, self._nominal * (1 - RATIO_LIMIT)), self._nominal * (1 + RATIO_LIMIT))
        step = math.sqrt(2) * _width(self._age, length) * error
        self.reading = Reading(n_samples + n, seconds + length + step, period)

    def _tamed(self, error: float) -> float:
        """An error no larger than is usual: that a thread was kept waiting says nothing of the clock."""
        most = 3 * self._usual
        self._usual += (min(abs(error), most) - self._usual) / 32
        self._usual = max(self._usual, LEAST_USUAL_SECONDS)
        return min(max(error, -most), most)

    def _has_jumped(self, error: float, length: float) -> bool:
        self._off_seconds = self._off_seconds + length if abs(error) > length / 2 else 0.0
        return self._off_seconds > JUMP_SECONDS + 4 * length


def _width(age: float, length: float) -> float:
    """Radians per block that a clock's loop reaches to when it has learnt for `age` seconds."""
    return min(2 * math.pi * max(CLOCK_HZ, 0.45 / age) * length, 0.5)


class Bridge:
    """A ring that the input's thread fills and the output's thread reads, always `latency` samples behind."""

    def __init__(self, n_channels: int, sample_rate: int, block: int) -> None:
        """Start with silence.

        Args:
            n_channels: of the input.
            sample_rate: Hz, nominally that of both devices.
            block: samples that the input brings at once, at most.

        Raises:
            UserError: its blocks are too long.
        """
        self.margin = max(block, sample_rate // 500)
        """Samples by which a block may come late; by half as many may the place be wrong."""
        self.latency = block + self.margin + TAPS // 2
        """Samples that the way through the ring takes, compared with one device for both ways; constant."""
        self.size = round(RING_SECONDS * sample_rate)
        if 4 * self.latency > self.size:
            raise UserError(f"blocks of {block} samples are too long to go from one device to another; choose shorter")
        self.n_written = 0
        """Samples that have come in: the input's thread counts."""
        self.n_xruns = 0
        """Blocks that could not be read, or were read at a place that had to be given up."""
        self._rate = sample_rate
        self._ring: Audio = np.zeros((n_channels, self.size), np.float32)
        self._source, self._sink = Clock(sample_rate), Clock(sample_rate)
        self._place, self._fraction = 0, 0.0
        """Where the next block is read."""
        self._has_place = False
        self._age = self._error = 0.0
        """Seconds that the place has been kept for, and how wrong it is, in samples, smoothed."""
        self._joint = Joint(n_channels)
        self._is_heard = False

    @property
    def drift_ppm(self) -> float:
        """By how many millionths the input's clock is faster than the output's."""
        return 1e6 * (self._sink.reading.period / self._source.reading.period - 1)

    def write(self, block: Audio, now: float) -> None:
        """Take (C, S) that the input brought at `now`."""
        n, place = block.shape[1], self.n_written % self.size
        first = min(n, self.size - place)
        self._ring[:, place : place + first] = block[:, :first]
        self._ring[:, : n - first] = block[:, first:]
        self.n_written += n  # only now: the reader reads up to here
        self._source.tick(n, now)

    def read(self, n: int, now: float) -> Audio:
        """(C, n) for the block that the output asked for at `now`; silence where there is nothing."""
        self._sink.tick(n, now)
        out: Audio = np.zeros((len(self._ring), n), np.float32)
        is_moved = self._find_place(n)
        is_heard = self._has_place and self._fill(out)
        self.n_xruns += int(self._has_place and not is_heard)
        self._joint.join(out, is_new=is_moved or is_heard != self._is_heard)
        self._is_heard = is_heard
        return out

    def _find_place(self, n: int) -> bool:
        """Keep the place, or find it anew; true where it has moved."""
        sink = self._sink.reading
        wanted = self._source.reading.at(sink.seconds - (n + self.latency) * sink.period)
        error = wanted - self._place - self._fraction
        if self._has_place and abs(error) < self.margin / 2:
            seconds = n / self._rate
            self._age += seconds
            self._error += (1 - math.exp(-8 * math.pi * self._bandwidth * seconds)) * (error - self._error)
            return False
        is_settled = self._source.is_settled and self._sink.is_settled
        self.n_xruns += int(self._has_place)
        self._has_place = is_settled
        self._place, self._fraction = math.floor(wanted), wanted % 1
        self._age = self._error = 0.0
        return is_settled

    @property
    def _bandwidth(self) -> float:
        return max(PLACE_HZ, min(0.2 / (self._age + 0.1), 0.5))

    def _fill(self, out: Audio) -> bool:
        """Read from the place on, and move it; false where the ring does not hold what is needed."""
        n = out.shape[1]
        ratio = self._sink.reading.period / self._source.reading.period
        ratio += 2 * math.pi * self._bandwidth * self._error / self._rate
        ratio = min(max(ratio, 1 - RATIO_LIMIT), 1 + RATIO_LIMIT)
        places = self._fraction + ratio * np.arange(n + 1)
        first, n_needed = self._place - TAPS // 2 + 1, int(places[-2]) + TAPS
        is_there = self.n_written - self.size // 2 <= first and first + n_needed <= self.n_written
        if is_there:
            samples = np.take(self._ring, np.arange(first, first + n_needed) % self.size, axis=1)
            interpolate(samples, places[:-1], out)
        whole = math.floor(places[-1])
        self._place, self._fraction = self._place + whole, float(places[-1]) - whole
        return is_there


def interpolate(samples: Audio, places: np.ndarray, out: Audio) -> None:
    """Samples between samples, by a windowed sinc.

    Args:
        samples: (C, S).
        places: (n,) ascending from 0; 0 is at the sample TAPS // 2 - 1.
        out: (C, n) is filled.
    """
    whole = places.astype(np.int64)
    phases = (places - whole) * PHASES
    row = phases.astype(np.int64)
    weights = _TABLE[row] + (phases - row).astype(np.float32)[:, None] * _STEPS[row]
    windows = np.lib.stride_tricks.sliding_window_view(samples, TAPS, axis=1)[:, whole]
    np.einsum("cnk,nk->cn", windows, weights, out=out)


def _table() -> Audio:
    """(PHASES + 1, TAPS) windowed sincs, each of sum 1."""
    distances = np.arange(TAPS) - (TAPS // 2 - 1) - np.arange(PHASES + 1)[:, None] / PHASES
    window = np.i0(10 * np.sqrt(np.clip(1 - (distances / (TAPS // 2)) ** 2, 0, None)))  # Kaiser
    rows = np.sinc(distances) * window
    return np.asarray(rows / rows.sum(1, keepdims=True), np.float32)


_TABLE = _table()
_STEPS = np.diff(_TABLE, axis=0)
