"""A song to be split."""

from __future__ import annotations

from pathlib import Path

import pytest

from helpers.makers import Noise, WriteAudio
from helpers.teachers import RATE


@pytest.fixture
def song(tmp_path: Path, write_audio: WriteAudio, noise: Noise) -> Path:
    return write_audio(tmp_path / "in/tune.wav", noise(3 * RATE, 2, 1), RATE)
