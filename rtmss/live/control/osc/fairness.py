"""Who has to make room where there is none left, so that nobody can take all the places.

Rooms are counted by host first: a program that speaks from a thousand ports is one host. Whoever
holds the most makes room, so somebody who holds nothing yet always gets in.
"""

from __future__ import annotations

import functools
import ipaddress
from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

LOOPBACK = "this machine"


class Peer(NamedTuple):
    """Where a message came from, and the only place that answers to it go."""

    host: str
    port: int
    transport: str = "udp"
    """`udp`, `tcp`, or `web` for a WebSocket."""


class Holder(NamedTuple):
    """A peer that holds a place."""

    peer: Peer
    is_settled: bool
    """Whether it has shown that it is there and needs the place."""
    heard: float
    """When it was last heard of."""


@functools.lru_cache(maxsize=1024)
def host_of(address: str) -> str:
    """What counts as one host: this machine, an IPv4 address, or an IPv6 network of 64 bits."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    ip = getattr(ip, "ipv4_mapped", None) or ip
    if ip.is_loopback:
        return LOOPBACK
    if ip.version == 4 or ip.is_link_local:
        return str(ip)
    return str(ipaddress.ip_network((int(ip) >> 64 << 64, 64)))


def is_local(peer: Peer) -> bool:
    """Whether a peer is a program on this machine."""
    return host_of(peer.host) == LOOPBACK


def first_to_go(holders: Iterable[Holder]) -> Peer:
    """The peer that loses its place: one of the host with the most; there first one that is not
    settled, then the one that was silent for longest. Never the last one of this machine.
    """
    known = list(holders)
    places = Counter(host_of(one.peer.host) for one in known)
    movable = [one for one in known if places[host_of(one.peer.host)] > 1 or not is_local(one.peer)]
    movable = movable or known
    most = max(places[host_of(one.peer.host)] for one in movable)
    biggest = [one for one in movable if places[host_of(one.peer.host)] == most]
    return min(biggest, key=lambda one: (one.is_settled, one.heard)).peer


def gives_way(held: Counter[Peer], newcomer: Peer) -> Peer | None:
    """The peer that has to take one thing back so that the newcomer can have one; None where the
    newcomer itself has the most.
    """
    places: Counter[str] = Counter()
    for peer, n_held in held.items():
        places[host_of(peer.host)] += n_held

    def rank(peer: Peer) -> tuple[int, int]:
        return places[host_of(peer.host)], held[peer]

    biggest = max(held, key=rank)
    return biggest if rank(biggest) > rank(newcomer) else None
