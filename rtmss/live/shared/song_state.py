"""The transport of a song that plays instead of the input: commands, position, and the decoded
song.

It is part of the memory that the processes share (see `state`) and outlives each of them. Every
record has one writer. Times are seconds of the song, so that they hold at any sample rate.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from rtmss.config import UserError
from rtmss.live.shared.seqlock import record, record_lock

MIN_LOOP_SECONDS = 0.5
"""A loop has to last as long as it takes to get ready for its beginning."""
MAX_LOOPS = 9999
ROUNDED_SECONDS = 0.01
"""So little after its end is the end: OSC has short numbers."""
NO_SONG = "no song is played; start rtmss live with --file SONG"
PATH_BYTES = 1024


class TransportCommand(NamedTuple):
    """What the control side wants. The engine follows a command whose number it has not seen
    yet.
    """

    is_playing: bool = True
    n_plays: int = 0
    """Times that play or pause was asked for."""
    seek_seconds: float = 0.0
    n_seeks: int = 0
    is_looping: bool = False
    a_seconds: float = 0.0
    b_seconds: float = math.inf
    """From here the loop goes back to A; infinity is the end of the song."""
    n_loops: int = 0
    """Times that the loop is played before the song goes on after it; 0 without end."""
    n_loop_changes: int = 0
    song: int = 0
    """Which of the songs, counted from 0; a seek to its place comes with it."""


class Playback(NamedTuple):
    """Where the engine is, and which commands it has acknowledged."""

    position_seconds: float = 0.0
    """Of what goes in; it is heard one latency later."""
    is_playing: bool = True
    n_passes: int = 0
    """Times that the loop has gone back to A."""
    n_plays: int = 0
    n_seeks: int = 0
    n_loop_changes: int = 0
    sample_rate: int = 0
    """Hz at which the engine needs the song; 0 before it knows."""
    song: int = 0
    """Which of the songs the position is one of."""
    hop: int = 0
    """The hop whose input begins at the position, as long as all goes on; 0 while it does not."""
    delay: int = 0
    """Samples by which the output lags behind the input of the same hop."""


class SongInfo(NamedTuple):
    """A decoded song that is ready to be played."""

    number: int = 0
    """Counts decodings; 0 while there is none."""
    sample_rate: int = 0
    n_samples: int = 0
    n_channels: int = 2
    song: int = 0
    """Which of the songs."""

    @property
    def seconds(self) -> float:
        """Length of the song."""
        return self.n_samples / self.sample_rate if self.sample_rate else 0.0


TransportChange = Callable[[TransportCommand], TransportCommand]


def play(on: bool) -> TransportChange:
    """Play, or stay where it is."""
    return lambda command: command._replace(is_playing=on, n_plays=command.n_plays + 1)


def seek(seconds: float) -> TransportChange:
    """Go to a place."""
    return lambda command: command._replace(seek_seconds=seconds, n_seeks=command.n_seeks + 1)


def other_song(song: int, seconds: float) -> TransportChange:
    """Play another song from a place, without a loop."""
    return lambda command: command._replace(
        song=song,
        seek_seconds=seconds,
        n_seeks=command.n_seeks + 1,
        is_playing=True,
        n_plays=command.n_plays + 1,
        is_looping=False,
        a_seconds=0.0,
        b_seconds=math.inf,
        n_loop_changes=command.n_loop_changes + 1,
    )


def loop(**fields: float) -> TransportChange:
    """Change fields of the loop, whose count begins again."""
    return lambda command: command._replace(**fields, n_loop_changes=command.n_loop_changes + 1)  # type: ignore[arg-type]


def checked(command: TransportCommand, seconds: float) -> TransportCommand:
    """The same command, if a song of that length can follow it.

    Raises:
        UserError: a place is beyond the end, or the loop does not last.
    """
    end = min(command.b_seconds, seconds)
    places = {"seek to": command.seek_seconds, "the loop begins at": command.a_seconds}
    if command.b_seconds != math.inf:
        places["the loop ends at"] = command.b_seconds
    for what, place in places.items():
        if not 0 <= place <= seconds + ROUNDED_SECONDS:
            raise UserError(f"{what} {place:g} s: the song has {seconds:.2f} s")
    if end - command.a_seconds < MIN_LOOP_SECONDS:
        raise UserError(
            f"a loop from {command.a_seconds:g} to {end:g} s: B has to come {MIN_LOOP_SECONDS:g} "
            "s after A or later"
        )
    return command


def parse_loop(text: str) -> tuple[float, float]:
    """A and B in seconds out of `A:B`; either may be left out, for the beginning or the end of the
    song.

    Raises:
        UserError: it is something else.
    """
    parts = [part.strip() for part in text.split(":")]
    try:
        a, b = (
            float(part) if part else place
            for part, place in zip(
                parts,
                (0.0, math.inf),
                strict=True,
            )
        )
    except ValueError as error:
        raise UserError(
            f"expected a loop as A:B in seconds, as in 12.5:20, got '{text}'"
        ) from error
    return a, b


def layout() -> np.dtype[Any]:
    """The part of the shared memory that a transport needs."""
    fields: list[Any] = [
        ("command", record(TransportCommand)),
        ("playback", record(Playback)),
        ("info", record(SongInfo)),
        ("song", f"S{PATH_BYTES}"),
        ("samples", f"S{PATH_BYTES}"),
    ]
    return np.dtype(fields, align=True)


class Transport:
    """Three records and two names. Without a song nothing uses it."""

    def __init__(self, memory: Any) -> None:
        self._memory = memory
        self.command = record_lock(memory["command"], TransportCommand())
        """Written by the control side."""
        self.playback = record_lock(memory["playback"], Playback())
        """Written by the engine."""
        self.info = record_lock(memory["info"], SongInfo())
        """Written by the loader."""

    def insert(self, song: Path, command: TransportCommand) -> None:
        """Say which song is played and how it begins, before any process starts."""
        self._memory["song"] = _path(song)
        self.command.write(command)
        self.playback.write(
            Playback(
                command.seek_seconds,
                command.is_playing,
                0,
                *_numbers(command),
                song=command.song,
            )
        )

    @property
    def song(self) -> str:
        """The file that is played; empty if the device's input is."""
        return str(self._memory["song"].item().decode(errors="replace"))

    @song.setter
    def song(self, song: str) -> None:
        self._memory["song"] = _path(Path(song))

    @property
    def samples_path(self) -> Path:
        """The decoded song; complete once `info` says so."""
        return Path(self._memory["samples"].item().decode())

    @samples_path.setter
    def samples_path(self, path: Path) -> None:
        self._memory["samples"] = _path(path)

    # For the control side.

    @property
    def seconds(self) -> float:
        """Length of the song; 0 while it is being read."""
        info = self.info.read()
        return info.seconds if info.song == self.command.read().song else 0.0

    @property
    def position_seconds(self) -> float:
        """Where it is, or is about to be."""
        command, playback = self.command.read(), self.playback.read()
        return (
            command.seek_seconds
            if command.n_seeks > playback.n_seeks
            else playback.position_seconds
        )

    @property
    def is_playing(self) -> bool:
        """Whether it plays, or is about to."""
        command, playback = self.command.read(), self.playback.read()
        return command.is_playing if command.n_plays > playback.n_plays else playback.is_playing

    def plan(self, changes: Sequence[TransportChange]) -> TransportCommand:
        """The command after all these changes.

        Raises:
            UserError: there is no song, it is still being read, or it cannot follow that.
        """
        if not self.song:
            raise UserError(NO_SONG)
        seconds, command = self.seconds, self.command.read()
        if not seconds:
            raise UserError(f"{Path(self.song).name} is still being read")
        if command.b_seconds > seconds:  # the length in the file's header was wrong
            command = command._replace(b_seconds=math.inf)
        command = command._replace(seek_seconds=min(command.seek_seconds, seconds))
        for change in changes:
            command = change(command)
        return checked(command, seconds)

    def change(self, *changes: TransportChange) -> None:
        """Command something else.

        Raises:
            UserError: as `plan`; nothing is changed.
        """
        self.command.write(self.plan(changes))


def _numbers(command: TransportCommand) -> tuple[int, int, int]:
    return command.n_plays, command.n_seeks, command.n_loop_changes


def _path(path: Path) -> bytes:
    """A path for the shared memory.

    Raises:
        UserError: it is too long.
    """
    name = str(path).encode()
    if len(name) > PATH_BYTES:
        raise UserError(f"{path}: the path is longer than {PATH_BYTES} bytes")
    return name
