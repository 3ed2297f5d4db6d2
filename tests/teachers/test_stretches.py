"""Long songs are split stretch by stretch, and bleed is left out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from helpers.makers import Noise
from helpers.teachers import RATE, Halves, integers, split
from rtmss.audio import Audio
from rtmss.teachers.bleed import gains_without_bleed
from rtmss.teachers.raw import RawAudio
from rtmss.teachers.stretches import separate_long


class Late(Halves):
    """A teacher whose voice tells where in its stretch it is."""

    def separate(self, audio: Audio) -> dict[str, Audio]:
        ramp = np.linspace(
            0,
            1,
            audio.shape[1],
            dtype=np.float32,
        )
        return dict.fromkeys(self.stems, ramp * audio)


def separated(
    folder: Path, song: NDArray[np.float32], rate: int, teacher: Halves
) -> NDArray[np.float32]:
    """(S, C) song -> (S, C) voice."""
    whole = RawAudio(folder / "song.raw", 1, song.shape[1])
    whole.append(song[:, None])
    parts = RawAudio(
        folder / "parts.raw",
        1,
        song.shape[1],
        len(song),
    )
    separate_long(whole, rate, teacher, parts)
    return parts.read(0, len(parts))[:, 0]


def test_stretches_are_faded_into_one_another(tmp_path: Path) -> None:
    voice = separated(
        tmp_path,
        np.ones((150 * RATE, 2), np.float32),
        RATE,
        Late(),
    )
    assert voice.max() > 0.9
    # From the end of one stretch to the beginning of the next within 4 s, a straight line.
    assert np.abs(np.diff(voice[:, 0])).max() < 1.1 / (4 * RATE)


@pytest.mark.slow
@pytest.mark.parametrize("rate", [8000, 11025])
@pytest.mark.parametrize("seconds", [0.01, 59.9, 60.1, 131.3])
def test_cutting_into_stretches_changes_nothing(tmp_path: Path, rate: int, seconds: float) -> None:
    n = round(seconds * rate)
    t = np.arange(n) / rate
    song = np.repeat(
        (0.3 * np.sin(2 * np.pi * 300 * t) * np.hanning(n))[:, None], 2, axis=1
    ).astype(np.float32)
    voice = separated(tmp_path, song, rate, Halves())
    assert (
        np.abs(
            voice
            - song
            * np.array(
                [0.3, 0.15],
                np.float32,
            )
        ).max()
        < 2e-3
    )


def test_a_teacher_never_hears_more_than_a_stretch(tmp_path: Path) -> None:
    teacher = Halves()
    separated(
        tmp_path,
        np.zeros((600 * RATE, 2), np.float32),
        RATE,
        teacher,
    )
    assert max(teacher.lengths) == 68 * RATE


@pytest.fixture
def gain_of(
    tmp_path: Path,
    noise: Noise,
) -> Callable[..., NDArray[np.float64]]:
    """gain_of(levels, loud=0) -> (S,) gain of a part that lies so many dB under the song, half a
    second each.

    For `loud` seconds at the start of its second half second it is as loud as the song.
    """

    def make(
        levels_db: list[float],
        loud: float = 0,
    ) -> NDArray[np.float64]:
        n = RATE // 2 * len(levels_db)
        song = noise(n).T
        gains = np.repeat(
            10 ** (np.array(levels_db) / 20),
            RATE // 2,
        )
        gains[RATE // 2 : RATE // 2 + round(loud * RATE)] = 1
        whole, parts = (
            RawAudio(
                tmp_path / f"{name}.raw",
                1,
                2,
            )
            for name in ("song", "parts")
        )
        whole.append(song[:, None])
        parts.append(
            np.asarray(
                song * gains[:, None],
                np.float32,
            )[:, None]
        )
        return gains_without_bleed(parts, whole, RATE)[0].between(0, n)

    return make


GainOf = Callable[..., NDArray[np.float64]]


def test_bleed_of_half_a_second_is_left_out(gain_of: GainOf) -> None:
    gain, half = (
        gain_of(
            [
                -10,
                -23,
                -10,
            ]
        ),
        RATE // 2,
    )
    assert (gain[:half] == 1).all()
    assert (gain[half + RATE // 20 : 2 * half - RATE // 20] == 0).all()
    assert (gain[2 * half :] == 1).all()


def test_what_lies_less_than_22_db_under_the_song_stays(gain_of: GainOf) -> None:
    assert gain_of([-10, -21, -10]).min() == 1


def test_a_pause_of_less_than_half_a_second_stays(gain_of: GainOf) -> None:
    assert (
        gain_of(
            [-10, -30, -10],
            loud=0.1,
        ).min()
        == 1
    )


def test_bleed_is_faded_not_cut(gain_of: GainOf) -> None:
    gain = gain_of(
        [
            -10,
            -23,
            -10,
            -40,
            -10,
        ]
    )
    assert gain.min() == 0
    assert np.abs(np.diff(gain)).max() < 1.01 / (RATE / 20)


@pytest.mark.parametrize(
    "levels",
    [
        [-30, -30, -30],
        [-30, -10, -30],
        [-30],
    ],
)
def test_bleed_at_the_ends_of_a_song_is_left_out_to_the_sample(
    gain_of: GainOf, levels: list[float]
) -> None:
    gain = gain_of(levels)
    assert gain[0] == gain[-1] == 0
    assert gain.max() == (1 if -10 in levels else 0)


def test_bleed_goes_to_the_rest(tmp_path: Path, song: Path) -> None:
    split([song], tmp_path / "out", Halves(share=0.05))
    folder = tmp_path / "out/songs/train/tune"
    assert not integers(folder / "vocals.flac").any()
    assert np.array_equal(integers(folder / "backing.flac"), integers(song))
