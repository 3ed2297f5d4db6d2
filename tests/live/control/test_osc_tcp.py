"""OSC over TCP: framings, garbage, and peers that do not read."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pythonosc import slip

from helpers.osc_server import Client, Studio
from rtmss import __version__
from rtmss.live.control.osc import server as server_module
from rtmss.live.control.osc.codec import Framer, bundle, message
from rtmss.live.control.osc.server import MAX_CONNECTIONS

FUZZ = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def shrink(studio: Studio) -> None:
    """Let the server's only connection have little room in the system's buffers."""
    studio.poll()
    [connection] = studio.server._connections.values()
    connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)


@pytest.fixture
def connect(studio: Studio) -> Iterator[Callable[..., Client]]:
    clients: list[Client] = []

    def make(framing: str = "length") -> Client:
        clients.append(Client(studio, framing))
        return clients[-1]

    yield make
    for client in clients:
        client.sock.close()


@pytest.mark.parametrize("framing", ["length", "slip"])
def test_tcp_is_answered_in_its_own_framing(
    studio: Studio, connect: Callable[..., Client], framing: str
) -> None:
    client = connect(framing)
    client.framer = Framer()
    client.send(message("/rtmss/ping", b"\xc0\xdb"))
    client.send(message("/rtmss/fade"))
    assert studio.collect(client, 2) == [
        ("/rtmss/pong", __version__, b"\xc0\xdb"),
        ("/rtmss/fade", 30.0),
    ]
    assert client.framer.frame(b"x") == (slip.encode(b"x") if framing == "slip" else b"\0\0\0\1x")


def test_tcp_garbage_ends_its_own_connection_only(
    studio: Studio, connect: Callable[..., Client]
) -> None:
    good, bad = connect(), connect()
    bad.sock.sendall(b"GET / HTTP/1.1\r\n\r\n")
    studio.until(bad.is_dropped)
    good.send(message("/rtmss/ping", 1))
    assert studio.until(good.hear) == [("/rtmss/pong", __version__, 1)]


def test_a_malformed_packet_keeps_its_connection(
    studio: Studio, connect: Callable[..., Client]
) -> None:
    client = connect()
    client.send(b"nonsense")
    assert studio.until(client.hear)[0][:3] == ("/rtmss/fail", "", "wire")
    client.send(message("/rtmss/ping"))
    assert studio.until(client.hear) == [("/rtmss/pong", __version__)]


@pytest.mark.slow
@FUZZ
@given(
    st.sampled_from([b"", b"\xc0", b"\0\0\0\x08", b"\0\0\0\x0c/a\0\0"]),
    st.binary(max_size=200),
)
def test_after_any_tcp_bytes_a_ping_is_answered(studio: Studio, start: bytes, data: bytes) -> None:
    with socket.create_connection(("127.0.0.1", studio.server.port)) as sock:
        sock.sendall(start + data)
        studio.poll(2)
        assert studio.pong()
    studio.poll(2)
    assert studio.server.n_bugs == 0


def test_a_peer_that_does_not_read_is_dropped(
    studio: Studio, connect: Callable[..., Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_module, "MAX_UNSENT", 20_000)
    client = connect()
    shrink(studio)
    question = bundle([message("/rtmss/status")] * 200)

    def ask() -> bool:
        client.send(question)
        return not studio.server._connections

    studio.until(ask)
    assert studio.pong()


def test_what_a_slow_peer_has_left_is_sent_later(
    studio: Studio, connect: Callable[..., Client]
) -> None:
    client = connect()
    shrink(studio)
    client.sock.setblocking(True)
    for i in range(4):
        client.send(message("/rtmss/ping", i, b"x" * 50_000))
        studio.poll(8)
    client.sock.setblocking(False)
    assert [one[2] for one in studio.collect(client, 4)] == [
        0,
        1,
        2,
        3,
    ]


def test_a_closed_connection_ends_its_subscription(
    studio: Studio, connect: Callable[..., Client]
) -> None:
    client = connect()
    client.send(message("/rtmss/subscribe"))
    studio.until(client.hear)
    assert len(studio.server.dispatcher.peers.subscribers) == 1
    client.sock.close()
    studio.until(lambda: not studio.server.dispatcher.peers.subscribers)


def test_one_connection_too_many_closes_the_one_that_was_idle_longest(
    studio: Studio, connect: Callable[..., Client]
) -> None:
    clients = []
    for _ in range(MAX_CONNECTIONS):
        clients.append(connect())
        studio.poll()
    last = connect()
    studio.until(clients[0].is_dropped)
    last.send(message("/rtmss/ping", 1))
    assert studio.until(last.hear) == [("/rtmss/pong", __version__, 1)]
    assert not clients[1].is_dropped()
