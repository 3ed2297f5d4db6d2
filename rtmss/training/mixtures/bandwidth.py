"""Up to which frequency a recording goes, where a codec or an old recorder cut it off.

Axes: C channels, S samples.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

BAND_HZ = 250
N_BANDS_BELOW = 4
"""Bands right under a cut, whose mean is compared with what lies above."""
N_BANDS_OF_SLOPE = 2
"""Bands that the filter takes to fall."""
FALL_DB = 30.0
LOWEST_HZ = 3000
"""Below, instruments end by themselves."""
HIGHEST_HZ = 15000
"""Above, codecs of good quality cut as well, and nobody misses it."""

_N_FFT = 2048
_N_FRAMES = 2000
"""At most so many are heard, from all over the track: 93 s at 44.1 kHz."""


def bandwidth_hz(audio: NDArray[np.int16], sample_rate: int) -> float:
    """Where a recording was cut off, in Hz, or up to 500 Hz below; infinite if it was not.

    A cut falls by 30 dB within 500 Hz, and nothing comes above it. Sounds that end by themselves
    fall more slowly.

    Args:
        audio: (S, C).
        sample_rate: Hz.
    """
    levels = _levels_db(audio, sample_rate)
    n_below, n_slope = N_BANDS_BELOW, N_BANDS_OF_SLOPE
    for edge in range(
        LOWEST_HZ // BAND_HZ,
        min(HIGHEST_HZ // BAND_HZ, len(levels) - n_slope),
    ):
        below = levels[edge - n_below : edge].min()
        if below - levels[edge + n_slope :].max() > FALL_DB:
            return float(edge * BAND_HZ)
    return math.inf


def _levels_db(
    audio: NDArray[np.int16],
    sample_rate: int,
) -> NDArray[np.float64]:
    """Mean power of each band of a track, in dB."""
    n_bands = sample_rate // 2 // BAND_HZ
    starts = np.arange(0, len(audio) - _N_FFT + 1, _N_FFT)
    if not len(starts):
        return np.zeros(n_bands)
    starts = starts[:: -(-len(starts) // _N_FRAMES)]
    mono = audio.mean(1, dtype=np.float32)
    frames = mono[starts[:, None] + np.arange(_N_FFT)] * np.hanning(_N_FFT).astype(np.float32)
    power = np.square(np.abs(np.fft.rfft(frames))).mean(0)
    band = (np.arange(len(power)) * sample_rate / _N_FFT / BAND_HZ).astype(int)
    inside = band < n_bands
    total = np.bincount(
        band[inside],
        power[inside],
        n_bands,
    ) / np.bincount(band[inside], minlength=n_bands)
    return np.asarray(10 * np.log10(total + 1e-3))
