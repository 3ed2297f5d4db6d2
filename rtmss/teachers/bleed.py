"""Where a part holds nothing but bleed of the others.

Axes: N parts, C channels, S samples, T steps of a tenth of a second.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rtmss.teachers.raw import RawAudio

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

    def between(
        self,
        first: int,
        last: int,
    ) -> NDArray[np.float64]:
        """(S,) gain of the samples from `first` to `last`."""
        return np.interp(
            np.arange(first, last),
            self.places,
            self.values,
        )


def gains_without_bleed(
    parts: RawAudio,
    song: RawAudio,
    rate: int,
) -> list[Gain]:
    """For each part the gain that leaves out what lies 22 dB or more under the song for half a
    second.

    Fades lie within what is left out.

    Args:
        parts: as long as the song.
        song: one part.
        rate: Hz.
    """
    step = max(1, round(STEP_SECONDS * rate))
    is_under = _energies(parts, step) <= _energies(song, step) * 10 ** (-UNDER_DB / 10)
    fade = max(1, round(FADE_SECONDS * rate))
    return [
        _gain(
            of_part,
            step,
            fade,
            len(song),
        )
        for of_part in is_under.T
    ]


def _gain(
    is_under: NDArray[np.bool_],
    step: int,
    fade: int,
    n: int,
) -> Gain:
    edges = np.flatnonzero(
        np.diff(
            np.concatenate(
                [
                    [False],
                    is_under,
                    [False],
                ]
            ).astype(int)
        )
    )
    points = [] if is_under[0] else [(0, 1.0)]
    for begin, end in edges.reshape(-1, 2):
        if end - begin < N_STEPS and end - begin < len(is_under):
            continue
        first, last = (
            int(begin) * step,
            min(
                int(end) * step,
                n,
            ),
        )
        points += [(first, 1.0), (first + fade, 0.0)] if first else [(0, 0.0)]
        points += [(last - fade, 0.0), (last, 1.0)] if last < n else [(n, 0.0)]
    places, values = zip(
        *(points or [(0, 1.0)]),
        strict=True,
    )
    return Gain(np.array(places), np.array(values))


def _energies(audio: RawAudio, step: int) -> NDArray[np.float64]:
    """(T, N) energy of every step, the last one as far as it goes."""
    energies = []
    for first in range(0, len(audio), step * _N_AT_ONCE):
        energy = np.square(
            audio.read(first, first + step * _N_AT_ONCE),
            dtype=np.float64,
        ).sum(2)
        energies.append(
            np.add.reduceat(
                energy,
                np.arange(0, len(energy), step),
            )
        )
    return np.concatenate(energies)
