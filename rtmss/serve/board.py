"""Memory between the engine and OSC's process: for each instance what it plays, and what it is
asked to play.

Both are forked off one supervisor, whose memory it is: whoever is started again finds all of it.
"""

from __future__ import annotations

import mmap
from typing import Any, NamedTuple

import numpy as np

from rtmss.config import UserError
from rtmss.live.shared.seqlock import VERSION, SeqLock, Slots

MOST_INSTANCES = 64
"""With numbers of their own; others play and cannot be asked for anything."""
N_ASKED = 8
"""Messages on their way to one instance; more wait at the sender."""
TEXT_BYTES = 1 << 16
"""More than every setting of eight stems needs, with the longest names."""
NAME_BYTES = 128
_ASKED = np.dtype([VERSION, ("name", f"S{NAME_BYTES}"), ("text", f"S{TEXT_BYTES}")], align=True)
_PLAYED = np.dtype(
    [
        VERSION,
        ("name", f"S{NAME_BYTES}"),
        ("applied", "<u8"),
        ("moves", f"S{TEXT_BYTES}"),
    ],
    align=True,
)
_LAYOUT = np.dtype(
    [("written", "<u8"), ("asked", _ASKED, (N_ASKED,)), ("played", _PLAYED)], align=True
)


class Played(NamedTuple):
    """What the engine says of an instance."""

    name: str = ""
    """Of its file; nothing where no instance has this number."""
    applied: int = 0
    """The latest message that is heard."""
    moves: str = ""
    """What counts of all that was asked for; see `moves.to_text`."""


class Asked(NamedTuple):
    """A message to an instance."""

    number: int
    name: str
    """Of the file of the instance that is meant."""
    text: str


class Board:
    """Places by the numbers of instances, from 1. The engine writes what is played, OSC's process
    what is asked for.
    """

    def __init__(self) -> None:
        """Make the memory; processes that are forked afterwards have it too."""
        n_bytes = MOST_INSTANCES * _LAYOUT.itemsize
        memory = mmap.mmap(-1, n_bytes)  # pages that nobody writes to take no room
        self._rows: Any = np.ndarray(MOST_INSTANCES, _LAYOUT, buffer=memory)
        self._versions: Any = self._rows["played"]["version"]
        self._places = [
            SeqLock(row["played"], _write_played, _read_played, Played()) for row in self._rows
        ]
        self._asked = [Slots(row["asked"]) for row in self._rows]

    def versions(self) -> list[int]:
        """Changes where what is played does, by place."""
        found: list[int] = self._versions.tolist()
        return found

    def played(self, number: int) -> Played:
        """What an instance plays."""
        return self._places[number - 1].read()

    def tell(self, number: int, played: Played) -> None:
        """Say what an instance plays; the engine only."""
        self._places[number - 1].write(played)

    def n_asked(self, number: int) -> int:
        """The number of the latest message to a place."""
        return int(self._rows["written"][number - 1])

    def ask(self, number: int, name: str, text: str) -> int:
        """Send a message; its number.

        Raises:
            UserError: it is too long.
        """
        data = text.encode()
        if len(data) > TEXT_BYTES:
            raise UserError(f"{len(data)} bytes of moves, at most {TEXT_BYTES} at once")
        new = self.n_asked(number) + 1
        with self._asked[number - 1].writing(new) as row:
            row["name"], row["text"] = name.encode(), data
        self._rows["written"][number - 1] = new
        return new

    def asked(self, number: int, after: int) -> list[Asked]:
        """Messages to a place with higher numbers than one, oldest first."""
        last = self.n_asked(number)
        found = []
        for one in range(max(after, last - N_ASKED) + 1, last + 1):
            row = self._asked[number - 1].read(one)
            if row is not None:
                found.append(Asked(one, _text(row["name"]), _text(row["text"])))
        return found


def _write_played(row: Any, played: Played) -> None:
    row["name"], row["applied"], row["moves"] = (
        played.name.encode(),
        played.applied,
        played.moves.encode(),
    )


def _read_played(row: Any) -> Played:
    return Played(_text(row["name"]), int(row["applied"]), _text(row["moves"]))


def _text(data: Any) -> str:
    return bytes(data).decode(errors="replace")
