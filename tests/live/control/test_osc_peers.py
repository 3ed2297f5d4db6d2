"""What one peer may cost and take from others: budgets, places, dead peers, proof of address."""

from __future__ import annotations

import itertools
import socket
import struct
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from helpers.abroad import Abroad
from helpers.osc_server import Client, Studio
from rtmss import __version__
from rtmss.live.control.osc import server as server_module
from rtmss.live.control.osc.budget import MAX_ACCOUNTS, Ledger
from rtmss.live.control.osc.codec import bundle, message
from rtmss.live.control.osc.fairness import Peer
from rtmss.live.control.osc.peers import MAX_PEERS

ABROAD = Peer("192.0.2.7", 9000)
HERE = Peer("127.0.0.1", 9001)


@pytest.fixture
def connect(studio: Studio) -> Iterator[Callable[[], Client]]:
    clients: list[Client] = []

    def make() -> Client:
        clients.append(Client(studio))
        studio.poll()
        return clients[-1]

    yield make
    for client in clients:
        client.sock.close()


def exhaust(studio: Studio, peer: Peer) -> None:
    """Let a peer have used up its time."""
    studio.server.dispatcher.ledger.spend_work(peer, 60.0, time.monotonic())


def test_over_its_budget_a_peer_is_refused_told_once_and_counted(abroad: Abroad) -> None:
    exhaust(abroad.studio, HERE)
    for _ in range(20):
        abroad.say(message("/rtmss/bypass", 1), HERE)
    [(address, about, code, text)] = abroad.hear(HERE)
    assert (address, about, code) == ("/rtmss/fail", "/rtmss/bypass", "busy")
    assert "over the budget" in text
    assert not abroad.studio.controller.scene.bypass
    abroad.say(message("/rtmss/status/refused"), Peer("127.0.0.1", 1))
    assert abroad.hear(Peer("127.0.0.1", 1)) == [("/rtmss/status/refused", 20)]


def test_the_budget_of_one_peer_is_not_that_of_another(abroad: Abroad) -> None:
    exhaust(abroad.studio, HERE)
    other = Peer("127.0.0.1", 2)
    abroad.say(message("/rtmss/bypass", 1), other)
    assert abroad.studio.controller.scene.bypass


def test_panic_is_heard_from_a_peer_over_its_budget(studio: Studio) -> None:
    exhaust(studio, Peer(*studio.udp.getsockname()))
    studio.send(message("/rtmss/panic"))
    studio.poll()
    assert studio.shared.panic


def test_a_budget_refills(studio: Studio) -> None:
    ledger, now = Ledger(), time.monotonic()
    ledger.spend_work(HERE, 0.6, now)
    assert ledger.is_over(HERE, now)
    assert not ledger.is_over(HERE, now + 1)


def test_answers_are_a_budget_too(abroad: Abroad) -> None:
    question = bundle([message("/rtmss/status")] * 60)
    for _ in range(400):
        abroad.say(question, HERE)
        abroad.studio.server.dispatcher.ledger.account(HERE).work.spend(-60, 0.0)
    assert abroad.n_bytes(HERE) < 3 << 20


def test_strangers_share_one_budget_whatever_addresses_they_make_up() -> None:
    ledger, now = Ledger(), time.monotonic()
    for number in range(10):
        ledger.spend_work(Peer(f"203.0.113.{number}", 1), 0.1, now)
    assert ledger.is_over(Peer("203.0.113.99", 1), now)
    assert not ledger.is_over(HERE, now)


def test_accounts_do_not_grow_without_end() -> None:
    ledger = Ledger()
    for port in range(3 * MAX_ACCOUNTS):
        ledger.receive(Peer("127.0.0.1", port), 20)
    assert len(ledger._accounts) == MAX_ACCOUNTS


def test_a_small_packet_does_not_wait_for_a_flood_of_big_ones(studio: Studio) -> None:
    big = bundle(
        [
            message(
                "/rtmss/stem/*/gain",
                -float(i % 40),
            )
            for i in range(256)
        ]
    )
    flood = [studio.make_socket() for _ in range(10)]
    for sock in flood:
        for _ in range(2):
            studio.send(big, sock)
    studio.send(message("/rtmss/ping", 5))
    studio.turn(0.01)
    assert studio.hear() == [("/rtmss/pong", __version__, 5)]
    assert len(studio.server._inbox), "the flood is over, and shows nothing"
    for sock in flood:
        sock.close()


def test_a_subscriber_that_others_displace_is_told(studio: Studio) -> None:
    studio.ask("/rtmss/subscribe", "/rtmss/fade")
    others = [studio.make_socket() for _ in range(MAX_PEERS)]
    for sock in others:
        studio.ask("/rtmss/subscribe", "/rtmss/fade", sock=sock)
    told = studio.hear()
    assert ("/rtmss/fail", "/rtmss/subscribe", "busy") in [one[:3] for one in told]
    assert len(studio.server.dispatcher.peers.subscribers) == MAX_PEERS
    for sock in others:
        sock.close()


def test_whoever_has_settled_stays_while_passers_by_come(studio: Studio) -> None:
    peers, now = studio.server.dispatcher.peers, time.monotonic()
    peers.subscribe(HERE, "/rtmss", 30, now - 5)
    peers.touch(HERE, now - 3)
    for port in range(500):
        peers.subscribe(Peer("127.0.0.1", 20_000 + port), "/rtmss", 3600, now)
    assert HERE in peers.subscribers


def test_32_subscribers_at_dead_ports_lock_nobody_out(studio: Studio) -> None:
    socks = [studio.make_socket() for _ in range(MAX_PEERS)]
    for sock in socks:
        studio.send(message("/rtmss/subscribe", "/rtmss", 3600), sock)
        sock.close()
    studio.poll(3)
    assert ("/rtmss/bypass", 0) in studio.ask("/rtmss/subscribe")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not tell")
def test_a_subscriber_whose_port_is_closed_is_gone_at_once(studio: Studio) -> None:
    sock = studio.make_socket()
    studio.send(message("/rtmss/subscribe", "/rtmss", 3600), sock)
    studio.poll()
    sock.close()
    studio.controller.change(lambda scene: scene.with_strip("vocals", mute=True))
    studio.poll(4)
    assert studio.server.dispatcher.peers.subscribers == {}
    assert studio.pong()


def test_256_changes_of_one_peer_lock_scheduling_for_nobody(abroad: Abroad) -> None:
    when = int((time.time() + 50 + 2_208_988_800) * 2**32).to_bytes(8, "big")
    later = message("/rtmss/bypass", 1)
    packet = b"#bundle\0" + when + struct.pack(">I", len(later)) + later
    for port in (1, 2, 3):
        for _ in range(300):
            abroad.say(packet, Peer("127.0.0.1", port))
    assert len(abroad.studio.controller.scheduled) <= 512
    abroad.hear(HERE)
    abroad.say(packet, HERE)
    assert abroad.hear(HERE) == []
    owners = Counter(change.peer for _, change in abroad.studio.controller.scheduled)  # type: ignore[attr-defined]
    assert owners[HERE] == 1
    assert max(owners.values()) <= 256


def test_presets_and_syncs_of_one_peer_lock_nobody_out(
    abroad: Abroad, monkeypatch: pytest.MonkeyPatch
) -> None:
    controller = abroad.studio.controller
    monkeypatch.setattr(controller, "start_loading", lambda _: None)
    for port in range(40):
        for _ in range(10):
            abroad.say(message("/rtmss/preset", "karaoke"), Peer("127.0.0.1", port))
            abroad.say(message("/rtmss/sync", 1), Peer("127.0.0.1", port))
    abroad.sent.clear()
    abroad.say(message("/rtmss/preset", "karaoke"), HERE)
    abroad.say(message("/rtmss/sync", 1), HERE)
    assert abroad.hear(HERE) == []
    pending = abroad.studio.server.dispatcher.pending
    assert pending._loads_held()[HERE] == 1
    assert pending._syncs_held()[HERE] == 1
    assert len(pending._loads) <= 33
    assert len(pending._new_syncs) <= 256


def test_a_connection_that_says_nothing_is_closed_in_the_end(
    studio: Studio, connect: Callable[[], Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    silent, subscriber = connect(), connect()
    subscriber.send(message("/rtmss/subscribe"))
    studio.until(subscriber.hear)
    monkeypatch.setattr(server_module, "IDLE_SECONDS", 0.05)
    studio.until(silent.is_dropped)
    assert not subscriber.is_dropped()
    studio.poll()
    assert len(studio.server._connections) == 1


@pytest.mark.slow
def test_a_subscriber_that_does_not_read_is_dropped_and_costs_no_memory(
    studio: Studio, connect: Callable[[], Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    client = connect()
    [connection] = studio.server._connections.values()
    connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    client.send(message("/rtmss/subscribe"))
    studio.poll(3)
    for number in range(3000):
        gain = -float(number % 60)
        studio.controller.change(lambda scene, db=gain: scene.with_strip("vocals", gain_db=db))  # type: ignore[misc]
        studio.server.answer([])
        if connection.unsent:
            break
    most = len(connection.unsent)
    for number in range(300):
        gain = -float(number % 60)
        studio.controller.change(lambda scene, db=gain: scene.with_strip("vocals", gain_db=db))  # type: ignore[misc]
        studio.server.answer([])
    assert 0 < len(connection.unsent) <= most
    monkeypatch.setattr(server_module, "SLOW_SECONDS", 0.05)
    gains = itertools.cycle([-1.0, -2.0])

    def is_gone() -> bool:
        # The system's own buffers may take a little more, so there is always more to say.
        for _ in range(50):
            db = next(gains)
            studio.controller.change(lambda scene, db=db: scene.with_strip("vocals", gain_db=db))  # type: ignore[misc]
            studio.server.answer([])
            if connection.unsent:
                break
        return not studio.server._connections

    studio.until(is_gone)
    assert studio.server.dispatcher.peers.subscribers == {}


def test_what_came_before_lost_framing_is_answered(
    studio: Studio, connect: Callable[[], Client]
) -> None:
    client = connect()
    ping = message("/rtmss/ping", 3)
    client.sock.sendall(
        struct.pack(
            ">I",
            len(ping),
        )
        + ping
        + b"GET / HTTP/1.1"
    )
    assert studio.until(client.hear) == [("/rtmss/pong", __version__, 3)]
    studio.until(client.is_dropped)
