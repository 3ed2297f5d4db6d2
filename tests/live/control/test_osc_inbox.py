"""Packets that wait: in order, bounded, and fair to every host."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from rtmss.live.control.osc.fairness import Holder, Peer, first_to_go, gives_way, host_of
from rtmss.live.control.osc.inbox import MAX_BYTES, MAX_PACKETS, Inbox

HERE = Peer("127.0.0.1", 9001)

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
