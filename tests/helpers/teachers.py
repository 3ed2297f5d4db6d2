"""A teacher that needs no weights, and what it makes of songs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml
from numpy.typing import NDArray

from helpers.makers import Noise, WriteAudio
from rtmss.audio import Audio
from rtmss.files import read_audio
from rtmss.teachers.batch import split_songs

RATE = 8000


class Halves:
    """A teacher whose voice is a fixed share of the left channel and another of the right."""

    name, version, licence, sample_rate = "halves", "halves 1", "CC0-1.0", RATE

    def __init__(
        self,
        stems: tuple[str, ...] = ("vocals", "backing"),
        share: float = 0.3,
    ) -> None:
        self.stems = stems
        self.rest = stems[-1]
        self.share = share
        self.lengths: list[int] = []

    def separate(self, audio: Audio) -> dict[str, Audio]:
        assert audio.shape[0] == 2
        self.lengths.append(audio.shape[1])
        shares = np.array(
            [[self.share], [self.share / 2]],
            np.float32,
        )
        return {
            stem: shares / np.float32(number + 1) * audio for number, stem in enumerate(self.stems)
        }


def split(
    songs: list[Path], output: Path, teacher: Halves | None = None, **more: object
) -> tuple[list[str], ...]:
    """Names of the songs made and kept, and what is wrong with the others."""
    outcome = split_songs(songs, output, teacher or Halves(), **more)  # type: ignore[arg-type]
    return (
        [path.name for path in outcome.made],
        [path.name for path in outcome.kept],
        outcome.failed,
    )


def integers(
    path: Path,
    scale: float = 1.0,
) -> NDArray[np.int64]:
    """(C, S) what a file holds, in steps of 24 bits."""
    samples = read_audio(path)[0].astype(np.float64)
    return np.asarray(np.round(samples * scale * 2**23).astype(np.int64))


def described(folder: Path) -> dict[str, object]:
    """What stands in its song.yaml."""
    content = yaml.safe_load((folder / "song.yaml").read_text(encoding="utf-8"))
    assert isinstance(content, dict)
    return content


def files(folder: Path) -> set[str]:
    """Paths of all files, from the folder on."""
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def song(tmp_path: Path, write_audio: WriteAudio, noise: Noise) -> Path:
    """Three seconds to be split."""
    return write_audio(tmp_path / "in/tune.wav", noise(3 * RATE, 2, 1), RATE)
