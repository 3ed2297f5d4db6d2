"""Finds instances, makes their sessions beside the sound, and ends those whose hosts are gone."""

from __future__ import annotations

import contextlib
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from rtmss.config import SeparatorConfig, UserError
from rtmss.console import one_line
from rtmss.engine.session import Session
from rtmss.serve.board import Board
from rtmss.serve.delivery import Delivery
from rtmss.serve.lanes import Lane
from rtmss.serve.mapped import MappedInstance, is_abandoned
from rtmss.serve.places import PREFIX
from rtmss.serve.player import InstancePlayer
from rtmss.serve.scenes import SceneBook

MakeSession = Callable[[int], Session]
"""A session at a rate in Hz."""
N_WARM = 3
"""Steps in which libraries allocate what they need."""
LIVENESS_SECONDS = 0.25
"""Between two looks whether hosts are still there."""
STILL_NS = 5_000_000_000
"""A host without a beat for so long is stopped."""


class Attendant:
    """Knows every instance; the lanes play them."""

    def __init__(
        self,
        folder: Path,
        lanes: Iterable[Lane],
        book: SceneBook,
        config: SeparatorConfig,
        make_session: MakeSession,
        board: Board | None = None,
    ) -> None:
        """Look after a folder of instances; a board is for OSC."""
        self._folder, self._lanes, self._book = folder, list(lanes), book
        self._config = config
        self._make_session = make_session
        self._delivery = Delivery(board or Board(), folder, book)
        self.players: dict[Path, InstancePlayer] = {}
        self._lane_of: dict[Path, Lane] = {}
        self._refused: dict[Path, tuple[int, int]] = {}
        """Files that are no instances, and what they were like: each is told of once."""
        self._still: set[Path] = set()
        """Instances whose hosts stand still; they keep what they have."""
        self._looked = 0.0

    def look(self) -> None:
        """Take up what has come, let go of what has gone, and make one session that is missing."""
        self._find()
        now = time.monotonic()
        if now - self._looked > LIVENESS_SECONDS:
            self._looked = now
            self._let_go()
            self._see_who_stands_still()
        for player in list(self.players.values()):
            self._attend(player)
        self.deliver()

    def deliver(self) -> None:
        """Hand on what OSC has asked for, and tell it what plays."""
        self._delivery.serve()

    def _find(self) -> None:
        with contextlib.suppress(OSError), os.scandir(self._folder) as entries:
            for entry in entries:
                path = Path(entry.path)
                if entry.name.startswith(PREFIX) and path not in self.players:
                    self._try(path)

    def _try(self, path: Path) -> None:
        try:
            found = path.lstat()
            about = (found.st_ino, found.st_mtime_ns)
            if self._refused.get(path) == about:
                return
            if is_abandoned(path):
                self._remove(path)
                return
            player = InstancePlayer(MappedInstance(path), self._book, self._config)
        except UserError as error:
            self._refused[path] = about
            tell(f"passed over: {error}")
            return
        except OSError:
            return  # gone again
        self._book.read(player.instance.names())
        lane = min(self._lanes, key=lambda lane: len(lane.players))
        self.players[path], self._lane_of[path] = player, lane
        self._delivery.enter(player)
        lane.players = (*lane.players, player)
        tell(f"host {player.instance.pid}: came")

    def _attend(self, player: InstancePlayer) -> None:
        if (name := player.wanted_name) is not None:
            self._book.read([name])
            player.wanted_name = None
        if (rate := player.wanted_rate()) is not None:
            self._make(player, rate)

    def _make(self, player: InstancePlayer, rate: int) -> None:
        """Give an instance its session; one that cannot be made ends nobody else's sound."""
        try:
            session = warmed_up(self._make_session(rate))
        except Exception:
            traceback.print_exc()
            player.refuse(rate)
            return
        player.give(session)
        tell(f"{player.describe()}: has a session at {rate} Hz")

    def _let_go(self) -> None:
        for path in [path for path in self.players if is_abandoned(path)]:
            player, lane = self.players.pop(path), self._lane_of.pop(path)
            lane.players = tuple(other for other in lane.players if other is not player)
            self._delivery.leave(player)
            self._remove(path)
            self._still.discard(path)
            tell(f"{player.describe()}: left")

    def _see_who_stands_still(self) -> None:
        """Say once that a host is stopped, or goes on."""
        latest = time.monotonic_ns() - STILL_NS
        for path, player in self.players.items():
            is_still = 0 < player.instance.host_beat < latest
            if is_still != (path in self._still):
                self._still ^= {path}
                tell(f"host {player.instance.pid}: {'stands still' if is_still else 'goes on'}")

    @staticmethod
    def _remove(path: Path) -> None:
        """Take away what a host that was killed has left."""
        with contextlib.suppress(OSError):
            if path.lstat().st_uid == os.getuid():
                path.unlink()


def warmed_up(session: Session) -> Session:
    """The same, with everything allocated that the first steps would pay for."""
    silence = np.zeros((2, session.hop_length), np.float32)
    for _ in range(N_WARM):
        session.step(silence)
    return session


def tell(line: str) -> None:
    """Say on standard error, on one line."""
    print(f"rtmss serve: {one_line(line)}", file=sys.stderr, flush=True)
