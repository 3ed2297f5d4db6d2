"""The engine's side of a song: decoded samples in a file that it maps and never reads.

What has been played leaves the engine's memory again, so it stays small however long the song is.

Axes: C channels (1 or 2), S samples. In the file, samples of all channels lie side by side.
"""

from __future__ import annotations

import mmap
from pathlib import Path

import numpy as np

from rtmss.audio import Audio
from rtmss.live.shared.song_state import SongInfo

LOOK_SECONDS = 4
"""So much of what comes next is fetched from the disk beforehand."""


class DecodedSong:
    """A decoded song, mapped into memory."""

    def __init__(self, path: Path, info: SongInfo) -> None:
        """Map it; nothing is read yet."""
        self.n_samples = info.n_samples
        with path.open("rb") as file:
            self._memory = mmap.mmap(
                file.fileno(),
                0,
                access=mmap.ACCESS_READ,
            )
        self._samples = np.frombuffer(
            self._memory,
            np.float32,
        ).reshape(-1, info.n_channels)
        self._row = self._samples.itemsize * info.n_channels
        self._look = LOOK_SECONDS * info.sample_rate
        self._looked = -1

    def read(self, start: int, n: int) -> Audio:
        """(C, n) from a place, silence where there is no song."""
        out = np.zeros(
            (self._samples.shape[1], n),
            np.float32,
        )
        first, last = (
            max(0, start),
            min(
                self.n_samples,
                start + n,
            ),
        )
        if first < last:
            out[:, first - start : last - start] = self._samples[first:last].T
        return out

    def look_ahead(self, start: int) -> None:
        """Let the system fetch what follows a place, and take back what lies before; waits for
        nothing.
        """
        part = max(0, start) // self._look
        if part == self._looked or not hasattr(self._memory, "madvise"):
            return
        self._looked = part
        self._advise(0, part - 1, mmap.MADV_DONTNEED)
        self._advise(part, part + 2, mmap.MADV_WILLNEED)

    def _advise(self, first: int, last: int, advice: int) -> None:
        """About the parts of LOOK_SECONDS from `first` to before `last`."""
        begin, end = (
            part * self._look * self._row // mmap.PAGESIZE * mmap.PAGESIZE for part in (first, last)
        )
        end = min(end, len(self._memory))
        if begin < end:
            self._memory.madvise(advice, begin, end - begin)
