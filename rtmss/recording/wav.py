"""Growing WAV files of 32-bit floats that stay readable whatever happens to their writer.

Not a library's, because none can do all of this: samples are put at their place, so that a writer
that was killed goes on where it was, and silence before a stem's first sound is a hole that costs
nothing; the header is brought up to date in place, also on a full disk; beyond 4 GiB it becomes
that of RF64 (EBU Tech 3306), for which room is kept.

Axes: C channels, S samples.
"""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

from rtmss.audio import Audio

HEADER_BYTES = 92
IEEE_FLOAT = 3
LARGEST = 2**32 - 1
"""Above this many bytes the sizes stand in the chunk `ds64`."""


class WavFile:
    """A file that is written at any place."""

    def __init__(self, path: Path, sample_rate: int, n_channels: int) -> None:
        """Open a file, or make it.

        Raises:
            OSError: that cannot be done.
        """
        self._rate, self._n_channels = sample_rate, n_channels
        self._row = 4 * n_channels
        # Unbuffered: what has been written survives the process, and a full disk is noticed at
        # once.
        self._file = path.open(
            "r+b" if path.exists() else "x+b",
            buffering=0,
        )
        if self._file.seek(0, 2) < HEADER_BYTES:
            self._write(0, header(0, sample_rate, n_channels))

    def put(self, start: int, audio: Audio) -> None:
        """Write (C, S) at a place; what lies before the beginning is dropped.

        Raises:
            OSError: the disk is full, or the like.
        """
        audio = audio[:, max(0, -start) :]
        self._write(
            HEADER_BYTES + max(0, start) * self._row, np.ascontiguousarray(audio.T, "<f4").tobytes()
        )

    def end_at(self, n_samples: int) -> None:
        """Let the file be that long, for anybody who opens it: what is more is cut off, what is
        missing is silence.

        Raises:
            OSError: the disk does not do it.
        """
        self._file.truncate(HEADER_BYTES + n_samples * self._row)
        self._write(0, header(n_samples, self._rate, self._n_channels))

    def close(self) -> None:
        """Let go of the file, as it is."""
        self._file.close()

    def _write(self, place: int, data: bytes) -> None:
        self._file.seek(place)
        left = memoryview(data)
        while left:
            left = left[self._file.write(left) :]


def header(n_samples: int, sample_rate: int, n_channels: int) -> bytes:
    """The HEADER_BYTES before the samples: RIFF, or RF64 where the sizes need more than 32 bits."""
    row = 4 * n_channels
    n_data, n_riff = n_samples * row, n_samples * row + HEADER_BYTES - 8
    if n_riff <= LARGEST:
        kind, sizes = b"RIFF", (n_riff, n_samples, n_data)
        spare = struct.pack("<4sI28x", b"JUNK", 28)
    else:
        kind, sizes = b"RF64", (LARGEST, LARGEST, LARGEST)
        spare = struct.pack("<4sIQQQI", b"ds64", 28, n_riff, n_data, n_samples, 0)
    return b"".join(
        [
            struct.pack("<4sI4s", kind, sizes[0], b"WAVE"),
            spare,
            struct.pack(
                "<4sIHHIIHH",
                b"fmt ",
                16,
                IEEE_FLOAT,
                n_channels,
                sample_rate,
                sample_rate * row,
                row,
                32,
            ),
            struct.pack("<4sII", b"fact", 4, sizes[1]),
            struct.pack("<4sI", b"data", sizes[2]),
        ]
    )
