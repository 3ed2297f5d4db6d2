"""MoisesDB."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from helpers.datasets import (
    RATE,
    a_valid_artist,
    names,
    tone,
    write_moises,
)
from helpers.makers import WriteAudio
from rtmss.config import ConfigError
from rtmss.datasets import find_tracks, moisesdb, recognize
from rtmss.datasets.track import Track, read_track, split_of


@pytest.fixture
def moises(tmp_path: Path, write_audio: WriteAudio) -> Path:
    folder = tmp_path / "moisesdb" / "moisesdb_v0.1"
    stems = {
        "drums": {"k": "kick_drum", "s": "snare_drum", "bleed-o": "overheads", "m": "drum_machine"},
        "bass": {"t": "tuba_(bass_of_brass)", "b1": "bass guitar", "b2": "bass guitar"},
        "vocals": {"v": "lead_female_singer", "bleed-w": "background_vocals"},
        "other_keys": {"p": "glass armonica"},
    }
    write_moises(folder, write_audio, "uuid-1", "Ana", stems)
    write_moises(
        folder,
        write_audio,
        "uuid-2",
        a_valid_artist(),
        {"piano": {"g": "grand_piano"}},
    )
    return folder.parent


def test_moisesdb_is_read_by_type_and_the_kit_as_one(moises: Path) -> None:
    assert recognize(moises) is moisesdb.MOISESDB
    assert names(find_tracks(moises, "train")) == {
        ("uuid-1", "drums/kit", "drums"),
        ("uuid-1", "drums/drum_machine", "drums"),
        ("uuid-1", "bass/tuba_bass_of_brass", "tuba"),
        ("uuid-1", "bass/bass_guitar", "bass"),
        ("uuid-1", "vocals/lead_female_singer", "vocals"),
        ("uuid-1", "other_keys/glass_armonica", "keys"),
    }


def test_recordings_of_one_type_are_added(moises: Path) -> None:
    bass = next(track for track in find_tracks(moises, "train") if track.label == "bass")
    assert [Path(file).name for file in bass.files] == ["b1.wav", "b2.wav"]
    assert np.abs(read_track(moises, bass, RATE) - 2 * tone(400)).max() < 1e-4


def test_a_sum_beyond_full_scale_is_scaled_not_clipped(
    tmp_path: Path, write_audio: WriteAudio
) -> None:
    for name in ("a", "b"):
        write_audio(tmp_path / f"{name}.wav", tone(400) * 9, RATE)
    audio = read_track(
        tmp_path,
        Track("a.wav", "drums", "", "", more=("b.wav",)),
        RATE,
    )
    assert np.abs(audio - tone(400) * 10).max() < 1e-3


def test_parts_of_a_sum_may_differ_in_length_and_channels(
    tmp_path: Path, write_audio: WriteAudio
) -> None:
    write_audio(tmp_path / "a.wav", tone(400, 0.2, channels=1), RATE)
    write_audio(tmp_path / "b.wav", tone(900, 0.1, channels=2), RATE)
    audio = read_track(
        tmp_path,
        Track("a.wav", "drums", "", "", more=("b.wav",)),
        RATE,
    )
    expected = tone(400, 0.2)
    expected[:, : RATE // 10] += tone(900, 0.1)
    assert np.abs(audio - expected).max() < 1e-4


def test_an_artist_is_on_one_side_of_the_split(moises: Path) -> None:
    assert {track.source for track in find_tracks(moises, "train")} == {"Ana"}
    assert {track.source for track in find_tracks(moises, "valid")} == {a_valid_artist()}
    assert 0.05 < np.mean([split_of(f"artist {i}") == "valid" for i in range(1000)]) < 0.2


def test_a_file_that_moisesdb_names_but_lacks_is_named(moises: Path) -> None:
    (moises / "moisesdb_v0.1/uuid-1/vocals/v.wav").unlink()
    with pytest.raises(ConfigError, match=r"vocals/v\.wav: missing"):
        find_tracks(moises, "train")
