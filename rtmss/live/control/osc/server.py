"""The OSC server: one UDP socket and one TCP port of the same number, one thread, no waiting for
anybody.

What comes is queued by peer and worked off in turns (`inbox`); what a peer may cost is kept in the
ledger (`budget`).
"""

from __future__ import annotations

import ipaddress
import logging
import selectors
import socket
import time
from collections.abc import Sequence
from typing import Protocol

from rtmss import __version__
from rtmss.live.control.captures import Captured
from rtmss.live.control.controller import MixerController, PresetLoaded
from rtmss.live.control.osc.budget import Ledger
from rtmss.live.control.osc.codec import (
    MAX_BYTES,
    Message,
    OscDecodeError,
    decode,
    failure,
    message,
)
from rtmss.live.control.osc.connection import DEFAULT_PORT, Connection, DatagramSocket, listen
from rtmss.live.control.osc.dispatch import Dispatcher
from rtmss.live.control.osc.doorkeeper import Doorkeeper
from rtmss.live.control.osc.fairness import Holder, Peer, first_to_go
from rtmss.live.control.osc.inbox import Inbox
from rtmss.live.control.osc.midi import TRANSPORT
from rtmss.live.control.osc.peers import Peers
from rtmss.live.control.osc.pending import Answers
from rtmss.live.control.osc.state import Values
from rtmss.live.control.pairing import Pairing

PORT = DEFAULT_PORT
MAX_DATAGRAMS = 256
"""Taken up in one `receive`; the rest waits in the system's buffer."""
MAX_DATAGRAM_BYTES = 65_507
"""Of one that can be sent."""
MAX_CONNECTIONS = 64
MAX_ACCEPTED = 16
"""Connections taken up in one `receive`."""
MAX_UNSENT = 262_144
"""Bytes that a TCP peer may leave unread before it is dropped."""
SLOW_SECONDS = 10.0
"""A TCP peer that has taken nothing for so long of what is left for it is dropped."""
IDLE_SECONDS = 300.0
"""A TCP peer without a subscription that has said nothing for so long is dropped."""
RECEIVE_BYTES = 16_384
SLICE_SECONDS = 0.02
"""Processor time for what has come, before answers and the mix have their turn again."""
ACTIVE_SECONDS = 0.005
"""How often the engine is looked at while an answer depends on it, or a change is due at a hop to
come.
"""
CHORE_SECONDS = 0.5
"""How often connections are looked over."""
PANICS = frozenset(
    [message("/rtmss/panic"), *(message("/rtmss/panic", on) for on in (1, 1.0, True))]
)
"""Heard from whoever is over a budget, too."""

_LOG = logging.getLogger(__name__)


class Answering(Protocol):
    """What messages are for, and what answers to them."""

    ledger: Ledger
    peers: Peers

    def handle(self, messages: list[Message], when: float | None, peer: Peer) -> list[bytes]:
        """Act on one packet, due at once or at a Unix time; the answers to its sender."""

    def panic(self) -> None:
        """Silence, before what waits has its turn."""

    def due(self, loaded: list[PresetLoaded], captured: Sequence[Captured], now: float) -> Answers:
        """Answers that had to wait."""

    def told(self, now: float) -> tuple[Values, Values]:
        """What patterns reach, and what is told to those alone who listen to one of them."""

    def levels(self) -> Values:
        """Levels in dBFS."""

    @property
    def is_waiting(self) -> bool:
        """Whether an answer depends on the engine."""


class PacketServer:
    """Lets peers talk to whatever answers. Call `receive` and `answer` in a loop.

    Raises:
        UserError: the port is taken, or the address is not this machine's.
    """

    def __init__(
        self,
        dispatcher: Answering,
        host: str = "127.0.0.1",
        port: int = PORT,
        pairing: Pairing | None = None,
    ) -> None:
        """Listen at once.

        Args:
            dispatcher: what peers talk to.
            host: the address to listen at.
            port: for UDP and TCP; 0 for a free one.
            pairing: what peers of other machines have to show first; None for nothing.
        """
        self._doorkeeper = Doorkeeper(pairing)
        self._dispatcher = dispatcher
        udp, self._tcp = listen(host, port)
        self.host, self.port = udp.getsockname()[:2]
        self._udp = DatagramSocket(udp)
        self._selector = selectors.DefaultSelector()
        self._selector.register(udp, selectors.EVENT_READ)
        self._selector.register(self._tcp, selectors.EVENT_READ)
        self._connections: dict[Peer, Connection] = {}
        self._inbox = Inbox(self._cost)
        self._chores_due = 0.0
        self._logged = 0.0
        self.n_bugs = 0
        """Messages that a bug in here has kept from being handled."""

    def close(self) -> None:
        """Close all sockets."""
        for connection in list(self._connections.values()):
            self._drop(connection)
        self._selector.close()
        self._udp.sock.close()
        self._tcp.close()

    def count_refused(self, number: int) -> None:
        """Count what was refused beside it, by the web server."""
        self._dispatcher.ledger.n_refused += number

    def describe(self) -> str:
        """One line: where it listens, and what that means."""
        if self._doorkeeper.is_needed:
            return f"OSC on {self.host} port {self.port}: from other machines with /rtmss/token"
        where = f"OSC on {self.host} port {self.port}, UDP and TCP"
        if ipaddress.ip_address(self.host.partition("%")[0]).is_loopback:
            return f"{where}: programs on this machine only"
        return (
            f"{where}: whoever reaches this address can change the mix, there is no "
            "password; use a network you trust"
        )

    def receive(self, timeout: float) -> None:
        """Wait at most `timeout` seconds for messages, and act on them, or on as many as there is
        time for.
        """
        for key, events in self._selector.select(self._patience(timeout)):
            if key.fileobj is self._udp.sock:
                for data, name in self._udp.receive(MAX_DATAGRAMS, MAX_BYTES):
                    self._queue(data, Peer(name[0], name[1]))
            elif key.fileobj is self._tcp:
                self._accept()
            else:
                self._serve(key.data, events)
        for host, port in self._udp.gone():
            self._dispatcher.peers.unsubscribe(Peer(host, port))
        self._work_off()

    def answer(
        self,
        loaded: list[PresetLoaded],
        captured: Sequence[Captured] = (),
    ) -> None:
        """Send what is due: answers that had to wait, values that have changed, levels.

        Args:
            loaded: presets that were read and sent to the engine since the last call.
            captured: what the condition builder has said since then.
        """
        try:
            self._answer(loaded, captured, time.monotonic())
        except Exception as error:  # the sound plays on, and so does the server
            self.report_bug(error)

    def _answer(
        self,
        loaded: list[PresetLoaded],
        captured: Sequence[Captured],
        now: float,
    ) -> None:
        dispatcher = self._dispatcher
        if now >= self._chores_due:
            self._chores_due = now + CHORE_SECONDS
            self._drop_the_dead(now)
        for peer, packet in dispatcher.due(loaded, captured, now):
            self._send(peer, packet)
        for peer in dispatcher.peers.take_displaced():
            dispatcher.ledger.n_refused += 1
            text = "others needed the place more; subscribe again"
            self._send(peer, failure("/rtmss/subscribe", "busy", text))
        dispatcher.peers.expire(now)
        if dispatcher.peers.subscribers:
            self._tell_subscribers(now)

    def _tell_subscribers(self, now: float) -> None:
        peers = self._dispatcher.peers
        began = time.thread_time()
        values, others = self._dispatcher.told(now)
        packets = peers.changes(values, self._room, others)
        for peer, packet in packets:
            self._send(peer, packet)
        told = {peer for peer, _ in packets}
        for peer in told:
            spent = (time.thread_time() - began) / len(told)
            self._dispatcher.ledger.spend_work(peer, spent, now)
        for peer, packet in peers.meters(self._dispatcher.levels, now):
            if len(packet) <= self._room(peer):
                self._send(peer, packet)

    def _patience(self, timeout: float) -> float:
        if len(self._inbox):
            return 0.0
        due = self._dispatcher.peers.next_meters()
        if due is not None:
            timeout = min(timeout, due - time.monotonic())
        if self._dispatcher.is_waiting:
            timeout = min(timeout, ACTIVE_SECONDS)
        return max(0.0, timeout)

    def _accept(self) -> None:
        for _ in range(MAX_ACCEPTED):
            try:
                sock, name = self._tcp.accept()
            except OSError:
                return
            # Its answers to what was sent there have arrived, or there would be no connection.
            self._dispatcher.ledger.prove(name[0], time.monotonic())
            self.adopt(sock, Peer(name[0], name[1], "tcp"))

    def adopt(self, sock: socket.socket, peer: Peer) -> None:
        """Take up a stream of framed packets, with a place among all connections."""
        if len(self._connections) >= MAX_CONNECTIONS:
            self._drop(self._connections[first_to_go(self._holders())])
            self._dispatcher.ledger.n_refused += 1
        connection = Connection(sock, peer, time.monotonic())
        self._connections[connection.peer] = connection
        self._selector.register(sock, selectors.EVENT_READ, connection)

    def _holders(self) -> list[Holder]:
        subscribers = self._dispatcher.peers.subscribers
        return [
            Holder(peer, one.has_spoken or peer in subscribers, one.heard)
            for peer, one in self._connections.items()
        ]

    def _serve(self, connection: Connection, events: int) -> None:
        if self._connections.get(connection.peer) is not connection:
            return  # dropped a moment ago
        try:
            if events & selectors.EVENT_WRITE:
                connection.flush(time.monotonic())
                self._watch(connection)
            # One that has something in the inbox waits: its own system holds the rest back.
            if events & selectors.EVENT_READ and connection.peer not in self._inbox:
                self._read(connection)
        except BlockingIOError:
            return
        except (OSError, OscDecodeError):  # gone, or what comes has lost its framing
            self._drop(connection)

    def _read(self, connection: Connection) -> None:
        """Take up what a peer has sent.

        Raises:
            OSError: it is gone.
            OscDecodeError: that is no framing.
        """
        data = connection.sock.recv(RECEIVE_BYTES)
        for packet in connection.framer.feed(data):
            connection.heard = time.monotonic()
            connection.has_spoken = True
            self._queue(packet, connection.peer)
        if not data or connection.framer.is_lost:
            self._finish(connection)

    def _finish(self, connection: Connection) -> None:
        """Act on what came before the end of a connection, and drop it."""
        for data in self._inbox.drain(connection.peer):
            self._handle(data, connection.peer)
        self._drop(connection)

    def _queue(self, data: bytes, peer: Peer) -> None:
        if data in PANICS and not self._doorkeeper.is_stranger(peer, time.monotonic()):
            self._dispatcher.panic()
        left_out = self._inbox.put(peer, data)
        if left_out is not None:
            self._refuse(left_out, data if left_out == peer else b"", "too much at once")

    def _work_off(self) -> None:
        began = time.thread_time()
        while time.thread_time() - began < SLICE_SECONDS:
            taken = self._inbox.take()
            if taken is None:
                return
            peer, data = taken
            self._handle(data, peer)

    def _cost(self, peer: Peer) -> float:
        now = time.monotonic()
        return self._dispatcher.ledger.account(peer).work.spent(now)

    def _handle(self, data: bytes, peer: Peer) -> None:
        """Act on one packet; its answers go back to where it came from."""
        now = time.monotonic()
        ledger = self._dispatcher.ledger
        ledger.receive(peer, len(data))
        self._dispatcher.peers.touch(peer, now)
        if ledger.is_over(peer, now):
            self._refuse(peer, data, "over the budget of one peer: send less, and ask for less")
            return
        if not self._doorkeeper.lets_in(data, peer, now):
            self._refuse(peer, data, "send /rtmss/token with the token of the page's link", "token")
            return
        began = time.thread_time()
        for answer in self._answers(data, peer):
            self._send(peer, answer)
        ledger.spend_work(peer, time.thread_time() - began, now)

    def _answers(self, data: bytes, peer: Peer) -> list[bytes]:
        try:
            return [
                answer
                for packet in decode(data)
                for answer in self._dispatcher.handle(packet.messages, packet.when, peer)
            ]
        except OscDecodeError as error:
            return [failure("", "wire", str(error))]
        except Exception as error:  # a bug of ours must not end the show
            self.report_bug(error)
            return [failure("", "bug", f"{type(error).__name__}: {error}"[:200])]

    def _refuse(self, peer: Peer, data: bytes, why: str, code: str = "busy") -> None:
        """Count a packet that is not looked at, and say so, at most once a second."""
        now = time.monotonic()
        self._dispatcher.ledger.n_refused += 1
        if self._dispatcher.ledger.account(peer).may_notice(now):
            self._send(peer, failure(_address(data), code, why))

    def _room(self, peer: Peer) -> int:
        """Bytes that a peer may be sent now without being asked; for one that has yet to read what
        it was sent, none.
        """
        now = time.monotonic()
        ledger = self._dispatcher.ledger
        connection = self._connections.get(peer)
        if ledger.is_over(peer, now) or (connection is not None and connection.unsent):
            return 0
        if not ledger.is_proven(peer, now):
            self._ask_for_proof(peer, now)
        return ledger.room(peer, now)

    def _ask_for_proof(self, peer: Peer, now: float) -> None:
        account = self._dispatcher.ledger.account(peer)
        packet = message("/rtmss/echo", account.token)
        if len(packet) <= account.credit and account.may_notice(now):
            self._send(peer, packet)

    def _send(self, peer: Peer, packet: bytes) -> None:
        now = time.monotonic()
        ledger = self._dispatcher.ledger
        if peer.transport == TRANSPORT:
            return  # nobody reads there, and the terminal tells it
        if peer.transport != "udp":
            ledger.spend_answer(peer, len(packet), now)
            self._send_to_connection(peer, packet, now)
            return
        if len(packet) > MAX_DATAGRAM_BYTES:
            text = f"the answer has {len(packet)} bytes; ask over TCP"
            packet = failure(_address(packet), "size", text)
        if not ledger.is_proven(peer, now) and len(packet) > ledger.room(peer, now):
            packet = shortened(packet, ledger.room(peer, now))
            if not packet:
                ledger.n_refused += 1
                self._ask_for_proof(peer, now)
                return
        ledger.spend_answer(peer, len(packet), now)
        self._udp.send(packet, (peer.host, peer.port))

    def _send_to_connection(self, peer: Peer, packet: bytes, now: float) -> None:
        connection = self._connections.get(peer)
        if connection is None:
            return
        try:
            connection.send(packet, now)
            if len(connection.unsent) > MAX_UNSENT:
                self._drop(connection)
            else:
                self._watch(connection)
        except OSError:
            self._drop(connection)

    def _watch(self, connection: Connection) -> None:
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if connection.unsent else 0)
        self._selector.modify(connection.sock, events, connection)

    def _drop_the_dead(self, now: float) -> None:
        """Drop connections that do not read, or are there for nothing."""
        for peer, one in list(self._connections.items()):
            # Whether a WebSocket's other end is there is found out by the web server.
            is_idle = peer.transport != "web" and peer not in self._dispatcher.peers.subscribers
            is_slow = one.unsent and now - one.read > SLOW_SECONDS
            if is_slow or (is_idle and now - one.heard > IDLE_SECONDS):
                self._drop(one)

    def _drop(self, connection: Connection) -> None:
        if self._connections.pop(connection.peer, None) is not None:
            self._dispatcher.peers.unsubscribe(connection.peer)
            self._inbox.drain(connection.peer)
            self._selector.unregister(connection.sock)
            connection.sock.close()

    def report_bug(self, error: Exception) -> None:
        """Count a bug, and log it, at most once a second."""
        self.n_bugs += 1
        now = time.monotonic()
        if now - self._logged >= 1:
            self._logged = now
            _LOG.error("OSC: a bug, number %d; the server goes on", self.n_bugs, exc_info=error)


class OscServer(PacketServer):
    """Lets peers change the mix. Call `receive` and `answer` in a loop, and flush the controller in
    between.

    Raises:
        UserError: the port is taken, or the address is not this machine's.
    """

    def __init__(
        self,
        controller: MixerController,
        host: str = "127.0.0.1",
        port: int = PORT,
        pairing: Pairing | None = None,
    ) -> None:
        """Listen at once.

        Args:
            controller: what peers change.
            host: the address to listen at.
            port: for UDP and TCP; 0 for a free one.
            pairing: what peers of other machines have to show first; None for nothing.
        """
        self.dispatcher = Dispatcher(controller, __version__)
        super().__init__(self.dispatcher, host, port, pairing)


def shortened(packet: bytes, room: int) -> bytes:
    """A failure with as much of its text as there is room for; nothing where it is no failure, or
    there is no room for one.
    """
    if not packet.startswith(b"/rtmss/fail\0"):
        return b""
    address, code, text = decode(packet)[0].messages[0].args
    spare = (
        room
        - len(
            failure(
                str(address),
                str(code),
                "",
            )
        )
        - 4
    )
    return (
        failure(
            str(address),
            str(code),
            str(text)[:spare],
        )
        if spare >= 0
        else b""
    )


def _address(data: bytes) -> str:
    """The address of a packet that is not read: `#bundle` for a bundle."""
    address = data[:128].partition(b"\0")[0]
    return address.decode("ascii", "replace")
