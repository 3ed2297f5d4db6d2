"""A WebSocket as a peer of the OSC server: binary frames are OSC, text frames are OSCQuery's
commands, which become OSC too.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import struct
from collections.abc import Iterator

from starlette.websockets import WebSocket, WebSocketDisconnect

from rtmss.live.control.osc.codec import MAX_BYTES, message
from rtmss.live.control.osc.fairness import Peer
from rtmss.live.control.osc.table import MAX_HZ
from rtmss.live.control.web.exchange import BusyError, Exchange
from rtmss.live.control.web.space import PathNews

MAX_NEWS = 64
"""Of the address space that a client has not taken; with more it is dropped."""
TRY_AGAIN, TOO_SLOW = 1013, 1008
"""Codes with which a WebSocket is closed."""
LOOK = (
    message("/rtmss/listen", "/rtmss/stems"),
    message("/rtmss/listen", "/rtmss/preset"),
    message("/rtmss/listen", "/rtmss/status/state"),
    message("/rtmss/meters", MAX_HZ),
)
"""Asked for on behalf of somebody who may only look."""
_COMMANDS = {"LISTEN": "/rtmss/listen", "IGNORE": "/rtmss/ignore"}


class Hub:
    """All WebSockets, for news of the address space."""

    def __init__(self) -> None:
        self._boxes: set[asyncio.Queue[str]] = set()

    @contextlib.contextmanager
    def joined(self) -> Iterator[asyncio.Queue[str]]:
        """A box that fills with news; empty text in it means that there was too much."""
        box: asyncio.Queue[str] = asyncio.Queue(MAX_NEWS + 1)
        self._boxes.add(box)
        try:
            yield box
        finally:
            self._boxes.discard(box)

    def tell(self, news: list[PathNews]) -> None:
        """Put news into every box."""
        for text in map(news_text, news):
            for box in self._boxes:
                if not box.full():
                    box.put_nowait("" if box.qsize() == MAX_NEWS else text)


def news_text(news: PathNews) -> str:
    """News as OSCQuery says it."""
    data = {"OLD": news.path, "NEW": news.new_path} if news.new_path else news.path
    return json.dumps({"COMMAND": news.command, "DATA": data})


def command_packet(text: str) -> bytes | None:
    """The OSC message that a text frame stands for; None where it is none of those known."""
    try:
        told = json.loads(text)
    except ValueError:
        return None
    if not isinstance(told, dict):
        return None
    command, path = told.get("COMMAND"), told.get("DATA")
    if not (isinstance(command, str) and isinstance(path, str) and command in _COMMANDS):
        return None
    return message(_COMMANDS[command], path)


async def serve_socket(
    websocket: WebSocket, exchange: Exchange, hub: Hub, *, may_control: bool
) -> None:
    """Carry frames both ways until either side ends it.

    Args:
        websocket: not accepted yet.
        exchange: to the control loop.
        hub: for news.
        may_control: otherwise nothing that comes is taken up, and levels are sent.
    """
    client = websocket.client
    peer = Peer(client.host, client.port, "web") if client else Peer("", 0, "web")
    try:
        sock = exchange.join(peer)
    except BusyError:
        exchange.refuse()
        await websocket.close(TRY_AGAIN)
        return
    with hub.joined() as box:  # before the other end asks for anything: what changes then is told
        try:
            await websocket.accept()
            reader, writer = await asyncio.open_connection(sock=sock, limit=MAX_BYTES)
        except BaseException:  # the client has gone, or the server ends
            sock.close()
            raise
        ways = [
            asyncio.ensure_future(_up(websocket, writer, exchange, may_control=may_control)),
            asyncio.ensure_future(_down(reader, websocket)),
            asyncio.ensure_future(_news(box, websocket)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            ended = await asyncio.gather(*ways, return_exceptions=True)
            writer.close()
    code = next((one for one in ended if isinstance(one, int)), 0)
    if code:
        with contextlib.suppress(Exception):  # it may have gone meanwhile
            await websocket.close(code)


async def _up(
    websocket: WebSocket,
    writer: asyncio.StreamWriter,
    exchange: Exchange,
    *,
    may_control: bool,
) -> None:
    """Frames to the OSC server, no faster than it takes them."""
    if not may_control:
        writer.writelines(map(_framed, LOOK))
    while True:
        received = await websocket.receive()
        if received["type"] == "websocket.disconnect":
            return
        text = received.get("text")
        packet = command_packet(text) if text is not None else received.get("bytes")
        if not packet or not may_control:
            exchange.refuse()
            continue
        writer.write(_framed(packet))
        await writer.drain()


async def _down(reader: asyncio.StreamReader, websocket: WebSocket) -> int:
    """Packets of the OSC server to the client; the code to end with when that has dropped it."""
    while True:
        try:
            (size,) = struct.unpack(">I", await reader.readexactly(4))
            packet = await reader.readexactly(size)
        except (asyncio.IncompleteReadError, OSError):
            return TRY_AGAIN
        try:
            await websocket.send_bytes(packet)
        except (WebSocketDisconnect, RuntimeError):
            return 0


async def _news(box: asyncio.Queue[str], websocket: WebSocket) -> int:
    while True:
        text = await box.get()
        if not text:
            return TOO_SLOW
        await websocket.send_text(text)


def _framed(packet: bytes) -> bytes:
    return struct.pack(">I", len(packet)) + packet
