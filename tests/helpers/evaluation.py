"""Songs, voices and untrained weights to evaluate, and quiet evaluations of them."""

from __future__ import annotations

import inspect
import io
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pedalboard.io import AudioFile
from rich.console import Console

from rtmss.config import ClipEncoderConfig, SeparatorConfig, StftConfig, UNetConfig
from rtmss.evaluation import bss
from rtmss.evaluation.evaluator import Evaluator
from rtmss.evaluation.options import Options
from rtmss.evaluation.report import Report
from rtmss.evaluation.run import evaluate, prepare
from rtmss.evaluation.songs import Excerpt, Piece, find_songs, read_song
from rtmss.model.checkpoint import save_model
from rtmss.model.separator import SeparatorModel
from rtmss.separator import Separator

SAMPLE_RATE = 8000


CONFIG = SeparatorConfig(
    sample_rate=SAMPLE_RATE,
    stft=StftConfig(n_fft=256, n_synthesis=128, hop_length=64),
    unet=UNetConfig(
        bands=((8, 4), (8, 12)), channels=(4, 6), dilations=(1, 2), n_hidden=8, n_condition=8
    ),
    clip_encoder=ClipEncoderConfig(
        n_fft=256, hop_length=128, n_mels=16, channels=(4, 8), n_embedding=8
    ),
)


PITCHES = {
    "vocals": 430,
    "backing_vocals": 500,
    "drums": 3000,
    "bass": 80,
    "guitar": 900,
    "winds": 1500,
    "synth": 700,
}


def write(
    path: Path,
    frequency: float,
    seconds: float = 3.0,
    n_channels: int = 2,
) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    time = np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    audio = 0.1 * np.sin(2 * np.pi * frequency * time) * (1 + 0.5 * np.sin(2 * np.pi * time))
    with AudioFile(
        str(path),
        "w",
        samplerate=SAMPLE_RATE,
        num_channels=n_channels,
    ) as file:
        file.write(
            np.repeat(
                audio[None],
                n_channels,
                axis=0,
            ).astype(np.float32)
        )


@pytest.fixture(scope="module")
def few_taps() -> Iterator[int]:
    """BSSEval with distortion filters of 64 taps, their number: solving for 512 takes longer."""
    load = bss._load_bss_eval
    assert inspect.signature(load()).parameters["filters_len"].default == 512
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bss, "_load_bss_eval", lambda: partial(load(), filters_len=64))
        yield 64


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two validation songs, training songs and voices to take clips from, two unknown voices and a
    known one.
    """
    folder = tmp_path_factory.mktemp("data")
    stems = {
        "valid/band-001": "vocals backing_vocals drums bass",
        "valid/eir-one": "drums synth guitar",
        "train/band-002": "vocals drums bass guitar",
        "train/band-003": "vocals drums bass guitar winds",
    }
    for song, names in stems.items():
        for name in names.split():
            write(
                folder / "songs" / song / f"{name}.wav",
                PITCHES[name] * (1.1 if "003" in song else 1),
            )
    for song in ("valid/band-001", "train/band-002"):
        (folder / "songs" / song / "song.yaml").write_text("stems: {vocals: {library: pia}}")
    for number, voice in enumerate(
        ("valid/anna", "valid/bert", "valid/pia", "train/carl", "train/dora")
    ):
        write(
            folder / "voice" / voice / "resung.wav",
            300 + 40 * number,
            2.0,
            n_channels=1,
        )
        write(folder / "voice" / voice / "spoken.wav", 200, 1.0, n_channels=1)
    return folder


def judge(
    data: Path,
    weights: Path | None,
    output: Path | None = None,
    n_processes: int = 1,
    **options: Any,
) -> Report:
    """Evaluate quietly."""
    asked = Options(**options)
    quiet = Console(file=io.StringIO())
    return evaluate(
        [data],
        weights,
        output,
        asked,
        n_processes=n_processes,
        console=quiet,
    )


def evaluator_of(data: Path, weights: Path, **options: Any) -> Evaluator:
    """The evaluator of an evaluation."""
    return prepare(
        [data],
        Separator.load(weights),
        Options(**options),
    )[0]


def read(
    folder: Path,
    name: str,
    excerpt: Excerpt | None = None,
) -> Piece:
    """A validation song."""
    return read_song(
        find_songs(folder, names=[name])[0],
        SAMPLE_RATE,
        excerpt,
    )


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    save_model(path, SeparatorModel(CONFIG))
    return path
