"""The OSC server: one UDP socket and one TCP port of the same number, one thread, no waiting for
anybody.
"""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import logging
import os
import selectors
import socket
import time
from typing import Any

from rtmss import __version__
from rtmss.config import UserError
from rtmss.live.control.controller import MixerController, PresetLoaded
from rtmss.live.control.osc import state
from rtmss.live.control.osc.codec import MAX_BYTES, Framer, OscDecodeError, decode, failure
from rtmss.live.control.osc.dispatch import Dispatcher
from rtmss.live.control.osc.peers import Peer

PORT = 9470
MAX_DATAGRAMS = 128
"""Taken up in one `poll`; the rest waits in the system's buffer."""
MAX_CONNECTIONS = 64
MAX_UNSENT = 262_144
"""Bytes that a TCP peer may leave unread before it is dropped."""
RECEIVE_BYTES = 16_384
TOO_LARGE = "the answer is larger than UDP carries; ask over TCP"
ACTIVE_SECONDS = 0.005
"""How often the engine is looked at while an answer depends on it, or a change is due at a hop to
come.
"""

_LOG = logging.getLogger(__name__)


class Connection:
    """One TCP peer."""

    def __init__(self, sock: socket.socket, peer: Peer) -> None:
        self.sock = sock
        self.peer = peer
        self.framer = Framer()
        self.unsent = bytearray()

    def send(self, packet: bytes) -> None:
        """Send as much as the peer takes now, and keep the rest.

        Raises:
            OSError: it is gone, or has not read for too long.
        """
        self.unsent += self.framer.frame(packet)
        self.flush()
        if len(self.unsent) > MAX_UNSENT:
            raise OSError(errno.ENOBUFS, "the peer does not read")

    def flush(self) -> None:
        """Send what is left."""
        with contextlib.suppress(BlockingIOError):
            while self.unsent:
                del self.unsent[: self.sock.send(self.unsent)]


class OscServer:
    """Lets peers change the mix. Call `receive` and `answer` in a loop, and flush the controller in
    between.

    Raises:
        UserError: the port is taken, or the address is not this machine's.
    """

    def __init__(
        self, controller: MixerController, host: str = "127.0.0.1", port: int = PORT
    ) -> None:
        self.dispatcher = Dispatcher(controller, __version__)
        self._udp, self._tcp = _listen(host, port)
        self.host, self.port = self._udp.getsockname()[:2]
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._udp, selectors.EVENT_READ)
        self._selector.register(self._tcp, selectors.EVENT_READ)
        self._connections: dict[Peer, Connection] = {}
        self._logged = 0.0
        self.n_bugs = 0
        """Messages that a bug in here has kept from being handled."""

    def close(self) -> None:
        """Close all sockets."""
        for connection in list(self._connections.values()):
            self._drop(connection)
        self._selector.close()
        self._udp.close()
        self._tcp.close()

    def describe(self) -> str:
        """One line: where it listens, and what that means."""
        where = f"OSC on {self.host} port {self.port}, UDP and TCP"
        if ipaddress.ip_address(self.host.partition("%")[0]).is_loopback:
            return f"{where}: programs on this machine only"
        return (
            f"{where}: whoever reaches this address can change the mix, there is no "
            "password; use a network you trust"
        )

    def receive(self, timeout: float) -> None:
        """Wait at most `timeout` seconds for messages, and act on them."""
        for key, events in self._selector.select(self._patience(timeout)):
            if key.fileobj is self._udp:
                self._receive_datagrams()
            elif key.fileobj is self._tcp:
                self._accept()
            else:
                self._serve(key.data, events)

    def answer(self, loaded: list[PresetLoaded]) -> None:
        """Send what is due: answers that had to wait, values that have changed, levels.

        Args:
            loaded: presets that were read and sent to the engine since the last call.
        """
        try:
            self._answer(loaded, time.monotonic())
        except Exception as error:  # the sound plays on, and so does the server
            self.report_bug(error)

    def _answer(self, loaded: list[PresetLoaded], now: float) -> None:
        dispatcher, controller = self.dispatcher, self.dispatcher.controller
        answers = dispatcher.pending.step(loaded, now)
        dispatcher.peers.expire(now)
        if dispatcher.peers.subscribers:
            answers += dispatcher.peers.changes(
                state.scene_values(controller) | dispatcher.song.values(now)
            )
            answers += dispatcher.peers.meters(lambda: state.meter_values(controller), now)
        for peer, packet in answers:
            self._send(peer, packet)

    def _patience(self, timeout: float) -> float:
        due = self.dispatcher.peers.next_meters()
        if due is not None:
            timeout = min(timeout, due - time.monotonic())
        if len(self.dispatcher.pending) or self.dispatcher.controller.scheduled:
            timeout = min(timeout, ACTIVE_SECONDS)
        return max(0.0, timeout)

    def _receive_datagrams(self) -> None:
        for _ in range(MAX_DATAGRAMS):
            try:
                data, name = self._udp.recvfrom(MAX_BYTES)
            except OSError:  # nothing left, or news of a peer that is gone
                return
            self._handle(data, Peer(name[0], name[1]), name)

    def _accept(self) -> None:
        try:
            sock, name = self._tcp.accept()
        except OSError:
            return
        if len(self._connections) >= MAX_CONNECTIONS:
            sock.close()
            return
        sock.setblocking(False)
        connection = Connection(sock, Peer(name[0], name[1], "tcp"))
        self._connections[connection.peer] = connection
        self._selector.register(sock, selectors.EVENT_READ, connection)

    def _serve(self, connection: Connection, events: int) -> None:
        if self._connections.get(connection.peer) is not connection:
            return  # dropped a moment ago
        try:
            if events & selectors.EVENT_WRITE:
                connection.flush()
                self._watch(connection)
            if events & selectors.EVENT_READ:
                data = connection.sock.recv(RECEIVE_BYTES)
                packets = connection.framer.feed(data)
                for packet in packets:
                    self._handle(packet, connection.peer)
                if not data:
                    self._drop(connection)
        except BlockingIOError:
            return
        except (OSError, OscDecodeError):  # gone, or what comes has lost its framing
            self._drop(connection)

    def _handle(self, data: bytes, peer: Peer, name: Any = None) -> None:
        """Act on one packet; its answers go back to where it came from."""
        self.dispatcher.peers.touch(peer, time.monotonic())
        try:
            packets = decode(data)
            answers = [
                answer
                for packet in packets
                for answer in self.dispatcher.handle(packet.messages, packet.when, peer)
            ]
        except OscDecodeError as error:
            answers = [failure("", "wire", str(error))]
        except Exception as error:  # a bug of ours must not end the show
            self.report_bug(error)
            answers = [failure("", "bug", f"{type(error).__name__}: {error}"[:200])]
        for answer in answers:
            self._send(peer, answer, name)

    def _send(self, peer: Peer, packet: bytes, name: Any = None) -> None:
        if peer.transport == "udp":
            try:
                self._udp.sendto(packet, name or (peer.host, peer.port))
            except OSError as error:  # lost like any other, but if it is ours to mend
                if error.errno == errno.EMSGSIZE:
                    self._send(peer, failure("", "size", TOO_LARGE), name)
            return
        connection = self._connections.get(peer)
        if connection is not None:
            try:
                connection.send(packet)
                self._watch(connection)
            except OSError:
                self._drop(connection)

    def _watch(self, connection: Connection) -> None:
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if connection.unsent else 0)
        self._selector.modify(connection.sock, events, connection)

    def _drop(self, connection: Connection) -> None:
        if self._connections.pop(connection.peer, None) is not None:
            self.dispatcher.peers.unsubscribe(connection.peer)
            self._selector.unregister(connection.sock)
            connection.sock.close()

    def report_bug(self, error: Exception) -> None:
        """Count a bug, and log it, at most once a second."""
        self.n_bugs += 1
        now = time.monotonic()
        if now - self._logged >= 1:
            self._logged = now
            _LOG.error("OSC: a bug, number %d; the server goes on", self.n_bugs, exc_info=error)


def _listen(host: str, port: int) -> tuple[socket.socket, socket.socket]:
    """A UDP socket and a TCP listener of the same number, any free one for 0.

    Raises:
        UserError: there is no such address here, or the port is taken.
    """
    try:
        family, _, _, _, name = socket.getaddrinfo(
            host, port, type=socket.SOCK_DGRAM, flags=socket.AI_PASSIVE
        )[0]
    except (OSError, UnicodeError, OverflowError) as error:
        raise UserError(
            f"OSC cannot listen on '{host}' port {port}: no such address; try 127.0.0.1"
        ) from error
    n_tries = 1 if port else 8
    for n_left in reversed(range(n_tries)):
        udp, tcp = (
            socket.socket(family, socket.SOCK_DGRAM),
            socket.socket(family, socket.SOCK_STREAM),
        )
        try:
            udp.bind(name)
            if os.name == "posix":  # elsewhere it would let two programs have the port
                tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            tcp.bind((name[0], udp.getsockname()[1], *name[2:]))
            tcp.listen(16)
        except (OSError, OverflowError) as error:
            udp.close()
            tcp.close()
            if not n_left:
                raise UserError(_explain(host, port, error)) from error
            continue
        udp.setblocking(False)
        tcp.setblocking(False)
        return udp, tcp
    raise AssertionError


def _explain(host: str, port: int, error: Exception) -> str:
    code = getattr(error, "errno", None)
    if code == errno.EADDRINUSE:
        return f"OSC port {port} is taken; is another rtmss running? choose another with --osc-port"
    if code == errno.EACCES:
        return f"OSC port {port} is not for everybody; choose one above 1023 with --osc-port"
    if code == errno.EADDRNOTAVAIL:
        return (
            f"OSC cannot listen on '{host}': it is no address of this machine; try "
            "--osc-bind 127.0.0.1"
        )
    return (
        f"OSC cannot listen on '{host}' port {port}: {error}; try --osc-bind 127.0.0.1 and "
        f"--osc-port {PORT}"
    )
