"""Means, medians, and the tables made of them."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from rtmss.evaluation.chart import draw_edges
from rtmss.evaluation.report import OWN, Absence, Report, Score
from rtmss.evaluation.tables import print_report


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


@pytest.mark.slow
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
