"""OSC bytes to messages and back, for datagrams and for streams. The one door to python-osc.

python-osc guesses where it cannot read (a cut-off float is 0, an unknown type is left out); here
that is refused.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from pythonosc import slip
from pythonosc.osc_bundle_builder import IMMEDIATELY, OscBundleBuilder
from pythonosc.osc_message import OscMessage
from pythonosc.osc_message_builder import OscMessageBuilder

Argument = str | bytes | bool | int | float | None

MAX_BYTES = 65_536
"""Of one packet."""
MAX_MESSAGES = 256
"""In one packet."""
MAX_FAIL = 400
"""Characters of the address and of the text of a failure."""
MAX_ARGUMENTS = 4096
"""Of all messages in one packet."""
MAX_DEPTH = 8
"""Of bundles in bundles."""
BUNDLE_BYTES = 1400
"""Replies are put together into bundles of at most this, which one network packet carries."""
TAGS = "ifhdsbTFN"
END = slip.END[0]
_NTP_EPOCH = 2_208_988_800
_SIZES = {
    "i": 4,
    "f": 4,
    "h": 8,
    "d": 8,
    "T": 0,
    "F": 0,
    "N": 0,
}


class OscDecodeError(ValueError):
    """Bytes that are not OSC as it is spoken here."""


class Message(NamedTuple):
    """One message. `tags` are the OSC types of `args`, one letter each."""

    address: str
    args: tuple[Argument, ...] = ()
    tags: str = ""


class Packet(NamedTuple):
    """Messages that belong together."""

    when: float | None
    """Unix time at which they are due; None means at once."""
    messages: list[Message]


def decode(data: bytes) -> list[Packet]:
    """Read a datagram. Bundles in bundles are flattened: one packet for each time tag in it, in
    order.

    Raises:
        OscDecodeError: it is malformed, too large, or has arguments of other types than `TAGS`.
    """
    if len(data) > MAX_BYTES:
        raise OscDecodeError(f"{len(data)} bytes, at most {MAX_BYTES} in one packet")
    packets: dict[float | None, list[Message]] = {}
    n_arguments = 0
    for n_messages, (when, message) in enumerate(
        _walk(data, None, 0),
        1,
    ):
        if n_messages > MAX_MESSAGES:
            raise OscDecodeError(f"more than {MAX_MESSAGES} messages in one packet")
        n_arguments += len(message.args)
        if n_arguments > MAX_ARGUMENTS:
            raise OscDecodeError(f"more than {MAX_ARGUMENTS} arguments in one packet")
        packets.setdefault(when, []).append(message)
    return [Packet(when, messages) for when, messages in packets.items()]


def message(
    address: str,
    *args: Argument,
    tags: str = "",
) -> bytes:
    """A message; without `tags` integers go as i or h, floats as f, booleans as T or F."""
    return _build(address, args, tags).dgram


def failure(address: str, code: str, text: str) -> bytes:
    """The message that something was refused, short enough for one packet."""
    return message("/rtmss/fail", address[:MAX_FAIL], code, text[:MAX_FAIL])


def texts(address: str, names: Iterable[str]) -> list[bytes]:
    """Messages that carry all names, in order, none larger than `BUNDLE_BYTES` if it can be."""
    groups: list[list[str]] = [[]]
    size = head = _padded("s", address) + 4  # the comma of the type tags, and their end
    for name in names:
        added = _padded("s", _sendable(name)) + 1  # and its type tag
        if groups[-1] and size + added > BUNDLE_BYTES:
            groups.append([])
            size = head
        groups[-1].append(name)
        size += added
    return [message(address, *group) for group in groups]


def bundle(messages: list[bytes]) -> bytes:
    """A bundle of messages to be taken up at once."""
    builder = OscBundleBuilder(IMMEDIATELY)
    for data in messages:
        builder.add_content(OscMessage(data))
    return builder.build().dgram


def bundles(messages: Iterable[bytes]) -> list[bytes]:
    """As few packets as will carry the messages in `BUNDLE_BYTES` each; a message that is alone in
    one goes bare.
    """
    groups: list[list[bytes]] = []
    size = BUNDLE_BYTES
    for data in messages:
        size += 4 + len(data)
        if size > BUNDLE_BYTES:
            groups.append([])
            size = 16 + 4 + len(data)
        groups[-1].append(data)
    return [bundle(group) if len(group) > 1 else group[0] for group in groups]


def unix_seconds(tag: int) -> float | None:
    """The moment that a 64-bit NTP time tag names, None for at once; from 1968 until 2104."""
    if tag <= 1:
        return None
    seconds = tag / 2**32
    return seconds - _NTP_EPOCH + (0 if tag >> 63 else 2**32)


def _walk(
    data: bytes,
    when: float | None,
    depth: int,
) -> Iterator[tuple[float | None, Message]]:
    if not data.startswith(b"#bundle\0"):
        yield when, _read(data)
        return
    if depth >= MAX_DEPTH:
        raise OscDecodeError(f"bundles are nested more than {MAX_DEPTH} deep")
    if len(data) < 16:
        raise OscDecodeError("a bundle ends before its time tag")
    when = unix_seconds(int.from_bytes(data[8:16], "big"))
    index = 16
    while index < len(data):
        size = int.from_bytes(data[index : index + 4], "big")
        index += 4
        if not 0 < size <= len(data) - index:
            raise OscDecodeError(
                f"a bundle names an element of {size} bytes and has {max(0, len(data) - index)} "
                "left"
            )
        yield from _walk(data[index : index + size], when, depth + 1)
        index += size


def _read(data: bytes) -> Message:
    if not data.startswith(b"/") or len(data) % 4:
        raise OscDecodeError("a message starts with '/' and has a multiple of 4 bytes")
    tags = _tags(data)
    unknown = set(tags) - set(TAGS)
    if unknown:
        raise OscDecodeError(
            f"arguments of type '{min(unknown)}' are not taken; known types: {' '.join(TAGS)}"
        )
    if len(tags) > MAX_ARGUMENTS:
        raise OscDecodeError(f"more than {MAX_ARGUMENTS} arguments in one packet")
    try:
        parsed = OscMessage(data)
    except Exception as error:  # python-osc raises many kinds, UnicodeDecodeError among them
        raise OscDecodeError(
            "a message cannot be read: cut off, or not text where text should be"
        ) from error
    address, args = parsed.address, tuple(parsed.params)
    if not (address.isascii() and address.isprintable()) or " " in address:
        raise OscDecodeError("an address has printable ASCII characters and no spaces")
    if b"" in args:
        raise OscDecodeError("an empty blob is not taken")  # python-osc could not send it back
    sizes = [
        _padded(tag, value)
        for tag, value in zip(
            tags,
            args,
            strict=True,
        )
    ]
    head = _padded("s", address) + (
        _padded("s", "," + tags) if len(data) > _padded("s", address) else 0
    )
    if head + sum(sizes) != len(data):
        raise OscDecodeError(
            f"arguments of types '{tags}' do not fill a message of {len(data)} bytes"
        )
    return Message(address, args, tags)


def _tags(data: bytes) -> str:
    """The type tags of a message, without the comma; none where it ends after the address."""
    end = data.find(b"\0")
    if end < 0:
        raise OscDecodeError("an address has no end")
    rest = data[(end // 4 + 1) * 4 :]
    tags, found, _ = rest.partition(b"\0")
    if rest and not (found and tags.startswith(b",")):
        raise OscDecodeError("after the address comes a type tag string that starts with ','")
    return tags[1:].decode("latin-1")


def _padded(tag: str, value: object) -> int:
    """Bytes that a value takes up."""
    if isinstance(value, str):
        return (len(value.encode()) // 4 + 1) * 4
    if isinstance(value, bytes):
        return 4 + (len(value) + 3) // 4 * 4
    return _SIZES[tag]


def _build(
    address: str,
    args: tuple[Argument, ...],
    tags: str,
) -> OscMessage:
    builder = OscMessageBuilder(address)
    for value, tag in zip(
        args,
        tags or [None] * len(args),
        strict=True,
    ):
        builder.add_arg(_sendable(value) if isinstance(value, str) else value, tag)
    return builder.build()


def _sendable(text: str) -> str:
    """A text as OSC can carry it: bytes of file names that are no Unicode become question marks."""
    return text.split("\0", maxsplit=1)[0].encode(errors="replace").decode()


class Framer:
    """Cuts a TCP stream into packets, by length prefix (OSC 1.0) or by SLIP (OSC 1.1), as its first
    byte shows.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._is_slip: bool | None = None
        self.is_lost = False
        """Whether what came behind the packets that were returned is neither framing."""

    def feed(self, data: bytes) -> list[bytes]:
        """Take up bytes and return the packets that they complete.

        Raises:
            OscDecodeError: this is neither framing, or a packet is too large; the stream is lost.
                Where packets came before that, they are returned, and `is_lost` says it.
        """
        self._buffer += data
        if self._is_slip is None and self._buffer:
            if self._buffer[0] not in {0, END}:
                raise OscDecodeError("a stream starts with a length or with the SLIP byte 0xC0")
            self._is_slip = self._buffer[0] == END
        packets: list[bytes] = []
        try:
            for packet in self._slip() if self._is_slip else self._prefixed():
                packets.append(packet)
        except OscDecodeError:
            self.is_lost = True
            if not packets:
                raise
        return packets

    def frame(self, packet: bytes) -> bytes:
        """A packet as this stream carries it."""
        return (
            slip.encode(packet)
            if self._is_slip
            else struct.pack(
                ">I",
                len(packet),
            )
            + packet
        )

    def _prefixed(self) -> Iterator[bytes]:
        while len(self._buffer) >= 4:
            size = int.from_bytes(self._buffer[:4], "big")
            if not 0 < size <= MAX_BYTES:
                raise OscDecodeError(f"a packet of {size} bytes, 1 to {MAX_BYTES} are taken")
            if len(self._buffer) < 4 + size:
                return
            yield bytes(self._buffer[4 : 4 + size])
            del self._buffer[: 4 + size]

    def _slip(self) -> Iterator[bytes]:
        *whole, rest = self._buffer.split(slip.END)
        self._buffer = bytearray(rest)
        for packet in whole:
            if packet:
                try:
                    yield slip.decode(bytes(packet))
                except slip.ProtocolError as error:
                    raise OscDecodeError(
                        "a SLIP escape is followed by something else than 0xDC or 0xDD"
                    ) from error
        if len(self._buffer) > 2 * MAX_BYTES + 4:
            raise OscDecodeError(f"more than {MAX_BYTES} bytes in one packet")
