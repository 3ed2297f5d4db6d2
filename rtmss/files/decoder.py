"""One audio stream of a file as blocks of samples: the one door to PyAV, which brings its own
FFmpeg.

FFmpeg takes away what encoders add at both ends, where the file says how much it is. No length is
believed: samples are counted as they come.

Axes: C channels, S samples.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterator
from typing import Any, BinaryIO, NoReturn

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.container import InputContainer
from av.packet import Packet
from numpy.typing import NDArray

from rtmss.files.extent import announced_samples, ends_early, sound_left_out
from rtmss.files.queue import Queue, silence

Note = Callable[[float, str], None]
"""Called with the second where a damage begins, and what it is."""

FORMATS = (
    "3g2,3gp,aa,aac,ac3,adx,aiff,amr,amrnb,amrwb,ape,asf,ast,au,avi,bonk,caf,dsf,dts,dtshd,eac3,flac,flv,gsm,iff,ircam,"
    "loas,m4a,matroska,mj2,mlp,mov,mp2,mp3,mp4,mpc,mpc8,mpeg,mpegts,mxf,nistsphere,nut,ogg,oma,osq,paf,qoa,rm,rso,sds,"
    "shn,sox,tak,truehd,tta,voc,vqf,w64,wav,webm,wsd,wtv,wv,xwma"
)
"""Containers of one file that hold audio. Playlists and the like, which would open further files,
are left out.
"""
_OPTIONS = {"format_whitelist": FORMATS, "max_size": "65536"}
"""`max_size`: bytes of a packet of PCM in WAV. FFmpeg's own packets are small and cost time."""
_BUFFER_BYTES = 1 << 16
_GAP_SECONDS = 0.05
"""Some containers round their time stamps to milliseconds."""
_RATES = range(1000, 1 << 21)
"""Hz. Beyond them resampling would make a huge file of a small one."""
_MOST_LOST = 1 << 18
"""Samples of silence that may stand for what is missing in one place: time stamps may lie."""
_MOST_JUNK = 1 << 10
"""Bytes after the last frame that are no audio and nobody's business."""
_TAGS = (b"ID3", b"TAG", b"APETAGEX", b"LYRICS")
_CHECKED = {"flac", "wavpack", "tta", "tak", "ape"}
"""Codecs that check the sums in their frames only when they are asked to."""
_EVEN = {"mp1", "mp2", "ac3", "eac3"}
"""Codecs whose packets are all about as long; the decoder makes noise of a last one that is cut."""
_SYNC = {
    "mp3": (0xFF, 0xE0),
    "mp2": (0xFF, 0xE0),
    "aac": (0xFF, 0xF0),
    "ac3": (0x0B, 0x70),
    "eac3": (0x0B, 0x70),
}
"""How frames begin in formats that consist of nothing else: a byte, and a mask of the next."""


class DecodeError(Exception):
    """A file that has no audio for us; the message says why."""


class _Seekable:
    """A file as FFmpeg is given it. Headers lead to places that no file has; where one cannot go is
    a number below 0 for FFmpeg, while PyAV would print an error of Python's.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.read, self.tell = file.read, file.tell

    def seek(self, offset: int, whence: int = 0) -> int:
        """Where it is then, -1 if it cannot go there."""
        try:
            return self._file.seek(offset, whence)
        except (OSError, ValueError, OverflowError):
            return -1


class Decoder:
    """Decodes from the beginning to the end."""

    def __init__(
        self,
        file: BinaryIO,
        note: Note,
        stream: int = 0,
    ) -> None:
        """Find the stream and decode its first frame.

        Args:
            file: at its beginning.
            note: told about every damage.
            stream: which of the audio streams.

        Raises:
            DecodeError: there is no such stream, it cannot be decoded, or it is empty.
        """
        self._file, self._note = file, note
        self._n_decoded = self._rate = 0
        self._lost: list[Packet[Any]] = []
        self._n_junk = 0
        self._end_seconds: float | None = None
        self._timed_seconds = 0.0
        self._shortest, self._is_short = math.inf, False
        try:
            self._container: InputContainer = av.open(
                _Seekable(file),
                "r",
                options=_OPTIONS,
                metadata_errors="replace",
                buffer_size=_BUFFER_BYTES,
                io_open=_refuse,
            )
        except (av.FFmpegError, OSError, ValueError) as error:
            raise DecodeError(f"not a readable audio file ({_reason(error)})") from error
        self.format_name = self._container.format.name
        self.n_streams = len(self._container.streams.audio)
        if stream >= self.n_streams:
            expected = f"has {self.n_streams} audio streams, expected at least {stream + 1}"
            raise DecodeError(expected if self.n_streams else "holds no audio")
        self._stream = self._container.streams.audio[stream]
        self._frames: Generator[AudioFrame, None, None] = self._decode()
        first = self._first()
        self.rate, self.n_channels = first.sample_rate, first.layout.nb_channels
        self._fifo = Queue(first)
        self._fifo.write(first)

    @property
    def seconds_announced(self) -> float:
        """Length as the header says or as FFmpeg guesses: for progress bars only."""
        if self._stream.duration and self._stream.time_base:
            return max(0.0, float(self._stream.duration * self._stream.time_base))
        return max(0.0, (self._container.duration or 0) / 1e6)

    def read(self, n: int) -> NDArray[np.float32]:
        """(C, S) the next samples, full scale 1: `n` of them, fewer at the end, then none."""
        while self._fifo.n_samples < n and (frame := next(self._frames, None)):
            self._push(frame)
        return self._fifo.read(n)

    def close(self) -> None:
        """Let go of the file."""
        self._frames.close()
        self._container.close()

    def _push(self, frame: AudioFrame) -> None:
        try:
            self._fifo.write(frame)
        except (av.FFmpegError, ValueError) as error:
            self._note(self._seconds, f"its form changes there ({_reason(error)})")
            self._frames.close()

    def _first(self) -> AudioFrame:
        codec = self._stream.codec_context
        if codec is None:
            raise DecodeError("its kind of audio cannot be decoded")
        if (
            codec.codec.canonical_name in _CHECKED
        ):  # without, damaged frames would be played as they are
            codec.options = {"err_detect": "crccheck+explode"}
        first = next(self._frames, None)
        if first is None:
            has_data = self._lost or self._n_junk
            raise DecodeError(
                "not a readable audio file (nothing in it can be decoded)"
                if has_data
                else "holds no audio"
            )
        if first.sample_rate not in _RATES:
            raise DecodeError(
                f"a sample rate of {first.sample_rate} Hz; {_RATES[0]} to {_RATES[-1]} can be used"
            )
        return first

    def _decode(self) -> Generator[AudioFrame, None, None]:
        for packet in self._packets():
            try:
                frames = self._stream.codec_context.decode(packet)
            except (av.FFmpegError, ValueError):
                if packet.size:
                    self._lose(packet)
                continue
            for frame in frames:
                if packet.size:  # else what the decoder still held, from before what was lost
                    yield from self._replace_lost(frame)
                yield self._counted(frame)
        self._check_end()

    def _packets(self) -> Iterator[Packet[Any]]:
        try:
            for packet in self._container.demux(self._stream):
                if (
                    packet.size or packet.dts is None
                ):  # FLV has empty ones, which would end the decoding
                    self._watch(packet)
                    yield packet
        except (av.FFmpegError, OSError) as error:
            self._note_rest(f"it cannot be read beyond ({_reason(error)})")
            yield Packet()  # lets the decoder give what it still holds

    def _watch(self, packet: Packet[Any]) -> None:
        """Remember whether the last packet is shorter than any before it."""
        if packet.size:
            self._is_short = packet.size < 0.98 * self._shortest
            self._shortest = min(self._shortest, packet.size)

    def _lose(self, packet: Packet[Any]) -> None:
        """Remember a packet that cannot be decoded, unless it is a tag between or after frames."""
        head = bytes(packet)[:8]
        first, mask = _SYNC.get(
            self.format_name,
            (head[0], 0),
        )
        is_frame = head[0] == first and head[1:2] and head[1] & mask == mask
        if is_frame:
            self._lost.append(packet)
        elif not head.startswith(_TAGS):
            self._n_junk += packet.size

    def _replace_lost(self, following: AudioFrame) -> Iterator[AudioFrame]:
        """Silence for what could not be decoded, so that what follows stays in its place."""
        rate = following.sample_rate
        n_lost = sum(_duration(packet, rate) for packet in self._lost)
        missing = 0.0
        if following.time is not None and self._end_seconds is not None:
            missing = following.time - self._end_seconds
        if self._lost or self._n_junk:
            self._note(self._seconds, "a part cannot be decoded")
        elif missing > _GAP_SECONDS:
            begin = self._timed_seconds - (missing if self.format_name == "ogg" else 0.0)
            self._note(
                max(0.0, begin), f"{missing:.2f} s are missing there"
            )  # Ogg tells the time a page later
        n_lost = min(round(missing * rate) if missing > _GAP_SECONDS else n_lost, _MOST_LOST)
        if n_lost > 0:
            yield self._counted(silence(n_lost, following))
        self._lost, self._n_junk = [], 0

    def _counted(self, frame: AudioFrame) -> AudioFrame:
        self._rate = frame.sample_rate
        self._n_decoded += frame.samples
        begin = self._end_seconds if frame.time is None else frame.time
        self._end_seconds = None if begin is None else begin + frame.samples / frame.sample_rate
        if frame.time is not None:
            self._timed_seconds = self._seconds
        return frame

    def _check_end(self) -> None:
        """Compare what came with what the file announces."""
        if self._lost or self._n_junk > _MOST_JUNK:
            self._note_rest("the rest cannot be decoded")
        n_announced = announced_samples(self._stream, self.format_name)
        is_cut = self._is_short and self._stream.codec_context.codec.canonical_name in _EVEN
        if is_cut or ends_early(self._file, self.format_name) or self._n_decoded < n_announced:
            self._note_rest("it ends there, before its own end mark or length")
        elif what := sound_left_out(self._file, self.format_name):
            self._note_rest(what)

    def _note_rest(self, text: str) -> None:
        """Tell of damage up to the end; a file of which nothing was decoded is refused as it is."""
        if self._n_decoded:
            self._note(self._seconds, text)

    @property
    def _seconds(self) -> float:
        return self._n_decoded / self._rate if self._rate else 0.0


def _duration(packet: Packet[Any], rate: int) -> int:
    """Samples that a packet stands for, 0 if it does not say."""
    return (
        round(packet.duration * packet.time_base * rate)
        if packet.duration and packet.time_base
        else 0
    )


def _refuse(*_: Any) -> NoReturn:
    raise OSError("a file must not open others")


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error or type(error).__name__)
