"""MUSDB18 and MUSDB18-HQ."""

from __future__ import annotations

from pathlib import Path

import pytest

from helpers.datasets import (
    PITCHES_HZ,
    RATE,
    names,
    pitch_of,
    tone,
    write_stem_mp4,
)
from rtmss.config import ConfigError
from rtmss.datasets import find_tracks, musdb, recognize
from rtmss.datasets.track import read_track
from rtmss.files import AudioFileError, read_audio


def test_musdb18_is_read_from_the_streams_of_its_files(musdb18: Path) -> None:
    assert recognize(musdb18) is musdb.MUSDB18
    tracks = find_tracks(musdb18, "train")
    assert names(tracks) == {
        ("Actor - Tune", stem, stem) for stem in ("drums", "bass", "other", "vocals")
    }
    assert {track.source for track in tracks} == {"Actor"}
    for track in tracks:
        assert pitch_of(read_track(musdb18, track, RATE)) == pytest.approx(
            PITCHES_HZ[track.stem], abs=5
        )


def test_the_split_of_musdb18_is_that_of_its_library(musdb18: Path) -> None:
    songs = {
        split: {track.song for track in find_tracks(musdb18, split)}
        for split in ("train", "valid", "test")
    }
    assert songs == {
        "train": {"Actor - Tune"},
        "valid": {"Leaf - Summerghost"},
        "test": {"Other - Song"},
    }


def test_musdb18_hq_is_read_from_its_wav_files(musdb18_hq: Path) -> None:
    assert recognize(musdb18_hq) is musdb.MUSDB18_HQ
    tracks = find_tracks(musdb18_hq, "valid")
    assert names(tracks) == {
        ("Leaf - Summerghost", stem, stem) for stem in ("drums", "bass", "other", "vocals")
    }
    assert {track.family for track in tracks if track.stem == "other"} == {"other"}


def test_a_missing_stem_is_named(musdb18_hq: Path) -> None:
    (musdb18_hq / "train/Actor - Tune/bass.wav").unlink()
    with pytest.raises(ConfigError, match=r"bass\.wav: missing; unpack the dataset again"):
        find_tracks(musdb18_hq, "train")


def test_a_stem_mp4_that_is_none_is_named(tmp_path: Path) -> None:
    path = tmp_path / "x.stem.mp4"
    path.write_bytes(b"nothing of the kind" * 100)
    with pytest.raises(AudioFileError, match=r"x\.stem\.mp4: not a readable audio file"):
        read_audio(path)


def test_a_stem_mp4_with_too_few_streams_is_named(tmp_path: Path) -> None:
    write_stem_mp4(tmp_path / "x.stem.mp4", [tone(400)] * 2)
    with pytest.raises(AudioFileError, match="has 2 audio streams, expected at least 5"):
        read_audio(tmp_path / "x.stem.mp4", stream=4)
