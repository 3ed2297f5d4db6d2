"""A song for an engine, at 8 kHz."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from rtmss.audio import Audio
from rtmss.live.shared.song_state import SongInfo
from rtmss.live.shared.state import SharedState

RATE = 8000


def publish_song(shared: SharedState, path: Path, song: Audio, rate: int = RATE) -> None:
    """Hand (C, S) audio to the engine as a song that is decoded."""
    path.write_bytes(np.ascontiguousarray(song.T).tobytes())
    shared.transport.samples_path = path
    number = shared.transport.info.read().number + 1
    shared.transport.info.write(SongInfo(number, rate, song.shape[1], len(song)))
