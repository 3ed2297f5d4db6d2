"""Audio files of any kind for tests, made by PyAV."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
from av.audio.frame import AudioFrame

from rtmss.audio import Audio

DEEP = {"wavpack": "s16p", "tta": "s16"}
"""Sample formats of encoders whose first choice has 8 bits."""
LAYOUTS = {1: "mono", 2: "stereo", 6: "5.1"}


def encode(
    path: Path,
    audio: Audio,
    rate: int,
    codec: str,
    options: dict[str, str] | None = None,
    container_options: dict[str, str] | None = None,
) -> Path:
    """Write (C, S) audio; the name's suffix chooses the container."""
    with av.open(
        str(path),
        "w",
        container_options=container_options or {},
    ) as file:
        stream = file.add_stream(
            codec,
            rate=rate,
            layout=LAYOUTS[len(audio)],
            options={"strict": "-2", **(options or {})},
        )
        assert isinstance(stream, av.AudioStream)
        if codec.startswith("wma"):
            stream.bit_rate = 128_000
        if codec in DEEP:
            stream.codec_context.format = DEEP[codec]
        frame = AudioFrame.from_ndarray(
            np.ascontiguousarray(audio, np.float64), "dblp", LAYOUTS[len(audio)]
        )
        frame.sample_rate, frame.pts = rate, 0
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            file.mux(packet)
    return path


def ffmpeg_decodes(path: Path) -> Audio:
    """(C, S) the first audio stream as FFmpeg's own libraries give it, read as plainly as can
    be.
    """
    with av.open(str(path)) as file:
        planar = av.AudioResampler("fltp")
        frames = [piece for frame in file.decode(audio=0) for piece in planar.resample(frame)]
        blocks = [frame.to_ndarray() for frame in [*frames, *planar.resample(None)]]
    return np.concatenate(blocks, axis=1)


def music(
    rate: int,
    channels: int,
    seconds: float = 0.5,
    bits: int = 16,
) -> Audio:
    """Noise under a swelling tone on a grid of so many bits, other on every channel."""
    rng = np.random.default_rng(channels)
    t = np.arange(round(seconds * rate) // 8 * 8) / rate  # some containers fill up to 8 bytes
    tones = [np.sin(2 * np.pi * 220 * (i + 1) * t * (1 + t)) for i in range(channels)]
    audio = 0.3 * np.asarray(tones) + 0.05 * rng.standard_normal((channels, len(t)))
    grid = 2.0 ** (bits - 1)
    return np.asarray(np.round(audio * grid) / grid, np.float32)
