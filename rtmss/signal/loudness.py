"""How loud a recording is, measured while it streams by: memory does not grow with its length.

Integrated loudness after ITU-R BS.1770-4; the filter's coefficients at any sample rate after
B. De Man, "Evaluation of Implementations of the EBU R128 Loudness Measurement", AES 2018. The true
peak is that of the signal at four times its rate (BS.1770-4, annex 2).

Axes: C channels, S samples.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import soxr
from numpy.typing import NDArray

_STEPS_PER_SECOND = 10
_STEPS_PER_BLOCK = 4
"""Blocks of 400 ms begin every 100 ms."""
_SILENT_LUFS = -70.0
_QUIETER_BY = 10.0
"""Blocks that are so much quieter (LU) than the mean of all that sound do not count."""
_OVERSAMPLING = 4
_OFFSET_DB = -0.691


class Levels(NamedTuple):
    """How loud something is. None stands for silence, and for loudness under 400 ms too."""

    loudness_lufs: float | None
    """Integrated loudness."""
    true_peak_db: float | None
    """Largest magnitude between samples too, relative to full scale."""
    level_db: float | None
    """Root mean square of all samples, relative to full scale."""


class Meter:
    """Takes a recording piece by piece."""

    def __init__(self, sample_rate: int, n_channels: int) -> None:
        """Start at the beginning.

        Args:
            sample_rate: Hz.
            n_channels: 1 or 2, all of equal weight.
        """
        self._step = max(1, round(sample_rate / _STEPS_PER_SECOND))
        self._chunk = _STEPS_PER_SECOND * self._step
        # The filter's response is over after a step, but for a part in a thousand million.
        self._buffer = np.zeros((n_channels, self._step))
        self._response = _k_weighting(sample_rate, self._step + self._chunk)
        self._powers: list[NDArray[np.float64]] = []
        rates = sample_rate, _OVERSAMPLING * sample_rate
        self._finer = soxr.ResampleStream(
            *rates,
            n_channels,
            dtype="float32",
            quality="HQ",
        )
        self._peak = self._square_sum = 0.0
        self._n = 0

    def push(self, audio: NDArray[np.float32]) -> None:
        """Take (C, S) more samples."""
        self._look_for_peak(audio)
        self._square_sum += float(
            np.square(
                audio,
                dtype=np.float64,
            ).sum()
        )
        self._n += audio.size
        self._buffer = np.concatenate(
            [self._buffer, audio],
            axis=-1,
        )
        while self._buffer.shape[-1] >= self._step + self._chunk:
            self._weigh(
                self._buffer[:, : self._step + self._chunk],
                _STEPS_PER_SECOND,
            )
            self._buffer = self._buffer[:, self._chunk :]

    def finish(self) -> Levels:
        """What was measured, once all has come."""
        self._look_for_peak(
            np.zeros((len(self._buffer), 0), np.float32),
            last=True,
        )
        n_left = self._buffer.shape[-1] - self._step
        padding = (0, 0), (0, self._chunk - n_left)
        self._weigh(
            np.pad(self._buffer, padding),
            n_left // self._step,
        )
        power = self._square_sum / max(1, self._n)
        return Levels(
            _integrated(np.concatenate(self._powers)), _decibels(self._peak**2), _decibels(power)
        )

    def _look_for_peak(
        self,
        audio: NDArray[np.float32],
        last: bool = False,
    ) -> None:
        finer = self._finer.resample_chunk(
            np.ascontiguousarray(audio.T),
            last=last,
        )
        peaks = np.abs(audio).max(initial=0), np.abs(finer).max(initial=0)
        self._peak = max(self._peak, *map(float, peaks))

    def _weigh(
        self,
        samples: NDArray[np.float64],
        n_steps: int,
    ) -> None:
        """Keep the power of each step; the first one only says what came before."""
        spectrum = np.fft.rfft(samples) * self._response
        weighted = np.fft.irfft(
            spectrum,
            samples.shape[-1],
        )[:, self._step :]
        steps = weighted.reshape(
            len(weighted),
            _STEPS_PER_SECOND,
            self._step,
        )[:, :n_steps]
        self._powers.append(np.square(steps).mean(-1).sum(0))


def _integrated(powers: NDArray[np.float64]) -> float | None:
    """LUFS of the blocks that sound and are not far below their mean."""
    if len(powers) < _STEPS_PER_BLOCK:
        return None
    blocks = np.lib.stride_tricks.sliding_window_view(powers, _STEPS_PER_BLOCK).mean(-1)
    blocks = blocks[blocks > _power(_SILENT_LUFS)]
    if not len(blocks):
        return None
    gate = blocks.mean() * 10 ** (-_QUIETER_BY / 10)
    return 10 * math.log10(blocks[blocks > gate].mean()) + _OFFSET_DB


def _power(lufs: float) -> float:
    return float(10 ** ((lufs - _OFFSET_DB) / 10))


def _decibels(power: float) -> float | None:
    return 10 * math.log10(power) if power > 1e-20 else None


def _k_weighting(sample_rate: int, n: int) -> NDArray[np.complex128]:
    """Response of the two filters at the frequencies of a real transform of `n` samples."""
    z = np.exp(-2j * np.pi * np.arange(n // 2 + 1) / n)
    k, q = math.tan(math.pi * 1681.974450955533 / sample_rate), 0.7071752369554196
    high = 10 ** (3.999843853973347 / 20)
    middle = high**0.4996667741545416
    shelf = _biquad(
        z,
        (
            high + middle * k / q + k**2,
            2 * (k**2 - high),
            high - middle * k / q + k**2,
        ),
        (
            1 + k / q + k**2,
            2 * (k**2 - 1),
            1 - k / q + k**2,
        ),
    )
    k, q = math.tan(math.pi * 38.13547087602444 / sample_rate), 0.5003270373238773
    scale = 1 + k / q + k**2
    low_cut = _biquad(
        z,
        (1, -2, 1),
        (
            1,
            2 * (k**2 - 1) / scale,
            (1 - k / q + k**2) / scale,
        ),
    )
    return shelf * low_cut


def _biquad(
    z: NDArray[np.complex128],
    over: tuple[float, float, float],
    under: tuple[float, float, float],
) -> NDArray[np.complex128]:
    """Response at delays `z` of one sample."""
    numerator = over[0] + over[1] * z + over[2] * z**2
    return np.asarray(numerator / (under[0] + under[1] * z + under[2] * z**2))
