"""Between two sound devices: what one brings, at the pace of the other's clock and at one constant
delay.

No two crystals agree, so a plain queue between two devices would run full or dry. `Clock` filters
block times with a delay-locked loop. `AdaptiveResampler` reads the input at the filtered input
clock minus a constant, interpolating with a windowed sinc. Method: F. Adriaensen, "Using a DLL to
filter time" (LAC 2005) and "Controlling adaptive resampling" (LAC 2012), as in zita-ajbridge; new
is that the ratio of the two filtered clocks is fed forward, which leaves a loop of the first order
to keep the place.

`write` runs in the input's thread and `read` in the output's. No lock: each value has one writer,
and what belongs together is published as one tuple.

Axes: C channels, S samples. Times are in seconds of one monotonic clock.
"""

from __future__ import annotations

import math

import numpy as np

from rtmss.audio import Audio
from rtmss.config import UserError
from rtmss.live.buffers.declick import Declicker
from rtmss.live.buffers.ring import Ring
from rtmss.live.device.clock import RATIO_LIMIT, Clock

TAPS = 48
"""Samples that one interpolated sample is made of: flat, and without images, up to 18 kHz."""
PHASES = 256
"""Places between two samples in the table, and straight lines between those: 96 dB at 20 kHz."""
POSITION_HZ = 0.016
"""Of the loop that keeps the place; the rest of the clocks' wander ends here."""
RING_SECONDS = 1.5


class AdaptiveResampler:
    """A ring that the input's thread fills and the output's thread reads, always `latency` samples
    behind.
    """

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
        """Samples that the way through the ring takes, compared with one device for both ways;
        constant.
        """
        self.size = round(RING_SECONDS * sample_rate)
        if 4 * self.latency > self.size:
            raise UserError(
                f"blocks of {block} samples are too long to go from one device to another; choose "
                "shorter"
            )
        self.n_written = 0
        """Samples that have come in: the input's thread counts."""
        self.n_xruns = 0
        """Blocks that could not be read, or were read at a place that had to be given up."""
        self._rate = sample_rate
        self._n_channels = n_channels
        self._ring = Ring(n_channels, self.size)
        self._source, self._sink = Clock(sample_rate), Clock(sample_rate)
        self._position, self._fraction = 0, 0.0
        """Where the next block is read."""
        self._has_position = False
        self._age = self._error = 0.0
        """Seconds that the position has been kept for, and how wrong it is, in samples,
        smoothed.
        """
        self._declicker = Declicker(n_channels)
        self._is_audible = False

    @property
    def drift_ppm(self) -> float:
        """By how many millionths the input's clock is faster than the output's."""
        return 1e6 * (self._sink.reading.period / self._source.reading.period - 1)

    def write(self, block: Audio, now: float) -> None:
        """Take (C, S) that the input brought at `now`."""
        self._ring.write(block, self.n_written)
        self.n_written += block.shape[1]  # only now: the reader reads up to here
        self._source.tick(block.shape[1], now)

    def read(self, n: int, now: float) -> Audio:
        """(C, n) for the block that the output asked for at `now`; silence where there is
        nothing.
        """
        self._sink.tick(n, now)
        out: Audio = np.zeros((self._n_channels, n), np.float32)
        is_moved = self._find_position(n)
        is_audible = self._has_position and self._fill(out)
        self.n_xruns += int(self._has_position and not is_audible)
        self._declicker.join(out, is_new=is_moved or is_audible != self._is_audible)
        self._is_audible = is_audible
        return out

    def _find_position(self, n: int) -> bool:
        """Keep the position, or find it again; true where it has moved."""
        sink = self._sink.reading
        wanted = self._source.reading.at(sink.seconds - (n + self.latency) * sink.period)
        error = wanted - self._position - self._fraction
        if self._has_position and abs(error) < self.margin / 2:
            seconds = n / self._rate
            self._age += seconds
            self._error += (1 - math.exp(-8 * math.pi * self._bandwidth * seconds)) * (
                error - self._error
            )
            return False
        is_settled = self._source.is_settled and self._sink.is_settled
        self.n_xruns += int(self._has_position)
        self._has_position = is_settled
        self._position, self._fraction = math.floor(wanted), wanted % 1
        self._age = self._error = 0.0
        return is_settled

    @property
    def _bandwidth(self) -> float:
        return max(POSITION_HZ, min(0.2 / (self._age + 0.1), 0.5))

    def _fill(self, out: Audio) -> bool:
        """Read from the place on, and move it; false where the ring does not hold what is
        needed.
        """
        n = out.shape[1]
        ratio = self._sink.reading.period / self._source.reading.period
        ratio += 2 * math.pi * self._bandwidth * self._error / self._rate
        ratio = min(max(ratio, 1 - RATIO_LIMIT), 1 + RATIO_LIMIT)
        positions = self._fraction + ratio * np.arange(n + 1)
        first, n_needed = self._position - TAPS // 2 + 1, int(positions[-2]) + TAPS
        is_there = self.n_written - self.size // 2 <= first and first + n_needed <= self.n_written
        if is_there:
            interpolate(
                self._ring.read(first, n_needed),
                positions[:-1],
                out,
            )
        whole = math.floor(positions[-1])
        self._position, self._fraction = self._position + whole, float(positions[-1]) - whole
        return is_there


def interpolate(samples: Audio, positions: np.ndarray, out: Audio) -> None:
    """Samples between samples, by a windowed sinc.

    Args:
        samples: (C, S).
        positions: (n,) ascending from 0; 0 is at the sample TAPS // 2 - 1.
        out: (C, n) is filled.
    """
    whole = positions.astype(np.int64)
    phases = (positions - whole) * PHASES
    row = phases.astype(np.int64)
    weights = _TABLE[row] + (phases - row).astype(np.float32)[:, None] * _STEPS[row]
    windows = np.lib.stride_tricks.sliding_window_view(
        samples,
        TAPS,
        axis=1,
    )[:, whole]
    np.einsum("cnk,nk->cn", windows, weights, out=out)


def _table() -> Audio:
    """(PHASES + 1, TAPS) windowed sincs, each of sum 1."""
    distances = np.arange(TAPS) - (TAPS // 2 - 1) - np.arange(PHASES + 1)[:, None] / PHASES
    window = np.i0(
        10
        * np.sqrt(
            np.clip(
                1 - (distances / (TAPS // 2)) ** 2,
                0,
                None,
            )
        )
    )  # Kaiser
    rows = np.sinc(distances) * window
    return np.asarray(
        rows / rows.sum(1, keepdims=True),
        np.float32,
    )


_TABLE = _table()
_STEPS = np.diff(_TABLE, axis=0)
