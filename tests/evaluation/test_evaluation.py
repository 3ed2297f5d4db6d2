"""None"""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from rich.console import Console

from helpers.evaluation import (
    CONFIG,
    SAMPLE_RATE,
    judge,
    read,
)
from rtmss.config import ConfigError
from rtmss.evaluation.options import Options
from rtmss.evaluation.report import OWN, UNKNOWN_VOICES, Report, Score
from rtmss.evaluation.run import evaluate
from rtmss.evaluation.songs import Piece, find_songs
from rtmss.model.separator import SeparatorModel
from rtmss.separator import Separator


@pytest.fixture(scope="module")
def judged(
    data: Path, weights: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Report, Path, str]:
    """The report, its folder, and what was printed."""
    output = tmp_path_factory.mktemp("output") / "report"
    console = Console(file=io.StringIO(), width=160)
    report = evaluate(
        [data],
        weights,
        output,
        Options(shots=(2,), negatives=(1,)),
        console=console,
    )
    assert isinstance(console.file, io.StringIO)
    return report, output, console.file.getvalue()


@pytest.fixture
def song(data: Path) -> Piece:
    return read(data, "band-001")


def test_all_targets_of_one_pass_are_those_asked_for_alone(weights: Path, song: Piece) -> None:
    separator = Separator.load(weights)
    clips = [song.stems["vocals"], song.stems["bass"]]
    conditions = [separator.condition([clip], sample_rate=SAMPLE_RATE) for clip in clips]
    together = separator.separate_all(song.mixture, SAMPLE_RATE, conditions)
    assert together.shape == (2, 2, song.mixture.shape[-1])
    for condition, target in zip(conditions, together, strict=True):
        assert np.abs(target).max() > 1e-3
        np.testing.assert_allclose(
            separator.separate(song.mixture, SAMPLE_RATE, condition), target, atol=1e-5
        )
    assert np.abs(together[0] - together[1]).max() > 1e-4


def test_targets_are_aligned_to_the_sample(song: Piece) -> None:
    model = SeparatorModel(CONFIG).eval()
    for parameter in model.unet.parameters():
        torch.nn.init.zeros_(parameter)
    separator = Separator(model, "constant masks")
    condition = separator.condition([song.stems["bass"]], sample_rate=SAMPLE_RATE)
    audio = song.stems["vocals"][:, :5001]
    target = separator.separate_all(audio, SAMPLE_RATE, [condition])[0]
    gain = float((target * audio).sum() / (audio**2).sum())
    assert gain > 0.1, "constant masks let a constant share through"
    np.testing.assert_allclose(target, gain * audio, atol=2e-3)


def test_every_target_of_every_song_is_scored(judged: tuple[Report, Path, str]) -> None:
    own = [(s.song, s.target) for s in judged[0].scores if s.method == OWN and not s.voice]
    assert sorted(own) == [
        ("band-001", "bass"),
        ("band-001", "drums"),
        ("band-001", "vocals"),
        ("eir-one", "drums"),
        ("eir-one", "guitar"),
    ]


def test_baselines_and_oracle_stand_beside_the_separator(judged: tuple[Report, Path, str]) -> None:
    methods = {(s.target, s.method) for s in judged[0].scores} - {
        (t, OWN) for t in ("vocals", "drums", "bass", "guitar")
    }
    everywhere = ("IRM oracle", "IBM oracle", "NMF", "mixture", "zero")
    assert methods == {
        ("vocals", "centre cut"),
        ("drums", "HPSS"),
        *(
            (target, method)
            for target in ("vocals", "drums", "bass", "guitar")
            for method in everywhere
        ),
    }


def test_the_better_of_mixture_and_silence_has_no_edge(judged: tuple[Report, Path, str]) -> None:
    scores = {
        (
            s.song,
            s.voice,
            s.target,
            s.method,
        ): s
        for s in judged[0].scores
    }
    pieces = {key[:3] for key in scores}
    assert len(pieces) == 7
    for piece in pieces:
        mixture, zero = scores[*piece, "mixture"], scores[*piece, "zero"]
        assert max(
            mixture.edge_db,
            zero.edge_db,
        ) == pytest.approx(0, abs=1e-9)
        assert zero.level_db < -60 < mixture.level_db, "silence is known by its level"
        assert zero.si_sdr_db is None
        assert mixture.si_sdr_db is not None


def test_the_oracle_is_far_ahead_of_untrained_weights(judged: tuple[Report, Path, str]) -> None:
    oracle, own = judged[0].mean("bass", "IRM oracle"), judged[0].mean("bass")
    assert oracle is not None
    assert own is not None
    assert oracle.edge_db > own.edge_db + 10


def test_absent_targets_are_scored_unless_another_stem_may_hide_them(
    judged: tuple[Report, Path, str],
) -> None:
    # eir-one has no bass stem either, but its synth may play one
    assert [(row.song, row.target) for row in judged[0].absences] == [
        ("band-001", "guitar"),
        ("eir-one", "vocals"),
    ]


def test_unknown_voices_are_those_of_other_singers(judged: tuple[Report, Path, str]) -> None:
    assert {(s.voice, s.song) for s in judged[0].scores if s.voice} == {
        ("anna", "band-001"),
        ("bert", "band-001"),
    }
    assert judged[0].mean("vocals", on=UNKNOWN_VOICES) is not None


def test_the_tables_show_songs_voices_and_absences(judged: tuple[Report, Path, str]) -> None:
    titles = "vocals, songs (dB)|vocals, unknown voices|Absent targets|All methods"
    for word in (
        f"{titles}|centre cut|NMF|IRM oracle|IBM oracle|band-001|anna|HPSS|mean|worst|SI-SDR|dBFS"
    ).split("|"):
        assert word in judged[2]


def test_the_files_hold_what_was_found(judged: tuple[Report, Path, str]) -> None:
    report, folder, _ = judged
    content = json.loads((folder / "report.json").read_text())
    assert content["settings"]["negatives"] == [1]
    assert [Score(**row) for row in content["scores"]] == report.scores
    with (folder / "scores.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [float(row["sdr_db"]) for row in rows] == pytest.approx(
        [s.sdr_db for s in report.scores], abs=1e-3
    )
    assert len((folder / "absences.csv").read_text().splitlines()) == 3
    assert len((folder / "means.csv").read_text().splitlines()) == 1 + len(report.means())
    assert (folder / "edges.csv").read_text().splitlines()[0] == "on,target,2+1"
    assert len((folder / "edges.csv").read_text().splitlines()) == 6
    assert (folder / "edges.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_the_same_seed_gives_the_same_figures(
    data: Path, weights: Path, judged: tuple[Report, Path, str]
) -> None:
    again = judge(
        data,
        weights,
        shots=[2],
        negatives=[1],
        songs=["eir-one"],
    )
    assert again.scores == [s for s in judged[0].scores if s.song == "eir-one"]


@pytest.mark.slow
def test_two_processes_find_what_one_finds(
    data: Path, weights: Path, judged: tuple[Report, Path, str]
) -> None:
    # Without the baselines: librosa alone takes each process seconds to load.
    again = judge(
        data,
        weights,
        n_processes=2,
        shots=[2],
        negatives=[1],
        references=False,
    )
    methods = {s.method for s in again.scores}
    alone = [s for s in judged[0].scores if s.method in methods]
    np.testing.assert_allclose(
        [(s.sdr_db, s.edge_db, s.level_db) for s in again.scores],
        [(s.sdr_db, s.edge_db, s.level_db) for s in alone],
        atol=1e-3,
    )
    told = [(s.song, s.voice, s.target, s.method) for s in again.scores]
    assert told == [(s.song, s.voice, s.target, s.method) for s in alone]
    assert {s.song for s in again.scores} == {"band-001", "eir-one"}
    assert [a.song for a in again.absences] == [a.song for a in judged[0].absences]


def test_an_unknown_song_is_named_with_its_like(data: Path) -> None:
    with pytest.raises(ConfigError, match="did you mean 'band-001'"):
        find_songs(data, names=["band-01"])


def test_a_folder_without_songs_is_refused_with_the_layout(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"songs/valid/<song>/<stem>\.ogg"):
        find_songs(tmp_path)


def test_an_evaluation_without_clips_is_refused(data: Path, weights: Path) -> None:
    with pytest.raises(ConfigError, match="at least 1"):
        judge(data, weights, shots=[0])
