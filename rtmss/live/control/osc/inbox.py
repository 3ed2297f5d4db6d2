"""Packets that have come and wait for their turn, fairly: next is the peer that has cost least
lately, and each peer's packets stay in order.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable

from rtmss.live.control.osc.fairness import Peer

MAX_PACKETS = 256
"""Of one peer."""
MAX_PEER_BYTES = 1 << 18
MAX_BYTES = 1 << 22
SECONDS_PER_BYTE = 1e-6
"""What a byte is expected to cost, roughly: a small packet goes before a big one."""


class Inbox:
    """Queues of packets by peer."""

    def __init__(self, cost: Callable[[Peer], float]) -> None:
        """Say what peers have cost lately, in seconds."""
        self._cost = cost
        self._queues: dict[Peer, deque[bytes]] = {}
        self._sizes: dict[Peer, int] = {}
        self._order: list[tuple[float, int, Peer]] = []
        """A heap with one row for every peer that has a queue: cost, arrival, peer."""
        self._n_arrived = 0
        self._n_bytes = 0

    def __len__(self) -> int:
        return len(self._queues)

    def __contains__(self, peer: Peer) -> bool:
        return peer in self._queues

    def put(self, peer: Peer, data: bytes) -> Peer | None:
        """Add a packet; returns whose packet was left out for want of room, if one was."""
        if self._is_full(peer, data):
            return peer
        left_out = None
        if self._n_bytes + len(data) > MAX_BYTES:
            left_out = max(self._sizes, key=lambda one: self._sizes[one])
            self._forget_newest(left_out)
        if peer not in self._queues:
            self._queues[peer] = deque()
            self._sizes[peer] = 0
        self._queues[peer].append(data)
        self._count(peer, len(data))
        if len(self._queues[peer]) == 1:
            self._enter(peer)
        return left_out

    def take(self) -> tuple[Peer, bytes] | None:
        """The packet whose turn it is."""
        while self._order:
            _, _, peer = heapq.heappop(self._order)
            if peer not in self._queues:
                continue
            data = self._queues[peer].popleft()
            self._count(peer, -len(data))
            if self._queues[peer]:
                self._enter(peer)
            else:
                self.drain(peer)
            return peer, data
        return None

    def drain(self, peer: Peer) -> list[bytes]:
        """Take all that has come from a peer."""
        self._n_bytes -= self._sizes.pop(peer, 0)
        return list(self._queues.pop(peer, ()))

    def _is_full(self, peer: Peer, data: bytes) -> bool:
        n_packets = len(self._queues.get(peer, ()))
        return n_packets >= MAX_PACKETS or self._sizes.get(peer, 0) + len(data) > MAX_PEER_BYTES

    def _enter(self, peer: Peer) -> None:
        expected = self._cost(peer) + SECONDS_PER_BYTE * len(self._queues[peer][0])
        heapq.heappush(self._order, (expected, self._n_arrived, peer))
        self._n_arrived += 1

    def _forget_newest(self, peer: Peer) -> None:
        self._count(
            peer,
            -len(self._queues[peer].pop()),
        )
        if not self._queues[peer]:
            self.drain(peer)

    def _count(self, peer: Peer, n_bytes: int) -> None:
        self._sizes[peer] += n_bytes
        self._n_bytes += n_bytes
