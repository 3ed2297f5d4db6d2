"""A port in memory, for tests and for programs that play a controller."""

from __future__ import annotations

from collections import deque

from rtmss.live.control.midi.messages import Message
from rtmss.live.control.midi.port import PortError


class MemoryPort:
    """What is put into `incoming` comes from the controller, what is sent to it is in `sent`."""

    def __init__(self, *, is_plugged: bool = True, n_most: int = 4096) -> None:
        self.incoming: deque[Message] = deque(maxlen=n_most)
        """Where it is full, what came first is lost."""
        self.sent: list[Message] = []
        self.is_plugged = is_plugged
        self.n_opened = 0

    def open(self) -> None:
        """Open it, if it is plugged in."""
        self._check()
        self.n_opened += 1

    def is_there(self) -> bool:
        """Whether it is plugged in."""
        return self.is_plugged

    def receive(self, n_most: int) -> list[Message]:
        """Take up what has come."""
        self._check()
        return [self.incoming.popleft() for _ in range(min(n_most, len(self.incoming)))]

    def send(self, message: Message) -> None:
        """Keep what the controller is told."""
        self._check()
        self.sent.append(message)

    def close(self) -> None:
        """Forget what has come."""
        self.incoming.clear()

    def _check(self) -> None:
        if not self.is_plugged:
            raise PortError("it is not plugged in")
