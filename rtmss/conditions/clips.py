"""Example clips as a user names them: a file, or a place in a song.

Axes: C channels, S samples.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rtmss.audio import Audio
from rtmss.bounded import is_there
from rtmss.conditions.condition import ClipRecord, ConditionError, describe_clip
from rtmss.conditions.library import shipped
from rtmss.files import read_audio

BLOCK_SECONDS = 0.05
"""Resolution at which quiet edges are found."""
ROUNDED_SECONDS = 1.0
"""So far beyond the end of a song a range may end: players show whole seconds."""
QUIET_DB = -40.0
"""Edges of an excerpt that lie this far under its loudest block are cut off."""


@dataclass(frozen=True)
class Excerpt:
    """A place in a song, as a clip."""

    file: Path
    start: float
    """Seconds."""
    stop: float
    """Seconds."""

    def __str__(self) -> str:
        return f"{self.file} from {self.start:g} to {self.stop:g} s"


Clip = str | Path | Excerpt
"""What a user gives as an example."""


def parse_range(text: str) -> tuple[float, float]:
    """Start and stop in seconds out of `0:41-0:46`, `41-46.5` or `1:02:03-1:02:10`.

    Raises:
        ConditionError: it is something else, or it ends before it begins.
    """
    start, _, stop = text.partition("-")
    try:
        begin = _seconds(start)
        end = _seconds(stop)
    except ValueError as error:
        raise ConditionError(f"expected a range such as 0:41-0:46, got '{text}'") from error
    if end <= begin:
        raise ConditionError(f"range '{text}' ends before it begins")
    return begin, end


def _seconds(text: str) -> float:
    """Seconds out of `SS`, `MM:SS` or `HH:MM:SS`.

    Raises:
        ValueError: it is something else.
    """
    total = 0.0
    parts = text.strip().split(":")
    for part in parts:
        total = 60 * total + float(part)
    if len(parts) > 3 or not math.isfinite(total) or any(float(part) >= 60 for part in parts[1:]):
        raise ValueError
    return total


def read_clip(clip: Clip, sample_rate: int) -> tuple[Audio, ClipRecord]:
    """Read a clip, and say where it came from.

    A relative path that leads nowhere from here is looked up among the clips that come with rtmss.
    Of an excerpt the quiet edges are left out.

    Args:
        clip: a file, or a place in one.
        sample_rate: Hz, of the audio returned.

    Returns:
        (C, S) audio, and its record.

    Raises:
        AudioFileError: the file cannot be read.
        ConditionError: the excerpt is not within the file.
    """
    given = clip.file if isinstance(clip, Excerpt) else Path(clip)
    file = given if is_there(given) else _shipped_clip(given)
    audio, _ = read_audio(file, sample_rate)
    if not isinstance(clip, Excerpt):
        return audio, describe_clip(given, file, audio.shape[-1] / sample_rate)
    part = audio[:, round(clip.start * sample_rate) : round(clip.stop * sample_rate)]
    seconds = audio.shape[1] / sample_rate
    if not part.shape[1] or clip.stop > seconds + ROUNDED_SECONDS:
        raise ConditionError(f"{clip}: the song ends at {seconds:.1f} s")
    part = trim_quiet_edges(part, sample_rate)
    record = describe_clip(given, file, part.shape[-1] / sample_rate)
    place = {"start_seconds": clip.start, "stop_seconds": clip.stop}
    return part, record.model_copy(update=place)


def recorded_clips(records: Sequence[ClipRecord]) -> list[Clip]:
    """The clips that records tell of, to make a condition again."""
    return [
        record.file
        if record.start_seconds is None or record.stop_seconds is None
        else Excerpt(Path(record.file), record.start_seconds, record.stop_seconds)
        for record in records
    ]


def _shipped_clip(path: Path) -> Path:
    return shipped() / path if is_there(shipped() / path) else path


def trim_quiet_edges(audio: Audio, sample_rate: int) -> Audio:
    """(C, S) without the blocks at its edges that are much quieter than its loudest."""
    block = max(1, round(BLOCK_SECONDS * sample_rate))
    n_blocks = audio.shape[1] // block
    if not n_blocks:
        return audio
    blocks = audio[:, : n_blocks * block].reshape(
        len(audio),
        n_blocks,
        block,
    )
    power = np.square(
        blocks,
        dtype=np.float64,
    ).mean((0, 2))
    loud = np.flatnonzero(power >= power.max() * 10 ** (QUIET_DB / 10))
    if not len(loud) or not power.max():
        return audio
    is_last = loud[-1] == n_blocks - 1
    stop = audio.shape[1] if is_last else (loud[-1] + 1) * block
    return audio[:, loud[0] * block : stop]
