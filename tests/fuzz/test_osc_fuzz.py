"""OSC with whatever a network may bring: bytes, messages that look right, and long sequences.

A few seconds as it stands. With RTMSS_FUZZ_EXAMPLES=100000 it runs for hours.
"""

from __future__ import annotations

import math
import os
import time
from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from helpers.dispatcher import tell
from rtmss.conditions.condition import Condition
from rtmss.conditions.library import Library
from rtmss.engine.control import Scene, Stem
from rtmss.live.control.controller import MixerController
from rtmss.live.control.osc.budget import AMPLIFICATION, MAX_ACCOUNTS
from rtmss.live.control.osc.codec import Framer, OscDecodeError, bundle, decode, message
from rtmss.live.control.osc.fairness import Peer, is_local
from rtmss.live.control.osc.peers import MAX_PEERS
from rtmss.live.control.osc.server import OscServer
from rtmss.live.control.osc.table import TABLE
from rtmss.live.control.process import Lines, take_turn
from rtmss.live.shared.state import N_METERS, SharedState, Status

N_EXAMPLES = int(os.environ.get("RTMSS_FUZZ_EXAMPLES", "40"))
LONGEST_SECONDS = 2.0
"""Of processor time for one packet or turn; more is a hang."""
FUZZ = settings(max_examples=N_EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
PEERS = [Peer("127.0.0.1", 40_000 + port) for port in range(3)]
PEERS += [
    Peer("192.0.2.1", 9000),
    Peer("192.0.2.1", 9001),
    Peer("2001:db8::1", 9000),
]

PARTS = {part for row in TABLE for part in row.address.split("/")}
PARTS |= {
    "vocals",
    "drums",
    "karaoke",
    "late",
    "*",
    "?",
    "[a-z]",
    "{a,vocals}",
    "[",
    "}",
    "%20",
}
ADDRESSES = st.one_of(
    st.sampled_from([row.address for row in TABLE]),
    st.lists(
        st.sampled_from(sorted(PARTS)),
        max_size=5,
    )
    .map("/".join)
    .map("/rtmss/".__add__),
    st.text("/*?[]{}!-,abc", max_size=120).map("/".__add__),
)
VALUES = st.one_of(
    st.sampled_from(
        [
            0,
            1,
            0.0,
            1.0,
            True,
            False,
            -120.0,
            -math.inf,
            math.nan,
            1.0000002,
            1e30,
        ]
    ),
    st.sampled_from(["vocals", "drums", "karaoke", "/rtmss", "/rtmss/stem/*{}*{}*{}*"]),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(width=32),
    st.none(),
    st.text(
        st.characters(exclude_characters="\0", exclude_categories=["Cs"]),
        max_size=9,
    ),
    st.binary(min_size=1, max_size=9),
)
MESSAGES = st.builds(
    lambda address, args: message(address, *args), ADDRESSES, st.lists(VALUES, max_size=3)
)
TAGS = st.one_of(
    st.just(1),
    st.integers(0, 2**64 - 1),
    st.floats(-2, 59).map(lambda ahead: int((time.time() + ahead + 2_208_988_800) * 2**32)),
)


def timed(tag: int, packets: list[bytes]) -> bytes:
    """A bundle with a time tag."""
    elements = (len(packet).to_bytes(4, "big") + packet for packet in packets)
    return b"#bundle\0" + tag.to_bytes(8, "big") + b"".join(elements)


PACKETS = st.recursive(
    MESSAGES,
    lambda inner: st.builds(
        timed,
        TAGS,
        st.lists(inner, max_size=4),
    ),
    max_leaves=8,
)
SPOILT = st.builds(
    lambda data, at, new: data[: at % (len(data) + 1)] + new + data[at % (len(data) + 1) :],
    PACKETS,
    st.integers(0, 400),
    st.binary(max_size=6),
)
DATAGRAMS = st.one_of(
    PACKETS,
    SPOILT,
    st.binary(max_size=80),
    st.just(message("/rtmss/ping", 1)),
)


@FUZZ
@given(
    st.one_of(
        st.binary(max_size=300),
        PACKETS,
        SPOILT,
    )
)
def test_any_bytes_are_packets_or_an_error_of_decoding(data: bytes) -> None:
    try:
        packets = decode(data)
    except OscDecodeError:
        return
    for packet in packets:
        for one in packet.messages:
            again = message(one.address, *one.args, tags=one.tags)
            assert tell([again]) or not one.args


@FUZZ
@given(
    st.lists(PACKETS, max_size=4),
    st.binary(max_size=40),
    st.booleans(),
    st.integers(1, 50),
)
def test_whole_packets_come_out_of_any_stream_before_what_is_wrong(
    packets: list[bytes], rest: bytes, is_slip: bool, size: int
) -> None:
    framer, other = Framer(), Framer()
    if is_slip:
        other.feed(b"\xc0")
    stream = b"".join(other.frame(packet) for packet in packets) + rest
    found: list[bytes] = []
    try:
        for start in range(0, len(stream), size):
            found += framer.feed(stream[start : start + size])
            if framer.is_lost:
                break
    except OscDecodeError:
        pass
    n_whole = len([packet for packet in packets if packet])
    assert found[:n_whole] == packets


class Show(RuleBasedStateMachine):
    """A server without audio, peers here and elsewhere, and an engine that follows or stands."""

    def __init__(self) -> None:
        super().__init__()
        self.shared = SharedState.create(12)
        self.controller = MixerController(self.shared, Library([]), "0123456789ab")
        vector = np.ones(12, np.float32)
        stems = [
            Stem(
                name,
                Condition.bare(name, vector),
            )
            for name in ("vocals", "drums")
        ]
        self.controller.scene = Scene(tuple(stems))
        self.server = OscServer(self.controller, port=0)
        self.server._udp.send = self._keep  # type: ignore[method-assign]
        self.hop = 1
        self.sent: dict[Peer, list[bytes]] = {}
        self.n_sent: dict[Peer, int] = {}
        self.n_received: dict[Peer, int] = {}
        self.proven: set[Peer] = set()
        self.longest = 0.0
        self.n_others = 0
        self.step_engine(3)

    def _keep(self, packet: bytes, name: Any) -> None:
        peer = Peer(*name)
        self.sent.setdefault(peer, []).append(packet)
        self.n_sent[peer] = self.n_sent.get(peer, 0) + len(packet)

    def _time(self, began: float) -> None:
        self.longest = max(self.longest, time.thread_time() - began)

    @rule(data=DATAGRAMS, peer=st.sampled_from(PEERS))
    def receive(self, data: bytes, peer: Peer) -> None:
        """A packet comes."""
        began = time.thread_time()
        self.n_received[peer] = self.n_received.get(peer, 0) + len(data)
        self.server._queue(data, peer)
        self.server._work_off()
        self._time(began)

    @rule(
        data=st.lists(MESSAGES, min_size=1, max_size=40),
        peer=st.sampled_from(PEERS),
    )
    def receive_many(self, data: list[bytes], peer: Peer) -> None:
        """A bundle of many messages comes."""
        self.receive(bundle(data), peer)

    @rule(peer=st.sampled_from(PEERS))
    def send_back(self, peer: Peer) -> None:
        """A peer proves that its address is its own, if it was asked to."""
        for packet in self.sent.get(peer, ()):
            if packet.startswith(b"/rtmss/echo\0"):
                self.proven.add(peer)
                self.receive(packet, peer)
                return

    @rule(n_hops=st.integers(1, 2000))
    def step_engine(self, n_hops: int) -> None:
        """The engine plays on."""
        self.hop += n_hops
        number = max(
            (entry.number for entry in self.shared.receive(0)),
            default=0,
        )
        status = Status("running", self.hop, time.monotonic(), number)
        status = status._replace(sample_rate=44100, hop_length=512)
        self.shared.report(
            status,
            np.full((N_METERS, 2), 0.5, np.float32),
        )

    @rule()
    def start_engine_again(self) -> None:
        """The engine dies and comes back."""
        self.hop = 0
        self.step_engine(1)

    @rule()
    def take_turn(self) -> None:
        """The control side has its turn."""
        began = time.thread_time()
        assert take_turn(
            self.controller,
            self.server,
            Lines(self.controller, is_quiet=True),
            0,
        )
        self._time(began)

    @invariant()
    def nothing_is_broken(self) -> None:
        """No bug, no hang, no growth, and a scene that can be played."""
        dispatcher = self.server.dispatcher
        assert self.server.n_bugs == 0
        assert self.longest < LONGEST_SECONDS
        assert len(dispatcher.peers.subscribers) <= MAX_PEERS
        assert len(dispatcher.ledger._accounts) <= MAX_ACCOUNTS
        assert len(self.controller.scheduled) <= 512
        scene = self.controller.scene
        strips = [scene.remainder, *(stem.strip for stem in scene.stems)]
        assert all(-120 <= strip.gain_db <= 12 and -1 <= strip.pan <= 1 for strip in strips)
        assert -120 <= scene.master_db <= 12
        for peer, n_sent in self.n_sent.items():
            if not is_local(peer) and peer not in self.proven:
                assert n_sent <= AMPLIFICATION * self.n_received[peer]

    @invariant()
    def somebody_else_is_answered(self) -> None:
        """A peer that has done nothing gets its answer at once."""
        self.n_others += 1
        other = Peer("127.0.0.1", self.n_others)
        self.server._queue(message("/rtmss/ping", 7), other)
        self.server._work_off()
        answers = tell(self.sent[other])
        assert [one[0] for one in answers] == ["/rtmss/pong"], answers

    def teardown(self) -> None:
        """Every packet that was sent can be read."""
        for packets in self.sent.values():
            for packet in packets:
                assert decode(packet)
        self.server.close()
        self.shared.close(unlink=True)


TestShow = Show.TestCase
TestShow.settings = settings(FUZZ, stateful_step_count=30)
