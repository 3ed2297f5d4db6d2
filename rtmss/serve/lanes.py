"""The threads that step instances; nothing else is done in them."""

from __future__ import annotations

import threading
import time
import traceback

from rtmss.live.realtime.priority import raise_priority
from rtmss.serve.player import InstancePlayer

NAP_SECONDS = 0.0005
"""Between two looks for sound that has come in."""
IDLE_SECONDS = 1.0
IDLE_NAP_SECONDS = 0.004
"""Without sound for so long, a lane looks less often."""


class Lane:
    """One thread, and the instances that it steps by turns."""

    def __init__(self) -> None:
        """Start it, with real-time priority where that is permitted."""
        self.players: tuple[InstancePlayer, ...] = ()
        """Set anew by whoever adds and removes them, never changed."""
        self.n_turns = 0
        """It stands still if the lane does."""
        self.is_realtime = False
        self._is_ending = False
        self._thread = threading.Thread(target=self._run, name="rtmss-lane", daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Step no more."""
        self._is_ending = True
        self._thread.join()

    def _run(self) -> None:
        self.is_realtime = raise_priority()
        worked = 0.0
        while not self._is_ending:
            now = time.monotonic_ns()
            self.n_turns += 1
            for player in self.players:
                player.instance.beat(now)
            if sum(_work(player) for player in self.players):
                worked = now / 1e9
                continue
            is_idle = now / 1e9 - worked > IDLE_SECONDS
            time.sleep(IDLE_NAP_SECONDS if is_idle else NAP_SECONDS)


def _work(player: InstancePlayer) -> bool:
    """Step an instance; one that fails is in nobody's way, and gets another session."""
    try:
        return player.work()
    except Exception:
        traceback.print_exc()
        player.take_back()
        return False
