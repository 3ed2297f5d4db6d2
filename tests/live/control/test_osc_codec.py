from __future__ import annotations

import itertools
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pythonosc import slip

from rtmss.live.control.osc import codec
from rtmss.live.control.osc.codec import (
    Framer,
    Message,
    OscDecodeError,
    bundle,
    bundles,
    decode,
    message,
    unix_seconds,
)
from rtmss.live.control.osc.pattern import covered, is_pattern, select
from rtmss.live.control.osc.table import FADERS, TABLE, fader_of, gain_of, markdown, reference

AT_ONCE = b"\0" * 7 + b"\1"


def make_bundle(tag: bytes, *elements: bytes) -> bytes:
    return (
        b"#bundle\0"
        + tag
        + b"".join(
            struct.pack(
                ">I",
                len(e),
            )
            + e
            for e in elements
        )
    )


def ntp(seconds: float) -> bytes:
    return int((seconds + 2_208_988_800) * 2**32 % 2**64).to_bytes(8, "big")


def only(data: bytes) -> Message:
    [packet] = decode(data)
    [one] = packet.messages
    return one


def test_every_type_comes_back_as_it_went() -> None:
    args = (
        1,
        2.5,
        2**40,
        0.1,
        "text",
        b"blob",
        True,
        False,
        None,
    )
    assert only(
        message(
            "/a/b",
            *args,
            tags=codec.TAGS,
        )
    ) == Message("/a/b", args, "ifhdsbTFN")


def test_a_text_ends_at_its_first_nul() -> None:
    assert only(message("/x", "one\0\U00010000", 2)).args == ("one", 2)


def test_an_address_alone_has_no_arguments() -> None:
    assert only(b"/abc\0\0\0\0") == Message("/abc")


@pytest.mark.parametrize(
    "tags",
    ["zz", "[i]", "t", "m", "r", "I"],
)
def test_unknown_types_are_refused_instead_of_left_out(tags: str) -> None:
    with pytest.raises(OscDecodeError, match="are not taken; known types: i f h d s b T F N"):
        decode(b"/abc\0\0\0\0" + (f",{tags}".encode() + b"\0\0\0\0")[:4] + b"\0" * 8)


def test_a_float_that_is_cut_off_is_not_zero() -> None:
    with pytest.raises(OscDecodeError, match="do not fill"):
        decode(b"/abc\0\0\0\0,f\0\0")


def test_bytes_after_the_arguments_are_refused() -> None:
    with pytest.raises(OscDecodeError, match="do not fill"):
        decode(message("/abc", 1) + b"\0\0\0\0")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"/",
        b"abc\0",
        b"/abc",
        b"/a b\0\0\0\0",
        b"/\xc3\xa4\0",
        b"#bundle\0",
        b"/abc\0\0\0\0abcd",
        b"/a\0\0,s\0\0\xff\0\0\0",
    ],
)
def test_malformed_datagrams_are_refused(data: bytes) -> None:
    with pytest.raises(OscDecodeError):
        decode(data)


@given(st.binary(max_size=200))
def test_any_bytes_are_messages_or_a_wire_error(data: bytes) -> None:
    for start in (
        b"",
        b"/a\0\0,",
        b"#bundle\0" + AT_ONCE,
        make_bundle(AT_ONCE, message("/a", 1.0, "b"))[:-8],
    ):
        try:
            packets = decode(start + data)
        except OscDecodeError:
            continue
        assert all(len(one.args) == len(one.tags) for packet in packets for one in packet.messages)


def test_a_bundle_is_one_packet_due_at_its_time() -> None:
    [packet] = decode(
        make_bundle(
            ntp(1_700_000_000.5),
            message("/a", 1),
            message("/b", 2),
        )
    )
    assert packet.when == pytest.approx(1_700_000_000.5, abs=1e-6)
    assert [one.address for one in packet.messages] == ["/a", "/b"]


def test_a_bundle_of_ours_is_due_at_once() -> None:
    assert decode(bundle([message("/a", 1)])) == [
        (
            None,
            [
                Message(
                    "/a",
                    (1,),
                    "i",
                )
            ],
        )
    ]


def test_nested_bundles_are_sorted_by_their_times() -> None:
    inner = make_bundle(ntp(2_000_000_000), message("/later"))
    data = make_bundle(
        AT_ONCE,
        message("/a"),
        inner,
        make_bundle(AT_ONCE, message("/b")),
    )
    assert [[one.address for one in packet.messages] for packet in decode(data)] == [
        ["/a", "/b"],
        ["/later"],
    ]


def test_bundles_nested_too_deep_are_refused() -> None:
    data = message("/a")
    for _ in range(2000):
        data = make_bundle(AT_ONCE, data)
    with pytest.raises(OscDecodeError, match="nested more than 8 deep"):
        decode(data)


def test_too_many_messages_are_refused() -> None:
    with pytest.raises(OscDecodeError, match="more than 256 messages"):
        decode(make_bundle(AT_ONCE, *[message("/a")] * 257))


def test_too_many_bytes_are_refused() -> None:
    with pytest.raises(OscDecodeError, match="65540 bytes, at most 65536"):
        decode(b"/" + b"\0" * 65539)


def test_time_goes_on_after_2036() -> None:
    assert unix_seconds(0) is unix_seconds(1) is None
    for seconds in (0.0, 1_800_000_000.0, 2_085_978_495.0, 2_085_978_497.0, 3_000_000_000.0):
        assert unix_seconds(int.from_bytes(ntp(seconds), "big")) == seconds


def test_replies_are_put_together_and_none_is_lost() -> None:
    messages = [message(f"/address/{i}", float(i)) for i in range(200)]
    packets = bundles(messages)
    assert 1 < len(packets) < 10
    assert all(len(packet) <= codec.BUNDLE_BYTES for packet in packets)
    found = [one.address for packet in packets for one in decode(packet)[0].messages]
    assert found == [f"/address/{i}" for i in range(200)]
    assert bundles(messages[:1]) == messages[:1]


PACKETS = [
    message("/a", 1),
    message("/b", b"\xc0\xdb\xdc\xdd", "x"),
    message("/c"),
]
STREAMS = {
    "length": b"".join(
        struct.pack(
            ">I",
            len(packet),
        )
        + packet
        for packet in PACKETS
    ),
    "slip": b"".join(slip.encode(packet) for packet in PACKETS),
}


@given(
    st.sampled_from(sorted(STREAMS)),
    st.lists(st.integers(1, 20)),
)
def test_a_stream_may_be_cut_anywhere(framing: str, sizes: list[int]) -> None:
    framer, data, packets = Framer(), STREAMS[framing], []
    for size in [*sizes, len(data)]:
        packets += framer.feed(data[:size])
        data = data[size:]
    assert packets == PACKETS
    assert Framer().feed(framer.frame(PACKETS[1])) == [PACKETS[1]]
    assert framer.frame(PACKETS[1]) in STREAMS[framing]


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1",
        b"/abc",
        b"\0\0\0\0",
        b"\0\xff\0\0",
        b"\0\1\0\4",
        b"\xc0\xdb\0\xc0",
        b"\xc0" + b"a" * 200_000,
    ],
)
def test_a_stream_without_framing_is_lost(data: bytes) -> None:
    with pytest.raises(OscDecodeError):
        Framer().feed(data)


@given(st.binary(max_size=300))
def test_any_stream_is_packets_or_a_wire_error(data: bytes) -> None:
    for start in (b"", b"\0\0\0\4", b"\xc0"):
        framer = Framer()
        try:
            packets = framer.feed(start + data)
        except OscDecodeError:
            continue
        assert b"" not in packets


ADDRESSES = (
    "/rtmss/stem/vocals/gain",
    "/rtmss/stem/drums/gain",
    "/rtmss/stem/drums/mute",
    "/rtmss/fade",
)


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("/rtmss/stem/*/gain", (0, 1)),
        ("/rtmss/stem/d*s/*", (1, 2)),
        ("/rtmss/*", (3,)),
        ("/rtmss/fad?", (3,)),
        ("/rtmss/fade?", ()),
        ("/rtmss/stem/{vocals,bass}/{gain,mute}", (0,)),
        ("/rtmss/stem/[a-e]rums/mute", (2,)),
        ("/rtmss/stem/[!a-e]ocals/gain", (0,)),
        ("/rtmss/{f,fa,fad}de", (3,)),
        ("/rtmss?fade", ()),
        ("*", ()),
    ],
)
def test_patterns_match_within_one_part_of_an_address(
    pattern: str, expected: tuple[int, ...]
) -> None:
    assert select(pattern, ADDRESSES) == tuple(ADDRESSES[i] for i in expected)
    assert is_pattern(pattern)


@pytest.mark.parametrize(
    "pattern",
    [
        "/a/[b",
        "/a/{b",
        "/a/b]",
        "/a/b}",
        "/a/[]",
        "/" + "a" * 128 + "*",
    ],
)
def test_what_is_no_pattern_is_said(pattern: str) -> None:
    with pytest.raises(ValueError, match=r"does not pair up|at most 128"):
        select(pattern, ADDRESSES)


def test_a_subscription_covers_what_is_below_it() -> None:
    assert covered("/rtmss", ADDRESSES) == ADDRESSES
    assert covered("/rtmss/*/vocals", ADDRESSES) == ADDRESSES[:1]
    assert covered("/rtmss/stem/voc", ADDRESSES) == ()
    assert covered("/rtmss/stem/drums", ADDRESSES) == ADDRESSES[1:3]


def test_a_fader_goes_from_off_over_unity_to_full() -> None:
    assert [gain_of(fader) for fader in (0, 0.75, 1)] == [
        -120,
        0,
        12,
    ]


@given(st.floats(0, 1))
def test_fader_and_gain_are_each_others_inverse(fader: float) -> None:
    assert fader_of(gain_of(fader)) == pytest.approx(fader, abs=1e-12)


def test_the_taper_rises() -> None:
    gains = [gain_of(i / 1000) for i in range(1001)]
    assert all(a < b for a, b in itertools.pairwise(gains))
    assert len(FADERS) == 5


def test_the_reference_has_every_row_once() -> None:
    assert [row.address for row in reference()] == [row.address for row in TABLE]
    assert len({row.address for row in TABLE}) == len(TABLE)
    assert (
        "| `/rtmss/stem/<name>/gain` | set, query | `f` | -120 .. 12 dB | Gain of a stem |"
        in markdown()
    )


def test_an_empty_blob_is_refused() -> None:
    with pytest.raises(OscDecodeError, match="an empty blob is not taken"):
        decode(b"/a\0\0,b\0\0\0\0\0\0")
