"""Connections to the web server: how many, for how long, and who makes room.

uvicorn lets a connection that never finishes its request stay for ever; here nothing but a
WebSocket lasts.
"""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from collections.abc import Callable
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from rtmss.live.control.osc.fairness import host_of

MAX_CONNECTIONS = 256
HTTP_SECONDS = 20.0
"""A connection that has not become a WebSocket by then is over."""
UNSENT_BYTES = 32_768
"""Kept in here, and about as much by the system, for one that does not read; then nothing more is
taken up for it.
"""


class Gate:
    """All connections, by the host that they come from."""

    def __init__(self, refuse: Callable[[], None]) -> None:
        """Say what is called for each one that is refused."""
        self._refuse = refuse
        self._open: dict[asyncio.BaseTransport, str] = {}

    def enter(self, transport: asyncio.BaseTransport) -> bool:
        """Take up a connection, if need be instead of one of a host that has more of them; whether
        it was taken.
        """
        name = transport.get_extra_info("peername")
        host = host_of(name[0]) if name else ""
        if len(self._open) >= MAX_CONNECTIONS:
            self._refuse()
            held = Counter(self._open.values())
            biggest, n_most = held.most_common(1)[0]
            if n_most <= held[host] + 1:
                return False
            newest = next(one for one, of in reversed(self._open.items()) if of == biggest)
            self.leave(newest)
            newest.abort()  # type: ignore[attr-defined]
        self._open[transport] = host
        sock = transport.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, UNSENT_BYTES)
        return True

    def leave(self, transport: asyncio.BaseTransport) -> None:
        """One that is over."""
        self._open.pop(transport, None)


def guarded(gate: Gate) -> tuple[type[H11Protocol], type[WebSocketsSansIOProtocol]]:
    """uvicorn's two protocols, behind a gate."""

    class Http(H11Protocol):
        """A request or a few, in a short time."""

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            if not gate.enter(transport):
                transport.abort()
                return
            self.loop.call_later(HTTP_SECONDS, self._end)

        def connection_lost(self, exc: Exception | None) -> None:
            gate.leave(self.transport)
            super().connection_lost(exc)

        def _end(self) -> None:
            if self.transport.get_protocol() is self and not self.transport.is_closing():
                self.transport.abort()

    class WebSocket(WebSocketsSansIOProtocol):
        """One that may stay."""

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            transport.set_write_buffer_limits(high=UNSENT_BYTES)

        def connection_lost(self, exc: Exception | None) -> None:
            gate.leave(self.transport)
            super().connection_lost(exc)

    return Http, WebSocket
