"""Means, medians, and the tables made of them."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from helpers.evaluation import (
    judge,
)
from rtmss.evaluation.chart import draw_edges
from rtmss.evaluation.report import OWN, Absence, Report, Score, Shots
from rtmss.evaluation.tables import print_report


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


def score(
    target: str,
    method: str,
    edge_db: float,
    song: str = "a",
    **more: Any,
) -> Score:
    return Score(
        song,
        "",
        target,
        method,
        5,
        0,
        edge_db,
        edge_db,
        0.0,
        **more,
    )


def test_means_are_means_and_those_of_bsseval_medians() -> None:
    edges = {"a": 0.0, "b": 1.0, "c": 8.0}
    report = Report(
        {},
        [
            score(
                "bass",
                OWN,
                edge,
                song,
                bss_sdr_db=edge,
            )
            for song, edge in edges.items()
        ],
    )
    found = report.mean("bass")
    assert found is not None
    assert (
        found.edge_db,
        found.bss_sdr_db,
        found.si_sdr_db,
    ) == (3.0, 1.0, None)
    assert report.means()[0]["n"] == 3


def test_a_report_of_absences_alone_is_shown(tmp_path: Path) -> None:
    console = Console(file=io.StringIO(), width=100)
    report = Report(
        {},
        absences=[
            Absence(
                "a",
                "bass",
                5,
                0,
                -20.0,
                -41.5,
            )
        ],
    )
    print_report(report, console)
    draw_edges(tmp_path / "edges.png", report)
    assert isinstance(console.file, io.StringIO)
    assert "-41.5" in console.file.getvalue()
    assert not (tmp_path / "edges.png").exists()
