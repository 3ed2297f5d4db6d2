"""Audio in a file of no format, read and added to piece by piece.

Axes: N parts, C channels, S samples.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_N_BYTES = 4


class RawAudio:
    """(S, N, C) float32 samples."""

    def __init__(
        self,
        path: Path,
        n_parts: int,
        n_channels: int,
        n_samples: int = 0,
    ) -> None:
        """Make the file: `n_samples` of silence, which take no place on the disk yet."""
        self._path = path
        self._shape = n_parts, n_channels
        self._size = _N_BYTES * math.prod(self._shape)
        self._n_samples = n_samples
        with path.open("wb") as file:
            file.truncate(n_samples * self._size)

    def __len__(self) -> int:
        return self._n_samples

    @property
    def n_parts(self) -> int:
        """N."""
        return self._shape[0]

    @property
    def n_channels(self) -> int:
        """C."""
        return self._shape[1]

    def append(self, audio: NDArray[np.float32]) -> None:
        """Add (S, N, C) samples at the end."""
        with self._path.open("ab") as file:
            file.write(np.ascontiguousarray(audio, np.float32).tobytes())
        self._n_samples += len(audio)

    def read(
        self,
        first: int,
        last: int,
    ) -> NDArray[np.float32]:
        """(S, N, C) samples from `first` to `last`, or to the end."""
        last = min(last, len(self))
        count = (last - first) * math.prod(self._shape)
        return np.fromfile(
            self._path,
            np.float32,
            count,
            offset=first * self._size,
        ).reshape(-1, *self._shape)

    def add(
        self,
        first: int,
        audio: NDArray[np.float32],
    ) -> None:
        """Mix (S, N, C) samples into those from `first` on."""
        mixed = self.read(first, first + len(audio)) + audio
        with self._path.open("r+b") as file:
            file.seek(first * self._size)
            file.write(mixed.tobytes())
