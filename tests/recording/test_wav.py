"""Growing WAV files: written at any place, readable at any time, by other programs too."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import numpy as np
import pytest
import soundfile

from helpers.makers import Noise
from rtmss.files import read_audio
from rtmss.recording.wav import HEADER_BYTES, WavFile

Open = Callable[..., WavFile]


@pytest.fixture
def wav(tmp_path: Path) -> Iterator[Open]:
    """wav(sample_rate=8000, n_channels=2) opens x.wav."""
    with ExitStack() as stack:
        yield lambda rate=8000, n=2: stack.enter_context(
            closing(WavFile(tmp_path / "x.wav", rate, n))
        )


@pytest.mark.parametrize("n_channels", [1, 2, 6])
def test_other_programs_read_what_was_written(
    tmp_path: Path, noise: Noise, wav: Open, n_channels: int
) -> None:
    audio = noise(100, n_channels) * 10
    file = wav(48000, n_channels)
    file.put(0, audio[:, :40])
    file.put(40, audio[:, 40:])
    file.end_at(100)
    read, rate = soundfile.read(tmp_path / "x.wav", dtype="float32", always_2d=True)
    assert rate == 48000
    assert np.array_equal(read.T, audio)
    assert np.array_equal(read_audio(tmp_path / "x.wav")[0], audio)
    assert soundfile.info(tmp_path / "x.wav").subtype == "FLOAT"


def test_what_is_never_written_is_silence(tmp_path: Path, noise: Noise, wav: Open) -> None:
    file = wav()
    file.put(30, noise(10))
    file.end_at(50)
    audio = read_audio(tmp_path / "x.wav")[0]
    assert audio.shape == (2, 50)
    assert audio[:, 30:40].all()
    assert not audio[:, :30].any()
    assert not audio[:, 40:].any()


def test_what_lies_before_the_beginning_is_dropped(tmp_path: Path, noise: Noise, wav: Open) -> None:
    audio = noise(10)
    file = wav()
    file.put(-20, audio)
    file.put(-4, audio)
    file.end_at(6)
    assert np.array_equal(
        read_audio(tmp_path / "x.wav")[0],
        audio[:, 4:],
    )


def test_a_file_whose_writer_was_killed_is_as_long_as_it_last_said(
    tmp_path: Path, noise: Noise, wav: Open
) -> None:
    audio = noise(30)
    file = wav()
    file.put(0, audio[:, :20])
    file.end_at(20)
    file.put(20, audio[:, 20:])
    assert np.array_equal(
        read_audio(tmp_path / "x.wav")[0],
        audio[:, :20],
    )
    again = wav()
    assert np.array_equal(
        read_audio(tmp_path / "x.wav")[0],
        audio[:, :20],
    )
    again.end_at(30)
    assert np.array_equal(read_audio(tmp_path / "x.wav")[0], audio)


def test_beyond_4_gib_it_is_rf64(tmp_path: Path, noise: Noise, wav: Open) -> None:
    n = (2**32 - HEADER_BYTES) // 8 + 1000
    audio, path = noise(10), tmp_path / "x.wav"
    file = wav(48000)
    file.put(n - 10, audio)  # all before it is a hole
    file.end_at(n - 2000)
    assert soundfile.info(path).format == "WAV"
    file.put(n - 10, audio)
    file.end_at(n)
    info = soundfile.info(path)
    assert (info.format, info.frames) == ("RF64", n)
    with soundfile.SoundFile(path) as reader:
        reader.seek(n - 10)
        assert np.array_equal(reader.read(dtype="float32").T, audio)
