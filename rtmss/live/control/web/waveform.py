"""The outline of the song that plays, for a picture of it."""

from __future__ import annotations

import itertools
import threading

import numpy as np

from rtmss.live.shared.song_state import SongInfo, Transport

N_PEAKS = 600
_CHUNK = 1 << 16


class Waveforms:
    """Peaks of one song at a time; may be asked by any thread."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._lock = threading.Lock()
        self._known: tuple[int, list[float]] = (0, [])
        """Number of the decoding, and its peaks."""

    def peaks(self) -> list[float]:
        """Levels from 0 to 1 of equal parts of the song; nothing while there is none."""
        if not self._transport.song:
            return []
        info = self._transport.info.read()
        if not info.n_samples:
            return []
        with self._lock:
            if self._known[0] != info.number:
                self._known = (info.number, self._measured(info))
            return self._known[1]

    def _measured(self, info: SongInfo) -> list[float]:
        try:
            samples = np.memmap(self._transport.samples_path, np.float32, "r")
        except (OSError, ValueError):  # it has just been replaced
            return []
        n_values = min(len(samples), info.n_samples * info.n_channels)
        edges = np.linspace(0, n_values, N_PEAKS + 1, dtype=int)
        peaks = [_peak(samples[a:b]) for a, b in itertools.pairwise(edges)]
        highest = max(*peaks, 1e-6)
        return [round(peak / highest, 3) for peak in peaks]


def _peak(samples: np.ndarray) -> float:
    """The largest value, a piece at a time, so that other threads come to their turn."""
    largest = 0.0
    for start in range(0, len(samples), _CHUNK):
        largest = max(largest, float(np.abs(samples[start : start + _CHUNK]).max(initial=0)))
    return largest
