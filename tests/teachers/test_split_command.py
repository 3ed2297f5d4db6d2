"""`rtmss data split`: what it finds, says and refuses, and what is taught from what it makes."""

from __future__ import annotations

import resource
import sys
from pathlib import Path

import numpy as np
import pytest
from pedalboard.io import AudioFile
from rich.console import Console

from helpers.command_line import Rtmss
from helpers.makers import Noise, WriteAudio
from helpers.teachers import RATE, Halves, split
from rtmss.config import ConfigError, SeparatorConfig, UserError
from rtmss.teachers.batch import find_songs, read_about
from rtmss.training.mixtures.bank import load_bank
from rtmss.training.mixtures.draw import Episodes
from rtmss.training.recipe import EpisodeRecipe, Recipe


def test_an_unknown_split_is_named_with_the_choices(tmp_path: Path, song: Path) -> None:
    with pytest.raises(UserError, match="no split 'dev'; known: train, valid, test"):
        split([song], tmp_path / "out", split="dev")


def test_folders_are_searched_for_songs_and_each_counts_once(tmp_path: Path, song: Path) -> None:
    deep = tmp_path / "in/album/two.MP3"
    deep.parent.mkdir()
    deep.write_bytes(b"")
    (tmp_path / "in/cover.jpg").write_bytes(b"")
    assert find_songs([song, tmp_path / "in"]) == [song, deep]


def test_a_folder_without_songs_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"holds no audio; expected any of \.aif, "):
        find_songs([tmp_path])


def test_a_table_is_read_by_file_name(tmp_path: Path) -> None:
    table = tmp_path / "about.csv"
    table.write_text(
        "path,artist,year,licence\nmixes/train/é.ogg,Ana,1999,CC0-1.0\n", encoding="utf-8"
    )
    assert read_about(table) == {
        "é.ogg": {
            "artist": "Ana",
            "licence": "CC0-1.0",
            "title": "",
        }
    }


@pytest.mark.parametrize(
    ("content", "reason"), [("file,licence\na,b\n", "no column `path`"), (None, "not a readable")]
)
def test_a_table_that_says_nothing_is_named(
    tmp_path: Path, content: str | None, reason: str
) -> None:
    table = tmp_path / "about.csv"
    if content is not None:
        table.write_text(content)
    with pytest.raises(ConfigError, match=f"about.csv: {reason}"):
        read_about(table)


def test_progress_names_the_song(tmp_path: Path, song: Path) -> None:
    console = Console(force_terminal=True, record=True, width=100)
    split([song], tmp_path / "out", console=console)
    assert "tune.wav" in console.export_text()


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="measures with getrusage in KiB")
def test_memory_is_flat(tmp_path: Path, write_audio: WriteAudio, noise: Noise) -> None:
    """Three minutes more at 44.1 kHz are 64 MB of floats, and with one part twice as many."""
    minute, peaks = noise(60 * 44100, 2), []
    for name, n_minutes in (("short", 1), ("long", 4)):
        source = tmp_path / f"{name}.wav"
        with AudioFile(
            str(source),
            "w",
            44100,
            2,
            bit_depth=16,
        ) as file:
            for _ in range(n_minutes):
                file.write(minute)
        assert split([source], tmp_path / "out")[0] == [name]
        peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    assert peaks[1] - peaks[0] < 60_000


def test_the_command_says_what_it_did(
    rtmss: Rtmss, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, song: Path
) -> None:
    monkeypatch.setattr("rtmss.teachers.load_teacher", lambda *_: Halves())
    words = (
        "data",
        "split",
        str(song.parent),
        "--by",
        "halves",
        "-o",
        str(tmp_path / "out"),
        "--device",
        "cpu",
    )
    status, text = rtmss(*words).joined
    assert status == 0
    assert "halves 1, CC0-1.0: vocals, backing" in text
    assert "Split 1 of 1 songs" in text
    song.with_name("bad.mp3").write_bytes(b"no audio")
    status, text = rtmss(*words).joined
    assert status == 1
    assert "bad.mp3" in text
    assert "1 were there" in text
    assert "1 of 2 songs could not be split" in text


def test_the_command_refuses_an_unknown_teacher(rtmss: Rtmss, tmp_path: Path, song: Path) -> None:
    status, text = rtmss(
        "data", "split", str(song), "--by", "ear", "-o", str(tmp_path / "out")
    ).joined
    assert status == 1
    assert "no teacher 'ear'; known: spleeter" in text
    assert not (tmp_path / "out").exists()


SIX = ("drums", "bass", "vocals", "guitar", "piano", "other")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("stems", "rest", "known"),
    [
        (("vocals", "backing"), "backing", {"vocals"}),
        (
            ("drums", "bass", "vocals", "other"),
            "other",
            {"drums", "bass", "vocals"},
        ),
        (SIX, "other_of_six", {"drums", "bass", "vocals", "guitar", "piano"}),
    ],
)
def test_no_one_is_taught_what_a_teacher_does_not_tell_apart(
    tmp_path: Path,
    write_audio: WriteAudio,
    noise: Noise,
    tiny_config: SeparatorConfig,
    stems: tuple[str, ...],
    rest: str,
    known: set[str],
) -> None:
    data, teacher = tmp_path / "data", Halves(stems, share=0.8)
    teacher.rest = rest
    split(
        [
            write_audio(tmp_path / f"{seed}.wav", noise(3 * RATE, 2, seed), RATE)
            for seed in range(2)
        ],
        data,
        teacher,
    )
    for seed, label in enumerate(
        (
            "violin",
            "organ",
            "electric_guitar",
            "piano",
            "drums",
            "bass",
        )
    ):
        write_audio(
            data / f"performances/train/{label}/ana__1.wav", noise(3 * RATE, 1, 9 + seed), RATE
        )
    bank = load_bank(data, "train", tmp_path / "cache", RATE)
    points = [
        np.eye(
            32,
            dtype=np.float32,
        )[[number] * 3]
        for number in range(len(bank.tracks))
    ]
    chances = {
        "seconds": 1.0,
        "absent": 0.5,
        "coherent": 1.0,
        "negatives_only": 0.0,
        "positives_only": 1.0,
    }
    recipe = Recipe(
        model=tiny_config, episodes=EpisodeRecipe.model_validate(chances | {"replaced_voice": 0.0})
    )
    episodes, rng = Episodes(bank, points, recipe), np.random.default_rng(0)
    asked = set()
    for mixture in (episodes._draw(rng) for _ in range(60)):
        if rest in {bank.tracks[part.track].label for part in mixture.parts}:
            clips = [
                number for target in mixture.targets for number in np.flatnonzero(target.positive)
            ]
            asked |= {bank.tracks[number].family for number in clips}
    assert asked == known
