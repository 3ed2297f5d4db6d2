"""A WebSocket between a client and the control loop, without a server around it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from rtmss.live.control.osc.fairness import Peer
from rtmss.live.control.web.exchange import Exchange
from rtmss.live.control.web.sockets import Hub, news_text, serve_socket
from rtmss.live.control.web.space import PathNews

NEWS = PathNews("PATH_ADDED", "/rtmss/stem/choir")


class Address(NamedTuple):
    host: str = "127.0.0.1"
    port: int = 4711


class FakeWebSocket:
    """A client that does something while it is accepted, and leaves once it has been told."""

    def __init__(self, on_accept: Callable[[], None]) -> None:
        self.client = Address()
        self.told: list[str] = []
        self._on_accept = on_accept
        self._is_told = asyncio.Event()

    async def accept(self) -> None:
        self._on_accept()

    async def send_text(self, text: str) -> None:
        self.told.append(text)
        self._is_told.set()

    async def receive(self) -> dict[str, str]:
        await asyncio.wait_for(self._is_told.wait(), 5)
        return {"type": "websocket.disconnect"}


class JoinedExchange(Exchange):
    """One whose ends on the other side are kept."""

    def __init__(self) -> None:
        super().__init__()
        self.ours: list[socket.socket] = []

    def join(self, peer: Peer) -> socket.socket:
        self.ours.append(super().join(peer))
        return self.ours[-1]


def test_what_changes_while_a_socket_is_accepted_is_told() -> None:
    async def run() -> list[str]:
        hub, exchange = Hub(), Exchange()
        websocket: Any = FakeWebSocket(lambda: hub.tell([NEWS]))
        await serve_socket(websocket, exchange, hub, may_control=True)
        exchange.close()
        return list(websocket.told)

    assert asyncio.run(run()) == [news_text(NEWS)]


def test_a_client_that_leaves_while_it_is_accepted_leaves_nothing_behind() -> None:
    def leave() -> None:
        raise ConnectionResetError

    exchange, hub = JoinedExchange(), Hub()

    async def run() -> None:
        websocket: Any = FakeWebSocket(leave)
        await serve_socket(websocket, exchange, hub, may_control=True)

    with pytest.raises(ConnectionResetError):
        asyncio.run(run())
    assert exchange.ours[0].fileno() == -1, "closed"
    exchange.close()
    assert not hub._boxes
