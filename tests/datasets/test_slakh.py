"""Slakh2100 and BabySlakh."""

from __future__ import annotations

from pathlib import Path

import pytest

from helpers.datasets import (
    RATE,
    pitch_of,
    write_slakh,
)
from helpers.makers import WriteAudio
from rtmss.datasets import find_tracks, recognize, slakh
from rtmss.datasets.track import read_track


@pytest.fixture
def slakh2100(tmp_path: Path, write_audio: WriteAudio) -> Path:
    for track in (
        "train/Track00001",
        "validation/Track01501",
        "test/Track01876",
        "omitted/Track00049",
    ):
        write_slakh(tmp_path / track, write_audio)
    return tmp_path


def test_slakh_is_read_by_its_programs(slakh2100: Path) -> None:
    assert recognize(slakh2100) is slakh.SLAKH
    tracks = find_tracks(slakh2100, "train")
    assert [
        (
            t.song,
            t.label,
            t.source,
        )
        for t in tracks
    ] == [
        ("Track00001", "drums", "kit.nkm"),
        ("Track00001", "bass", "p_bass.nkm"),
    ]
    assert pitch_of(
        read_track(
            slakh2100,
            tracks[1],
            RATE,
        )
    ) == pytest.approx(400, abs=3)


def test_what_slakh_flags_as_drums_are_drums_whatever_the_program(slakh2100: Path) -> None:
    metadata = slakh2100 / "train/Track00001/metadata.yaml"
    metadata.write_text(metadata.read_text().replace("program_num: 128", "program_num: 0"))
    assert [track.label for track in find_tracks(slakh2100, "train")] == ["drums", "bass"]


def test_the_songs_that_slakh_omits_are_not_read(slakh2100: Path) -> None:
    songs = [
        {track.song for track in find_tracks(slakh2100, split)}
        for split in ("train", "valid", "test")
    ]
    assert songs == [{"Track00001"}, {"Track01501"}, {"Track01876"}]


def test_babyslakh_has_wav_files_and_no_split(tmp_path: Path, write_audio: WriteAudio) -> None:
    for number in range(1, 21):
        write_slakh(tmp_path / f"Track{number:05}", write_audio, "wav")
    songs = [{track.song for track in find_tracks(tmp_path, split)} for split in ("train", "valid")]
    assert len(songs[0]) + len(songs[1]) == 20
    assert songs[0]
    assert songs[1]
