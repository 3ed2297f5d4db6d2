"""Answers that have to wait for the engine: presets being loaded, and syncs."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from rtmss.live.control.controller import MixerController, PresetLoaded
from rtmss.live.control.osc.codec import Argument, failure, message
from rtmss.live.control.osc.peers import Peer
from rtmss.live.control.osc.table import MAX_AHEAD_SECONDS, RefusedError
from rtmss.live.shared.state import Status

MAX_LOADS = 8
MAX_WAITING = 256
WAIT_SECONDS = 30

Answers = list[tuple[Peer, bytes]]


class Load(NamedTuple):
    """A preset that was asked for."""

    name: str
    peer: Peer


class Waiting(NamedTuple):
    """An answer that is due when a scene is heard."""

    peer: Peer
    address: str
    args: tuple[Argument, ...]
    number: int
    """Of that scene."""
    hop: int
    """It is not due before this."""
    ends: float
    """After this moment of `time.monotonic()` it is a failure."""


class Pending:
    """Answers that peers wait for. Presets are loaded one after the other: the last one asked for
    plays in the end.
    """

    def __init__(self, controller: MixerController) -> None:
        self._controller = controller
        self._loads: deque[Load] = deque()
        self._load_ends = 0.0
        self._n_asked = self._n_loaded = 0
        self._new_syncs: list[tuple[Peer, int, int]] = []
        """Peer, number, and the loads that have to be over first."""
        self._waiting: list[Waiting] = []

    def __len__(self) -> int:
        return len(self._loads) + len(self._new_syncs) + len(self._waiting)

    def check_room(self, n_loads: int, n_syncs: int) -> None:
        """See whether there is room for more.

        Raises:
            RefusedError: there is not.
        """
        if n_loads and len(self._loads) + n_loads > MAX_LOADS:
            raise RefusedError(
                "busy", f"at most {MAX_LOADS} presets are loaded one after the other"
            )
        if n_syncs and len(self._new_syncs) + len(self._waiting) + n_syncs > MAX_WAITING:
            raise RefusedError("busy", f"{MAX_WAITING} answers are waiting for the engine already")

    def load(self, name: str, peer: Peer, now: float) -> None:
        """Load a preset and let it play."""
        self._loads.append(Load(name, peer))
        self._n_asked += 1
        if len(self._loads) == 1:
            self._start(now)

    def sync(self, number: int, peer: Peer) -> None:
        """Answer when all that was asked for up to now is heard."""
        self._new_syncs.append((peer, number, self._n_asked))

    def step(self, loaded: list[PresetLoaded], now: float) -> Answers:
        """Give answers that are due; `loaded` are presets that were read and sent to the engine
        since the last call.
        """
        answers = [answer for one in loaded for answer in self._finish(one, now)]
        if self._loads and now > self._load_ends:
            answers.append(
                _failure(self._loads[0].peer, "/rtmss/preset", f"no preset after {WAIT_SECONDS} s")
            )
            self._next(now)
        self._take_up_syncs(now)
        return answers + self._due(self._controller.status, now)

    def _take_up_syncs(self, now: float) -> None:
        hop = max((due for due, _ in self._controller.scheduled), default=0)
        ends = now + WAIT_SECONDS + (MAX_AHEAD_SECONDS if hop else 0)
        for peer, number, n_loads in self._new_syncs:
            if self._n_loaded >= n_loads:
                self._waiting.append(
                    Waiting(peer, "/rtmss/synced", (number,), self._controller.number, hop, ends)
                )
        self._new_syncs = [one for one in self._new_syncs if self._n_loaded < one[2]]

    def _start(self, now: float) -> None:
        self._load_ends = now + WAIT_SECONDS
        self._controller.start_loading(self._loads[0].name)

    def _next(self, now: float) -> None:
        self._loads.popleft()
        self._n_loaded += 1
        if self._loads:
            self._start(now)

    def _finish(self, loaded: PresetLoaded, now: float) -> Answers:
        if not self._loads or self._loads[0].name != loaded.name:
            return []  # somebody else has asked for it
        peer = self._loads[0].peer
        self._next(now)
        if loaded.error is not None:
            return [_failure(peer, "/rtmss/preset", str(loaded.error), "refused")]
        number, ends = self._controller.number_now, now + WAIT_SECONDS
        self._waiting.append(
            Waiting(peer, "/rtmss/done", ("/rtmss/preset", loaded.name), number, 0, ends)
        )
        return []

    def _due(self, status: Status, now: float) -> Answers:
        answers: Answers = []
        waiting = self._waiting
        self._waiting = []
        for one in waiting:
            if status.applied >= one.number and status.hop >= one.hop:
                hop = (status.hop,) if one.address == "/rtmss/synced" else ()
                answers.append((one.peer, message(one.address, *one.args, *hop)))
            elif now > one.ends:
                asked = "/rtmss/sync" if one.address == "/rtmss/synced" else "/rtmss/preset"
                answers.append(
                    _failure(
                        one.peer, asked, "the engine has not taken it up in time; is it running?"
                    )
                )
            else:
                self._waiting.append(one)
        return answers


def _failure(peer: Peer, address: str, text: str, code: str = "timeout") -> tuple[Peer, bytes]:
    return peer, failure(address, code, text)
