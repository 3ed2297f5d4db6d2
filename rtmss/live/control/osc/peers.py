"""Who has asked to be told: subscriptions to values and meters, by peer, each ending by itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from rtmss.live.control.osc.codec import bundles, message
from rtmss.live.control.osc.pattern import covers
from rtmss.live.control.osc.state import Values
from rtmss.live.control.osc.table import TTL, RefusedError

MAX_PEERS = 32


class Peer(NamedTuple):
    """Where a message came from, and the only place that answers to it go."""

    host: str
    port: int
    transport: str = "udp"


@dataclass
class Subscriber:
    """What one peer wants to hear, and what it has heard."""

    expires: float
    ttl: float = TTL
    pattern: str = ""
    """Values that it is told of; none where it is empty."""
    sent: Values = field(default_factory=dict)
    meters_hz: float = 0.0
    meters_due: float = 0.0


class Peers:
    """Subscriptions. Times are in seconds of `time.monotonic()`."""

    def __init__(self) -> None:
        self.subscribers: dict[Peer, Subscriber] = {}

    def touch(self, peer: Peer, now: float) -> None:
        """Whatever comes from a peer renews what it has asked for."""
        if peer in self.subscribers:
            self.subscribers[peer].expires = now + self.subscribers[peer].ttl

    def subscribe(self, peer: Peer, pattern: str, ttl: float, now: float) -> None:
        """Tell a peer all values under a pattern, then changes. Another time replaces the pattern
        and tells all again.

        Raises:
            RefusedError: there are `MAX_PEERS` already.
        """
        subscriber = self._find(peer, now)
        subscriber.pattern, subscriber.ttl, subscriber.expires, subscriber.sent = (
            pattern,
            ttl,
            now + ttl,
            {},
        )

    def unsubscribe(self, peer: Peer) -> None:
        """Tell a peer nothing more, meters included."""
        self.subscribers.pop(peer, None)

    def set_meters(self, peer: Peer, rate_hz: float, now: float) -> None:
        """Tell a peer the levels so often, 0 for not at all.

        Raises:
            RefusedError: there are `MAX_PEERS` already.
        """
        if rate_hz or peer in self.subscribers:
            self._find(peer, now).meters_hz = rate_hz

    def meters_hz(self, peer: Peer) -> float:
        """How often a peer is told the levels."""
        return self.subscribers[peer].meters_hz if peer in self.subscribers else 0.0

    def check_room(self, peer: Peer) -> None:
        """See whether a peer can be told anything.

        Raises:
            RefusedError: there are `MAX_PEERS` already.
        """
        if peer not in self.subscribers and len(self.subscribers) >= MAX_PEERS:
            raise RefusedError("busy", f"{MAX_PEERS} peers are subscribed already")

    def expire(self, now: float) -> None:
        """Forget peers that have been silent for too long, and those that want nothing."""
        self.subscribers = {
            peer: one
            for peer, one in self.subscribers.items()
            if one.expires > now and (one.pattern or one.meters_hz > 0)
        }

    def changes(self, values: Values) -> list[tuple[Peer, bytes]]:
        """What each peer has not heard yet."""
        packets = []
        for peer, one in self.subscribers.items():
            if one.pattern:
                wanted = {
                    address: value
                    for address, value in values.items()
                    if covers(one.pattern, address)
                }
                news = [
                    message(address, *v)
                    for address, v in wanted.items()
                    if one.sent.get(address) != v
                ]
                one.sent = wanted
                packets += [(peer, packet) for packet in bundles(news)]
        return packets

    def meters(self, values: Callable[[], Values], now: float) -> list[tuple[Peer, bytes]]:
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
        self.check_room(peer)
        return self.subscribers.setdefault(peer, Subscriber(now + TTL))
