"""Demucs."""

from __future__ import annotations

import numpy as np
import pytest

from helpers.makers import Noise
from rtmss.audio import Audio
from rtmss.config import ConfigError
from rtmss.teachers import load_teacher

RATE = 44100


def shifted(noise: Noise) -> Audio:
    """Quiet noise with an offset, which a model that is normalised never hears."""
    return 0.1 * noise(RATE) + np.float32(0.05)


@pytest.mark.parametrize(
    ("name", "stems", "rest"),
    [
        ("demucs", ("drums", "bass", "vocals", "other"), "other"),
        (
            "demucs:htdemucs_6s",
            ("drums", "bass", "vocals", "guitar", "piano", "other"),
            "other_of_six",
        ),
    ],
)
def test_demucs_gives_the_stems_of_its_model(
    demucs: list[str], noise: Noise, name: str, stems: tuple[str, ...], rest: str
) -> None:
    teacher = load_teacher(name)
    assert (teacher.stems, teacher.rest) == (stems, rest)
    assert teacher.version == f"demucs 4.0.1 {demucs[0]}"
    assert set(teacher.separate(noise(1000))) == set(stems)


def test_demucs_hears_a_song_normalised_and_answers_at_its_level(
    demucs: list[str], noise: Noise
) -> None:
    teacher, song = load_teacher("demucs"), shifted(noise)
    parts = teacher.separate(song)
    heard = teacher._net.heard[0]  # type: ignore[attr-defined]
    assert heard.mean().abs() < 1e-3
    assert heard.mean(1).std() == pytest.approx(1, abs=0.01)
    part = parts["drums"] - parts["drums"].mean()
    np.testing.assert_allclose(
        part,
        0.1 * (song - song.mean()),
        atol=1e-4,
    )


def test_a_silent_song_is_silent_through_demucs(demucs: list[str]) -> None:
    parts = load_teacher("demucs").separate(
        np.zeros(
            (2, 1000),
            np.float32,
        )
    )
    assert all(np.isfinite(part).all() and not part.any() for part in parts.values())


def test_a_model_that_demucs_cannot_load_is_one_line(demucs: list[str]) -> None:
    with pytest.raises(
        ConfigError, match=r"demucs cannot load its model 'nonesuch' \(nonesuch is neither"
    ):
        load_teacher("demucs:nonesuch")
