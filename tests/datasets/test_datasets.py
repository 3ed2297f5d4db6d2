"""Folders of any stems, datasets that are not there, and banks of several."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pedalboard.io import AudioFile

from helpers.datasets import (
    PITCHES_HZ,
    RATE,
    pitch_of,
    tone,
)
from helpers.makers import Noise, WriteAudio
from rtmss.config import ConfigError
from rtmss.datasets import find_tracks
from rtmss.files import AudioFileError
from rtmss.training.mixtures.bank import load_bank, load_banks


def test_a_folder_of_stems_knows_licences_and_leaves_the_mix_out(
    tmp_path: Path, noise: Noise, write_audio: WriteAudio
) -> None:
    for path in (
        "songs/train/a/drums",
        "songs/train/a/other",
        "songs/train/a/mixture",
        "voice/train/b/x",
    ):
        write_audio(tmp_path / f"{path}.wav", noise(100), RATE)
    (tmp_path / "songs/train/a/song.yaml").write_text(
        "licence: MIT\nstems:\n  drums: {licence: CC0-1.0}\n"
    )
    (tmp_path / "index.csv").write_text("path,licence\nvoice/train/b/x.wav,CC-BY-4.0\n")
    tracks = find_tracks(tmp_path, "train")
    assert {(track.label, track.licence) for track in tracks} == {
        ("drums", "CC0-1.0"),
        ("other", "MIT"),
        ("vocals", "CC-BY-4.0"),
    }


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (
            "musdb18",
            r"expected MUSDB18-HQ: .*zenodo\.org/records/3338373 \(for academic"
            r".*MUSDB18: .*records/1117372",
        ),
        (
            "MoisesDB-v0.1",
            r"expected MoisesDB: .*data\.json.*music\.ai/research \(CC BY-NC-SA 4\.0\)",
        ),
        ("MedleyDB_sample", r"expected MedleyDB: .*zenodo\.org/records/1649325.*CC BY-NC-SA"),
        (
            "slakh2100_flac_redux",
            r"expected Slakh2100: .*zenodo\.org/records/4599666 \(CC BY 4\.0\)",
        ),
    ],
)
def test_a_folder_that_is_not_what_it_is_called_says_where_to_get_it(
    tmp_path: Path, name: str, said: str
) -> None:
    (tmp_path / name / "stuff").mkdir(parents=True)
    with pytest.raises(ConfigError, match=said):
        find_tracks(tmp_path / name, "train")


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nowhere: no such folder"):
        find_tracks(tmp_path / "nowhere", "train")


def test_a_split_that_a_dataset_lacks_is_named(musdb18_hq: Path) -> None:
    for path in sorted(
        (musdb18_hq / "train").rglob("*"),
        reverse=True,
    ):
        path.rmdir() if path.is_dir() else path.unlink()
    with pytest.raises(
        ConfigError, match="no tracks for 'train' in MUSDB18-HQ; expected train/<artist>"
    ):
        find_tracks(musdb18_hq, "train")


@pytest.mark.slow
def test_a_bank_holds_the_streams_of_a_stem_mp4(tmp_path: Path, musdb18: Path) -> None:
    bank = load_bank(musdb18, "train", tmp_path / "cache", 22050)
    for index, track in enumerate(bank.tracks):
        assert pitch_of(
            bank.crop(index, 2000, 8000),
            22050,
        ) == pytest.approx(PITCHES_HZ[track.stem], abs=5)


def test_datasets_of_several_kinds_make_one_bank(
    tmp_path: Path, band_folder: Path, musdb18: Path
) -> None:
    both = load_banks([band_folder, musdb18], "train", tmp_path / "cache", 8000)
    alone = [
        load_bank(folder, "train", tmp_path / "cache", 8000) for folder in (band_folder, musdb18)
    ]
    assert both.tracks == alone[0].tracks + alone[1].tracks
    offset = len(alone[0].tracks)
    for index in range(len(alone[1].tracks)):
        assert np.array_equal(
            both.crop(offset + index, 500, 3000),
            alone[1].crop(index, 500, 3000),
        )
        assert np.array_equal(
            both.active_blocks(offset + index),
            alone[1].active_blocks(index),
        )


def test_songs_of_one_name_in_two_folders_stay_two_songs(tmp_path: Path, band_folder: Path) -> None:
    both = load_banks([band_folder, band_folder], "train", tmp_path, 8000)
    assert {track.song for track in both.tracks} == {
        "a",
        "b",
        "a (2)",
        "b (2)",
        "",
    }
    assert (
        sum(track.song == "a" for track in both.tracks)
        == sum(track.song == "a (2)" for track in both.tracks)
        == 4
    )


def test_no_folder_makes_no_bank(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no data folder"):
        load_banks([], "train", tmp_path, 8000)


def test_a_bank_refuses_values_that_are_no_numbers(tmp_path: Path) -> None:
    audio = tone(400)
    audio[:, 100] = np.nan
    (tmp_path / "data/voice/train/a").mkdir(parents=True)
    with AudioFile(
        str(tmp_path / "data/voice/train/a/x.wav"),
        "w",
        RATE,
        2,
        bit_depth=32,
    ) as file:
        file.write(audio)
    with pytest.raises(AudioFileError, match=r"x\.wav: holds values that are not numbers"):
        load_bank(tmp_path / "data", "train", tmp_path, RATE)
