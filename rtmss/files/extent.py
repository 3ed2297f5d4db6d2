"""Whether a file ends before its own structure does: sizes that chunks, boxes and pages announce.

FFmpeg reads what there is and says nothing where a file stops early, so the announced sizes are
compared with the file's. Sizes that writers to pipes leave behind mean that nothing is announced.
"""

from __future__ import annotations

import itertools
import struct
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

if TYPE_CHECKING:
    from av.audio.stream import AudioStream

MAX_CHUNKS = 1 << 16
"""Chunks looked at; a file with more is believed."""
_SLACK_SECONDS = {
    "ape": 0.0,
    "tak": 0.0,
    "tta": 0.0,
    "wv": 0.0,
    "ogg": 0.1,
}
"""Containers that say how long they are, and how much less may come: Opus counts what is
skipped.
"""
_TAIL_BYTES = 1 << 17
"""An Ogg page has at most 65,307 bytes."""
_PIPE_SIZES = (0x7FFFFFFF, 0xFFFFFFFF)
"""32-bit sizes that mean `unknown`; some programs round them down."""
_PIPE_ROUNDING = 1 << 16
_MOST_JUNK = 1 << 10
"""Bytes within a WAV after its sound that are no chunk and nobody's business."""


class Chunk(NamedTuple):
    """A piece of a file that announces its size."""

    kind: bytes
    end: int
    """Byte after the last one."""


def ends_early(file: BinaryIO, format_name: str) -> bool:
    """Whether a file has fewer bytes than it announces; False where it announces nothing.

    Args:
        file: any position; it is moved.
        format_name: as FFmpeg calls the container.
    """
    size = file.seek(0, 2)
    look = next(
        (look for names, look in _LOOKS if names & set(format_name.split(","))),
        None,
    )
    return look is not None and look(file, size)


def sound_left_out(file: BinaryIO, format_name: str) -> str:
    """What says that a file has more sound than FFmpeg gives; nothing where nothing says so.

    Args:
        file: any position; it is moved.
        format_name: as FFmpeg calls the container.
    """
    return _left_out_of_riff(file, file.seek(0, 2)) if format_name == "wav" else ""


def announced_samples(stream: AudioStream, format_name: str) -> int:
    """Samples that a header promises, 0 where it promises none or FFmpeg only guesses."""
    extradata = stream.codec_context.extradata or b""
    if (
        stream.codec_context.name == "flac"
        and format_name in {"flac", "ogg"}
        and len(extradata) >= 18
    ):
        return int.from_bytes(extradata[13:18]) & ((1 << 36) - 1)  # of the STREAMINFO block
    if format_name in _SLACK_SECONDS and stream.duration and stream.time_base:
        seconds = float(stream.duration * stream.time_base) - _SLACK_SECONDS[format_name]
        return int(seconds * stream.codec_context.sample_rate)
    return 0


def _riff(file: BinaryIO, size: int) -> bool:
    long_size = None
    for chunk, start in _chunks(file, size, 12, "<4sI"):
        if chunk.kind == b"ds64":
            long_size = struct.unpack(
                "<Q",
                _bytes(file, start + 16, 8, b"\0"),
            )[0]
        if chunk.kind == b"data":
            if long_size is not None:
                return bool(start + 8 + long_size > size)
            return _is_announced(chunk.end - start - 8) and chunk.end > size
        if chunk.kind == b"LIST" and _bytes(file, start + 8, 4) == b"movi":
            return _is_announced(chunk.end - start - 8) and chunk.end > size
    return False


def _left_out_of_riff(file: BinaryIO, size: int) -> str:
    """Another sound, or something that is no chunk, after the sound of a WAV."""
    end = min(
        size,
        8
        + struct.unpack(
            "<I",
            _bytes(file, 4, 4, b"\0"),
        )[0],
    )
    after: list[Chunk] = []
    for chunk, start in _chunks(file, size, 12, "<4sI"):
        if chunk.kind == b"data" and not _is_announced(chunk.end - start - 8):
            return ""
        if after or chunk.kind == b"data":
            after.append(chunk)
    kinds = [chunk.kind for chunk in after]
    if kinds.count(b"data") > 1:
        return "it holds more than one piece of sound, of which one was read"
    if b"RIFF" in kinds:
        return "another file follows there"
    if any(
        chunk.end + _MOST_JUNK < end and not _is_name(following.kind)
        for chunk, following in itertools.pairwise(after)
    ):
        return "its header says that it ends there, and more follows"
    return ""


def _is_name(kind: bytes) -> bool:
    return all(32 <= byte < 127 for byte in kind)


def _aiff(file: BinaryIO, size: int) -> bool:
    sound = _find(_chunks(file, size, 12, ">4sI"), b"SSND")
    return sound is not None and _is_announced(sound.end) and sound.end > size


def _caf(file: BinaryIO, size: int) -> bool:
    sound = _find(_chunks(file, size, 8, ">4sq"), b"data")
    return sound is not None and sound.end > size


def _wave64(file: BinaryIO, size: int) -> bool:
    chunks = _chunks(file, size, 40, "<16sq", is_whole=True, multiple=8)
    sound = next(
        (chunk for chunk, _ in chunks if chunk.kind.startswith(b"data")),
        None,
    )
    return sound is not None and sound.end > size


def _asf(file: BinaryIO, size: int) -> bool:
    header = struct.unpack(
        "<q",
        _bytes(file, 16, 8, b"\0"),
    )[0]
    start = max(header, 24)
    data = struct.unpack(
        "<q",
        _bytes(file, start + 16, 8, b"\0"),
    )[0]
    return bool(data > 50 and start + data > size)


def _au(file: BinaryIO, size: int) -> bool:
    _, start, length = struct.unpack(
        ">4sII",
        _bytes(file, 0, 12, b"\0"),
    )
    return _is_announced(length) and start + length > size


def _mp4(file: BinaryIO, size: int) -> bool:
    position = 0
    for _ in range(MAX_CHUNKS):
        head = _bytes(file, position, 16, b"\0")
        length, kind, long_length = struct.unpack(">I4sQ", head)
        length = long_length if length == 1 else length
        if length < 8 or not kind.isalnum():
            return False
        position += length
        if position >= size:
            return bool(position > size and kind in {b"mdat", b"moof", b"moov"})
    return False


def _matroska(file: BinaryIO, size: int) -> bool:
    """Only the segment's size counts; one of all ones is unknown."""
    head = _bytes(file, 0, 64)
    length, n = _ebml_size(head, 4)
    segment = 4 + n + (length or 0)
    head = _bytes(file, segment, 16, b"\0")
    length, n = _ebml_size(head, 4)
    return (
        head.startswith(b"\x18\x53\x80\x67")
        and length is not None
        and segment + 4 + n + length > size
    )


def _ebml_size(
    head: bytes,
    at: int,
) -> tuple[int | None, int]:
    """A size of variable length, None if unknown, and the bytes that it takes."""
    first = head[at] if at < len(head) else 0
    n = 9 - first.bit_length()
    if not first or at + n > len(head):
        return None, 1
    mask = (1 << 7 * n) - 1
    value = int.from_bytes(head[at : at + n]) & mask
    return (None if value == mask else value), n


def _ogg(file: BinaryIO, size: int) -> bool:
    """The last page has to be whole and to say that it is the last."""
    start = max(0, size - _TAIL_BYTES)
    tail = _bytes(file, start, _TAIL_BYTES)
    place = tail.rfind(b"OggS")
    while place > 0 and not _is_page(tail, place):
        place = tail.rfind(b"OggS", 0, place)
    if not _is_page(tail, place):
        return True
    n_segments = tail[place + 26]
    end = place + 27 + n_segments + sum(tail[place + 27 : place + 27 + n_segments])
    return end > len(tail) or not tail[place + 5] & 4


def _is_page(tail: bytes, place: int) -> bool:
    """Whether a page begins here, as far as there is one."""
    return place >= 0 and len(tail) - place >= 27 and tail[place + 4] == 0 and tail[place + 5] < 8


def _mp3(file: BinaryIO, size: int) -> bool:
    """A Xing, Info or VBRI header counts the bytes from its own frame on."""
    start = skip_id3(file)
    head = _bytes(file, start, 512)
    place = max(
        head.find(b"Xing", 0, 64),
        head.find(b"Info", 0, 64),
    )
    if place > 0:
        flags = int.from_bytes(head[place + 4 : place + 8])
        at = place + 8 + 4 * (flags & 1)
        return bool(flags & 2) and start + int.from_bytes(head[at : at + 4]) > size
    place = head.find(b"VBRI", 0, 64)
    return place > 0 and start + int.from_bytes(head[place + 10 : place + 14]) > size


def _voc(file: BinaryIO, size: int) -> bool:
    """Blocks; the last is of kind 0, a single byte."""
    position = struct.unpack(
        "<H",
        _bytes(file, 20, 2, b"\0"),
    )[0]
    for _ in range(MAX_CHUNKS):
        head = _bytes(file, position, 4)
        if head[:1] == b"\0":
            return False
        position += 4 + int.from_bytes(head[1:], "little")
        if position >= size:
            return True
    return False


def _flv(file: BinaryIO, size: int) -> bool:
    """Every tag is followed by its size."""
    length = int.from_bytes(_bytes(file, size - 4, 4))
    start = size - 4 - length
    return (
        start < 13
        or int.from_bytes(
            _bytes(
                file,
                start + 1,
                3,
            )
        )
        + 11
        != length
    )


def _mpegts(_: BinaryIO, size: int) -> bool:
    return all(size % n for n in (188, 192, 204))


def skip_id3(file: BinaryIO) -> int:
    """Where the audio begins after ID3v2 tags at the beginning."""
    start = 0
    for _ in range(16):
        head = _bytes(file, start, 10, b"\0")
        if not head.startswith(b"ID3"):
            break
        length = sum((byte & 127) << 7 * (3 - i) for i, byte in enumerate(head[6:10]))
        start += 10 + length + (10 if head[5] & 16 else 0)
    return start


def _chunks(
    file: BinaryIO,
    size: int,
    position: int,
    layout: str,
    *,
    is_whole: bool = False,
    multiple: int = 2,
) -> Iterator[tuple[Chunk, int]]:
    """Chunks and where they begin, from a position on.

    Args:
        file: the file.
        size: its bytes.
        position: of the first chunk.
        layout: of a chunk's head, for `struct`: kind and size.
        is_whole: the size counts the head too.
        multiple: of bytes that chunks are filled up to.
    """
    n_head = struct.calcsize(layout)
    for _ in range(MAX_CHUNKS):
        if position + n_head > size:
            return
        kind, length = struct.unpack(
            layout,
            _bytes(file, position, n_head, b"\0"),
        )
        end = position + length + (0 if is_whole else n_head)
        yield Chunk(kind, end), position
        if length < (n_head if is_whole else 0):
            return
        position = end + -end % multiple


def _find(
    chunks: Iterator[tuple[Chunk, int]],
    kind: bytes,
) -> Chunk | None:
    return next(
        (chunk for chunk, _ in chunks if chunk.kind == kind),
        None,
    )


def _is_announced(length: int) -> bool:
    """Whether a 32-bit size is one: writers to pipes leave 0, or about 2 or 4 GiB."""
    return length > 0 and all(abs(length - unknown) > _PIPE_ROUNDING for unknown in _PIPE_SIZES)


def _bytes(
    file: BinaryIO,
    position: int,
    n: int,
    fill: bytes = b"",
) -> bytes:
    """`n` bytes from a position on, filled up if there are fewer."""
    file.seek(position)
    return file.read(n).ljust(n, fill) if fill else file.read(n)


_LOOKS: tuple[tuple[set[str], Callable[[BinaryIO, int], bool]], ...] = (
    ({"wav", "avi"}, _riff),
    ({"aiff"}, _aiff),
    ({"caf"}, _caf),
    ({"w64"}, _wave64),
    ({"asf"}, _asf),
    ({"au"}, _au),
    ({"mov", "mp4"}, _mp4),
    ({"matroska", "webm"}, _matroska),
    ({"ogg"}, _ogg),
    ({"mp3"}, _mp3),
    ({"voc"}, _voc),
    ({"flv"}, _flv),
    ({"mpegts"}, _mpegts),
)
