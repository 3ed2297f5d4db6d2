"""A teacher over a song of any length: in stretches of a minute, each faded into the next, so that
memory stays flat.

Axes: N parts, C channels, S samples.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from rtmss.audio import Audio
from rtmss.files import resample
from rtmss.teachers.raw import RawAudio
from rtmss.teachers.teacher import Teacher

STRETCH_SECONDS = 60
MARGIN_SECONDS = 4
"""Heard beyond either end of a stretch. Half of it is faded, and the other half thrown away."""


def separate_long(
    song: RawAudio,
    rate: int,
    teacher: Teacher,
    parts: RawAudio,
    report: Callable[[float], None] = lambda _: None,
) -> None:
    """Let a teacher separate a song at the song's sample rate.

    Args:
        song: one part, mono or stereo.
        rate: Hz, of the song.
        teacher: hears stereo at its own rate.
        parts: silence as long as the song, to which all stems but the last are added.
        report: called with the fraction done.
    """
    # Whole seconds: there both rates have a sample, so that resampled pieces fit together.
    n, stretch, margin = len(song), STRETCH_SECONDS * rate, MARGIN_SECONDS * rate
    for begin in range(0, n, stretch):
        first, last = (
            max(0, begin - margin),
            min(
                n,
                begin + stretch + margin,
            ),
        )
        samples = np.ascontiguousarray(song.read(first, last)[:, 0].T)
        found = teacher.separate(resample(_as_stereo(samples), rate, teacher.sample_rate))
        named = [
            resample(
                found[stem],
                teacher.sample_rate,
                rate,
            )
            for stem in teacher.stems[:-1]
        ]
        fitted = np.stack(
            [
                _fitted(
                    part,
                    last - first,
                    song.n_channels,
                ).T
                for part in named
            ],
            axis=1,
        )
        weight = _weight(
            np.arange(first, last),
            begin,
            begin + stretch,
            margin,
            n,
        )
        parts.add(first, weight[:, None, None] * fitted)
        report(min(1.0, (begin + stretch) / n))


def _weight(
    places: NDArray[np.int64], begin: int, end: int, margin: int, n: int
) -> NDArray[np.float32]:
    """(S,) straight fades of the length of a margin around both ends of a stretch; none at the ends
    of the song.
    """
    rise = (
        np.clip(
            (places + 0.5 - begin) / margin + 0.5,
            0,
            1,
        )
        if begin
        else np.ones(len(places))
    )
    fall = (
        np.clip(
            (end - places - 0.5) / margin + 0.5,
            0,
            1,
        )
        if end < n
        else np.ones(len(places))
    )
    return np.asarray(rise * fall, np.float32)


def _as_stereo(audio: Audio) -> Audio:
    return (
        np.repeat(
            audio,
            2,
            axis=0,
        )
        if audio.shape[0] == 1
        else audio
    )


def _fitted(audio: Audio, n_samples: int, n_channels: int) -> Audio:
    """A part with the song's length, which resampling may miss by a sample, and its channels."""
    audio = audio[:, :n_samples] if n_channels == 2 else audio[:, :n_samples].mean(0, keepdims=True)
    return np.pad(
        audio,
        ((0, 0), (0, n_samples - audio.shape[1])),
    )
