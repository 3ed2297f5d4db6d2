"""What one peer may cost and take from others: budgets, places, dead peers, proof of address."""

from __future__ import annotations

import itertools
import socket
import struct
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from helpers.dispatcher import tell
from helpers.osc_server import Client, Studio
from rtmss import __version__
from rtmss.live.control.osc import server as server_module
from rtmss.live.control.osc.budget import AMPLIFICATION, MAX_ACCOUNTS, Ledger
from rtmss.live.control.osc.codec import bundle, message
from rtmss.live.control.osc.fairness import Holder, Peer, first_to_go, gives_way, host_of
from rtmss.live.control.osc.inbox import MAX_BYTES, MAX_PACKETS, Inbox
from rtmss.live.control.osc.peers import MAX_PEERS

FUZZ = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
ABROAD = Peer("192.0.2.7", 9000)
HERE = Peer("127.0.0.1", 9001)


class Abroad:
    """Peers on other machines, whose packets come without a network."""

    def __init__(self, studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
        self.studio = studio
        self.sent: list[tuple[Peer, bytes]] = []
        monkeypatch.setattr(studio.server._udp, "send", self._keep)

    def _keep(
        self,
        packet: bytes,
        name: tuple[str, int],
    ) -> None:
        self.sent.append((Peer(*name), packet))

    def say(self, data: bytes, peer: Peer = ABROAD) -> None:
        self.studio.server._handle(data, peer)

    def hear(
        self,
        peer: Peer = ABROAD,
    ) -> list[tuple[Any, ...]]:
        """All that a peer was told since the last time."""
        told = [one for whom, packet in self.sent if whom == peer for one in tell([packet])]
        self.sent = [row for row in self.sent if row[0] != peer]
        return told

    def n_bytes(self, peer: Peer = ABROAD) -> int:
        return sum(len(packet) for whom, packet in self.sent if whom == peer)

    def prove(self, peer: Peer = ABROAD) -> None:
        """Do what a peer does whose address is its own."""
        self.say(message("/rtmss/ping"), peer)
        self.studio.server._ask_for_proof(peer, time.monotonic())
        [token] = [one[1] for one in self.hear(peer) if one[0] == "/rtmss/echo"]
        self.say(message("/rtmss/echo", token), peer)


@pytest.fixture
def abroad(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> Abroad:
    return Abroad(studio, monkeypatch)


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


# Budgets.


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


Put = tuple[int, int]


@given(
    st.lists(
        st.tuples(
            st.integers(0, 4),
            st.integers(1, 400),
        ),
        max_size=60,
    )
)
def test_the_inbox_loses_nothing_and_keeps_the_order_of_a_peer(rows: list[Put]) -> None:
    costs: Counter[Peer] = Counter()
    inbox = Inbox(lambda peer: costs[peer] / 1000)
    put: dict[Peer, list[bytes]] = {}
    for number, (port, size) in enumerate(rows):
        peer = Peer("127.0.0.1", port)
        data = number.to_bytes(2, "big") * size
        put.setdefault(peer, []).append(data)
        assert inbox.put(peer, data) is None
    taken: dict[Peer, list[bytes]] = {}
    while (found := inbox.take()) is not None:
        peer, data = found
        costs[peer] += len(data)
        taken.setdefault(peer, []).append(data)
    assert taken == put
    assert len(inbox) == 0


def test_the_inbox_is_bounded_by_peer_and_over_all() -> None:
    inbox = Inbox(lambda _: 0.0)
    assert [inbox.put(HERE, b"x") for _ in range(MAX_PACKETS + 1)][-1] == HERE
    for port in range(2 * MAX_BYTES // 60_000):
        inbox.put(Peer("127.0.0.1", port), bytes(60_000))
    assert inbox._n_bytes <= MAX_BYTES
    sizes = [len(data) for peer, data in iter(inbox.take, None)]
    assert sum(sizes) <= MAX_BYTES
    assert inbox._n_bytes == 0


# Places.


@given(
    st.lists(
        st.tuples(
            st.integers(0, 5),
            st.booleans(),
            st.integers(0, 9),
        ),
        min_size=1,
    )
)
def test_who_goes_is_of_the_host_with_most_and_never_the_last_one_here(
    rows: list[tuple[int, bool, int]],
) -> None:
    hosts = ["127.0.0.1", "::1", "192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8::2"]
    holders = [
        Holder(Peer(hosts[host], port), is_settled, float(heard))
        for port, (host, is_settled, heard) in enumerate(rows)
    ]
    peer = first_to_go(holders)
    places = Counter(host_of(one.peer.host) for one in holders)
    here = host_of("127.0.0.1")
    if len(places) > 1 and places[here] == 1:
        assert host_of(peer.host) != here
    others = [n for host, n in places.items() if host != here or n > 1]
    assert places[host_of(peer.host)] == max(others or places.values())


def test_an_ipv6_network_and_this_machine_are_one_host_each() -> None:
    assert host_of("2001:db8::1") == host_of("2001:db8::ffff:1")
    assert host_of("2001:db8::1") != host_of("2001:db8:0:1::1")
    assert host_of("fe80::1%eth0") != host_of("fe80::2%eth0")
    assert host_of("127.0.0.1") == host_of("127.9.9.9") == host_of("::1")
    assert host_of("::ffff:127.0.0.1") == host_of("::1")


@given(
    st.dictionaries(
        st.integers(0, 8),
        st.integers(1, 20),
        min_size=1,
    ),
    st.integers(0, 12),
)
def test_who_has_nothing_always_gets_something_and_who_has_most_never(
    held: dict[int, int], newcomer: int
) -> None:
    peers = Counter({Peer(f"192.0.2.{port // 3}", port): n for port, n in held.items()})
    peer = Peer(f"192.0.2.{newcomer // 3}", newcomer)
    other = gives_way(peers, peer)
    if other is None:
        assert peers[peer] > 0
    else:
        assert other != peer
        assert peers[other] > 0


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


# Connections.


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


# Proof of address.

QUESTIONS = [
    message("/rtmss/status"), message("/rtmss/*"), message("/rtmss/stem/*/*"),
    message("/rtmss/subscribe"), message("/rtmss/meters", 30.0), message("/rtmss/ping", 1),
    message("/rtmss/preset", "nobody"), message("/x"), message("/rtmss/presets"), b"nonsense",
    message("/rtmss/sync", 4), message("/rtmss/echo", 5), message("/rtmss/fade", 1.0),
]  # fmt: skip


@FUZZ
@given(st.lists(st.sampled_from(QUESTIONS), max_size=30))
def test_an_address_that_may_be_somebody_elses_gets_at_most_three_times_what_came(
    studio: Studio, questions: list[bytes]
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        abroad = Abroad(studio, patch)
        studio.server.dispatcher.ledger.__init__()  # type: ignore[misc]
        peer = Peer("192.0.2.9", 7)
        n_received = 0
        for data in questions:
            abroad.say(data, peer)
            n_received += len(data)
            studio.poll()
            assert abroad.n_bytes(peer) <= AMPLIFICATION * n_received
        studio.controller.change(
            lambda scene: scene.with_strip(
                "vocals",
                gain_db=-7.0,
            )
        )
        studio.poll(3)
        assert abroad.n_bytes(peer) <= AMPLIFICATION * n_received


def test_whoever_sends_the_number_back_is_told_all(abroad: Abroad) -> None:
    abroad.say(message("/rtmss/subscribe"))
    abroad.studio.poll(2)
    [(address, token)] = [one for one in abroad.hear() if one[0] == "/rtmss/echo"]
    abroad.say(message(address, token))
    assert ("/rtmss/done", "/rtmss/echo", "192.0.2.7 9000") in abroad.hear()
    abroad.studio.poll(2)
    assert {"/rtmss/bypass", "/rtmss/stem/drums/fader"} <= {one[0] for one in abroad.hear()}
    abroad.say(message("/rtmss/status"))
    assert ("/rtmss/status/refused", 0) in abroad.hear()


def test_another_number_is_no_proof(abroad: Abroad) -> None:
    abroad.say(message("/rtmss/echo", 1))
    assert abroad.hear()[0][:3] == ("/rtmss/fail", "/rtmss/echo", "token")
    assert not abroad.studio.server.dispatcher.ledger.is_proven(
        ABROAD,
        time.monotonic(),
    )


def test_the_proof_of_one_port_is_none_for_another(abroad: Abroad) -> None:
    abroad.prove()
    ledger, now = abroad.studio.server.dispatcher.ledger, time.monotonic()
    assert ledger.is_proven(ABROAD, now)
    assert not ledger.is_proven(Peer(ABROAD.host, 1), now)
    assert not ledger.is_proven(ABROAD, now + 3601)


def test_a_connection_proves_the_address_it_comes_from() -> None:
    ledger = Ledger()
    ledger.prove("192.0.2.7", 10.0)
    assert ledger.is_proven(ABROAD, 11.0)


def test_a_refusal_is_shortened_to_what_an_unproven_address_may_get(abroad: Abroad) -> None:
    abroad.say(message("/rtmss/stem/vocals/gain", "loud"))
    [(address, about, code, text)] = abroad.hear()
    assert (address, about, code) == ("/rtmss/fail", "/rtmss/stem/vocals/gain", "type")
    assert "expected a number from -120 to 12 dB, got type 's'".startswith(text)


def test_on_this_machine_nothing_is_withheld(studio: Studio) -> None:
    assert len(studio.ask("/rtmss/status")) > 10
    assert studio.ask("/rtmss/echo", 1)[0][:2] == ("/rtmss/done", "/rtmss/echo")


def test_an_answer_too_long_for_a_datagram_is_a_refusal(studio: Studio) -> None:
    longest = message("/rtmss/ping", bytes(65_490))
    [(address, about, code, _)] = _sent(studio, longest)
    assert (address, about, code) == ("/rtmss/fail", "/rtmss/pong", "size")


def _sent(
    studio: Studio,
    data: bytes,
) -> list[tuple[Any, ...]]:
    studio.server._handle(data, Peer(*studio.udp.getsockname()))
    return studio.hear()
