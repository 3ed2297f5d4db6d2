"""What an evaluation may be asked for: numbers of clips, unseen instruments, further targets,
BSSEval.
"""

from __future__ import annotations

import csv
import io
import sys
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from helpers.evaluation import (
    SAMPLE_RATE,
    judge,
    read,
)
from rtmss.audio import Audio
from rtmss.cli import main
from rtmss.cli.research import numbers
from rtmss.conditions.condition import Condition
from rtmss.config import ConfigError
from rtmss.evaluation.clips import ClipLibrary
from rtmss.evaluation.metrics import measure
from rtmss.evaluation.options import Options
from rtmss.evaluation.report import NMF, OWN, Report, Shots
from rtmss.evaluation.run import evaluate
from rtmss.evaluation.songs import Piece, master
from rtmss.separator import Separator


@pytest.fixture(scope="module")
def swept(
    data: Path, weights: Path, few_taps: int, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Report, Path, str]:
    """Bass of one song by 1 and 2 positive, 0 and 1 negative clips: the report, its folder, and
    what was printed.
    """
    output, console = (
        tmp_path_factory.mktemp("swept"),
        Console(
            file=io.StringIO(),
            width=160,
        ),
    )
    options = Options(
        shots=(1, 2),
        negatives=(0, 1),
        targets=("bass", "guitar"),
        songs=("band-001",),
        bss=True,
        max_seconds=2.0,
    )
    report = evaluate([data], weights, output, options, console=console)
    assert isinstance(console.file, io.StringIO)
    return report, output, console.file.getvalue()


@pytest.mark.slow
def test_all_numbers_of_clips_are_judged_in_one_go(swept: tuple[Report, Path, str]) -> None:
    report = swept[0]
    assert [str(shots) for shots in report.shots()] == [
        "1+0",
        "1+1",
        "2+0",
        "2+1",
    ]
    assert len({s.edge_db for s in report.select("bass")}) == 4, (
        "every number of clips is another condition"
    )
    assert sorted(s.shots or 0 for s in report.select("bass", NMF)) == [1, 2]
    assert len({s.edge_db for s in report.select("bass", NMF)}) == 2
    assert [(a.shots, a.negatives) for a in report.absences] == [
        (1, 0),
        (1, 1),
        (2, 0),
        (2, 1),
    ]
    assert len(report.select("bass", "IRM oracle")) == 1, "the oracle takes no clips"


@pytest.mark.slow
def test_another_profile_is_judged_by_the_same_weights(
    swept: tuple[Report, Path, str], data: Path
) -> None:
    usual, tight = (
        judge(
            data,
            None,
            shots=[2],
            targets=["bass"],
            songs=["band-001"],
            references=False,
            max_seconds=2.0,
            profile=profile,
        )
        for profile in (None, "tight")
    )
    assert (usual.settings["latency"], tight.settings["latency"]) == (1024, 512)
    assert usual.settings["model_id"] == tight.settings["model_id"]
    assert usual.select("bass")[0].sdr_db != tight.select("bass")[0].sdr_db


def test_a_mastered_piece_is_loud_and_its_stems_still_add_up() -> None:
    rng, fade = np.random.default_rng(1), np.geomspace(1, 0.01, 44100)
    noises = (0.1 * fade * rng.standard_normal((2, 44100)) for _ in range(2))
    stems = {
        name: noise.astype(np.float32)
        for name, noise in zip(("bass", "drums"), noises, strict=True)
    }
    plain = Piece("x", stems)
    loud = master(plain, 44100)
    assert np.abs(loud.mixture).max() == pytest.approx(0.99, rel=1e-3)
    crests = [np.abs(piece.mixture).max() / piece.mixture.std() for piece in (plain, loud)]
    assert crests[1] < 0.9 * crests[0]
    assert np.allclose(
        loud.mixture,
        sum(loud.stems.values()),
        atol=1e-5,
    )


def test_mastered_mixtures_are_separated_and_judged_by_mastered_stems(
    data: Path, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[Audio] = []

    def pass_through(
        self: Separator, mixture: Audio, rate: int, conditions: list[Condition]
    ) -> list[Audio]:
        heard.append(mixture)
        return [mixture for _ in conditions]

    monkeypatch.setattr(Separator, "separate_all", pass_through)
    report = judge(
        data,
        weights,
        shots=[1],
        targets=["bass"],
        songs=["band-001"],
        references=False,
        mastered=True,
    )
    piece = master(read(data, "band-001"), SAMPLE_RATE)
    truth = piece.truth("bass")
    assert truth is not None
    assert report.settings["mastered"]
    assert np.array_equal(heard[0], piece.mixture)
    assert report.select("bass")[0].sdr_db == pytest.approx(
        measure(truth, piece.mixture, piece.mixture).sdr_db
    )


@pytest.mark.slow
def test_bsseval_is_of_all_methods_but_silence(swept: tuple[Report, Path, str]) -> None:
    assert all((s.bss_sdr_db is None) == (s.method == "zero") for s in swept[0].scores)
    oracle, own = swept[0].mean("bass", "IRM oracle"), swept[0].mean("bass")
    assert oracle is not None
    assert own is not None
    assert (oracle.bss_sir_db or 0) > (own.bss_sir_db or 0) + 10


def test_fewer_clips_are_the_first_of_more(data: Path) -> None:
    library = ClipLibrary.open([data], SAMPLE_RATE, 0)
    few, many = (library.draw("vocals", n, "key") for n in (1, 2))
    assert (len(few), len(many)) == (1, 2)
    np.testing.assert_array_equal(few[0], many[0])


def test_nothing_is_absent_where_a_stem_says_too_little() -> None:
    def piece(labels: dict[str, str]) -> Piece:
        return Piece(
            "x",
            {
                stem: np.zeros(
                    (2, 1),
                    np.float32,
                )
                for stem in labels
            },
            labels=labels,
        )

    assert piece({"strings": "strings"}).may_hide("violin")
    assert piece({"backing": "backing"}).may_hide("winds")
    assert piece({"keys": "keys"}).may_hide("piano")
    assert not piece({"strings": "viola"}).may_hide("violin")
    assert not piece({"keys": "organ"}).may_hide("piano")


def test_numbers_of_clips_stand_between_commas() -> None:
    assert numbers("1,2, 10", "--shots") == [1, 2, 10]
    for text in ("", "1,", "-1", "two", "1.5"):
        with pytest.raises(ConfigError, match="--shots: expected whole numbers"):
            numbers(text, "--shots")


@pytest.mark.slow
@pytest.mark.parametrize(
    "choice",
    [
        ("--clips", "same-sonk", "same-song"),
        ("--task", "unsee", "unseen"),
        ("--exam", "unsee", "unseen"),
        ("--split", "vali", "valid"),
    ],
)
def test_a_misspelt_choice_is_named(
    choice: tuple[str, str, str],
    data: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    option, wrong, right = choice
    monkeypatch.setattr(
        sys,
        "argv",
        ["rtmss", "evaluate", str(data), option, wrong],
    )
    with pytest.raises(SystemExit) as refused:
        main()
    assert refused.value.code == 1
    assert f"did you mean '{right}'" in capsys.readouterr().err


@pytest.mark.slow
def test_a_number_of_clips_gives_the_same_alone_as_beside_others(
    swept: tuple[Report, Path, str], data: Path, weights: Path
) -> None:
    alone = judge(
        data,
        weights,
        shots=[1],
        negatives=[1],
        targets=["bass"],
        songs=["band-001"],
        references=False,
        max_seconds=2.0,
    )
    assert {score.method for score in alone.scores} == {OWN}
    (own,), (beside,) = (
        alone.select("bass"),
        swept[0].select(
            "bass",
            shots=Shots(1, 1),
        ),
    )
    assert own.sdr_db == pytest.approx(beside.sdr_db, abs=1e-4)


@pytest.mark.slow
def test_the_edges_by_number_of_clips_are_printed_and_written(
    swept: tuple[Report, Path, str],
) -> None:
    report, folder, printed = swept
    with (folder / "edges.csv").open() as file:
        (row,) = csv.DictReader(file)
    (score,) = report.select("bass", shots=Shots(2, 1))
    assert list(row) == ["on", "target", "1+0", "1+1", "2+0", "2+1"]
    assert float(row["2+1"]) == pytest.approx(
        score.edge_db,
        abs=1e-3,
    )
    for word in ("by positive + negative clips", "2+1", "BSSEval v4: medians", "SIR"):
        assert word in " ".join(printed.split())  # a narrow table breaks its title
