"""A song for an engine, at 8 kHz; and one that somebody says is there."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from rtmss.audio import Audio
from rtmss.live.shared.song_state import Playback, SongInfo, Transport, TransportCommand
from rtmss.live.shared.state import SharedState

RATE = 8000
SECONDS = 200.0
"""Of the song that `insert` has."""


def publish_song(
    shared: SharedState,
    path: Path,
    song: Audio,
    rate: int = RATE,
    which: int = 0,
) -> None:
    """Hand (C, S) audio to the engine as a song that is decoded, the first of several or another
    one.
    """
    path.write_bytes(np.ascontiguousarray(song.T).tobytes())
    shared.transport.samples_path = path
    number = shared.transport.info.read().number + 1
    shared.transport.info.write(
        SongInfo(
            number,
            rate,
            song.shape[1],
            len(song),
            which,
        )
    )


def insert(
    shared: SharedState,
    seconds: float = SECONDS,
    **commands: float,
) -> Transport:
    """A song of that length plays; an engine has done all that was asked for."""
    shared.transport.insert(Path("/music/a song.wav"), TransportCommand(**commands))  # type: ignore[arg-type]
    shared.transport.info.write(
        SongInfo(
            1,
            44100,
            round(seconds * 44100),
        )
    )
    return shared.transport


def follow(
    transport: Transport,
    position: float | None = None,
    n_passes: int = 0,
) -> None:
    """An engine does what is asked for."""
    command = transport.command.read()
    place = transport.position_seconds if position is None else position
    numbers = command.n_plays, command.n_seeks, command.n_loop_changes
    transport.playback.write(
        Playback(
            place,
            transport.is_playing,
            n_passes,
            *numbers,
            44100,
        )
    )
