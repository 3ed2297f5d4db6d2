"""The transport of a song that plays in the place of an input: what is wished for, where it is, on which tape.

It lies in the memory that the processes share (see `link`) and outlives each of them. Every record has one writer; who
reads while it is written reads again, or next time. Times are seconds of the song, so that they hold at any rate.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from rtmss.config import UserError
from rtmss.live.shared.seqlock import Record

MIN_LOOP_SECONDS = 0.5
"""A loop has to last as long as it takes to get ready for its beginning."""
MAX_LOOPS = 9999
ROUNDED_SECONDS = 0.01
"""So little after its end is the end: OSC has short numbers."""
NO_SONG = "no song is played; start rtmss live with --file SONG"
PATH_BYTES = 1024


class Wish(NamedTuple):
    """What the control side wants. The engine obeys a command when its number is one that it has not seen yet."""

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
    """Times that the loop is played before the song goes on after it; 0 for ever."""
    n_loop_changes: int = 0


class Playback(NamedTuple):
    """Where the engine is, and which commands it has obeyed."""

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


class Offer(NamedTuple):
    """A tape that is ready to be played."""

    number: int = 0
    """Of the tape; 0 while there is none."""
    sample_rate: int = 0
    n_samples: int = 0
    n_channels: int = 2

    @property
    def seconds(self) -> float:
        """Length of the song."""
        return self.n_samples / self.sample_rate if self.sample_rate else 0.0


Change = Callable[[Wish], Wish]


def play(on: bool) -> Change:
    """Play, or stay where it is."""
    return lambda wish: wish._replace(is_playing=on, n_plays=wish.n_plays + 1)


def seek(seconds: float) -> Change:
    """Go to a place."""
    return lambda wish: wish._replace(seek_seconds=seconds, n_seeks=wish.n_seeks + 1)


def loop(**fields: float) -> Change:
    """Change fields of the loop, whose count begins anew."""
    return lambda wish: wish._replace(**fields, n_loop_changes=wish.n_loop_changes + 1)  # type: ignore[arg-type]


def checked(wish: Wish, seconds: float) -> Wish:
    """The same wish, if a song of that length can fulfil it.

    Raises:
        UserError: a place is beyond the end, or the loop does not last.
    """
    end = min(wish.b_seconds, seconds)
    places = {"seek to": wish.seek_seconds, "the loop begins at": wish.a_seconds}
    if wish.b_seconds != math.inf:
        places["the loop ends at"] = wish.b_seconds
    for what, place in places.items():
        if not 0 <= place <= seconds + ROUNDED_SECONDS:
            raise UserError(f"{what} {place:g} s: the song has {seconds:.2f} s")
    if end - wish.a_seconds < MIN_LOOP_SECONDS:
        raise UserError(
            f"a loop from {wish.a_seconds:g} to {end:g} s: B has to come {MIN_LOOP_SECONDS:g} s after A or later"
        )
    return wish


def parse_loop(text: str) -> tuple[float, float]:
    """A and B in seconds out of `A:B`; either may be left out, for the beginning or the end of the song.

    Raises:
        UserError: it is something else.
    """
    parts = [part.strip() for part in text.split(":")]
    try:
        a, b = (float(part) if part else place for part, place in zip(parts, (0.0, math.inf), strict=True))
    except ValueError as error:
        raise UserError(f"expected a loop as A:B in seconds, as in 12.5:20, got '{text}'") from error
    return a, b


def layout() -> np.dtype[Any]:
    """The part of the shared memory that a transport needs."""

    def record(kind: type[tuple[Any, ...]]) -> list[Any]:
        return [("version", "u8"), ("numbers", "f8", len(kind()))]

    return np.dtype([
        ("wish", record(Wish)), ("playback", record(Playback)), ("offer", record(Offer)),
        ("song", f"S{PATH_BYTES}"), ("tape", f"S{PATH_BYTES}"),
    ], align=True)  # fmt: skip


class Transport:
    """The three records and two names; a transport without a song is not used."""

    def __init__(self, memory: Any) -> None:
        self._memory = memory
        self.wish = Record(memory["wish"], Wish())
        """Written by the control side."""
        self.playback = Record(memory["playback"], Playback())
        """Written by the engine."""
        self.offer = Record(memory["offer"], Offer())
        """Written by the loader."""

    def insert(self, song: Path, wish: Wish) -> None:
        """Say which song is played and how it begins, before any process starts."""
        self._memory["song"] = _path(song)
        self.wish.write(wish)
        self.playback.write(Playback(wish.seek_seconds, wish.is_playing, 0, *_numbers(wish)))

    @property
    def song(self) -> str:
        """The file that is played; empty if the device's input is."""
        return str(self._memory["song"].item().decode(errors="replace"))

    @property
    def tape(self) -> Path:
        """The song as samples; whole once it is offered."""
        return Path(self._memory["tape"].item().decode())

    @tape.setter
    def tape(self, path: Path) -> None:
        self._memory["tape"] = _path(path)

    # For the control side.

    @property
    def seconds(self) -> float:
        """Length of the song; 0 while it is being read."""
        return self.offer.read().seconds

    @property
    def position_seconds(self) -> float:
        """Where it is, or is about to be."""
        wish, playback = self.wish.read(), self.playback.read()
        return wish.seek_seconds if wish.n_seeks > playback.n_seeks else playback.position_seconds

    @property
    def is_playing(self) -> bool:
        """Whether it plays, or is about to."""
        wish, playback = self.wish.read(), self.playback.read()
        return wish.is_playing if wish.n_plays > playback.n_plays else playback.is_playing

    def plan(self, changes: Sequence[Change]) -> Wish:
        """What to wish for after all these changes.

        Raises:
            UserError: there is no song, it is still being read, or it cannot fulfil that.
        """
        if not self.song:
            raise UserError(NO_SONG)
        seconds, wish = self.seconds, self.wish.read()
        if not seconds:
            raise UserError(f"{Path(self.song).name} is still being read")
        if wish.b_seconds > seconds:  # the length in the file's header was wrong
            wish = wish._replace(b_seconds=math.inf)
        wish = wish._replace(seek_seconds=min(wish.seek_seconds, seconds))
        for change in changes:
            wish = change(wish)
        return checked(wish, seconds)

    def change(self, *changes: Change) -> None:
        """Wish for something else.

        Raises:
            UserError: as `plan`; nothing is changed.
        """
        self.wish.write(self.plan(changes))


def _numbers(wish: Wish) -> tuple[int, int, int]:
    return wish.n_plays, wish.n_seeks, wish.n_loop_changes


def _path(path: Path) -> bytes:
    """A path for the shared memory.

    Raises:
        UserError: it is too long.
    """
    name = str(path).encode()
    if len(name) > PATH_BYTES:
        raise UserError(f"{path}: the path is longer than {PATH_BYTES} bytes")
    return name
