"""Who has asked to be told: subscriptions to values and meters, by peer, each ending by itself."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, field

from rtmss.live.control.osc.codec import bundles, message
from rtmss.live.control.osc.fairness import Holder, Peer, first_to_go
from rtmss.live.control.osc.pattern import covered
from rtmss.live.control.osc.state import Values
from rtmss.live.control.osc.table import TTL

MAX_PEERS = 32
SETTLED_SECONDS = 1.0
"""A peer that has said something so long after it came is no passer-by."""
_IN_BUNDLE = 20
"""Bytes that a message in a bundle takes more, at most."""

IsProven = Callable[[Peer, float], bool]
Room = Callable[[Peer], int]
"""Bytes that a peer may be sent now."""


@dataclass
class Subscriber:
    """What one peer wants to hear, and what it has heard."""

    since: float
    heard: float
    ttl: float = TTL
    pattern: str = ""
    """Values that it is told of; none where it is empty."""
    sent: Values = field(default_factory=dict)
    is_behind: bool = True
    """Whether there may be something that it has not heard."""
    meters_hz: float = 0.0
    meters_due: float = 0.0

    @property
    def expires(self) -> float:
        """When it is taken to be gone."""
        return self.heard + self.ttl


class Peers:
    """Subscriptions. Times are in seconds of `time.monotonic()`."""

    def __init__(self, is_proven: IsProven = lambda _peer, _now: True) -> None:
        """Say which addresses are known to be the sender's; the others lose their places first."""
        self.subscribers: dict[Peer, Subscriber] = {}
        self._displaced: list[Peer] = []
        self._is_proven = is_proven
        self._told: Values = {}
        """What all have heard who are not behind."""

    def touch(self, peer: Peer, now: float) -> None:
        """Whatever comes from a peer renews what it has asked for."""
        if peer in self.subscribers:
            self.subscribers[peer].heard = now

    def subscribe(
        self,
        peer: Peer,
        pattern: str,
        ttl: float,
        now: float,
    ) -> None:
        """Tell a peer all values under a pattern, then changes. Another time replaces the pattern
        and tells all again.
        """
        subscriber = self._find(peer, now)
        subscriber.pattern = pattern
        subscriber.ttl = ttl
        subscriber.heard = now
        subscriber.sent = {}
        subscriber.is_behind = True

    def take_displaced(self) -> list[Peer]:
        """Those that have lost their places to others since the last call."""
        displaced = self._displaced
        self._displaced = []
        return displaced

    def unsubscribe(self, peer: Peer) -> None:
        """Tell a peer nothing more, meters included."""
        self.subscribers.pop(peer, None)

    def set_meters(self, peer: Peer, rate_hz: float, now: float) -> None:
        """Tell a peer the levels so often, 0 for not at all."""
        if rate_hz or peer in self.subscribers:
            self._find(peer, now).meters_hz = rate_hz

    def meters_hz(self, peer: Peer) -> float:
        """How often a peer is told the levels."""
        return self.subscribers[peer].meters_hz if peer in self.subscribers else 0.0

    def expire(self, now: float) -> None:
        """Forget peers that have been silent for too long, and those that want nothing."""
        self.subscribers = {
            peer: one
            for peer, one in self.subscribers.items()
            if one.expires > now and (one.pattern or one.meters_hz > 0)
        }

    def changes(self, values: Values, room: Room = lambda _: 1 << 30) -> list[tuple[Peer, bytes]]:
        """What each peer has not heard yet, as far as it may be sent that much now.

        What does not fit is left for the next time, as it is then.
        """
        if values != self._told:
            self._told = values
            for one in self.subscribers.values():
                one.is_behind = True
        news = _News(values)
        return [
            (peer, packet)
            for peer, one in self.subscribers.items()
            if one.pattern and one.is_behind
            for packet in bundles(news.tell(one, room(peer)))
        ]

    def meters(
        self,
        values: Callable[[], Values],
        now: float,
    ) -> list[tuple[Peer, bytes]]:
        """Levels for those whose time has come; what was missed is left out."""
        due = [
            (peer, one)
            for peer, one in self.subscribers.items()
            if one.meters_hz > 0 and one.meters_due <= now
        ]
        if not due:
            return []
        packets = bundles(message(address, *value) for address, value in values().items())
        for _, one in due:
            next_due = one.meters_due + 1 / one.meters_hz
            one.meters_due = next_due if next_due > now else now + 1 / one.meters_hz
        return [(peer, packet) for peer, _ in due for packet in packets]

    def next_meters(self) -> float | None:
        """When levels are due next."""
        return min(
            (one.meters_due for one in self.subscribers.values() if one.meters_hz > 0), default=None
        )

    def _find(self, peer: Peer, now: float) -> Subscriber:
        if peer not in self.subscribers:
            if len(self.subscribers) >= MAX_PEERS:
                self._make_room(now)
            self.subscribers[peer] = Subscriber(now, now)
        return self.subscribers[peer]

    def _make_room(self, now: float) -> None:
        holders = (
            Holder(
                peer,
                self._is_proven(peer, now) and one.heard - one.since >= SETTLED_SECONDS,
                one.heard,
            )
            for peer, one in self.subscribers.items()
        )
        peer = first_to_go(holders)
        del self.subscribers[peer]
        self._displaced.append(peer)


class _News:
    """Values as messages, each made once for all who have not heard it."""

    def __init__(self, values: Values) -> None:
        self._values = values
        self._addresses = tuple(values)
        self._message = functools.cache(self._make)

    def _make(self, address: str) -> bytes:
        return message(address, *self._values[address])

    def tell(self, one: Subscriber, room: int) -> list[bytes]:
        """What a subscriber has not heard, as much as there is room for; it has heard it then."""
        told: list[bytes] = []
        wanted = covered(one.pattern, self._addresses)
        heard = {address: one.sent[address] for address in wanted if address in one.sent}
        one.is_behind = False
        for address in wanted:
            value = self._values[address]
            if heard.get(address) == value:
                continue
            data = self._message(address)
            room -= len(data) + _IN_BUNDLE
            if room < 0:
                one.is_behind = True
                break
            told.append(data)
            heard[address] = value
        one.sent = heard
        return told
