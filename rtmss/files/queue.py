"""Decoded frames of any size and sample format in, blocks of float32 out.

Axes: C channels, S samples.
"""

from __future__ import annotations

import av
import numpy as np
from av.audio.frame import AudioFrame
from numpy.typing import NDArray

_NARROWER = {"s64": "dbl", "s64p": "dblp"}
"""Sample formats that PyAV does not give to numpy, and what they are converted to."""


class Queue:
    """Frames in the order of their coming; those of another form are converted to that of the
    first.
    """

    def __init__(self, first: AudioFrame) -> None:
        self._form = self._incoming = _form(first)
        self._n_channels = first.layout.nb_channels
        self._fifo = av.AudioFifo()
        self._converter: av.AudioResampler | None = None
        if first.format.name in _NARROWER:
            self._form = _NARROWER[first.format.name], *self._form[1:]
            self._converter = av.AudioResampler(*self._form)

    @property
    def n_samples(self) -> int:
        """Samples that wait."""
        return int(self._fifo.samples)

    def write(self, frame: AudioFrame) -> None:
        """Append a frame."""
        form = _form(frame)
        if form != self._incoming:
            self._incoming = form
            self._converter = av.AudioResampler(*self._form)
        frames = [frame] if self._converter is None else self._converter.resample(frame)
        for piece in frames:
            piece.pts = None  # the queue would refuse gaps between them
            self._fifo.write(piece)

    def read(self, n: int) -> NDArray[np.float32]:
        """(C, S) at most `n` samples, full scale 1."""
        n = min(n, self._fifo.samples)
        frame = self._fifo.read(n) if n else None
        if frame is None:
            return np.zeros((self._n_channels, 0), np.float32)
        samples = frame.to_ndarray()
        if not frame.format.is_planar:
            samples = samples.reshape(-1, self._n_channels).T
        return _to_float(samples)


def silence(n: int, like: AudioFrame) -> AudioFrame:
    """A frame of `n` silent samples in the form of another."""
    frame = AudioFrame(like.format.name, like.layout.name, n)
    frame.sample_rate = like.sample_rate
    zero = b"\x80" if like.format.name.startswith("u8") else b"\0"
    for plane in frame.planes:
        plane.update(zero * plane.buffer_size)
    return frame


def _form(frame: AudioFrame) -> tuple[str, str, int]:
    """Sample format, layout of the channels, and sample rate."""
    return frame.format.name, frame.layout.name, frame.sample_rate


def _to_float(samples: NDArray[np.generic]) -> NDArray[np.float32]:
    """Float samples as they are, integers with full scale 1."""
    with np.errstate(over="ignore"):  # doubles beyond single precision become infinite
        floats = np.ascontiguousarray(samples, np.float32)
    if samples.dtype == np.uint8:
        return (floats - 128) / np.float32(128)
    if samples.dtype.kind == "i":
        return floats * np.float32(2.0 ** (1 - 8 * samples.itemsize))
    return floats
