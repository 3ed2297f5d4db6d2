"""Episodes in numbers and as sound: what `draw` plans and `mixdown` makes.

Axes: B batch, N targets, P parts of all mixtures, C channels, S samples, E embedding.
"""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor


class Episode(NamedTuple):
    """One batch (B first) or one episode (without B)."""

    mixture: Tensor
    """(B, C, S)."""
    targets: Tensor
    """(B, N, C, S), silence where the target is absent."""
    positive: Tensor
    """(B, N, E) mean embedding of the positive clips, zeros where there are none."""
    negative: Tensor
    """(B, N, E) likewise."""


class Level(IntEnum):
    """What a part's gain is relative to."""

    RECORDED = 0
    """The track as it was recorded."""
    LOUDEST = 1
    """Its own loudest half second, RMS."""
    OVER_THE_REST = 2
    """Its own loudest half second, and the mean level of the other parts."""


class Part(NamedTuple):
    """One source in a mixture, and what is done to it."""

    track: int
    start: int
    """First sample of the track; what is played lasts `n_in` of its samples, `FADE` at either end
    left out.
    """
    n_in: int
    equaliser: tuple[float, ...]
    room: tuple[float, ...]
    formants: float
    """1 for where they were."""
    compressor: tuple[float, ...]
    drive: float
    """0 for none."""
    sides: tuple[float, ...]
    sub: NDArray[np.float32] | None
    noise_bass: NDArray[np.float32] | None
    level: Level
    gain: float


class Target(NamedTuple):
    """What one condition asks for."""

    parts: list[int]
    """Numbers of the parts that it should bring out; none where it is absent."""
    positive: NDArray[np.float32]
    negative: NDArray[np.float32]


class Mixture(NamedTuple):
    """One episode in numbers."""

    gain: float
    master: tuple[float, ...]
    voice_level: float
    """Of all voices together over all the rest together, as a ratio of amplitudes; 0 leaves them as
    they come.
    """
    parts: list[Part]
    targets: list[Target]


class Plan(NamedTuple):
    """A batch of episodes in numbers; everything lies on the processor."""

    seed: Tensor
    """() of what chance is left to the device: the noise in rooms."""
    gain: Tensor
    """(B,) of each mixture, as far as it stays below full scale."""
    master: Tensor
    """(B, 6) from `draw_master`, or `UNMASTERED`."""
    voice_level: Tensor
    """(B,) as in `Mixture`."""
    positive: Tensor
    """(B, N, E) as in `Episode`."""
    negative: Tensor
    wanted_by: Tensor
    """(K,) numbers of targets, counted over the batch, ..."""
    wanted_parts: Tensor
    """(K,) ... and of a part that each wants."""
    mixture_of: Tensor
    """(P,) in which mixture a part sounds; the rest of its numbers as in `Part`."""
    is_voice: Tensor
    track: Tensor
    start: Tensor
    n_in: Tensor
    equaliser: Tensor
    room: Tensor
    formants: Tensor
    compressor: Tensor
    drive: Tensor
    sides: Tensor
    sub_parts: Tensor
    """(K,) the parts with a sub bass under them, ..."""
    subs: Tensor
    """(K, S) ... and its sound."""
    noise_bass_parts: Tensor
    noise_basses: Tensor
    level: Tensor
    part_gain: Tensor
