"""`rtmss data split`: finished songs become a folder of stems."""

from __future__ import annotations

import resource
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml
from numpy.typing import NDArray
from pedalboard.io import AudioFile
from rich.console import Console

from helpers.makers import Noise, WriteAudio
from rtmss.audio import Audio
from rtmss.cli import main
from rtmss.config import ConfigError, SeparatorConfig, UserError
from rtmss.datasets import find_tracks
from rtmss.datasets.check import check
from rtmss.files import read_audio
from rtmss.teachers.batch import find_songs, read_about, split_songs
from rtmss.teachers.bleed import gains_without_bleed
from rtmss.teachers.raw import RawAudio
from rtmss.teachers.stretches import separate_long
from rtmss.training.mixtures.bank import load_bank
from rtmss.training.mixtures.draw import Episodes
from rtmss.training.recipe import EpisodeRecipe, Recipe

RATE = 8000


class Halves:
    """A teacher whose voice is a fixed share of the left channel and another of the right."""

    name, version, licence, sample_rate = "halves", "halves 1", "CC0-1.0", RATE

    def __init__(self, stems: tuple[str, ...] = ("vocals", "backing"), share: float = 0.3) -> None:
        self.stems = stems
        self.rest = stems[-1]
        self.share = share
        self.lengths: list[int] = []

    def separate(self, audio: Audio) -> dict[str, Audio]:
        assert audio.shape[0] == 2
        self.lengths.append(audio.shape[1])
        shares = np.array([[self.share], [self.share / 2]], np.float32)
        return {
            stem: shares / np.float32(number + 1) * audio for number, stem in enumerate(self.stems)
        }


class Late(Halves):
    """A teacher whose voice tells where in its stretch it is."""

    def separate(self, audio: Audio) -> dict[str, Audio]:
        ramp = np.linspace(0, 1, audio.shape[1], dtype=np.float32)
        return dict.fromkeys(self.stems, ramp * audio)


@pytest.fixture
def song(tmp_path: Path, write_audio: WriteAudio, noise: Noise) -> Path:
    return write_audio(tmp_path / "in/tune.wav", noise(3 * RATE, 2, 1), RATE)


def split(
    songs: list[Path], output: Path, teacher: Halves | None = None, **more: object
) -> tuple[list[str], ...]:
    """Names of the songs made and kept, and what is wrong with the others."""
    outcome = split_songs(songs, output, teacher or Halves(), **more)  # type: ignore[arg-type]
    return (
        [path.name for path in outcome.made],
        [path.name for path in outcome.kept],
        outcome.failed,
    )


def integers(path: Path, scale: float = 1.0) -> NDArray[np.int64]:
    """(C, S) what a file holds, in steps of 24 bits."""
    samples = read_audio(path)[0].astype(np.float64)
    return np.asarray(np.round(samples * scale * 2**23).astype(np.int64))


def described(folder: Path) -> dict[str, object]:
    content = yaml.safe_load((folder / "song.yaml").read_text(encoding="utf-8"))
    assert isinstance(content, dict)
    return content


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_a_song_becomes_stems_and_what_is_known_of_them(tmp_path: Path, song: Path) -> None:
    assert split([song], tmp_path / "out") == (["tune"], [], [])
    where = "songs/train/tune"
    assert files(tmp_path / "out") == {
        f"{where}/vocals.flac",
        f"{where}/backing.flac",
        f"{where}/song.yaml",
    }
    assert not (tmp_path / "out/.partial").exists()


@pytest.mark.parametrize("stems", [("vocals", "backing"), ("drums", "bass", "vocals", "other")])
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
    assert (content["licence"], content["artist"], content["title"]) == ("CC-BY-4.0", "Ana", "Tune")
    assert content["stems"] == {
        "vocals": {"library": "Ana"},
        "backing": {"instrument": "backing", "library": "Ana"},
    }


def test_what_was_split_is_read_as_takes(tmp_path: Path, song: Path) -> None:
    split([song], tmp_path / "out", licence="CC0-1.0", about={"tune.wav": {"artist": "Ana"}})
    tracks = {
        (t.stem, t.label, t.source, t.song, t.licence)
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
    audio = (0.2 * slow + 0.001 * noise(2 * rate + 1, channels)).astype(np.float32)
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


def separated(
    folder: Path, song: NDArray[np.float32], rate: int, teacher: Halves
) -> NDArray[np.float32]:
    """(S, C) song -> (S, C) voice."""
    whole = RawAudio(folder / "song.raw", 1, song.shape[1])
    whole.append(song[:, None])
    parts = RawAudio(folder / "parts.raw", 1, song.shape[1], len(song))
    separate_long(whole, rate, teacher, parts)
    return parts.read(0, len(parts))[:, 0]


def test_stretches_are_faded_into_one_another(tmp_path: Path) -> None:
    voice = separated(tmp_path, np.ones((150 * RATE, 2), np.float32), RATE, Late())
    assert voice.max() > 0.9
    # From the end of one stretch to the beginning of the next within 4 s, a straight line.
    assert np.abs(np.diff(voice[:, 0])).max() < 1.1 / (4 * RATE)


@pytest.mark.parametrize("rate", [8000, 11025])
@pytest.mark.parametrize("seconds", [0.01, 59.9, 60.1, 131.3])
def test_cutting_into_stretches_changes_nothing(tmp_path: Path, rate: int, seconds: float) -> None:
    n = round(seconds * rate)
    t = np.arange(n) / rate
    song = np.repeat(
        (0.3 * np.sin(2 * np.pi * 300 * t) * np.hanning(n))[:, None], 2, axis=1
    ).astype(np.float32)
    voice = separated(tmp_path, song, rate, Halves())
    assert np.abs(voice - song * np.array([0.3, 0.15], np.float32)).max() < 2e-3


def test_a_teacher_never_hears_more_than_a_stretch(tmp_path: Path) -> None:
    teacher = Halves()
    separated(tmp_path, np.zeros((600 * RATE, 2), np.float32), RATE, teacher)
    assert max(teacher.lengths) == 68 * RATE


@pytest.fixture
def gain_of(tmp_path: Path, noise: Noise) -> Callable[..., NDArray[np.float64]]:
    """gain_of(levels, loud=0) -> (S,) gain of a part that lies so many dB under the song, half a
    second each.

    For `loud` seconds at the start of its second half second it is as loud as the song.
    """

    def make(levels_db: list[float], loud: float = 0) -> NDArray[np.float64]:
        n = RATE // 2 * len(levels_db)
        song = noise(n).T
        gains = np.repeat(10 ** (np.array(levels_db) / 20), RATE // 2)
        gains[RATE // 2 : RATE // 2 + round(loud * RATE)] = 1
        whole, parts = (RawAudio(tmp_path / f"{name}.raw", 1, 2) for name in ("song", "parts"))
        whole.append(song[:, None])
        parts.append(np.asarray(song * gains[:, None], np.float32)[:, None])
        return gains_without_bleed(parts, whole, RATE)[0].between(0, n)

    return make


GainOf = Callable[..., NDArray[np.float64]]


def test_bleed_of_half_a_second_is_left_out(gain_of: GainOf) -> None:
    gain, half = gain_of([-10, -23, -10]), RATE // 2
    assert (gain[:half] == 1).all()
    assert (gain[half + RATE // 20 : 2 * half - RATE // 20] == 0).all()
    assert (gain[2 * half :] == 1).all()


def test_what_lies_less_than_22_db_under_the_song_stays(gain_of: GainOf) -> None:
    assert gain_of([-10, -21, -10]).min() == 1


def test_a_pause_of_less_than_half_a_second_stays(gain_of: GainOf) -> None:
    assert gain_of([-10, -30, -10], loud=0.1).min() == 1


def test_bleed_is_faded_not_cut(gain_of: GainOf) -> None:
    gain = gain_of([-10, -23, -10, -40, -10])
    assert gain.min() == 0
    assert np.abs(np.diff(gain)).max() < 1.01 / (RATE / 20)


@pytest.mark.parametrize("levels", [[-30, -30, -30], [-30, -10, -30], [-30]])
def test_bleed_at_the_ends_of_a_song_is_left_out_to_the_sample(
    gain_of: GainOf, levels: list[float]
) -> None:
    gain = gain_of(levels)
    assert gain[0] == gain[-1] == 0
    assert gain.max() == (1 if -10 in levels else 0)


def test_bleed_goes_to_the_rest(tmp_path: Path, song: Path) -> None:
    split([song], tmp_path / "out", Halves(share=0.05))
    folder = tmp_path / "out/songs/train/tune"
    assert not integers(folder / "vocals.flac").any()
    assert np.array_equal(integers(folder / "backing.flac"), integers(song))


def test_a_song_that_is_there_is_kept(tmp_path: Path, song: Path) -> None:
    split([song], tmp_path / "out")
    stem = tmp_path / "out/songs/train/tune/vocals.flac"
    stem.write_bytes(b"as it was")
    assert split([song], tmp_path / "out") == ([], ["tune"], [])
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
    assert split(songs, tmp_path / "out") == (["b", "c"], ["a"], [])


def test_what_a_killed_run_left_is_no_song(tmp_path: Path, song: Path) -> None:
    left = tmp_path / "out/.partial/tune"
    left.mkdir(parents=True)
    (left / "vocals.flac").write_bytes(b"half")
    assert split([song], tmp_path / "out") == (["tune"], [], [])
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
    assert split([source], tmp_path / "out", about=about)[0] == ["Ezer Év, 千の風"]
    assert {track.source for track in find_tracks(tmp_path / "out", "train")} == {"Яна"}


def damaged(kind: str, path: Path, write_audio: WriteAudio, noise: Noise) -> None:
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
        with AudioFile(str(path), "w", RATE, 2, bit_depth=32) as file:
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
    assert split([song], tmp_path / "out", split="valid")[0] == ["tune"]
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
    assert read_about(table) == {"é.ogg": {"artist": "Ana", "licence": "CC0-1.0", "title": ""}}


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
    """Ten minutes at 44.1 kHz are 212 MB of floats, and with one part twice as many."""
    minute = noise(60 * 44100, 2)
    source = tmp_path / "long.wav"
    with AudioFile(str(source), "w", 44100, 2, bit_depth=16) as file:
        for _ in range(10):
            file.write(minute)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert split([source], tmp_path / "out")[0] == ["long"]
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 250_000


def run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: str
) -> tuple[int, str]:
    monkeypatch.setattr(sys, "argv", ["rtmss", *words])
    status = 0
    try:
        main()
    except SystemExit as stop:
        status = int(stop.code or 0)
    captured = capsys.readouterr()
    return status, captured.out + captured.err


def test_the_command_says_what_it_did(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, song: Path
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
    status, text = run(monkeypatch, capsys, *words)
    assert status == 0
    assert "halves 1, CC0-1.0: vocals, backing" in text
    assert "Split 1 of 1 songs" in text
    song.with_name("bad.mp3").write_bytes(b"no audio")
    status, text = run(monkeypatch, capsys, *words)
    assert status == 1
    assert "bad.mp3" in text
    assert "1 were there" in text
    assert "1 of 2 songs could not be split" in text


def test_the_command_refuses_an_unknown_teacher(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, song: Path
) -> None:
    status, text = run(
        monkeypatch, capsys, "data", "split", str(song), "--by", "ear", "-o", str(tmp_path / "out")
    )
    assert status == 1
    assert "no teacher 'ear'; known: spleeter" in text
    assert not (tmp_path / "out").exists()


SIX = ("drums", "bass", "vocals", "guitar", "piano", "other")


@pytest.mark.parametrize(
    ("stems", "rest", "known"),
    [
        (("vocals", "backing"), "backing", {"vocals"}),
        (("drums", "bass", "vocals", "other"), "other", {"drums", "bass", "vocals"}),
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
    for seed, label in enumerate(("violin", "organ", "electric_guitar", "piano", "drums", "bass")):
        write_audio(
            data / f"performances/train/{label}/ana__1.wav", noise(3 * RATE, 1, 9 + seed), RATE
        )
    bank = load_bank(data, "train", tmp_path / "cache", RATE)
    points = [np.eye(32, dtype=np.float32)[[number] * 3] for number in range(len(bank.tracks))]
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
