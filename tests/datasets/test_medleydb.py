"""MedleyDB."""

from __future__ import annotations

from pathlib import Path

import pytest

from helpers.datasets import (
    RATE,
    a_valid_artist,
    names,
    pitch_of,
    write_medley,
)
from helpers.makers import WriteAudio
from rtmss.config import ConfigError
from rtmss.datasets import find_tracks, medleydb, recognize
from rtmss.datasets.track import read_track


@pytest.fixture
def medley(tmp_path: Path, write_audio: WriteAudio) -> Path:
    instruments: list[str | list[str]] = [
        "drum set",
        ["male singer", "vocalists"],
        ["piano", "string section"],
        "erhu",
        ["drum set", "tambourine"],
    ]
    one = tmp_path / "Audio" / "Ana_Tune"
    write_medley(tmp_path / "Audio", one, write_audio, "Ana_Tune", instruments)
    write_medley(
        tmp_path / "V2", tmp_path / "Metadata", write_audio, "Bo_Live", ["piano"], has_bleed="yes"
    )
    write_medley(
        tmp_path / "V2",
        tmp_path / "Metadata",
        write_audio,
        "Cy_Air",
        ["flute"],
        artist=a_valid_artist(),
    )
    return tmp_path


def test_medleydb_is_read_with_stems_and_raw_recordings(medley: Path) -> None:
    assert recognize(medley) is medleydb.MEDLEYDB
    tracks = find_tracks(medley, "train")
    assert names([track for track in tracks if track.song]) == {
        ("Ana_Tune", "drum set", "drums"),
        ("Ana_Tune", "male singer, vocalists", "vocals"),
        ("Ana_Tune", "piano, string section", "rest"),
        ("Ana_Tune", "erhu", "strings"),
        ("Ana_Tune", "drum set, tambourine", "drums"),
    }
    raw = [track for track in tracks if not track.song]
    assert [Path(track.path).name for track in raw] == [
        "Ana_Tune_RAW_02_01.wav",
        "Ana_Tune_RAW_04_01.wav",
    ]
    assert pitch_of(
        read_track(
            medley,
            raw[1],
            RATE,
        )
    ) == pytest.approx(850, abs=2)


def test_a_song_whose_microphones_hear_each_other_is_left_out(medley: Path) -> None:
    assert {track.path.split("/")[1] for track in find_tracks(medley, "train")} == {"Ana_Tune"}


def test_medleydb_metadata_may_lie_in_a_folder_of_its_own(medley: Path) -> None:
    assert {track.song for track in find_tracks(medley, "valid")} == {"Cy_Air", ""}


def test_medleydb_without_metadata_says_where_they_are(medley: Path) -> None:
    next(medley.rglob("Ana_Tune_METADATA.yaml")).unlink()
    with pytest.raises(
        ConfigError, match=r"no Ana_Tune_METADATA\.yaml .*github\.com/marl/medleydb"
    ):
        find_tracks(medley, "train")
