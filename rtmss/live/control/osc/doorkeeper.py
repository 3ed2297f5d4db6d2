"""Peers of other machines that have to show a token before anything they say is looked at."""

from __future__ import annotations

from rtmss.live.control.osc.codec import Message, OscDecodeError, decode
from rtmss.live.control.osc.fairness import Peer, host_of, is_local
from rtmss.live.control.pairing import Level, Pairing

TOKEN = "/rtmss/token"
PAIRED_SECONDS = 3600.0
"""So long after its last packet a host counts as paired."""
MAX_PAIRED = 256


class Doorkeeper:
    """Knows which hosts have shown the token. Programs of this machine need none, and WebSockets
    have shown theirs to the web server. Times are in seconds of `time.monotonic()`.
    """

    def __init__(self, pairing: Pairing | None) -> None:
        """Ask for a token, or for none."""
        self._pairing = pairing
        self._paired: dict[str, float] = {}
        """Until when, by host."""

    @property
    def is_needed(self) -> bool:
        """Whether a token is asked for."""
        return self._pairing is not None

    def is_stranger(self, peer: Peer, now: float) -> bool:
        """Whether a peer has a token to show still."""
        if self._pairing is None or peer.transport == "web" or is_local(peer):
            return False
        return self._paired.get(host_of(peer.host), 0.0) <= now

    def lets_in(self, data: bytes, peer: Peer, now: float) -> bool:
        """Whether a packet may be looked at; one that brings the right token pairs its host."""
        if self._pairing is None or peer.transport == "web" or is_local(peer):
            return True
        if self.is_stranger(peer, now) and not self._shows_token(data, peer, now):
            return False
        host = host_of(peer.host)
        self._paired.pop(host, None)
        self._paired[host] = now + PAIRED_SECONDS
        if len(self._paired) > MAX_PAIRED:
            del self._paired[next(iter(self._paired))]
        return True

    def _shows_token(self, data: bytes, peer: Peer, now: float) -> bool:
        """Whether the packet's first message has the right token; only that one is tried."""
        assert self._pairing is not None
        first = _first(data)
        if first is None or first.address != TOKEN or len(first.args) != 1:
            return False
        given = first.args[0]
        if not isinstance(given, str):
            return False
        return self._pairing.try_token(given, peer.host, now) is Level.CONTROL


def _first(data: bytes) -> Message | None:
    try:
        packets = decode(data)
    except OscDecodeError:
        return None
    return packets[0].messages[0] if packets and packets[0].messages else None
