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
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import NamedTuple

from rtmss.engine.control import Scene
from rtmss.live.control.osc.fairness import Peer
from rtmss.live.control.osc.server import OscServer
from rtmss.live.control.osc.table import Row
from rtmss.live.control.web.snapshot import Snapshot, take_snapshot

MAX_JOINING = 64
"""WebSockets that wait to be taken up."""
MAX_QUESTIONS = 256
SNAPSHOT_SECONDS = 0.05
"""Questions that come faster are answered together."""
PAIR_BYTES = 32_768
"""The system keeps about so much for a WebSocket that does not read."""


class BusyError(Exception):
    """There is no room for more."""


class PathNews(NamedTuple):
    """How the address space has changed."""

    command: str
    """As OSCQuery says it: `PATH_ADDED` and so on."""
    path: str
    new_path: str = ""
    """Of one that was renamed."""


class Exchange:
    """Between two threads. `join` and `ask` are for the web server's, `serve` for the control
    loop.
    """

    def __init__(self) -> None:
        self._joining: queue.Queue[tuple[socket.socket, Peer]] = queue.Queue(MAX_JOINING)
        self._questions: queue.Queue[Future[Snapshot]] = queue.Queue(MAX_QUESTIONS)
        self._snapshot_due = 0.0
        self._paths = PathWatch()
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

    def serve(self, server: OscServer) -> None:
        """Take up WebSockets, answer questions, and say how the address space has changed."""
        with self._lock:
            server.dispatcher.ledger.n_refused += self._n_refused
            self._n_refused = 0
        for _ in range(self._joining.qsize()):
            server.adopt(*self._joining.get_nowait())
        now = time.monotonic()
        if self._questions.qsize() and now >= self._snapshot_due:
            self._snapshot_due = now + SNAPSHOT_SECONDS
            self._answer(server)
        news = self._paths.look(server)
        if news:
            self.tell_paths(news)

    def close(self) -> None:
        """Let nobody wait for what will not come."""
        while self._questions.qsize():
            self._questions.get_nowait().cancel()
        while self._joining.qsize():
            self._joining.get_nowait()[0].close()

    def _answer(self, server: OscServer) -> None:
        asking = [self._questions.get_nowait() for _ in range(self._questions.qsize())]
        asking = [one for one in asking if one.set_running_or_notify_cancel()]
        try:
            snapshot = take_snapshot(server)
        except Exception as error:  # a bug, or a folder that cannot be read
            server.report_bug(error)
            for one in asking:
                one.set_exception(error)
            return
        for one in asking:
            one.set_result(snapshot)


class PathWatch:
    """Sees how the address space changes as stems come and go."""

    def __init__(self) -> None:
        self._scene: Scene | None = None
        self._known: Mapping[str, Row] = {}
        self._stems: dict[str, str] = {}

    def look(self, server: OscServer) -> list[PathNews]:
        """What has changed since the last look; nothing at the first one."""
        scene, known = server.dispatcher.controller.scene, server.dispatcher.known
        if scene is self._scene and known is self._known:
            return []
        stems = {stem.name: stem.condition.name for stem in scene.stems}
        news: list[PathNews] = []
        if self._scene is not None:
            news = stem_news(self._stems, stems) + rest_news(_rest(self._known), _rest(known))
        self._scene, self._known, self._stems = scene, known, stems
        return news


def _rest(known: Mapping[str, Row]) -> frozenset[str]:
    return frozenset(path for path in known if not path.startswith("/rtmss/stem/"))


def stem_news(before: dict[str, str], after: dict[str, str]) -> list[PathNews]:
    """How the stems have changed. One that went, and one that came with its condition, are the same
    stem under another name.

    Args:
        before: conditions by stem.
        after: the same, later.
    """
    gone = [name for name in before if name not in after]
    new = [name for name in after if name not in before]
    news = []
    for name in list(gone):
        same = next((other for other in new if after[other] == before[name]), None)
        if same is not None:
            gone.remove(name)
            new.remove(same)
            news.append(PathNews("PATH_RENAMED", f"/rtmss/stem/{name}", f"/rtmss/stem/{same}"))
            news.append(PathNews("PATH_RENAMED", f"/rtmss/meter/{name}", f"/rtmss/meter/{same}"))
    for command, names in (("PATH_REMOVED", gone), ("PATH_ADDED", new)):
        news += [PathNews(command, f"/rtmss/stem/{name}") for name in names]
        news += [PathNews(command, f"/rtmss/meter/{name}") for name in names]
    return news


def rest_news(before: frozenset[str], after: frozenset[str]) -> list[PathNews]:
    """Containers whose contents have changed otherwise."""
    parents = sorted({path.rpartition("/")[0] for path in before ^ after})
    return [PathNews("PATH_CHANGED", path) for path in parents]
