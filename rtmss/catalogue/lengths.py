"""How long songs are that nobody has opened yet: their size, and what songs of their kind turned
out to hold.
"""

from __future__ import annotations

from collections import defaultdict

from rtmss.catalogue.songs import Song

_USUAL = {
    ".wav": 176_400,
    ".aif": 176_400,
    ".aiff": 176_400,
    ".w64": 176_400,
    ".caf": 176_400,
}
_USUAL |= {".flac": 100_000, ".wv": 100_000}
_USUAL_OTHER = 28_000
"""Bytes in a second of stereo: as it is, without loss, and at about 224 kbit/s."""


class Lengths:
    """Learns as songs become known."""

    def __init__(self) -> None:
        self._bytes: dict[str, int] = defaultdict(int)
        self._seconds: dict[str, float] = defaultdict(float)

    def learn(self, song: Song, seconds: float) -> None:
        """A song turned out to be so long."""
        if seconds > 0 and song.n_bytes:
            self._bytes[song.suffix] += song.n_bytes
            self._seconds[song.suffix] += seconds

    def guess(self, song: Song) -> float:
        """Seconds that a song may have."""
        return self.guess_all(song.suffix, song.n_bytes)

    def guess_all(self, suffix: str, n_bytes: int) -> float:
        """Seconds that songs of a kind may have, by their size together."""
        known = self._seconds.get(suffix)
        if known:
            return n_bytes * known / self._bytes[suffix]
        return n_bytes / _USUAL.get(suffix, _USUAL_OTHER)
