"""MUSDB18-HQ in small."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from helpers.evaluation import SAMPLE_RATE
from helpers.makers import WriteAudio
from rtmss.audio import Audio

STEMS = ("vocals", "drums", "bass", "other")


def noises(
    seed: int,
    seconds: float,
    rate: int,
) -> dict[str, Audio]:
    """A stem each, and their sum, which is not quite the sum."""
    rng = np.random.default_rng(seed)
    n = int(seconds * rate)
    swell = 1 + 0.8 * np.sin(2 * np.pi * np.arange(n) / rate)
    stems = {
        stem: (
            level
            * swell
            * rng.normal(
                0,
                0.05,
                (2, n),
            )
        ).astype(np.float32)
        for stem, level in zip(
            STEMS,
            (1.0, 0.8, 1.2, 0.5),
            strict=True,
        )
    }
    return stems | {
        "mixture": np.asarray(
            0.97 * sum(stems.values()),
            np.float32,
        )
    }


@pytest.fixture(scope="module")
def musdb_hq(tmp_path_factory: pytest.TempPathFactory, write_audio: WriteAudio) -> Path:
    """MUSDB18-HQ with two songs for the test and two to take clips from."""
    folder = tmp_path_factory.mktemp("musdb18hq")
    songs = ("test/Ana - Tune", "test/Bo - Air", "train/Cy - Hum", "train/Di - Lay")
    for seed, song in enumerate(songs):
        for stem, audio in noises(seed, 2.5, SAMPLE_RATE).items():
            write_audio(folder / song / f"{stem}.wav", audio, SAMPLE_RATE)
    return folder
