"""The web server: uvicorn in a thread of its own. The control loop calls `serve` once per turn and
never waits for it.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
import socket
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from rtmss.config import UserError
from rtmss.live.control.osc.codec import MAX_BYTES
from rtmss.live.control.osc.connection import find_address
from rtmss.live.control.osc.server import PacketServer
from rtmss.live.control.web.announce import Announcer
from rtmss.live.control.web.exchange import Exchange
from rtmss.live.control.web.guard import Guard, is_loopback
from rtmss.live.control.web.links import addresses, page_link, qr_code
from rtmss.live.control.web.space import PathNews, Space

if TYPE_CHECKING:
    import uvicorn

    from rtmss.live.control.web.app import Site

BACKLOG = 128
PING_SECONDS = 10.0
"""A WebSocket whose other end does not answer within so long again is over."""
HEADER_BYTES = 16_384
CLOSE_SECONDS = 1
RESTART_SECONDS = 5.0
"""After a bug has ended the thread, it is started again."""

_LOG = logging.getLogger(__name__)


class WebServer:
    """The page and OSCQuery beside an OSC server.

    Raises:
        UserError: the port is taken, the address is not this machine's, or the extra is missing.
    """

    def __init__(
        self,
        osc: PacketServer,
        space: Space,
        host: str,
        port: int,
        token: str = "",
        peaks: Callable[[], list[float]] = list,
    ) -> None:
        """Listen at once.

        Args:
            osc: takes up WebSockets as it takes up TCP.
            space: is described.
            host: the address to listen at.
            port: 0 for a free one.
            token: that pairs a browser; nothing for none.
            peaks: the outline of the song that plays, levels from 0 to 1.
        """
        self._osc, self._space, self._peaks = osc, space, peaks
        self._sock = _listen(host, port)
        self.host, self.port = self._sock.getsockname()[:2]
        self.guard = Guard(host, token)
        self.exchange = Exchange()
        self._server: uvicorn.Server | None = None
        self._start_due = 0.0
        self._thread = threading.Thread(target=self._run, name="web", daemon=True)
        try:  # all of it now: the control loop's collections pass over what is loaded before
            import segno  # noqa: F401
            import zeroconf.asyncio  # noqa: F401

            from rtmss.live.control.web import app, connections  # noqa: F401
        except ImportError as error:
            self._sock.close()
            raise UserError(
                f"--web needs the extra 'web': pip install 'rtmss[web]' ({error})"
            ) from error
        self._thread.start()
        self._announcer = self._announce()

    def serve(self) -> None:
        """One turn of the control loop's part."""
        try:
            self.exchange.serve(self._osc, self._space)
        except Exception as error:  # the sound plays on, and so does everything else
            self._osc.report_bug(error)
        now = time.monotonic()
        if not self._thread.is_alive() and now >= self._start_due:
            self._start_due = now + RESTART_SECONDS
            self._thread = threading.Thread(target=self._run, name="web", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """End the thread, and every connection."""
        if self._announcer is not None:
            self._announcer.close()
        if self._server is not None:
            self._server.should_exit = True
        self._thread.join(3 * CLOSE_SECONDS)
        self.exchange.close()
        self._sock.close()

    def describe(self) -> str:
        """One line: where the page is."""
        token = self.guard.pairing.token if self.guard.pairing else ""
        return f"page: {page_link(self.host, self.port, token)}"

    def card(self, *, has_levels: bool = True) -> str:
        """The link as a picture for a camera, and that to levels alone where there are some;
        nothing where only this machine reaches it.
        """
        pairing = self.guard.pairing
        if pairing is None:
            return ""
        link = page_link(self.host, self.port, pairing.token)
        view = page_link(self.host, self.port, pairing.view_token, "view.html")
        levels = f"\nlevels: {view}" if has_levels else ""
        return f"{qr_code(link)}\n{link}{levels}"

    def _announce(self) -> Announcer | None:
        reached = addresses(self.host)
        if not reached:
            return None
        osc_port = None if is_loopback(str(self._osc.host)) else int(self._osc.port)
        return Announcer(reached, self.port, osc_port)

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except Exception:  # the sound plays on, and so does OSC
            _LOG.exception("web: a bug; it is started again in %g s", RESTART_SECONDS)

    async def _serve(self) -> None:
        import uvicorn

        from rtmss.live.control.web.app import Site
        from rtmss.live.control.web.connections import Gate, guarded

        site = Site(self.exchange, self.guard, self._peaks)
        self._tell_of_paths(site)
        http, websocket = guarded(Gate(self.exchange.refuse))
        config = uvicorn.Config(
            site.app(),
            http=http,
            ws=websocket,
            ws_max_size=MAX_BYTES,
            ws_ping_interval=PING_SECONDS,
            ws_ping_timeout=PING_SECONDS,
            ws_per_message_deflate=False,
            h11_max_incomplete_event_size=HEADER_BYTES,
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            backlog=BACKLOG,
            timeout_graceful_shutdown=CLOSE_SECONDS,
        )
        self._server = uvicorn.Server(config)
        await self._server.serve([self._sock.dup()])
        # What did not end in time is closed here, before the loop that it belongs to is.
        for connection in list(self._server.server_state.connections):
            connection.transport.abort()
        await asyncio.sleep(0)

    def _tell_of_paths(self, site: Site) -> None:
        """Let the control loop tell the WebSockets how the address space changes."""
        loop = asyncio.get_running_loop()

        def told(news: list[PathNews]) -> None:
            with contextlib.suppress(RuntimeError):  # the thread has just ended
                loop.call_soon_threadsafe(site.hub.tell, news)

        self.exchange.tell_paths = told


def _listen(host: str, port: int) -> socket.socket:
    """A TCP listener.

    Raises:
        UserError: there is no such address here, or the port is taken.
    """
    family, name = find_address(host, port, socket.SOCK_STREAM, "the page cannot be at")
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        if os.name == "posix":  # elsewhere it would let two programs have the port
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(name)
        sock.listen(BACKLOG)
    except OSError as error:
        sock.close()
        if error.errno == errno.EADDRINUSE:
            raise UserError(
                f"port {port} is taken; is another rtmss running? choose another with --web-port"
            ) from error
        raise UserError(f"the page cannot be at '{host}' port {port}: {error}") from error
    sock.setblocking(False)
    return sock
