"""All stems of a song judged together, as results on a dataset are published."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from helpers.datasets import write_medley, write_moises, write_slakh, write_stem_mp4
from helpers.evaluation import judge, write
from helpers.makers import WriteAudio
from helpers.stems import STEMS, noises
from rtmss.audio import Audio
from rtmss.conditions.condition import Condition
from rtmss.config import ConfigError
from rtmss.datasets.track import split_of
from rtmss.evaluation import stems as stems_of
from rtmss.evaluation.bss import BssFigures
from rtmss.evaluation.report import OWN, Report
from rtmss.evaluation.stems import stem_set
from rtmss.evaluation.tables import print_report
from rtmss.files import read_audio
from rtmss.separator import Separator


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """museval, which takes its time, is asked for nothing."""
    monkeypatch.setattr(
        stems_of,
        "measure_stems",
        lambda truths, *_: [
            BssFigures(
                1,
                2,
                3,
                n,
            )
            for n in range(len(truths))
        ],
    )


def test_the_mixture_of_musdb18_is_that_of_the_dataset(
    musdb_hq: Path, quick: None, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[Audio] = []

    def pass_through(
        self: Separator, mixture: Audio, rate: int, conditions: Sequence[Condition]
    ) -> list[Audio]:
        heard.append(mixture)
        return [0.2 * mixture for _ in conditions]

    monkeypatch.setattr(Separator, "separate_all", pass_through)
    judge(musdb_hq, weights, task="stems", songs=["Ana*"])
    np.testing.assert_array_equal(
        heard[0],
        read_audio(musdb_hq / "test/Ana - Tune/mixture.wav")[0],
    )


def test_a_trained_separator_is_judged_with_what_it_leaves_as_the_fourth_stem(
    musdb_hq: Path, quick: None, weights: Path
) -> None:
    report = judge(
        musdb_hq,
        weights,
        task="stems",
        max_seconds=2.0,
        songs=["Ana - Tune"],
    )
    assert [score.target for score in report.scores] == list(STEMS)
    assert all(score.bss_sdr_db is not None for score in report.scores)
    assert report.absences == []


def test_other_splits_of_a_dataset_may_be_judged(
    musdb_hq: Path, quick: None, weights: Path
) -> None:
    report = judge(
        musdb_hq,
        weights,
        task="stems",
        split="train",
        max_seconds=2.0,
        songs=["Di*"],
    )
    assert {(score.song, score.on) for score in report.scores} == {
        ("Di - Lay", "MUSDB18-HQ, train")
    }


@pytest.mark.slow
def test_musdb18_is_judged_from_its_stem_mp4(tmp_path: Path, quick: None, weights: Path) -> None:
    for seed, song in enumerate(("test/Ana - Tune", "train/Bo - Air")):
        audio = noises(seed, 2.5, 44100)
        streams = [
            audio[stem]
            for stem in (
                "mixture",
                "drums",
                "bass",
                "other",
                "vocals",
            )
        ]
        write_stem_mp4(tmp_path / f"{song}.stem.mp4", streams)
    report = judge(tmp_path, weights, task="stems")
    assert [(score.target, score.on) for score in report.scores] == [
        (stem, "MUSDB18, test") for stem in STEMS
    ]
    assert all(score.bss_sdr_db is not None for score in report.scores)


def test_moisesdb_is_judged_by_its_eleven_stems(
    tmp_path: Path, write_audio: WriteAudio, weights: Path
) -> None:
    artist = {
        split: next(
            a
            for a in map(
                str,
                range(99),
            )
            if split_of(a) == split
        )
        for split in ("train", "valid")
    }
    stems = {
        "vocals": {"v": "lead_male_singer"},
        "drums": {"d": "full_acoustic_drumkit"},
        "bass": {"t": "tuba_bass_of_brass"},
        "guitar": {"g": "acoustic_guitar"},
        "piano": {"p": "grand_piano"},
        "percussion": {"c": "a_tonal_percussion_claps_shakers_congas_cowbell_etc"},
        "bowed_strings": {"s": "violin_solo"},
        "wind": {"w": "flutes_piccolo_bamboo_flute_panpipes_flutes_etc"},
        "other_keys": {"o": "organ_electric_organ"},
        "other_plucked": {"l": "banjo_mandolin_ukulele_harp_etc"},
        "other": {"x": "fx_processed_sound_scratches_gun_shots_explosions_etc"},
    }
    write_moises(tmp_path, write_audio, "one", artist["valid"], stems)
    few = {name: stems[name] for name in ("vocals", "drums", "other")}
    write_moises(tmp_path, write_audio, "two", artist["valid"], few)
    write_moises(
        tmp_path, write_audio, "three", artist["train"], stems | {"bass": {"b": "bass guitar"}}
    )
    report = judge(tmp_path, weights, task="stems")
    assert {score.on for score in report.scores} == {"MoisesDB, valid"}
    assert [score.target for score in report.scores if score.song == "one"] == list(stems)
    assert [score.target for score in report.scores if score.song == "two"] == list(few)
    assert len(report.absences) == 8, "what a song of MoisesDB has no stem of does not play in it"
    assert all(score.bss_sdr_db is None for score in report.scores), (
        "its figure is the SDR of whole songs"
    )


def test_slakh_is_judged_by_its_test_split(
    tmp_path: Path, write_audio: WriteAudio, weights: Path
) -> None:
    for track in ("train/Track00001", "test/Track01876"):
        write_slakh(tmp_path / track, write_audio)
    report = judge(tmp_path, weights, task="stems", targets=["bass", "drums"])
    assert {
        (
            s.song,
            s.target,
            s.on,
        )
        for s in report.scores
    } == {("Track01876", target, "Slakh2100, test") for target in ("bass", "drums")}
    assert list(stem_set(tmp_path).clips) == ["bass", "drums", "guitar", "piano"]


def test_medleydb_is_judged_by_the_usual_stems(
    tmp_path: Path, write_audio: WriteAudio, weights: Path
) -> None:
    artist = {
        split: next(
            a
            for a in map(
                str,
                range(99),
            )
            if split_of(a) == split
        )
        for split in ("train", "valid")
    }
    instruments: list[str | list[str]] = [
        "drum set",
        "male singer",
        "electric bass",
        "piano",
    ]
    for song, split in (("Ana_Tune", "train"), ("Bo_Air", "valid")):
        write_medley(
            tmp_path / "Audio",
            tmp_path / "Metadata",
            write_audio,
            song,
            instruments,
            artist=artist[split],
        )
    report = judge(tmp_path, weights, task="stems")
    assert [score.target for score in report.scores] == list(STEMS)
    assert {score.song for score in report.scores} == {"Bo_Air"}


@pytest.mark.slow
def test_what_is_left_is_not_judged_where_a_stem_hides_in_it(tmp_path: Path, weights: Path) -> None:
    for split in ("train", "valid"):
        for number, stem in enumerate(("vocals", "backing", "drums", "bass")):
            if split == "train" or stem in {"vocals", "backing"}:
                write(tmp_path / f"songs/{split}/a{split}/{stem}.wav", 300 * (number + 1))
    report = judge(tmp_path, weights, task="stems", bss=True)
    assert [score.target for score in report.scores] == ["vocals"]
    assert report.scores[0].bss_sdr_db is not None, "it is judged beside what is left"
    assert report.absences == []


def test_stems_have_a_table_with_their_mean(musdb_hq: Path, quick: None, weights: Path) -> None:
    report = judge(
        musdb_hq,
        weights,
        task="stems",
        max_seconds=2.0,
        shots=[1, 2],
    )
    console = Console(file=io.StringIO(), width=120)
    print_report(Report(report.settings, report.scores), console)
    assert isinstance(console.file, io.StringIO)
    printed = console.file.getvalue()
    for word in (
        "museval",
        "MUSDB18-HQ, test, 1+0 clips",
        "MUSDB18-HQ, test, 2+0 clips",
        "mean of the stems",
    ):
        assert word in printed
    figures = [
        row["bss_sdr_db"] for row in report.means() if (row["method"], row["shots"]) == (OWN, 1)
    ]
    assert f"{np.mean(figures):.2f}" in printed


def test_a_misspelt_stem_is_named(musdb_hq: Path, weights: Path) -> None:
    with pytest.raises(ConfigError, match="no stem 'vocal'; did you mean 'vocals'"):
        judge(musdb_hq, weights, task="stems", targets=["vocal"])
