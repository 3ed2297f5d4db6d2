"""A port that is looked for until it is there, and again whenever it has vanished.

Looking may take a while, so a thread does it; the control side never waits.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from concurrent.futures import Executor, Future

from rtmss.live.control.midi.messages import Message
from rtmss.live.control.midi.port import MidiPort, PortError

LOOK_SECONDS = 2.0
"""How often a port is looked for, or looked after."""


class Connection:
    """One port. Times are in seconds of `time.monotonic()`."""

    def __init__(self, name: str, port: MidiPort, executor: Executor) -> None:
        """Say which.

        Args:
            name: as `--midi` has it.
            port: not open yet.
            executor: looks for it, one call at a time.
        """
        self.name = name
        self.is_open = False
        self.n_opened = 0
        self.problem = ""
        """Why it is not open."""
        self._port = port
        self._executor = executor
        self._looking: Future[bool] | None = None
        self._due = 0.0
        self._news: list[str] = []

    def look(self, now: float) -> bool:
        """Take up what was found, and look again if it is time; whether it has just been opened."""
        if self._looking is None:
            if now >= self._due:
                look = self._port.is_there if self.is_open else self._open
                self._looking = self._executor.submit(look)
            return False
        if not self._looking.done():
            return False
        looking, self._looking = self._looking, None
        self._due = now + LOOK_SECONDS
        try:
            is_there = looking.result()
        except Exception as error:  # libraries raise errors of their own kinds
            self._miss(str(error) or type(error).__name__)
            return False
        if self.is_open or not is_there:
            if not is_there:
                self._lose("it has vanished")
            return False
        self.is_open = True
        self.n_opened += 1
        self.problem = ""
        self._news.append(f"MIDI {self.name} is there{'' if self.n_opened == 1 else ' again'}")
        return True

    def receive(self, n_most: int) -> Sequence[Message]:
        """At most so many messages; none from a port that is gone."""
        if not self.is_open:
            return ()
        try:
            return self._port.receive(n_most)
        except PortError as error:
            self._lose(str(error))
            return ()

    def send(self, messages: Sequence[Message]) -> None:
        """Send messages, as long as there is somebody."""
        try:
            for message in messages if self.is_open else ():
                self._port.send(message)
        except PortError as error:
            self._lose(str(error))

    def take_news(self) -> list[str]:
        """What has happened since the last call, a line each."""
        news, self._news = self._news, []
        return news

    def close(self) -> None:
        """Let go of the port."""
        if self._looking is not None:
            with contextlib.suppress(Exception):
                self._looking.result(LOOK_SECONDS)
        self._port.close()
        self.is_open = False

    def _open(self) -> bool:
        self._port.open()
        return True

    def _lose(self, problem: str) -> None:
        if self.is_open:
            self.is_open = False
            self._miss(problem)

    def _miss(self, problem: str) -> None:
        """It is not there; said once for each reason."""
        if problem != self.problem:
            self._news.append(f"MIDI {self.name}: {problem}; it is looked for again")
        self.problem = problem
