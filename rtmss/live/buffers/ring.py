"""Rings of samples and of hops. A place is kept until the ring has come round to it again.

One thread writes and another may read: a counter of the writer's says what is there.

Axes: C channels, S samples.
"""

from __future__ import annotations

import numpy as np

from rtmss.audio import Audio


class Ring:
    """The latest samples of a stream, by their place in it."""

    def __init__(self, n_channels: int, size: int) -> None:
        self.size = size
        self._samples: Audio = np.zeros((n_channels, size), np.float32)

    def write(self, block: Audio, place: int) -> None:
        """Write (1 or C, S) from a place on; one channel goes to all."""
        n, start = block.shape[1], place % self.size
        first = min(n, self.size - start)
        self._samples[:, start : start + first] = block[:, :first]
        self._samples[:, : n - first] = block[:, first:]

    def read(self, start: int, n: int) -> Audio:
        """(C, n) from a place on, a copy; silence before the beginning."""
        out = np.take(
            self._samples,
            np.arange(start, start + n) % self.size,
            axis=1,
        )
        if start < 0:
            out[:, : min(n, -start)] = 0
        return out


class HopRing:
    """Hops by their number, each there or not."""

    def __init__(self, n_channels: int, hop: int, n_hops: int) -> None:
        self._hop = hop
        self._n_hops = n_hops
        self._samples: Audio = np.zeros(
            (n_channels, n_hops * hop),
            np.float32,
        )
        self._numbers = np.full(n_hops, -1, np.int64)
        """Per slot: the hop whose sound lies there."""

    def write(self, hop: int, audio: Audio) -> None:
        """Put a hop, (C, hop), in its slot."""
        slot = hop % self._n_hops
        self._samples[:, slot * self._hop : (slot + 1) * self._hop] = audio
        self._numbers[slot] = hop  # only now: from here on it may be read

    def has(self, hop: int) -> bool:
        """Whether a hop is there."""
        return bool(self._numbers[hop % self._n_hops] == hop)

    def read(self, start: int, n: int) -> Audio:
        """(C, n) from a place on, all of it within one hop; not a copy."""
        place = start % (self._n_hops * self._hop)
        return self._samples[:, place : place + n]
