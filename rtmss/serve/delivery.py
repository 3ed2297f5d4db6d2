"""The engine's side of OSC: the numbers of instances, what is asked of them, and what they play."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import NamedTuple

from rtmss.config import UserError
from rtmss.serve.board import MOST_INSTANCES, Asked, Board, Played
from rtmss.serve.moves import PRESET, Moves, Place, Value, of_text, to_text
from rtmss.serve.player import InstancePlayer
from rtmss.serve.scenes import SceneBook


class _Told(NamedTuple):
    """What was told of a player last."""

    applied: int
    moves: Moves


class Delivery:
    """Gives players their numbers, and what is asked of them."""

    def __init__(self, board: Board, folder: Path, book: SceneBook) -> None:
        """Share a board; instances' files are in a folder, presets and conditions in a book."""
        self._board, self._folder, self._book = board, folder, book
        self._players: dict[int, InstancePlayer] = {}
        self._read: dict[int, int] = {}
        """The latest message that was read, by place."""
        self._told: dict[int, _Told] = {}

    def enter(self, player: InstancePlayer) -> None:
        """Give a player the number that its instance has had, or the lowest that is free.

        What an engine before this one had taken up for it counts on.
        """
        name = player.instance.path.name
        number = self._number_for(name, player.instance.number)
        player.number = player.instance.number = number
        if not number:
            return
        before = self._board.played(number)
        self._players[number] = player
        if before.name != name:
            before = Played(name, self._board.n_asked(number))
        self._read[number] = player.applied = before.applied
        self._give(player, Asked(before.applied, name, before.moves))
        self._tell(player, before.moves)

    def leave(self, player: InstancePlayer) -> None:
        """Let its number be free."""
        if self._players.pop(player.number, None) is not None:
            self._board.tell(player.number, Played())

    def serve(self) -> None:
        """Deliver what has come, and tell what has changed."""
        for number, player in self._players.items():
            if self._board.n_asked(number) != self._read[number]:
                self._deliver(player)
            if self._is_news(player):
                self._tell(player)

    def _number_for(self, name: str, before: int) -> int:
        if 0 < before <= MOST_INSTANCES and before not in self._players:
            return before
        free = (n for n in range(1, MOST_INSTANCES + 1) if self._is_free(n, name))
        return next(free, 0)

    def _is_free(self, number: int, name: str) -> bool:
        """Whether nobody has a number, and nobody will be found that had it before a crash."""
        if number in self._players:
            return False
        before = self._board.played(number).name
        return before in {"", name} or not (self._folder / before).exists()

    def _deliver(self, player: InstancePlayer) -> None:
        for asked in self._board.asked(player.number, self._read[player.number]):
            self._read[player.number] = asked.number
            if asked.name == player.instance.path.name:
                self._give(player, asked)

    def _give(self, player: InstancePlayer, asked: Asked) -> None:
        """Hand moves to the thread that plays; the files that they need are read before."""
        moves: dict[Place, Value] = {}
        with contextlib.suppress(UserError, OSError):  # its sender could read them: gone since
            moves = of_text(asked.text, self._book.condition)
        if PRESET in moves:
            self._book.read([str(moves[PRESET])])
            player.asked.append((asked.number, {PRESET: moves.pop(PRESET)}))
        player.asked.append((asked.number, moves))

    def _is_news(self, player: InstancePlayer) -> bool:
        told = self._told[player.number]
        return told.applied != player.applied or told.moves is not player.held.moves

    def _tell(self, player: InstancePlayer, text: str | None = None) -> None:
        told = _Told(player.applied, player.held.moves)
        self._told[player.number] = told
        name = player.instance.path.name
        moves = to_text(told.moves) if text is None else text
        self._board.tell(player.number, Played(name, told.applied, moves))
