"""One song from its file to its folder of stems, under its final name only when all is there.

The parts add up to the song exactly: it is rounded to the 24 bits of the files, so are all parts
but the last, and the last is what they leave. A song or part that goes beyond full scale is halved,
with all that belongs to it.

Axes: N parts, C channels, S samples.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray
from pedalboard.io import AudioFile

from rtmss.files import AudioFileError, open_audio, refuse_damage
from rtmss.teachers.bleed import Gain, gains_without_bleed
from rtmss.teachers.raw import RawAudio
from rtmss.teachers.stretches import separate_long
from rtmss.teachers.teacher import Teacher

MAX_ZEROS = 0.25
"""Share of a song that may be digital silence at its end."""

_FULL_SCALE = 1 << 23
"""Steps from silence to 1, as those have it who read the files."""
_N_AT_ONCE = 1 << 18
"""Samples read or written at once."""


@dataclass(frozen=True)
class SplitOrder:
    """What to split, and into which folder."""

    source: Path
    folder: Path
    """The song's final folder, `<data>/songs/<split>/<song>`."""
    digest: str
    """Of the source's content."""
    licence: str = ""
    """Of the song, empty if unknown; so are artist and title."""
    artist: str = ""
    title: str = ""

    @property
    def partial(self) -> Path:
        """Where the song grows, outside of what is read as songs."""
        return self.folder.parents[2] / ".partial" / self.folder.name


def split_song(
    order: SplitOrder, teacher: Teacher, report: Callable[[float], None] = lambda _: None
) -> float:
    """Split a song, and return its length in seconds.

    Args:
        order: what to split.
        teacher: splits it.
        report: called with the fraction done.

    Raises:
        AudioFileError: the song cannot be used, or its stems cannot be written.
    """
    shutil.rmtree(order.partial, ignore_errors=True)
    try:
        order.partial.mkdir(parents=True)
        seconds = _split(order, teacher, report)
        for raw in order.partial.glob("*.raw"):
            raw.unlink()
        order.folder.parent.mkdir(parents=True, exist_ok=True)
        order.partial.rename(order.folder)
    except OSError as error:
        raise AudioFileError(f"{order.folder}: cannot write there ({error.strerror})") from error
    finally:
        shutil.rmtree(order.partial, ignore_errors=True)
    return seconds


def _split(
    order: SplitOrder,
    teacher: Teacher,
    report: Callable[[float], None],
) -> float:
    song, rate = _decode(order.source, order.partial / "song.raw")
    parts = RawAudio(
        order.partial / "parts.raw", len(teacher.stems) - 1, song.n_channels, len(song)
    )
    separate_long(song, rate, teacher, parts, report)
    gains = gains_without_bleed(parts, song, rate)
    scale = _fitting_scale(song, parts, gains)
    _write(
        order.partial,
        teacher.stems,
        rate,
        _in_integers(song, parts, gains, scale),
    )
    content = yaml.safe_dump(
        _describe(order, teacher, scale),
        sort_keys=False,
        allow_unicode=True,
    )
    (order.partial / "song.yaml").write_text(content, encoding="utf-8")
    return len(song) / rate


def _decode(source: Path, raw: Path) -> tuple[RawAudio, int]:
    """A song as one part, and its rate in Hz."""
    with open_audio(source, most_channels=2, on_damage=refuse_damage) as reader:
        song, rate, n_heard = (
            RawAudio(
                raw,
                1,
                reader.n_channels,
            ),
            reader.sample_rate,
            0,
        )
        for block in reader.blocks(_N_AT_ONCE):
            if not np.isfinite(block).all():
                raise AudioFileError(
                    f"{source}: holds values that are not numbers; export it again"
                )
            sounding = np.flatnonzero(block.any(0))
            n_heard = len(song) + int(sounding[-1]) + 1 if len(sounding) else n_heard
            song.append(block.T[:, None])
    if not n_heard:
        raise AudioFileError(f"{source}: holds no sound")
    # Decoders fill up with zeros what is missing of a file.
    if len(song) - n_heard > MAX_ZEROS * len(song):
        heard = f"{n_heard / rate:.0f} of {len(song) / rate:.0f} s"
        raise AudioFileError(f"{source}: holds sound for {heard} only; is it cut off?")
    return song, rate


def _pieces(
    song: RawAudio, parts: RawAudio, gains: list[Gain]
) -> Iterator[list[NDArray[np.float64]]]:
    """The song and its named parts without bleed, each (S, C), piece by piece."""
    for first in range(0, len(song), _N_AT_ONCE):
        last = min(first + _N_AT_ONCE, len(song))
        whole, found = song.read(first, last)[:, 0], parts.read(first, last)
        kept = [
            gain.between(first, last)[:, None] * found[:, number]
            for number, gain in enumerate(gains)
        ]
        yield [whole.astype(np.float64), *kept]


def _fitting_scale(
    song: RawAudio,
    parts: RawAudio,
    gains: list[Gain],
) -> float:
    """The largest power of a half, at most 1, with which song and parts stay below full scale."""
    peak = 0.0
    for whole, *named in _pieces(song, parts, gains):
        rest = whole - sum(named)
        peak = max(
            peak,
            *(
                float(np.abs(audio).max())
                for audio in (
                    whole,
                    *named,
                    rest,
                )
            ),
        )
    scale = 1.0
    # Rounding may make the rest larger by half a step for every other part.
    while peak * scale >= 1 - (len(gains) + 2) / _FULL_SCALE:
        scale /= 2
    return scale


def _in_integers(
    song: RawAudio, parts: RawAudio, gains: list[Gain], scale: float
) -> Iterator[list[NDArray[np.int32]]]:
    """All parts in steps of 24 bits, each (S, C); the last is what the others leave of the song."""
    for piece in _pieces(song, parts, gains):
        whole, *named = (np.round(audio * scale * _FULL_SCALE).astype(np.int32) for audio in piece)
        yield [*named, whole - sum(named)]


def _write(
    folder: Path, stems: tuple[str, ...], rate: int, pieces: Iterator[list[NDArray[np.int32]]]
) -> None:
    files: list[Any] = []
    try:
        for piece in pieces:
            if not files:
                channels = piece[0].shape[1]
                files = [
                    AudioFile(str(folder / f"{stem}.flac"), "w", rate, channels, bit_depth=24)
                    for stem in stems
                ]
            for file, audio in zip(files, piece, strict=True):
                # Integers of 32 bits arrive as they are; floats would be cut off, not rounded.
                file.write(np.ascontiguousarray(audio.T << 8))
    except (RuntimeError, ValueError) as error:
        reason = str(error).partition("\n")[0]
        raise AudioFileError(f"{folder}: writing failed, is the disk full? ({reason})") from error
    finally:
        for file in files:
            file.close()


def _describe(
    order: SplitOrder,
    teacher: Teacher,
    scale: float,
) -> dict[str, Any]:
    """What song.yaml says."""
    singer = {"library": order.artist} if order.artist else {}
    *named, rest = teacher.stems
    stems = {stem: dict(singer) for stem in named} | {
        rest: {
            "instrument": teacher.rest,
            **singer,
        }
    }
    known = {
        "title": order.title,
        "artist": order.artist,
        "licence": order.licence,
    }
    return {
        **{key: value for key, value in known.items() if value},
        "file": {"name": order.source.name, "blake2b": order.digest},
        "teacher": {
            "name": teacher.name,
            "version": teacher.version,
            "licence": teacher.licence,
        },
        "scale": scale,
        "stems": stems,
    }
