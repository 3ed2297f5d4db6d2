"""The sockets of the OSC server: a TCP peer, and datagrams whose peers may be gone."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import sys
from collections.abc import Iterator
from typing import Any

from rtmss.config import UserError
from rtmss.live.control.osc.codec import Framer
from rtmss.live.control.osc.fairness import Peer

DEFAULT_PORT = 9470
KEEPALIVE_SECONDS = 30
"""A peer whose machine is gone is found out after a few times this."""
_IP_RECVERR, _IPV6_RECVERR = 11, 25
"""Linux's options that let a socket for datagrams hear of those which were refused."""
_MAX_ERRORS = 64
"""Taken up at once."""


class Connection:
    """One peer at a stream. Times are in seconds of `time.monotonic()`."""

    def __init__(
        self,
        sock: socket.socket,
        peer: Peer,
        now: float,
    ) -> None:
        sock.setblocking(False)
        if peer.transport == "tcp":
            _keep_alive(sock)
        self.sock = sock
        self.peer = peer
        self.framer = Framer()
        self.unsent = bytearray()
        self.heard = now
        """When its last whole packet came."""
        self.has_spoken = False
        """Whether one ever came."""
        self.read = now
        """When it last took something, or there was nothing to take."""

    def send(self, packet: bytes, now: float) -> None:
        """Send as much as the peer takes now, and keep the rest.

        Raises:
            OSError: it is gone.
        """
        self.unsent += self.framer.frame(packet)
        self.flush(now)

    def flush(self, now: float) -> None:
        """Send what is left.

        Raises:
            OSError: it is gone.
        """
        with contextlib.suppress(BlockingIOError):
            while self.unsent:
                del self.unsent[: self.sock.send(self.unsent)]
                self.read = now
        if not self.unsent:
            self.read = now


def _keep_alive(sock: socket.socket) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name in ("TCP_KEEPIDLE", "TCP_KEEPINTVL"):
        if hasattr(socket, name):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), KEEPALIVE_SECONDS)


class DatagramSocket:
    """A UDP socket that knows of peers which are gone, where the system tells."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._gone: list[tuple[str, int]] = []
        if sys.platform == "linux":
            is_ipv6 = sock.family == socket.AF_INET6
            level = socket.IPPROTO_IPV6 if is_ipv6 else socket.IPPROTO_IP
            with contextlib.suppress(OSError):
                sock.setsockopt(level, _IPV6_RECVERR if is_ipv6 else _IP_RECVERR, 1)

    def receive(
        self,
        n_most: int,
        n_bytes: int,
    ) -> Iterator[tuple[bytes, Any]]:
        """At most so many datagrams that have come, and the addresses that they came from."""
        for _ in range(n_most):
            try:
                yield self.sock.recvfrom(n_bytes)
            except BlockingIOError:
                return
            except OSError:  # news of a peer that is gone, and not of what has come
                self._take_errors()

    def send(self, packet: bytes, name: Any) -> None:
        """Send a datagram; one that cannot be sent is lost, like any other."""
        with contextlib.suppress(OSError):
            self.sock.sendto(packet, name)
            return
        # That may have been news of an earlier one to somebody else.
        self._take_errors()
        with contextlib.suppress(OSError):
            self.sock.sendto(packet, name)

    def gone(self) -> list[tuple[str, int]]:
        """Hosts and ports at which nobody listens, since the last call."""
        gone = self._gone
        self._gone = []
        return gone

    def _take_errors(self) -> None:
        if not hasattr(socket, "MSG_ERRQUEUE"):
            return
        for _ in range(_MAX_ERRORS):
            try:
                _, _, _, name = self.sock.recvmsg(
                    0,
                    512,
                    socket.MSG_ERRQUEUE,
                )
            except OSError:
                return
            if name:
                self._gone.append((name[0], name[1]))


def find_address(
    host: str,
    port: int,
    kind: socket.SocketKind,
    problem: str,
) -> tuple[socket.AddressFamily, Any]:
    """The family of an address of this machine, and what to bind a socket to.

    Args:
        host: a name or a number.
        port: 0 for any.
        kind: of the socket.
        problem: how the message begins where there is no such address.

    Raises:
        UserError: there is none.
    """
    try:
        family, _, _, _, name = socket.getaddrinfo(host, port, type=kind, flags=socket.AI_PASSIVE)[
            0
        ]
    except (OSError, UnicodeError, OverflowError) as error:
        text = f"{problem} '{host}' port {port}: no such address; try 127.0.0.1"
        raise UserError(text) from error
    return family, name


def listen(
    host: str,
    port: int,
) -> tuple[socket.socket, socket.socket]:
    """A UDP socket and a TCP listener of the same number, any free one for 0.

    Raises:
        UserError: there is no such address here, or the port is taken.
    """
    family, name = find_address(host, port, socket.SOCK_DGRAM, "OSC cannot listen on")
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
            tcp.bind(
                (
                    name[0],
                    udp.getsockname()[1],
                    *name[2:],
                )
            )
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
            f"OSC cannot listen on '{host}': it is no address of this machine; "
            "try --osc-bind 127.0.0.1"
        )
    return (
        f"OSC cannot listen on '{host}' port {port}: {error}; "
        f"try --osc-bind 127.0.0.1 and --osc-port {DEFAULT_PORT}"
    )
