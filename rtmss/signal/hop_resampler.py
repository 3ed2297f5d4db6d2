"""From one sample rate to another, hop by hop: so many samples come in, so many go out, always.

A windowed sinc (Kaiser), of linear phase. As every hop holds the same places between samples, its
weights are a few matrices that never change, and the state is nothing but the latest samples.
Cutting the sound into other blocks of whole hops changes no bit.

With 44.1 kHz on the one side, either way: flat within 0.001 dB up to 19.4 kHz and within 0.03 dB
up to 20 kHz; aliases and images of all that is below 20 kHz are 80 dB down or more. Where the other
rate is lower, frequencies scale with it.

Method: J. O. Smith, "Digital Audio Resampling" (ccrma.stanford.edu/~jos/resample), written as
matrices.

Axes: R rows (channels), S samples.
"""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from rtmss.audio import Audio

SIDE = 30
"""Samples of the lower rate, on either side, that a sample is made of."""
BETA = 8.0
"""Of the Kaiser window: the larger, the further down is what is stopped, and the later."""
CUTOFF = 0.98
"""Where the filter is half-way down, as a share of half the lower rate."""
GROUP = 32
"""Samples that one product of matrices gives: with more, more zeros are multiplied."""


def resampling_delay(n_in: int, n_out: int) -> int:
    """Input samples by which the output may lag at the least, so that no future is needed."""
    return math.ceil(
        SIDE
        * max(
            Fraction(1),
            Fraction(n_in, n_out),
        )
    )


class HopResampler:
    """Turns hops of `n_in` samples into hops of `n_out`, at a constant delay; has weights only."""

    def __init__(self, n_in: int, n_out: int, delay: Fraction) -> None:
        """Compute the weights.

        Args:
            n_in: samples of a hop at the one rate.
            n_out: samples of a hop at the other rate.
            delay: samples, of the input, by which the output lags behind.

        Raises:
            ValueError: the delay is shorter than the filter's half.
        """
        self.n_in, self.n_out = n_in, n_out
        half = SIDE * max(Fraction(1), Fraction(n_in, n_out))
        if delay < half:
            raise ValueError(f"a delay of {delay} samples, the filter needs {half}")
        self.n_past = math.ceil(delay + half)
        """Samples of the state."""
        places = np.arange(-(-n_out // GROUP) * GROUP) * (n_in / n_out) - float(delay)
        groups = places.reshape(-1, GROUP)
        self._starts = self.n_past + np.floor(groups[:, 0] - float(half)).astype(np.int64) + 1
        self._span = math.ceil(2 * float(half) + groups[0, -1] - groups[0, 0]) + 1
        sources = self._starts[:, None] - self.n_past + np.arange(self._span)
        distances = groups[:, None, :] - sources[:, :, None]
        self._weights = _filter(
            distances,
            float(half),
            CUTOFF * min(1.0, n_out / n_in),
        )
        """(groups, span, GROUP)."""

    def init_state(self, n_rows: int) -> Audio:
        """(R, n_past) silence."""
        return np.zeros((n_rows, self.n_past), np.float32)

    def __call__(
        self,
        audio: Audio,
        past: Audio,
    ) -> tuple[Audio, Audio]:
        """Resample the next hops.

        Args:
            audio: (R, k * n_in) new samples.
            past: (R, n_past) the samples before `audio`.

        Returns:
            (R, k * n_out) samples, and the next `past`.
        """
        n_rows, n_hops = len(audio), audio.shape[-1] // self.n_in
        samples = np.concatenate([past, audio], axis=-1)
        room = max(
            0,
            int(self._starts[-1]) + self._span - self.n_past - self.n_in,
        )
        padded = np.pad(
            samples,
            ((0, 0), (0, room)),
        )
        places = np.arange(n_hops)[:, None] * self.n_in + self._starts
        windows = np.lib.stride_tricks.sliding_window_view(
            padded,
            self._span,
            axis=-1,
        )
        inputs = windows[:, places].transpose(1, 2, 0, 3)
        outputs = (
            (inputs @ self._weights)
            .transpose(
                2,
                0,
                1,
                3,
            )
            .reshape(n_rows, n_hops, len(self._starts) * GROUP)
        )
        out = outputs[..., : self.n_out].reshape(
            n_rows,
            n_hops * self.n_out,
        )
        return out, samples[:, samples.shape[-1] - self.n_past :]


def _filter(
    distances: NDArray[np.float64],
    half: float,
    cutoff: float,
) -> Audio:
    """Weights of samples at these distances; those for one output sample add up to 1."""
    window = np.i0(
        BETA
        * np.sqrt(
            np.clip(
                1 - (distances / half) ** 2,
                0,
                None,
            )
        )
    )
    # A sample just at the edge is left out, whichever way its distance was rounded.
    is_inside = np.abs(distances) < half - 1e-6
    weights = np.sinc(cutoff * distances) * window * is_inside
    return np.asarray(
        weights / weights.sum(-2, keepdims=True),
        np.float32,
    )
