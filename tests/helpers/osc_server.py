"""What the tests of OSC stand on: a server with an engine that is none, and clients over UDP and
TCP.
"""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from pythonosc import slip

from helpers.dispatcher import tell
from helpers.makers import MakeCondition
from rtmss import __version__
from rtmss.conditions.library import Library
from rtmss.engine.control import Scene, Stem
from rtmss.live.control.controller import MixerController
from rtmss.live.control.osc.codec import Argument, Framer, message
from rtmss.live.control.osc.server import OscServer
from rtmss.live.control.process import Lines, take_turn
from rtmss.live.shared.state import N_METERS, SharedState, Status

Told = tuple[Any, ...]
Socket = socket.socket


class Studio:
    """A server, and an engine that takes up each scene at the next poll."""

    def __init__(self, shared: SharedState, make_condition: MakeCondition) -> None:
        self.shared = shared
        self.controller = MixerController(shared, Library([]), "0123456789ab")
        self.controller.scene = Scene(
            (
                Stem("vocals", make_condition()),
                Stem(
                    "drums",
                    make_condition("drums", 1),
                ),
            )
        )
        self.hop = 0
        self.server = OscServer(self.controller, port=0)
        self.udp = self.make_socket()

    def make_socket(self) -> Socket:
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind(("127.0.0.1", 0))
        sock.setblocking(False)
        return sock

    def turn(self, timeout: float) -> None:
        """What the control side's process does again and again."""
        take_turn(
            self.controller,
            self.server,
            Lines(self.controller, is_quiet=True),
            timeout,
        )

    def poll(self, n: int = 1) -> None:
        for _ in range(n):
            self.turn(0.002)
            self.hop += 1
            entries = self.shared.receive(0)
            status = Status(
                "running", self.hop, time.monotonic(), entries[-1].number if entries else 0
            )
            self.shared.report(
                status._replace(sample_rate=44100, hop_length=512),
                np.full((N_METERS, 2), 0.5, np.float32),
            )

    def send(self, data: bytes, sock: Socket | None = None) -> None:
        (sock or self.udp).sendto(
            data,
            ("127.0.0.1", self.server.port),
        )

    def hear(self, sock: Socket | None = None) -> list[Told]:
        told = []
        while True:
            try:
                told += tell([(sock or self.udp).recv(65536)])
            except BlockingIOError:
                return told

    def ask(
        self,
        address: str,
        *args: Argument,
        sock: Socket | None = None,
    ) -> list[Told]:
        self.send(message(address, *args), sock)
        self.poll(3)
        return self.hear(sock)

    def pong(self) -> bool:
        """Whether a ping is answered, whatever else is, to a peer that has used up nothing yet."""
        with self.make_socket() as sock:
            return ("/rtmss/pong", __version__, 99) in self.ask("/rtmss/ping", 99, sock=sock)

    def until(self, done: Callable[[], Any]) -> Any:
        end = time.monotonic() + 5
        while time.monotonic() < end:
            self.poll()
            if result := done():
                return result
        raise AssertionError("nothing came")

    def collect(self, client: Client, n: int) -> list[Told]:
        """All that a client is told until it is `n` messages."""
        told: list[Told] = []

        def more() -> bool:
            told.extend(client.hear())
            return len(told) >= n

        self.until(more)
        return told


class Client:
    """A TCP client; `framing` is length or slip."""

    def __init__(self, studio: Studio, framing: str = "length") -> None:
        self.studio, self.framing, self.framer = studio, framing, Framer()
        self.sock = socket.create_connection(("127.0.0.1", studio.server.port))
        self.sock.setblocking(False)

    def send(self, packet: bytes) -> None:
        framed = (
            slip.encode(packet)
            if self.framing == "slip"
            else struct.pack(">I", len(packet)) + packet
        )
        self.sock.sendall(framed)

    def hear(self) -> list[Told]:
        """What has come; an end of the stream is told as ('end',)."""
        try:
            data = self.sock.recv(1 << 20)
        except BlockingIOError:
            return []
        except ConnectionResetError:
            data = b""
        return (
            [one for packet in self.framer.feed(data) for one in tell([packet])]
            if data
            else [("end",)]
        )

    def is_dropped(self) -> bool:
        return ("end",) in self.hear()
