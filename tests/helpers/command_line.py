"""The command line in a folder of its own."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from pedalboard.io import AudioFile

from helpers.makers import Noise
from rtmss.cli import main


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, noise: Noise) -> Path:
    """An empty library, a working folder with a song and clips."""
    monkeypatch.setenv("RTMSS_LIBRARY", str(tmp_path / "library"))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)
    for seed, name in enumerate(("song", "clip-1", "clip-2", "other")):
        write(tmp_path / f"{name}.wav", noise(44100, 2, seed))
    write(tmp_path / "short.wav", noise(4410))
    write(
        tmp_path / "silent.wav",
        np.zeros((2, 44100), np.float32),
    )
    return tmp_path


def write(
    path: Path,
    audio: np.ndarray[tuple[int, ...], np.dtype[np.float32]],
) -> None:
    with AudioFile(
        str(path),
        "w",
        44100,
        audio.shape[0],
        bit_depth=16,
    ) as file:
        file.write(audio)


class Ran(NamedTuple):
    """What a command has done."""

    status: int
    out: str
    err: str

    @property
    def joined(self) -> tuple[int, str]:
        """Exit status, and all that it printed."""
        return self.status, self.out + self.err


Rtmss = Callable[..., Ran]


@pytest.fixture
def rtmss(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Rtmss:
    """rtmss("render song.wav", "-o", "a folder"): words of a line, then words as they are."""

    def run(line: str, *words: str) -> Ran:
        monkeypatch.setattr(sys, "argv", ["rtmss", *line.split(), *words])
        status = 0
        try:
            main()
        except SystemExit as stop:
            status = int(stop.code or 0)
        return Ran(status, *capsys.readouterr())

    return run
