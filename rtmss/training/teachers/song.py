"""One song from its file to its folder of stems, under its final name only when all is there.

The parts add up to the song exactly: it is rounded to the 24 bits of the files, so are all parts but the last, and the
last is what they leave. A song or part that goes beyond full scale is halved, with all that belongs to it.

Axes: N parts, C channels, S samples.
"""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray
from pedalboard.io import AudioFile

from rtmss.files import AudioFileError, open_audio
from rtmss.training.teachers.bleed import Gain, gain_without_bleed
from rtmss.training.teachers.stretches import separate_long
from rtmss.training.teachers.teacher import Teacher

ACCOMPANIMENT = "accompaniment"
"""What a part called `backing` is to those who read the folder: all but the voice."""

_FULL_SCALE = 1 << 23
_N_AT_ONCE = 1 << 18
"""Samples read or written at once."""


@dataclass(frozen=True)
class Order:
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


def split_song(order: Order, teacher: Teacher, report: Callable[[float], None] = lambda _: None) -> float:
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


def _split(order: Order, teacher: Teacher, report: Callable[[float], None]) -> float:
    raw = order.partial / "song.raw"
    rate, n_channels = _decode(order.source, raw)
    song = np.memmap(raw, np.float32, "r").reshape(-1, n_channels)
    raw_parts, shape = order.partial / "parts.raw", (len(song), len(teacher.stems) - 1, n_channels)
    _reserve(raw_parts, 4 * math.prod(shape))
    parts = np.memmap(raw_parts, np.float32, "r+", shape=shape)
    separate_long(song, rate, teacher, parts, report)
    gains = [gain_without_bleed(parts[:, number], song, rate) for number in range(shape[1])]
    halved = _fitting_gain(song, parts, gains)
    _write(order.partial, teacher.stems, rate, _in_integers(song, parts, gains, halved))
    described = _describe(order, teacher, halved)
    (order.partial / "song.yaml").write_text(yaml.safe_dump(described, sort_keys=False, allow_unicode=True), "utf-8")
    return len(song) / rate


def _decode(source: Path, raw: Path) -> tuple[int, int]:
    """Write a song as (S, C) float32, and return its rate in Hz and its channels."""
    with open_audio(source) as reader, raw.open("wb") as out:
        if reader.num_channels > 2:
            raise AudioFileError(f"{source}: {reader.num_channels} channels; mix it down to mono or stereo first")
        n_read = 0
        for block in _blocks(source, reader):
            if not np.isfinite(block).all():
                raise AudioFileError(f"{source}: holds values that are not numbers; export it again")
            out.write(np.ascontiguousarray(block.T, np.float32).tobytes())
            n_read += block.shape[1]
        if not n_read:
            raise AudioFileError(f"{source}: holds no audio")
        return round(reader.samplerate), reader.num_channels


def _blocks(source: Path, reader: Any) -> Iterator[NDArray[np.float32]]:
    try:
        while (block := reader.read(_N_AT_ONCE)).shape[-1]:
            yield block
    except RuntimeError as error:
        reason = str(error).partition("\n")[0]
        raise AudioFileError(f"{source}: cannot be decoded to its end ({reason})") from error


def _reserve(path: Path, n_bytes: int) -> None:
    """A file of zeros that has its place on the disk: a mapped file that finds the disk full ends the process."""
    with path.open("wb") as file:
        file.truncate(n_bytes)
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, n_bytes)


def _pieces(
    song: NDArray[np.float32], parts: NDArray[np.float32], gains: list[Gain]
) -> Iterator[tuple[NDArray[np.float64], list[NDArray[np.float64]]]]:
    """Song and named parts without bleed, each (S, C), piece by piece."""
    for first in range(0, len(song), _N_AT_ONCE):
        last = min(first + _N_AT_ONCE, len(song))
        kept = [gain.between(first, last)[:, None] * parts[first:last, n] for n, gain in enumerate(gains)]
        yield song[first:last].astype(np.float64), kept


def _fitting_gain(song: NDArray[np.float32], parts: NDArray[np.float32], gains: list[Gain]) -> float:
    """The largest power of a half, at most 1, with which song and parts stay below full scale."""
    peak = 0.0
    for whole, named in _pieces(song, parts, gains):
        rest = whole - sum(named)
        peak = max(peak, *(float(np.abs(audio).max()) for audio in (whole, *named, rest)))
    gain = 1.0
    # Rounding may make the rest larger by half a step for every other part.
    while peak * gain >= 1 - (len(gains) + 2) / _FULL_SCALE:
        gain /= 2
    return gain


def _in_integers(
    song: NDArray[np.float32], parts: NDArray[np.float32], gains: list[Gain], gain: float
) -> Iterator[list[NDArray[np.int32]]]:
    """All parts in steps of 24 bits, each (S, C); the last is what the others leave of the song."""
    for whole, named in _pieces(song, parts, gains):
        rounded = [np.round(audio * gain * _FULL_SCALE).astype(np.int32) for audio in (whole, *named)]
        yield [*rounded[1:], rounded[0] - sum(rounded[1:])]


def _write(folder: Path, stems: tuple[str, ...], rate: int, pieces: Iterator[list[NDArray[np.int32]]]) -> None:
    files: list[Any] = []
    try:
        for piece in pieces:
            if not files:
                channels = piece[0].shape[1]
                files = [AudioFile(str(folder / f"{stem}.flac"), "w", rate, channels, bit_depth=24) for stem in stems]
            for file, audio in zip(files, piece, strict=True):
                # Integers of 32 bits arrive as they are; floats would be cut off, not rounded.
                file.write(np.ascontiguousarray(audio.T << 8))
    except (RuntimeError, ValueError) as error:
        reason = str(error).partition("\n")[0]
        raise AudioFileError(f"{folder}: writing failed, is the disk full? ({reason})") from error
    finally:
        for file in files:
            file.close()


def _describe(order: Order, teacher: Teacher, gain: float) -> dict[str, Any]:
    """What song.yaml says."""
    singer = {"library": order.artist} if order.artist else {}
    stems: dict[str, Mapping[str, str]] = dict.fromkeys(teacher.stems, singer)
    if "backing" in stems:
        stems["backing"] = {"instrument": ACCOMPANIMENT, **singer}
    known = {"title": order.title, "artist": order.artist, "licence": order.licence}
    return {
        **{key: value for key, value in known.items() if value},
        "file": {"name": order.source.name, "blake2b": order.digest},
        "teacher": {"name": teacher.name, "version": teacher.version, "licence": teacher.licence},
        "gain": gain,
        "stems": {stem: dict(described) for stem, described in stems.items()},
    }
