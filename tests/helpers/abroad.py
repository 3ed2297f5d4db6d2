"""Peers on other machines."""

from __future__ import annotations

import time
from typing import Any

import pytest

from helpers.dispatcher import tell
from helpers.osc_server import Studio
from rtmss.live.control.osc.codec import message
from rtmss.live.control.osc.fairness import Peer

ABROAD = Peer("192.0.2.7", 9000)


class Abroad:
    """Peers on other machines, whose packets come without a network."""

    def __init__(self, studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
        self.studio = studio
        self.sent: list[tuple[Peer, bytes]] = []
        monkeypatch.setattr(studio.server._udp, "send", self._keep)

    def _keep(
        self,
        packet: bytes,
        name: tuple[str, int],
    ) -> None:
        self.sent.append((Peer(*name), packet))

    def say(self, data: bytes, peer: Peer = ABROAD) -> None:
        self.studio.server._handle(data, peer)

    def hear(
        self,
        peer: Peer = ABROAD,
    ) -> list[tuple[Any, ...]]:
        """All that a peer was told since the last time."""
        told = [one for whom, packet in self.sent if whom == peer for one in tell([packet])]
        self.sent = [row for row in self.sent if row[0] != peer]
        return told

    def n_bytes(self, peer: Peer = ABROAD) -> int:
        return sum(len(packet) for whom, packet in self.sent if whom == peer)

    def prove(self, peer: Peer = ABROAD) -> None:
        """Do what a peer does whose address is its own."""
        self.say(message("/rtmss/ping"), peer)
        self.studio.server._ask_for_proof(peer, time.monotonic())
        [token] = [one[1] for one in self.hear(peer) if one[0] == "/rtmss/echo"]
        self.say(message("/rtmss/echo", token), peer)


@pytest.fixture
def abroad(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> Abroad:
    return Abroad(studio, monkeypatch)
