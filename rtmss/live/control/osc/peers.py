"""Who has asked to be told: subscriptions to values and meters, by peer, each ending by itself."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass, field

from rtmss.live.control.osc.arguments import RefusedError
from rtmss.live.control.osc.codec import bundles, message
from rtmss.live.control.osc.fairness import Holder, Peer, first_to_go
from rtmss.live.control.osc.pattern import covered
from rtmss.live.control.osc.state import Values
from rtmss.live.control.osc.table import MAX_HZ, TTL

MAX_PEERS = 32
MAX_LISTENED = 512
"""Single values that a peer listens to."""
SETTLED_SECONDS = 1.0
"""A peer that has said something so long after it came is no passer-by."""
METER = "/rtmss/meter/"
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
    listened: dict[str, None] = field(default_factory=dict)
    """Single values that it is told of besides, in the order of asking."""
    sent: Values = field(default_factory=dict)
    is_behind: bool = True
    """Whether there may be something that it has not heard."""
    meters_hz: float = 0.0
    meters_due: float = 0.0

    @property
    def expires(self) -> float:
        """When it is taken to be gone."""
        return self.heard + self.ttl

    @property
    def wants_values(self) -> bool:
        """Whether it is told of any values."""
        return bool(self.pattern or self.listened)

    @property
    def levels_hz(self) -> float:
        """How often it is told levels; who listens to one of them is told as often as can be."""
        is_listening = any(address.startswith(METER) for address in self.listened)
        return self.meters_hz or (MAX_HZ if is_listening else 0.0)


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
        subscriber.ttl = math.inf if peer.transport == "web" else ttl
        subscriber.heard = now
        subscriber.sent = {}
        subscriber.is_behind = True

    def check_listening(self, peer: Peer, address: str) -> None:
        """See whether a peer may listen to one more value.

        Raises:
            RefusedError: it listens to too many.
        """
        one = self.subscribers.get(peer)
        if one is not None and len(one.listened) >= MAX_LISTENED and address not in one.listened:
            raise RefusedError("busy", f"{MAX_LISTENED} values are listened to already")

    def listen(self, peer: Peer, address: str, now: float) -> None:
        """Tell a peer one value, and whenever it changes. At the web server, until it goes."""
        subscriber = self._find(peer, now)
        subscriber.heard = now
        subscriber.listened[address] = None
        subscriber.sent.pop(address, None)
        subscriber.is_behind = True
        if peer.transport == "web":
            subscriber.ttl = math.inf

    def ignore(self, peer: Peer, address: str) -> None:
        """End that."""
        if peer in self.subscribers:
            self.subscribers[peer].listened.pop(address, None)

    def is_heard(self, beginnings: tuple[str, ...]) -> bool:
        """Whether somebody listens to a value whose address begins like that."""
        return any(
            address.startswith(beginnings)
            for one in self.subscribers.values()
            for address in one.listened
        )

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
            if one.expires > now and (one.wants_values or one.meters_hz > 0)
        }

    def changes(
        self,
        values: Values,
        room: Room = lambda _: 1 << 30,
        others: Values | None = None,
    ) -> list[tuple[Peer, bytes]]:
        """What each peer has not heard yet, as far as it may be sent that much now.

        What does not fit is left for the next time, as it is then.

        Args:
            values: what patterns reach.
            room: bytes that a peer may be sent now.
            others: values that are told to those alone who listen to one of them.
        """
        news = _News(values, others or {})
        if news.values != self._told:
            self._told = news.values
            for one in self.subscribers.values():
                one.is_behind = True
        return [
            (peer, packet)
            for peer, one in self.subscribers.items()
            if one.wants_values and one.is_behind
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
            if one.levels_hz > 0 and one.meters_due <= now
        ]
        if not due:
            return []
        levels = {address: message(address, *value) for address, value in values().items()}
        packets = bundles(levels.values())
        told = []
        for peer, one in due:
            next_due = one.meters_due + 1 / one.levels_hz
            one.meters_due = next_due if next_due > now else now + 1 / one.levels_hz
            heard = [levels[address] for address in one.listened if address in levels]
            told += [(peer, packet) for packet in (packets if one.meters_hz else bundles(heard))]
        return told

    def next_meters(self) -> float | None:
        """When levels are due next."""
        return min(
            (one.meters_due for one in self.subscribers.values() if one.levels_hz > 0), default=None
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

    def __init__(self, values: Values, others: Values) -> None:
        self.values = values | others
        """All of them."""
        self._addresses = tuple(values)
        self._message = functools.cache(self._make)

    def _make(self, address: str) -> bytes:
        return message(address, *self.values[address])

    def tell(self, one: Subscriber, room: int) -> list[bytes]:
        """What a subscriber has not heard, as much as there is room for; it has heard it then."""
        told: list[bytes] = []
        wanted = dict.fromkeys(covered(one.pattern, self._addresses)) if one.pattern else {}
        wanted |= {address: None for address in one.listened if address in self.values}
        heard = {address: one.sent[address] for address in wanted if address in one.sent}
        one.is_behind = False
        for address in wanted:
            value = self.values[address]
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
