"""Where a part holds nothing but bleed of the others.

Axes: C channels, S samples.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

UNDER_DB = 22.0
"""A part that lies so far under the song is bleed, if it does so for long."""
STEP_SECONDS = 0.1
N_STEPS = 5
"""Half a second."""
FADE_SECONDS = 0.05

_N_AT_ONCE = 600
"""Steps whose level is taken at once: a minute."""


class Gain(NamedTuple):
    """Straight lines between points in time: 1 where a part is kept, 0 where it is bleed."""

    places: NDArray[np.int64]
    """Samples, ascending."""
    values: NDArray[np.float64]

    def between(self, first: int, last: int) -> NDArray[np.float64]:
        """(S,) gain of the samples from `first` to `last`."""
        return np.interp(np.arange(first, last), self.places, self.values)


def gain_without_bleed(part: NDArray[np.float32], song: NDArray[np.float32], rate: int) -> Gain:
    """The gain that leaves out what lies 22 dB or more under the song for half a second.

    Fades lie within what is left out.

    Args:
        part: (S, C).
        song: (S, C), of the same length.
        rate: Hz.
    """
    step, n = max(1, round(STEP_SECONDS * rate)), len(song)
    is_under = _powers(part, step) <= _powers(song, step) * 10 ** (-UNDER_DB / 10)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], is_under, [False]]).astype(int)))
    fade = max(1, round(FADE_SECONDS * rate))
    points = [(0, 1.0)]
    for begin, end in edges.reshape(-1, 2):
        if end - begin < N_STEPS and end - begin < len(is_under):
            continue
        first, last = int(begin) * step, min(int(end) * step, n)
        points += [(first, 1.0), (first + fade, 0.0)] if first else [(0, 0.0)]
        points += [(last - fade, 0.0), (last, 1.0)] if last < n else [(n, 0.0)]
    places, values = zip(*(points[1:] if points[1:2] == [(0, 0.0)] else points), strict=True)
    return Gain(np.array(places), np.array(values))


def _powers(audio: NDArray[np.float32], step: int) -> NDArray[np.float64]:
    """Energy of every step of (S, C) audio, the last one as far as it goes."""
    energies = []
    for first in range(0, len(audio), step * _N_AT_ONCE):
        energy = np.square(audio[first : first + step * _N_AT_ONCE], dtype=np.float64).sum(1)
        energies.append(np.add.reduceat(energy, np.arange(0, len(energy), step)))
    return np.concatenate(energies)
