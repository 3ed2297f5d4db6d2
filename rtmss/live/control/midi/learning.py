"""Which control was moved: what a few messages say of it."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

from rtmss.live.control.midi.events import Control, Event

WAIT_SECONDS = 30.0
"""Nothing is learned after that."""
LISTEN_SECONDS = 1.0
"""From the first message of a knob or fader on, until it is known what it is."""
FEW = 3
"""Messages from which on an encoder can be told from a fader."""
_UP = range(1, 16)
_DOWN = {
    "twos-complement": range(113, 128),
    "offset-64": range(49, 64),
    "sign-magnitude": range(65, 80),
}
_OFFSET_UP = range(65, 80)


class Listener:
    """Hears one control being moved."""

    def __init__(self) -> None:
        self._events: list[Event] = []
        self._began: float | None = None

    def hear(self, event: Event, now: float) -> None:
        """Take up an event; a button that is let go is none."""
        if event.value == 0 and event.control.kind == "note":
            return
        if len(self._events) < 4096:
            self._events.append(event)
        if self._began is None:
            self._began = now

    def is_sure(self, now: float) -> bool:
        """Whether enough was heard."""
        if self._began is None:
            return False
        kinds = {event.control.kind for event in self._events}
        return not kinds <= {"cc", "cc14", "nrpn"} or now - self._began >= LISTEN_SECONDS

    def found(self) -> tuple[Control, int, str | None]:
        """The control, its channel, and how it counts if it is a relative encoder."""
        counts = Counter((event.control, event.channel) for event in self._events)
        by_kind = {
            kind: [one for one in counts if one[0].kind == kind]
            for kind in ("nrpn", "note", "pitch", "program")
        }
        for found in by_kind.values():
            if found:
                return *max(found, key=lambda one: counts[one]), None
        control, channel = max(
            (one for one in counts if one[0].kind == "cc"), key=lambda one: counts[one]
        )
        coarse = Control("cc", control.number % 32)
        fine = Control("cc", coarse.number + 32)
        if control.number < 64 and counts[coarse, channel] and counts[fine, channel]:
            return Control("cc14", coarse.number), channel, None
        values = [one.value for one in self._events if one[:2] == (control, channel)]
        return control, channel, relative_of(values)


def relative_of(values: list[int]) -> str | None:
    """How an encoder counts that has sent these; None for a fader or a button.

    A fader never sends a value twice, and a button sends nothing but its two.
    """
    if len(values) < FEW or not any(one == other for one, other in pairwise(values)):
        return None
    if set(values) <= {0, 127} or set(values) == {64}:
        return None
    for kind, down in _DOWN.items():
        up = _OFFSET_UP if kind == "offset-64" else _UP
        if all(value in up or value in down for value in values):
            return kind
    return None
