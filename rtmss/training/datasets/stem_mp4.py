"""Reading one stream of a stem.mp4: the one door to PyAV, which brings its own ffmpeg.

Source: the Native Instruments stems format as MUSDB18 uses it, AAC streams of one length in one MP4 file. musdb and
stempeg, the dataset's own libraries, call the `ffmpeg` program, which then has to be installed.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from rtmss.files import Audio, AudioFileError


def read_stream(path: Path, stream: int) -> tuple[Audio, int]:
    """(C, S) float32 audio of one audio stream and its sample rate in Hz.

    Raises:
        AudioFileError: PyAV is missing, the file cannot be read, or has no such stream.
    """
    try:
        import av
    except ImportError as error:
        raise AudioFileError(f"{path}: reading stem.mp4 needs PyAV: pip install 'rtmss[train]'") from error
    try:
        with av.open(str(path)) as file:
            if stream >= len(file.streams.audio):
                raise AudioFileError(f"{path}: expected 5 audio streams, got {len(file.streams.audio)}")
            audio = file.streams.audio[stream]
            planar = av.AudioResampler("fltp")
            frames = [frame for coded in file.decode(audio) for frame in planar.resample(coded)]
            blocks = [frame.to_ndarray() for frame in [*frames, *planar.resample(None)]]
            rate = int(audio.rate)
    except av.FFmpegError as error:
        raise AudioFileError(f"{path}: not a readable stem.mp4 ({error.strerror})") from error
    if not blocks:
        raise AudioFileError(f"{path}: stream {stream} holds no audio")
    return np.ascontiguousarray(np.concatenate(blocks, axis=1), np.float32), rate
