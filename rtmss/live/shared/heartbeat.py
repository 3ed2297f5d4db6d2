"""Signs of life between the supervisor and what it has started.

A process that was stopped (Ctrl-Z, a debugger, a machine that slept) finds that all clocks have
gone on, and is no judge of others until it has looked again: time counts only while it runs.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from rtmss.live.shared.parent import end_with_parent
from rtmss.live.shared.state import SharedState

LONGEST_LOOK = 0.25
"""Seconds that count at most between two looks at the clock: more, and this process stood still."""
PATIENCE_SECONDS = 10.0
"""Without a beat for so long the supervisor is gone, where the system tells nothing of parents."""
HAS_ORPHANS = os.name == "posix"
"""Whether a process whose parent has ended gets another one; on Windows it keeps the number."""


class AwakeClock:
    """Seconds in which this process ran, from 0; to be looked at again and again."""

    def __init__(self) -> None:
        self._seconds = 0.0
        self._looked = time.monotonic()

    def now(self) -> float:
        """The time now."""
        looked = time.monotonic()
        self._seconds += min(looked - self._looked, LONGEST_LOOK)
        self._looked = looked
        return self._seconds


class Pulse:
    """For how long something that ought to change has stayed as it was."""

    def __init__(
        self,
        read: Callable[[], object],
        clock: AwakeClock,
    ) -> None:
        """Watch what `read` gives."""
        self._read, self._clock = read, clock
        self.restart()

    def restart(self) -> None:
        """Begin again, as for a process that has just been started."""
        self._last = self._read()
        self._changed = self._clock.now()
        self.has_begun = False
        """Whether it has changed at all."""

    def still_seconds(self) -> float:
        """Seconds without a change, while this process ran."""
        value, now = self._read(), self._clock.now()
        if value != self._last:
            self._last, self._changed, self.has_begun = value, now, True
        return now - self._changed


class Supervision:
    """Whether the supervisor is still there, for a process that it has started."""

    def __init__(
        self,
        shared: SharedState,
        parent: int,
        end_signal: int = 0,
    ) -> None:
        """Watch it from now on.

        Args:
            shared: the supervisor's beat is in it.
            parent: number of the process that has started this one.
            end_signal: what the system is to send when that ends, where it can; 0 for nothing.
        """
        if end_signal:
            end_with_parent(end_signal)
        self._parent = parent
        self._pulse = Pulse(lambda: shared.n_beats("supervisor"), AwakeClock())

    def is_gone(self) -> bool:
        """Whether nobody is left to stop this process.

        A supervisor that stands still is no dead one, so that the beat counts only where the system
        does not tell.
        """
        if os.getppid() != self._parent:
            return True
        return not HAS_ORPHANS and self._pulse.still_seconds() > PATIENCE_SECONDS
