"""`rtmss data check`: what it finds, and what it says."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from pedalboard.io import AudioFile
from rich.console import Console

from helpers.command_line import Rtmss
from helpers.datasets import tone, write_moises, write_slakh
from helpers.makers import Noise, WriteAudio
from rtmss.audio import Audio
from rtmss.datasets.check import Findings, check, clipped_share, relative_residual_db
from rtmss.datasets.report import print_findings, to_json

RATE = 44100


@pytest.fixture
def folder(tmp_path: Path, write_audio: WriteAudio, noise: Noise) -> Path:
    """A song of two stems with its mix, a violin, a voice: nothing wrong."""
    data = tmp_path / "data"
    stems = {
        "vocals": noise(RATE, 2, 1),
        "drums": noise(RATE, 2, 2),
    }
    for name, audio in (stems | {"mixture": stems["vocals"] + stems["drums"]}).items():
        write_audio(data / "songs/train/tune" / f"{name}.wav", audio, RATE)
    (data / "songs/train/tune/song.yaml").write_text("licence: CC0-1.0\n")
    write_audio(data / "performances/train/violin/ana__1.wav", noise(RATE // 2, 1, 3), RATE)
    write_audio(data / "voice/valid/bo/1.wav", noise(RATE // 2, 1, 4), RATE)
    return data


def kinds(findings: Findings) -> set[tuple[str, bool]]:
    return {(problem.kind, problem.spoils) for _, problem in findings.problems}


def write_float(path: Path, audio: Audio) -> None:
    with AudioFile(
        str(path),
        "w",
        RATE,
        audio.shape[0],
        bit_depth=32,
    ) as file:
        file.write(audio)


def test_good_data_have_no_problems(folder: Path) -> None:
    findings = check(folder)
    assert not findings.problems
    assert not findings.spoiled


def test_minutes_are_counted_by_instrument_split_and_licence(folder: Path) -> None:
    found = to_json(check(folder))
    assert found["dataset"] == "folder of stems"
    assert found["songs"] == {"train": 1}
    assert found["solo_takes"] == {"train": 1, "valid": 1}
    assert found["minutes"] == {
        "train": {"vocals": 0.02, "drums": 0.02, "violin": 0.01},
        "valid": {"vocals": 0.01},
    }
    assert found["licences"] == {"CC0-1.0": 0.03, "unknown": 0.02}


def test_progress_is_told_of_every_song_and_solo_track(folder: Path) -> None:
    calls: list[tuple[int, int]] = []
    check(folder, lambda done, total: calls.append((done, total)))
    assert calls == [
        (1, 3),
        (2, 3),
        (3, 3),
    ]


@pytest.mark.parametrize(
    ("seconds", "spoils"),
    [(0.9, False), (2.5, True)],
)
def test_unequal_lengths_spoil_when_they_are_far_apart(
    folder: Path, write_audio: WriteAudio, seconds: float, spoils: bool
) -> None:
    (folder / "songs/train/tune/mixture.wav").unlink()
    write_audio(folder / "songs/train/tune/bass.wav", tone(100, seconds), RATE)
    findings = check(folder)
    assert kinds(findings) == {("unequal lengths", spoils)}
    assert f"differ in length by {abs(seconds - 1):.3g} s" in findings.problems[0][1].text


def test_another_sample_rate_is_worth_knowing(folder: Path, write_audio: WriteAudio) -> None:
    write_audio(folder / "voice/valid/bo/1.wav", tone(400, rate=16000), 16000)
    findings = check(folder)
    assert kinds(findings) == {("other sample rate", False)}
    assert findings.problems[0][1].text.endswith(
        "1.wav: 16000 Hz, is resampled: nothing above 8000 Hz"
    )


def test_a_silent_track_is_worth_knowing(folder: Path, write_audio: WriteAudio) -> None:
    write_audio(folder / "voice/valid/bo/1.wav", tone(400) * 0.005, RATE)
    assert kinds(check(folder)) == {("silent", False)}


def test_a_clipped_track_is_worth_knowing(folder: Path, write_audio: WriteAudio) -> None:
    write_audio(
        folder / "voice/valid/bo/1.wav",
        np.clip(tone(400) * 20, -1, 1),
        RATE,
    )
    findings = check(folder)
    assert kinds(findings) == {("clipped", False)}
    assert (
        "63 % of it stands at full scale" in findings.problems[0][1].text
    )  # two thirds, less the edges


def test_loud_music_that_only_touches_full_scale_is_not_clipped() -> None:
    assert clipped_share(tone(11025, rate=RATE) * 10) == 0


def test_values_that_are_no_numbers_spoil(folder: Path) -> None:
    audio = tone(400)
    audio[0, 7] = np.nan
    write_float(folder / "voice/valid/bo/1.wav", audio)
    assert kinds(check(folder)) == {("not numbers", True)}


def test_more_than_two_channels_spoil(folder: Path, noise: Noise) -> None:
    write_float(folder / "voice/valid/bo/1.wav", noise(RATE // 2, 6))
    assert kinds(check(folder)) == {("channels", True)}


def test_an_unreadable_file_spoils_and_the_rest_is_examined(folder: Path) -> None:
    (folder / "songs/train/tune/drums.wav").write_bytes(b"no sound")
    findings = check(folder)
    assert ("unreadable", True) in kinds(findings)
    assert to_json(findings)["minutes"]["train"]["vocals"] == 0.02


def test_all_unknown_instruments_are_listed(folder: Path, write_audio: WriteAudio) -> None:
    for name in ("kazoo", "spoons"):
        write_audio(folder / f"performances/train/{name}/a__1.wav", tone(400), RATE)
    texts = [problem.text for _, problem in check(folder).problems]
    assert len(texts) == 2
    assert "unknown instrument 'kazoo'" in texts[0]
    assert "unknown instrument 'spoons'" in texts[1]


def test_stems_that_miss_the_mix_are_told_with_the_residual(
    folder: Path, write_audio: WriteAudio, noise: Noise
) -> None:
    mix = noise(RATE, 2, 1) + noise(RATE, 2, 2) + 0.1 * noise(RATE, 2, 9)
    write_audio(folder / "songs/train/tune/mixture.wav", mix, RATE)
    findings = check(folder)
    assert kinds(findings) == {("not the mix", False)}
    assert (
        "tune: the stems miss the mix by -23.1 dB" in findings.problems[0][1].text
    )  # a hundredth beside two equals


def test_a_mix_at_another_gain_is_still_the_sum(noise: Noise) -> None:
    total = noise(RATE, 2, 1)
    assert relative_residual_db(3 * total, total) < -100
    assert relative_residual_db(
        total,
        noise(RATE, 2, 2),
    ) == pytest.approx(0, abs=0.1)


@pytest.mark.parametrize(
    "channels",
    [(2, 1), (1, 2)],
)
def test_mix_or_stems_may_be_mono(channels: tuple[int, int]) -> None:
    mix, total = (tone(400, channels=n) for n in channels)
    assert relative_residual_db(mix, total) < -100


@pytest.mark.slow
@pytest.mark.usefixtures("musdb18")
def test_the_streams_of_a_stem_mp4_are_compared_with_its_mix(tmp_path: Path) -> None:
    findings = check(tmp_path)
    assert findings.songs == {"train": 1, "valid": 1, "test": 1}
    assert kinds(findings) == {("not the mix", False)}  # every stream is a tone of its own


def test_a_slakh_song_adds_up(tmp_path: Path, write_audio: WriteAudio) -> None:
    write_slakh(tmp_path / "train/Track00001", write_audio)
    findings = check(tmp_path)
    assert not findings.problems
    assert to_json(findings)["licences"] == {"CC BY 4.0": 0.02}


def test_what_bleeds_or_is_missing_in_moisesdb_is_told(
    tmp_path: Path, write_audio: WriteAudio
) -> None:
    stems = {
        "vocals": {"bleed-a": "lead_male_singer"},
        "bass": {"b": "bass_guitar"},
        "piano": {"p": "grand_piano"},
    }
    write_moises(tmp_path, write_audio, "song", "Ana", stems)
    (tmp_path / "song/piano/p.wav").unlink()
    assert kinds(check(tmp_path)) == {
        ("bleed", False),
        ("missing", True),
    }


def test_data_without_anything_to_train_on_are_not_fit(
    tmp_path: Path, write_audio: WriteAudio
) -> None:
    write_audio(tmp_path / "voice/valid/bo/1.wav", tone(400), RATE)
    assert kinds(check(tmp_path)) == {("empty", True)}


def test_the_tables_fit_a_terminal_of_80_columns(folder: Path, write_audio: WriteAudio) -> None:
    for number in range(5):
        write_audio(
            folder / f"performances/train/synth_lead/a__{number}.wav", tone(400, rate=48000), 48000
        )
    console = Console(
        width=80,
        record=True,
        quiet=False,
        file=(Path(folder) / "out.txt").open("w"),
    )
    with console.file:
        print_findings(check(folder), console)
    lines = console.export_text().splitlines()
    assert "other sample rate: 5" in lines
    assert "  and 2 more (--json lists all)" in lines
    assert any(line.split() == ["strings", "violin", "0.0"] for line in lines)
    assert lines[-1] == "Fit for training."
    assert max(len(line) for line in lines if "Hz" not in line and str(folder) not in line) <= 80


@pytest.mark.parametrize("spoiled", [False, True])
def test_the_status_says_whether_one_can_train_on_it(
    rtmss: Rtmss, folder: Path, spoiled: bool
) -> None:
    if spoiled:
        (folder / "voice/valid/bo/1.wav").write_bytes(b"no sound")
    status, printed = rtmss("data", "check", str(folder)).joined
    assert status == spoiled
    assert ("Not fit for training" in printed) == spoiled
    assert ("unreadable: 1, spoils training" in printed) == spoiled


def test_json_holds_every_problem(rtmss: Rtmss, folder: Path, write_audio: WriteAudio) -> None:
    for number in range(9):
        write_audio(folder / f"voice/train/b/{number}.wav", tone(400) * 0, RATE)
    status, printed = rtmss("data", "check", str(folder), "--json").joined
    found = json.loads(printed)
    assert status == 0
    assert not found["spoils_training"]
    assert [problem["where"] for problem in found["problems"]] == [
        f"voice/train/b/{n}.wav" for n in range(9)
    ]
    assert {
        (
            p["split"],
            p["kind"],
            p["spoils"],
        )
        for p in found["problems"]
    } == {("train", "silent", False)}


def test_a_folder_that_is_no_dataset_is_one_line(rtmss: Rtmss, tmp_path: Path) -> None:
    (tmp_path / "slakh").mkdir()
    status, printed = rtmss("data", "check", str(tmp_path / "slakh")).joined
    assert status == 1
    assert printed.count("\n") == 1
    assert "zenodo.org/records/4599666" in printed


def test_the_known_datasets_are_listed_with_origin_and_licence(rtmss: Rtmss) -> None:
    status, printed = rtmss("data", "sets").joined
    assert status == 0
    for name in ("MUSDB18", "MUSDB18-HQ", "MoisesDB", "MedleyDB", "Slakh2100", "folder of stems"):
        assert f"\n{name}\n" in f"\n{printed}"
    assert printed.count("licence: ") == printed.count("from: ") == 6


def test_training_takes_several_data_folders(rtmss: Rtmss, folder: Path, tmp_path: Path) -> None:
    line = f"train default --data {folder} --data {tmp_path}/nowhere -o {tmp_path}/run"
    status, printed = rtmss(*line.split()).joined
    assert status == 1
    assert "nowhere: no such folder" in printed
    assert len(list((tmp_path / "bank").glob("train-*.json"))) == 1, "the first folder was read"
