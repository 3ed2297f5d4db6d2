"""Files for a render, and what it wrote."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from pedalboard.io import AudioFile

from rtmss.audio import Audio
from rtmss.files import read_audio


@pytest.fixture
def write_input(tmp_path: Path) -> Callable[..., Path]:
    def write_input(
        audio: Audio,
        rate: int = 44100,
        name: str = "in.wav",
        bit_depth: int = 32,
    ) -> Path:
        with AudioFile(
            str(tmp_path / name), "w", rate, audio.shape[0], bit_depth=bit_depth
        ) as file:
            file.write(audio)
        return tmp_path / name

    return write_input


def load(
    folder: Path,
    suffix: str = "wav",
) -> dict[str, Audio]:
    return {path.stem: read_audio(path)[0] for path in sorted(folder.glob(f"*.{suffix}"))}
