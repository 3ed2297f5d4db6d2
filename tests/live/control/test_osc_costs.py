"""What a packet costs the control side's only thread, whatever is in it."""

from __future__ import annotations

import itertools
import struct
import time
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from helpers.makers import MakeCondition
from rtmss.conditions.library import Library
from rtmss.conditions.preset import MAX_NAME, MAX_STEMS
from rtmss.config import UserError
from rtmss.engine.control import Scene, Stem
from rtmss.live.control.controller import MixerController
from rtmss.live.control.osc.changes import PacketChange
from rtmss.live.control.osc.codec import bundle, decode, message
from rtmss.live.control.osc.dispatch import Dispatcher
from rtmss.live.control.osc.fairness import Peer
from rtmss.live.control.osc.pattern import covered, select
from rtmss.live.control.osc.peers import MAX_PEERS, Peers
from rtmss.live.control.osc.state import scene_values
from rtmss.live.shared.state import N_METERS, SharedState, Status

ME = Peer("127.0.0.1", 5000)
DEAR = {
    "stars": "*{}" * 24,
    "stars that never end": "*a" * 36,
    "words": "{a,aa,}*" * 9,
    "any letters": "?*" * 36,
    "classes": "[!b]*" * 14,
    "nothing": "{,}" * 24,
}
"""Ends of patterns, for which a matcher that tries again and again takes long."""


class ControlSide:
    """A dispatcher with as many stems, and as long names, as there may be."""

    def __init__(self, shared: SharedState, make_condition: MakeCondition) -> None:
        self.controller = MixerController(shared, Library([]), "0123456789ab")
        names = [f"{number}" + "a" * (MAX_NAME - 1) for number in range(MAX_STEMS)]
        self.controller.scene = Scene(tuple(Stem(name, make_condition()) for name in names))
        status = Status(
            "running",
            100,
            time.monotonic(),
            sample_rate=44100,
            hop_length=512,
        )
        shared.report(
            status,
            np.zeros((N_METERS, 2), np.float32),
        )
        self.dispatcher = Dispatcher(self.controller, "1.2.3")

    def seconds(self, data: bytes) -> float:
        """Processor time of one packet."""
        return seconds(lambda: self.handle(data))

    def handle(self, data: bytes) -> list[bytes]:
        return [
            answer
            for packet in decode(data)
            for answer in self.dispatcher.handle(packet.messages, packet.when, ME)
        ]


def seconds(do: Callable[[], object]) -> float:
    began = time.thread_time()
    do()
    return time.thread_time() - began


@pytest.fixture
def side(make_condition: MakeCondition) -> Iterator[ControlSide]:
    shared = SharedState.create(12)
    yield ControlSide(shared, make_condition)
    shared.close(unlink=True)


def patterns(end: str, n: int) -> Iterator[bytes]:
    """Messages with patterns of about 100 characters, each another one."""
    for number in range(n):
        yield message(f"/rtmss/stem/{end}{number:03d}")


@pytest.mark.parametrize("end", DEAR.values(), ids=DEAR)
def test_a_pattern_of_100_bytes_costs_little(side: ControlSide, end: str) -> None:
    costs = [side.seconds(data) for data in patterns(end, 8)]
    assert min(costs) < 0.004


@pytest.mark.parametrize("end", DEAR.values(), ids=DEAR)
def test_256_patterns_in_one_datagram_cost_little(side: ControlSide, end: str) -> None:
    assert side.seconds(bundle(list(patterns(end, 256)))) < 1.0


def test_a_range_of_letters_costs_no_more_than_its_ends(side: ControlSide) -> None:
    wide = message("/rtmss/subscribe", "/rtmss/[ -\U000e01ef]*")
    assert side.seconds(wide) < 0.02
    assert select("/[!-\U000e01ef]", ("/a", "/ab")) == ("/a",)


def test_256_addresses_that_are_not_there_cost_little(side: ControlSide) -> None:
    name = side.controller.scene.stems[0].name
    wrong = [message(f"/rtmss/stem/{name}/gaim{number}") for number in range(256)]
    assert side.seconds(bundle(wrong)) < 1.0


def test_the_same_question_256_times_looks_into_folders_once(
    side: ControlSide, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = []

    def look() -> dict[str, None]:
        looks.append(1)
        return {}

    monkeypatch.setattr(side.controller.library, "presets", look)
    answers = side.handle(bundle([message("/rtmss/presets")] * 256))
    assert len(answers) == 256
    assert len(looks) == 1


def test_32_subscribers_with_such_patterns_cost_little(side: ControlSide) -> None:
    """At first, and with every change; a busy machine may hold up some of the tries."""
    values = scene_values(side.controller)
    first, later = [], []
    for number in range(3):
        peers = Peers()
        ports = range(number * MAX_PEERS, (number + 1) * MAX_PEERS)  # no pattern is known yet
        for port, end in zip(ports, itertools.cycle(DEAR.values()), strict=False):
            peers.subscribe(Peer("127.0.0.1", port), f"/rtmss/stem/{end}{port:03d}", 30, 0.0)
        first.append(seconds(partial(peers.changes, values)))
        later += [seconds(partial(peers.changes, dict(values))) for _ in range(5)]
    assert min(first) < 0.2
    assert min(later) < 0.005


def scheduled(n: int, seconds: float) -> bytes:
    """A bundle to come, of messages that reach every stem."""
    tag = int((time.time() + seconds + 2_208_988_800) * 2**32).to_bytes(8, "big")
    one = message("/rtmss/stem/*/gain", -3.0)
    return (
        b"#bundle\0"
        + tag
        + (
            struct.pack(
                ">I",
                len(one),
            )
            + one
        )
        * n
    )


def test_scheduled_bundles_of_1024_targets_cost_what_their_bytes_do(side: ControlSide) -> None:
    cost = seconds(lambda: [side.handle(scheduled(128, 50)) for _ in range(16)])
    assert len(side.controller.scheduled) == 16
    assert cost < 3.0


def test_256_scheduled_bundles_about_to_be_heard_cost_little(side: ControlSide) -> None:
    for number in range(256):
        change = PacketChange(ME)
        for stem in side.controller.scene.stems:
            change.set_value(f"/rtmss/stem/{stem.name}/gain", -float(number % 60))
        side.controller.change(change, 101 + number % 32)
    assert seconds(side.controller.flush) < 0.5


SETTABLE = st.one_of(
    st.tuples(
        st.sampled_from(["stem/one", "stem/two", "remainder"]),
        st.sampled_from(["gain", "fader", "pan"]),
        st.sampled_from([0.0, 0.5, 1.0]),
    ),
    st.tuples(
        st.sampled_from(["stem/one", "stem/two", "remainder"]),
        st.sampled_from(["mute", "solo"]),
        st.booleans(),
    ),
    st.just(("", "unsolo", True)),
    st.tuples(
        st.just("master"), st.sampled_from(["gain", "fader", "mute"]), st.sampled_from([0, 1])
    ),
    st.tuples(st.just(""), st.sampled_from(["fade", "bypass"]), st.sampled_from([0, 1]),),
    st.just(("stem/*", "solo", True)),
)  # fmt: skip


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(SETTABLE, max_size=12))
def test_a_packet_changes_what_its_messages_one_by_one_would(
    side: ControlSide, make_condition: MakeCondition, rows: list[tuple[str, str, float]]
) -> None:
    before = Scene((Stem("one", make_condition()), Stem("two", make_condition())))
    before = before.with_strip("two", solo=True)
    messages = [
        message(
            "/".join(filter(None, ["/rtmss", owner, leaf])),
            value,
        )
        for owner, leaf, value in rows
    ]
    side.controller.scene = before
    for one in messages:
        assert side.handle(one) == []
    expected = side.controller.scene
    side.controller.scene = before
    assert not messages or side.handle(bundle(messages)) == []
    assert side.controller.scene == expected


def test_a_change_of_a_stem_that_has_gone_is_refused_as_a_whole(side: ControlSide) -> None:
    change = PacketChange(ME)
    change.set_value("/rtmss/stem/gone/gain", -1.0)
    change.set_value("/rtmss/bypass", True)
    with pytest.raises(UserError, match="no stem 'gone'"):
        change(side.controller.scene)


# Patterns against a matcher that tries everything.

NAMES = (
    "/a",
    "/ab",
    "/abc",
    "/a/b",
    "/a/bb",
    "/b/a",
    "/",
    "//a",
    "/rtmss/stem/a-b/gain",
)
PIECES = st.sampled_from(
    ["*", "?", "[a-c]", "[!a]", "{a,ab}", "{,b}", "{}", "/", "a", "b", "/a", "-", "[-a]", "[b-]",]
)  # fmt: skip


def matches(pattern: str, address: str) -> set[int]:
    """Ends of all matches, by trying."""
    if not pattern:
        return {0}
    head, rest = pattern[0], pattern[1:]
    if head == "*":
        n = len(address.partition("/")[0])
        return {
            i + end
            for i in range(n + 1)
            for end in matches(
                rest,
                address[i:],
            )
        }
    if head == "{":
        words, _, rest = rest.partition("}")
        return {
            len(word) + end
            for word in words.split(",")
            if address.startswith(word)
            for end in matches(rest, address[len(word) :])
        }
    accepted = head == address[:1]
    if head == "?":
        accepted = address[:1] not in {"", "/"}
    if head == "[":
        letters, _, rest = rest.partition("]")
        is_in = _is_in(address[:1], letters.removeprefix("!"))
        accepted = address[:1] not in {"", "/"} and is_in != letters.startswith("!")
    return (
        {
            1 + end
            for end in matches(
                rest,
                address[1:],
            )
        }
        if accepted
        else set()
    )


def _is_in(letter: str, letters: str) -> bool:
    ranges = zip(
        letters,
        letters[1:],
        letters[2:],
        strict=False,
    )
    return letter in letters or any(a <= letter <= b for a, dash, b in ranges if dash == "-")


@settings(max_examples=200, deadline=None)
@given(st.lists(PIECES, max_size=6).map("".join))
def test_patterns_match_as_trying_everything_says(pattern: str) -> None:
    ends = {name: matches(pattern, name) for name in NAMES}
    assert select(pattern, NAMES) == tuple(name for name in NAMES if len(name) in ends[name])
    above = tuple(
        name for name in NAMES if any(end == len(name) or name[end] == "/" for end in ends[name])
    )
    assert covered(pattern, NAMES) == above
