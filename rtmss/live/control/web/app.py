"""What the web server answers: OSCQuery, the page, and its WebSockets."""

from __future__ import annotations

import asyncio
import html
import json
import time
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import FileResponse, RedirectResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from rtmss.live.control.pairing import Level
from rtmss.live.control.web.address_space import ATTRIBUTES, Node, describe, host_info
from rtmss.live.control.web.exchange import BusyError, Exchange
from rtmss.live.control.web.guard import COOKIE, HEADERS, Guard
from rtmss.live.control.web.sockets import Hub, serve_socket
from rtmss.live.control.web.space import Snapshot

PAGE = Path(__file__).parent / "page"
ANSWER_SECONDS = 5.0
"""The control loop has answered by then, or something is wrong."""
COOKIE_SECONDS = 400 * 86400
_KINDS = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".webmanifest": "application/manifest+json",
}
_FOR_ALL = {
    "view.html",
    "view.js",
    "osc.js",
    "link.js",
    "meters.js",
    "dom.js",
    "style.css",
    "icon.svg",
}
"""Files for those who may only look."""

Scope = MutableMapping[str, Any]
App = Callable[[Scope, Any, Any], Awaitable[None]]


class Site:
    """The answers; all in the web server's thread."""

    def __init__(self, exchange: Exchange, guard: Guard, peaks: Callable[[], list[float]]) -> None:
        self._exchange, self._guard, self._peaks = exchange, guard, peaks
        self.hub = Hub()
        self._described: tuple[Snapshot | None, dict[str, Node]] = (None, {})

    def app(self) -> App:
        """All of it, behind the guard."""
        routes = [
            Route("/page/", self.page),
            Route("/page/waveform", self.waveform),
            Route("/page/{name}", self.page),
            WebSocketRoute("/", self.control_socket),
            WebSocketRoute("/meters", self.meters_socket),
            Route("/{path:path}", self.node),
        ]
        return guarded_app(Starlette(routes=routes), self._guard, self._exchange)

    async def page(self, request: Request) -> Response:
        """A file of the page."""
        name = request.path_params.get("name", "index.html")
        if request.state.level < Level.CONTROL and name not in _FOR_ALL:
            to_view = name == "index.html"
            return RedirectResponse("/page/view.html") if to_view else self._only_for_control()
        path = PAGE / name
        if path.suffix not in _KINDS or path.parent != PAGE or not path.is_file():
            return refusal(404)
        return FileResponse(path, media_type=_KINDS[path.suffix])

    async def waveform(self, request: Request) -> Response:
        """Peaks of the song that plays."""
        if request.state.level < Level.CONTROL:
            return self._only_for_control()
        peaks = await asyncio.get_running_loop().run_in_executor(None, self._peaks)
        return as_json({"PEAKS": peaks})

    async def node(self, request: Request) -> Response:
        """A node of the address space, or one attribute of it; a browser gets the page."""
        if "text/html" in request.headers.get("accept", "") and request.url.path == "/":
            return RedirectResponse("/page/", headers={"vary": "accept"})
        if request.state.level < Level.CONTROL:
            return self._only_for_control()
        try:
            future = asyncio.wrap_future(self._exchange.ask())
            snapshot = await asyncio.wait_for(future, ANSWER_SECONDS)
        except (BusyError, TimeoutError, asyncio.CancelledError):
            self._exchange.refuse()
            return refusal(503)
        return self._answer(request, snapshot)

    async def control_socket(self, websocket: WebSocket) -> None:
        """OSC both ways."""
        if websocket.state.level < Level.CONTROL:
            self._exchange.refuse()
            await websocket.close()
            return
        await serve_socket(websocket, self._exchange, self.hub, may_control=True)

    async def meters_socket(self, websocket: WebSocket) -> None:
        """Levels alone."""
        await serve_socket(websocket, self._exchange, self.hub, may_control=False)

    def _only_for_control(self) -> Response:
        """To whoever may only look; counted."""
        self._exchange.refuse()
        return refusal(401)

    def _answer(self, request: Request, snapshot: Snapshot) -> Response:
        asked = request.url.query.partition("=")[0]
        if asked == "HOST_INFO":
            return as_json(host_info(snapshot))
        if snapshot is not self._described[0]:
            self._described = (snapshot, describe(snapshot))
        nodes = self._described[1]
        raw = request.scope.get("raw_path", b"").decode("latin-1")
        node = nodes.get(raw.rstrip("/") or "/") or nodes.get(request.url.path)
        if node is None:
            return refusal(404)
        if not asked:
            return as_json(node)
        if asked not in ATTRIBUTES:
            return refusal(400)
        return as_json({asked: node[asked]}) if asked in node else Response(status_code=204)


def guarded_app(app: App, guard: Guard, exchange: Exchange) -> App:
    """Refuse what does not come from where it should, before anything else looks at it."""

    async def guarded(scope: Scope, receive: Any, send: Any) -> None:
        if scope["type"] not in {"http", "websocket"}:
            await app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        client = scope["client"][0] if scope.get("client") else ""
        response = check(scope, headers, guard)
        if response is None:
            now = time.monotonic()
            level = guard.level(headers, client, now)
            response = _paired(scope, guard, client, now)
            if response is None and level is Level.NOTHING:
                response = refusal(401)
            scope.setdefault("state", {})["level"] = level
        if response is None:
            await app(scope, receive, _with_headers(send))
            return
        if response.status_code >= 400:
            exchange.refuse()
        if scope["type"] == "websocket":
            await send({"type": "websocket.close"})
        else:
            await response(scope, receive, _with_headers(send))

    return guarded


def check(scope: Scope, headers: Headers, guard: Guard) -> Response | None:
    """What is said to a request that cannot be meant, None to any other."""
    if not guard.is_own(headers.get("host", "")) or not guard.is_same_site(headers):
        return refusal(403)
    if scope["type"] == "http" and scope["method"] not in {"GET", "HEAD"}:
        return refusal(405)
    return None


def _paired(scope: Scope, guard: Guard, client: str, now: float) -> Response | None:
    """Take the token out of a link, into a cookie.

    The next page is asked for by this one: a browser would not send the cookie along a redirect
    that began at another site.
    """
    pairing = guard.pairing
    if scope["type"] != "http" or pairing is None or not scope["path"].startswith("/page/"):
        return None
    name, _, given = scope["query_string"].decode("latin-1").partition("=")
    if name != "token":
        return None
    level = pairing.try_token(given, client, now)
    if level is Level.NOTHING:
        return refusal(401)
    place = "/page/" if level is Level.CONTROL else "/page/view.html"
    text = (
        "<!doctype html><html lang=en><meta charset=utf-8><title>rtmss</title>"
        f'<meta http-equiv=refresh content="0;url={html.escape(place)}">'
        f'<p><a href="{html.escape(place)}">rtmss</a>'
    )
    response = Response(text, media_type="text/html")
    response.set_cookie(
        COOKIE, given, max_age=COOKIE_SECONDS, httponly=True, samesite="strict", path="/"
    )
    return response


def _with_headers(send: Any) -> Any:
    async def sent(told: MutableMapping[str, Any]) -> None:
        if told["type"] == "http.response.start":
            added = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
            told["headers"] = [*told.get("headers", []), *added]
        await send(told)

    return sent


_REFUSALS = {
    400: "no such attribute",
    401: "not paired: open the link, or scan the code, that rtmss shows in its terminal",
    403: "this name, or the page that asks, is not one of this machine's",
    404: "no such address",
    405: "only GET",
    503: "busy",
}


def refusal(status: int) -> Response:
    """An answer that says why there is none."""
    headers = {"connection": "close"} if status in {403, 405} else {}
    return Response(
        _REFUSALS[status] + "\n", status, headers, media_type="text/plain; charset=utf-8"
    )


def as_json(told: Any) -> Response:
    """An object as a client reads it."""
    text = json.dumps(told, allow_nan=False, separators=(",", ":"))
    return Response(text, media_type="application/json", headers={"vary": "accept"})
