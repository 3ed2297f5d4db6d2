"""Finished songs become a folder of stems."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pedalboard.io import AudioFile

from helpers.makers import Noise, WriteAudio
from helpers.teachers import RATE, Halves, described, files, integers, split
from rtmss.audio import Audio
from rtmss.datasets import find_tracks
from rtmss.datasets.check import check


def test_a_song_becomes_stems_and_what_is_known_of_them(tmp_path: Path, song: Path) -> None:
    assert split([song], tmp_path / "out") == (
        ["tune"],
        [],
        [],
    )
    where = "songs/train/tune"
    assert files(tmp_path / "out") == {
        f"{where}/vocals.flac",
        f"{where}/backing.flac",
        f"{where}/song.yaml",
    }
    assert not (tmp_path / "out/.partial").exists()


@pytest.mark.parametrize(
    "stems",
    [("vocals", "backing"), ("drums", "bass", "vocals", "other")],
)
@pytest.mark.parametrize("loudest", [0.5, 1.0])
def test_the_parts_add_up_to_the_song_exactly(
    tmp_path: Path, write_audio: WriteAudio, noise: Noise, stems: tuple[str, ...], loudest: float
) -> None:
    audio = noise(3 * RATE)
    source = write_audio(
        tmp_path / "tune.wav", audio * np.float32(loudest / np.abs(audio).max()), RATE
    )
    split([source], tmp_path / "out", Halves(stems))
    folder = tmp_path / "out/songs/train/tune"
    total = sum(integers(folder / f"{stem}.flac") for stem in stems)
    scale = described(folder)["scale"]
    assert scale == 1.0  # a file of integers ends a step below full scale
    assert np.array_equal(total, integers(source, scale))


def test_parts_beyond_full_scale_are_halved_not_cut_off(tmp_path: Path, song: Path) -> None:
    split([song], tmp_path / "out", Halves(share=-9.0))
    folder = tmp_path / "out/songs/train/tune"
    assert described(folder)["scale"] == 1 / 8
    voice, backing = (integers(folder / f"{stem}.flac") for stem in ("vocals", "backing"))
    assert np.abs(backing).max() < 2**23 - 1
    assert np.abs(voice[0] + 9 / 10 * backing[0]).max() < 2


def test_the_yaml_names_song_teacher_and_instruments(tmp_path: Path, song: Path) -> None:
    about = {"tune.wav": {"licence": "CC-BY-4.0", "artist": "Ana", "title": "Tune"}}
    split([song], tmp_path / "out", licence="unused", about=about)
    content = described(tmp_path / "out/songs/train/tune")
    assert content["teacher"] == {"name": "halves", "version": "halves 1", "licence": "CC0-1.0"}
    assert (
        content["licence"],
        content["artist"],
        content["title"],
    ) == ("CC-BY-4.0", "Ana", "Tune")
    assert content["stems"] == {
        "vocals": {"library": "Ana"},
        "backing": {"instrument": "backing", "library": "Ana"},
    }


def test_what_was_split_is_read_as_tracks(tmp_path: Path, song: Path) -> None:
    split(
        [song],
        tmp_path / "out",
        licence="CC0-1.0",
        about={"tune.wav": {"artist": "Ana"}},
    )
    tracks = {
        (
            t.stem,
            t.label,
            t.source,
            t.song,
            t.licence,
        )
        for t in find_tracks(tmp_path / "out", "train")
    }
    assert tracks == {
        ("vocals", "vocals", "Ana", "tune", "CC0-1.0"),
        ("backing", "backing", "Ana", "tune", "CC0-1.0"),
    }


def test_what_was_split_has_no_problems(tmp_path: Path, song: Path) -> None:
    split([song], tmp_path / "out")
    assert {problem.kind for _, problem in check(tmp_path / "out").problems} == {
        "other sample rate"
    }


@pytest.mark.parametrize("rate", [8000, 11025, 48000])
@pytest.mark.parametrize("channels", [1, 2])
def test_parts_have_the_songs_rate_length_and_channels(
    tmp_path: Path, write_audio: WriteAudio, noise: Noise, rate: int, channels: int
) -> None:
    slow = np.sin(2 * np.pi * 440 * np.arange(2 * rate + 1) / rate)
    audio = (
        0.2 * slow
        + 0.001
        * noise(
            2 * rate + 1,
            channels,
        )
    ).astype(np.float32)
    source = write_audio(tmp_path / "tune.wav", audio, rate)
    split([source], tmp_path / "out")
    with AudioFile(str(tmp_path / "out/songs/train/tune/vocals.flac")) as file:
        assert (round(file.samplerate), file.num_channels, file.frames) == (
            rate,
            channels,
            2 * rate + 1,
        )
        voice = file.read(file.frames)
    expected = np.array([[0.3], [0.15]])[:channels] * slow if channels == 2 else 0.225 * slow[None]
    assert np.abs(voice - 0.2 * expected)[:, 200:-200].max() < 0.003


def test_a_song_that_is_there_is_kept(tmp_path: Path, song: Path) -> None:
    split([song], tmp_path / "out")
    stem = tmp_path / "out/songs/train/tune/vocals.flac"
    stem.write_bytes(b"as it was")
    assert split([song], tmp_path / "out") == (
        [],
        ["tune"],
        [],
    )
    assert stem.read_bytes() == b"as it was"


def test_a_split_goes_on_where_it_was_stopped(
    tmp_path: Path, write_audio: WriteAudio, noise: Noise
) -> None:
    songs = [
        write_audio(tmp_path / f"{name}.wav", noise(RATE, 2, seed), RATE)
        for seed, name in enumerate("abc")
    ]

    class Stopped(Halves):
        def separate(self, audio: Audio) -> dict[str, Audio]:
            if len(self.lengths) == 1:
                raise KeyboardInterrupt
            return super().separate(audio)

    with pytest.raises(KeyboardInterrupt):
        split(songs, tmp_path / "out", Stopped())
    assert {path.name for path in (tmp_path / "out/songs/train").iterdir()} == {"a"}
    assert not list((tmp_path / "out/.partial").iterdir())
    assert split(songs, tmp_path / "out") == (
        ["b", "c"],
        ["a"],
        [],
    )


def test_what_a_killed_run_left_is_no_song(tmp_path: Path, song: Path) -> None:
    left = tmp_path / "out/.partial/tune"
    left.mkdir(parents=True)
    (left / "vocals.flac").write_bytes(b"half")
    assert split([song], tmp_path / "out") == (
        ["tune"],
        [],
        [],
    )
    assert len(files(tmp_path / "out")) == 3


def test_two_songs_of_one_name_get_a_folder_each(
    tmp_path: Path, write_audio: WriteAudio, noise: Noise
) -> None:
    songs = [
        write_audio(tmp_path / f"in/{folder}/tune.wav", noise(RATE, 2, n), RATE)
        for n, folder in enumerate("ab")
    ]
    made, _, failed = split(songs, tmp_path / "out")
    assert made[0] == "tune" != made[1]
    assert not failed
    again = split(songs[::-1], tmp_path / "out")
    assert again == ([], made[::-1], [])


def test_a_song_that_is_no_split_one_is_left_alone(tmp_path: Path, song: Path) -> None:
    own = tmp_path / "out/songs/train/tune"
    own.mkdir(parents=True)
    (own / "vocals.wav").write_bytes(b"mine")
    made, _, _ = split([song], tmp_path / "out")
    assert made[0].startswith("tune-")
    assert files(own) == {"vocals.wav"}


def test_names_in_any_script_are_kept(
    tmp_path: Path, write_audio: WriteAudio, noise: Noise
) -> None:
    source = write_audio(tmp_path / "Ezer Év, 千の風.wav", noise(RATE), RATE)
    about = {source.name: {"artist": "Яна", "title": "千の風"}}
    assert split(
        [source],
        tmp_path / "out",
        about=about,
    )[0] == ["Ezer Év, 千の風"]
    assert {track.source for track in find_tracks(tmp_path / "out", "train")} == {"Яна"}


def damaged(
    kind: str,
    path: Path,
    write_audio: WriteAudio,
    noise: Noise,
) -> None:
    audio = noise(4 * RATE)
    if kind == "no audio":
        path.write_bytes(b"RIFF, said the file")
    elif kind == "empty":
        write_audio(path, audio[:, :0], RATE)
    elif kind == "cut off":
        write_audio(path, audio, RATE)
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    elif kind == "silent":
        write_audio(path, 0 * audio, RATE)
    elif kind == "many channels":
        write_audio(path, np.concatenate([audio, audio]), RATE)
    elif kind == "not numbers":
        audio[0, RATE] = np.nan
        with AudioFile(
            str(path),
            "w",
            RATE,
            2,
            bit_depth=32,
        ) as file:
            file.write(audio)


@pytest.mark.parametrize(
    "kind", ["no audio", "empty", "cut off", "silent", "many channels", "not numbers", "missing"]
)
def test_a_damaged_song_is_named_and_the_others_are_split(
    tmp_path: Path, song: Path, write_audio: WriteAudio, noise: Noise, kind: str
) -> None:
    bad = song.with_name("bad.wav")
    damaged(kind, bad, write_audio, noise)
    made, _, failed = split([bad, song], tmp_path / "out")
    assert made == ["tune"]
    assert len(failed) == 1
    assert failed[0].startswith(str(bad))
    assert "\n" not in failed[0]
    assert not (tmp_path / "out/songs/train/bad").exists()


def test_a_song_stays_in_its_split(tmp_path: Path, song: Path) -> None:
    assert split(
        [song],
        tmp_path / "out",
        split="valid",
    )[0] == ["tune"]
    made, kept, failed = split([song], tmp_path / "out", split="train")
    assert not made
    assert not kept
    assert "is in 'valid' already" in failed[0]


def test_a_song_of_another_teacher_is_not_taken_for_this_ones(tmp_path: Path, song: Path) -> None:
    split([song], tmp_path / "out")
    other = Halves()
    other.version = "halves 2"
    assert (
        "was split by halves 1; choose another output"
        in split([song], tmp_path / "out", other)[2][0]
    )
