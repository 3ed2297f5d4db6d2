"""Clips as they are taken from what plays: trimmed, checked, and written.

Axes: C channels, S samples.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pedalboard.io import AudioFile

from rtmss.audio import Audio
from rtmss.conditions.clips import trim_quiet_edges
from rtmss.conditions.condition import ConditionError
from rtmss.conditions.encode import check_clip
from rtmss.ownership import whole_file

QUIET_DBFS = -45.0
"""A clip under this level is doubtful: noise may be much of it."""
N_CLIPPED = 8
"""So many samples at full scale, on end, are heard as clipping."""
FULL_SCALE = 0.999


def prepare(audio: Audio, sample_rate: int, label: str) -> tuple[Audio, list[str]]:
    """A clip as it is kept, and what is doubtful about it.

    Args:
        audio: (C, S) as it was heard.
        sample_rate: Hz.
        label: what to call it.

    Returns:
        (C, S) without its quiet edges, and a sentence for each doubt.

    Raises:
        ConditionError: it is too short or silent.
    """
    if not audio.shape[1]:
        raise ConditionError(f"{label}: nothing of it is there any more")
    clip = trim_quiet_edges(audio, sample_rate)
    check_clip(clip, sample_rate, label)
    return clip, doubts(clip, label)


def doubts(clip: Audio, label: str) -> list[str]:
    """What is doubtful about (C, S), a sentence each."""
    found = []
    level = 10 * np.log10(float(np.square(clip, dtype=np.float64).mean()) + 1e-12)
    if level < QUIET_DBFS:
        found.append(f"{label}: very quiet ({level:.0f} dBFS)")
    if longest_run(np.abs(clip) >= FULL_SCALE) >= N_CLIPPED:
        found.append(f"{label}: clipped")
    return found


def longest_run(is_so: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> int:
    """The most samples on end for which (C, S) is true."""
    longest = 0
    for row in is_so:
        edges = np.flatnonzero(np.diff(np.concatenate([[0], row.view(np.int8), [0]])))
        lengths = edges[1::2] - edges[::2]
        longest = max(longest, int(lengths.max(initial=0)))
    return longest


def write_clip(path: Path, clip: Audio, sample_rate: int) -> None:
    """Write (C, S) as FLAC of 16 bits: whole or not at all.

    Raises:
        ConditionError: it cannot be written there.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with (
            whole_file(path) as partial,
            partial.open("w+b") as raw,
            AudioFile(raw, "w", sample_rate, len(clip), bit_depth=16, format="flac") as file,
        ):
            file.write(clip)
    except (OSError, RuntimeError) as error:
        raise ConditionError(f"{path}: cannot be written ({error})") from error
