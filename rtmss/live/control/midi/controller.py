"""One controller: what its controls do, and what its lights and motor faders show."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from rtmss.live.control.midi.binding import Binding
from rtmss.live.control.midi.connection import Connection
from rtmss.live.control.midi.events import Control, Decoder, Event, encode
from rtmss.live.control.midi.map_file import MidiMap

ECHO_SECONDS = 0.06
"""A controller may send back what it was sent; so long that is no hand's."""
MAX_ECHOES = 16
"""Of one control."""

Key = tuple[Control, int]
"""A control, and its channel."""


class Bound(NamedTuple):
    """Bindings of one port."""

    by_control: dict[Control, list[Binding]]
    lamps: list[Binding]
    """The first one of each control and channel."""


class Controller:
    """One port, what its controls do, and what it shows."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.decoder = Decoder()
        self.bound = Bound({}, [])
        self.channels: dict[Control, int] = {}
        """On which a control was heard last."""
        self.shown: dict[Key, int] = {}
        """What each control is known to show."""
        self.touched: dict[Key, float] = {}
        """When each was moved last."""
        self._echoes: dict[Key, deque[tuple[int, float]]] = {}

    def bind(self, midi_map: MidiMap) -> None:
        """Take up a map."""
        bound = Bound({}, [])
        lamps: set[tuple[Control, int | None]] = set()
        for entry in midi_map.controls:
            if entry.port not in {"", self.connection.name}:
                continue
            binding = Binding(entry, picks_up=midi_map.pickup)
            bound.by_control.setdefault(binding.control, []).append(binding)
            key = (binding.control, entry.channel)
            if entry.feedback and key not in lamps:
                lamps.add(key)
                bound.lamps.append(binding)
        self.bound = bound
        self.shown.clear()

    def begin(self) -> None:
        """It has been plugged in: nothing is known of it."""
        self.decoder = Decoder()
        for known in (self.shown, self.touched, self._echoes):
            known.clear()
        for bindings in self.bound.by_control.values():
            for binding in bindings:
                binding.let_go()

    def moved(self, event: Event) -> list[Binding]:
        """What is bound to a control."""
        return [
            one
            for one in self.bound.by_control.get(event.control, ())
            if one.entry.channel in {None, event.channel}
        ]

    def tell(self, lamp: Event, now: float) -> None:
        """Bring a light to a value."""
        key = lamp.control, lamp.channel
        self.connection.send(encode(lamp))
        self.shown[key] = lamp.value
        echoes = self._echoes.setdefault(key, deque(maxlen=MAX_ECHOES))
        echoes.append((lamp.value, now + ECHO_SECONDS))

    def is_echo(self, event: Event, now: float) -> bool:
        """Whether the controller only sends back what it was sent; of 14 bits the upper half
        alone, too.
        """
        echoes = self._echoes.get(event[:2])
        if not echoes:
            return False
        while echoes and echoes[0][1] < now:
            echoes.popleft()
        has_halves = event.control.kind in {"cc14", "nrpn"}
        for one in echoes:
            is_upper_half = has_halves and event.value == one[0] >> 7 << 7
            if is_upper_half:
                return True  # the lower one is still to come, and may be 0
            if event.value == one[0]:
                echoes.remove(one)
                return True
        return False
