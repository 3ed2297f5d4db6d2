"""What the control loop and the web server's thread hand each other. Everything in between is
bounded: what finds no room is refused and counted.

A WebSocket is a socket pair to the control loop, which serves it as it serves a TCP peer: one
dispatch, the same budgets, and a slow reader is dropped.
"""

from __future__ import annotations

import queue
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future

from rtmss.live.control.osc.fairness import Peer
from rtmss.live.control.osc.server import PacketServer
from rtmss.live.control.web.space import PathNews, Snapshot, Space

MAX_JOINING = 64
"""WebSockets that wait to be taken up."""
MAX_QUESTIONS = 256
SNAPSHOT_SECONDS = 0.05
"""Questions that come faster are answered together."""
PAIR_BYTES = 32_768
"""The system keeps about so much for a WebSocket that does not read."""


class BusyError(Exception):
    """There is no room for more."""


class Exchange:
    """Between two threads. `join` and `ask` are for the web server's, `serve` for the control
    loop.
    """

    def __init__(self) -> None:
        self._joining: queue.Queue[tuple[socket.socket, Peer]] = queue.Queue(MAX_JOINING)
        self._questions: queue.Queue[Future[Snapshot]] = queue.Queue(MAX_QUESTIONS)
        self._snapshot_due = 0.0
        self._lock = threading.Lock()
        self._n_refused = 0
        self.tell_paths: Callable[[list[PathNews]], None] = lambda _: None
        """Set by the web server; called by the control loop."""

    def join(self, peer: Peer) -> socket.socket:
        """A stream of framed packets to the OSC server, for a WebSocket.

        Raises:
            BusyError: too many are waiting.
        """
        ours, theirs = socket.socketpair()
        for sock in (ours, theirs):
            sock.setblocking(False)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, PAIR_BYTES)
        try:
            self._joining.put_nowait((theirs, peer))
        except queue.Full as error:
            ours.close()
            theirs.close()
            raise BusyError from error
        return ours

    def ask(self) -> Future[Snapshot]:
        """The address space as it will be when the control loop comes to it.

        Raises:
            BusyError: too many are waiting.
        """
        future: Future[Snapshot] = Future()
        try:
            self._questions.put_nowait(future)
        except queue.Full as error:
            raise BusyError from error
        return future

    def refuse(self) -> None:
        """Count something that was refused."""
        with self._lock:
            self._n_refused += 1

    def serve(self, server: PacketServer, space: Space) -> None:
        """Take up WebSockets, answer questions, and say how the address space has changed."""
        with self._lock:
            server.count_refused(self._n_refused)
            self._n_refused = 0
        for _ in range(self._joining.qsize()):
            server.adopt(*self._joining.get_nowait())
        now = time.monotonic()
        if self._questions.qsize() and now >= self._snapshot_due:
            self._snapshot_due = now + SNAPSHOT_SECONDS
            self._answer(server, space)
        news = space.news()
        if news:
            self.tell_paths(news)

    def close(self) -> None:
        """Let nobody wait for what will not come."""
        while self._questions.qsize():
            self._questions.get_nowait().cancel()
        while self._joining.qsize():
            self._joining.get_nowait()[0].close()

    def _answer(self, server: PacketServer, space: Space) -> None:
        asking = [self._questions.get_nowait() for _ in range(self._questions.qsize())]
        asking = [one for one in asking if one.set_running_or_notify_cancel()]
        try:
            snapshot = space.snapshot()
        except Exception as error:  # a bug, or a folder that cannot be read
            server.report_bug(error)
            for one in asking:
                one.set_exception(error)
            return
        for one in asking:
            one.set_result(snapshot)
