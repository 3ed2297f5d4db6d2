"""What an evaluation found, as tables for the terminal and as files."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from rtmss.evaluation.metrics import Figures

OWN = "rtmss"
ORACLE = "IRM oracle"
RIVAL = "NMF"
"""By the same clips, without training."""
BASELINES = {"drums": "HPSS", "vocals": "centre cut"}


@dataclass(frozen=True)
class Score:
    """One method's figures for one target of one piece."""

    song: str
    voice: str
    """The unknown voice laid over the song; empty for the song as it is."""
    target: str
    method: str
    sdr_db: float
    edge_db: float
    level_db: float


@dataclass(frozen=True)
class Absence:
    """What came out for a target that is not in the song."""

    song: str
    target: str
    leakage_db: float
    """Level of the output relative to the mixture."""


@dataclass(frozen=True)
class Report:
    """Everything an evaluation found, and how it was set."""

    settings: dict[str, Any]
    scores: list[Score] = field(default_factory=list)
    absences: list[Absence] = field(default_factory=list)

    def mean(self, target: str, method: str = OWN, *, unknown_voices: bool = False) -> Figures | None:
        """Mean figures of a method over the songs, or over the unknown voices; None without any."""
        rows = [s for s in self.scores if (s.target, s.method, bool(s.voice)) == (target, method, unknown_voices)]
        return mean_figures(rows) if rows else None

    def means(self) -> list[dict[str, Any]]:
        """One row per target and method, songs and unknown voices apart."""
        keys = dict.fromkeys((s.target, s.method, bool(s.voice)) for s in self.scores)
        rows = []
        for target, method, unknown in keys:
            figures = self.mean(target, method, unknown_voices=unknown)
            if figures:
                on = "unknown voices" if unknown else "songs"
                rows.append({"on": on, "target": target, "method": method, **figures._asdict()})
        return rows


def mean_figures(scores: Sequence[Score]) -> Figures:
    """Mean of each figure."""
    return Figures(*(fmean(getattr(score, name) for score in scores) for name in Figures._fields))


def write_report(report: Report, folder: Path) -> None:
    """Write report.json with everything, scores.csv, absences.csv and means.csv."""
    folder.mkdir(parents=True, exist_ok=True)
    content = {"means": report.means(), **asdict(report)}
    (folder / "report.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    _write_csv(folder / "scores.csv", [asdict(row) for row in report.scores])
    _write_csv(folder / "absences.csv", [asdict(row) for row in report.absences])
    _write_csv(folder / "means.csv", report.means())


def print_report(report: Report, console: Console) -> None:
    """Print tables of songs, unknown voices (each over its backings) and absent targets."""
    for title, unknown in (("songs", False), ("unknown voices", True)):
        scores = [score for score in report.scores if bool(score.voice) == unknown]
        for target in dict.fromkeys(score.target for score in scores):
            console.print(_score_table(title, target, [score for score in scores if score.target == target]))
    if report.absences:
        table = Table("target", "song", title="Absent targets (dB)", box=box.SIMPLE_HEAD)
        table.add_column("output relative to the mixture", justify="right")
        for row in sorted(report.absences, key=lambda row: (row.target, row.song)):
            table.add_row(row.target, row.song, f"{row.leakage_db:.1f}")
        worst = max(row.leakage_db for row in report.absences)
        table.add_section()
        table.add_row("worst", "", f"{worst:.1f}", style="bold")
        console.print(table)


def print_scores(scores: Sequence[Score], title: str, console: Console) -> None:
    """Print one row per score, named by its method."""
    table = Table("conditions", "target", title=title, box=box.SIMPLE_HEAD)
    for name in ("SDR", "edge", "level"):
        table.add_column(name, justify="right")
    for score in scores:
        table.add_row(score.method, score.target, *_cells(score))
    console.print(table)


def _score_table(title: str, target: str, scores: Sequence[Score]) -> Table:
    """One row per song or voice, the other methods' edges beside it, and the mean."""
    known = {score.method for score in scores}
    beside = [method for method in (RIVAL, BASELINES.get(target, ""), ORACLE) if method in known]
    table = Table(title=f"{target}, {title} (dB)", box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("\nvoice" if scores[0].voice else "\nsong", overflow="fold")
    for head in (f"{OWN}\nSDR", "\nedge", "\nlevel", *(f"{method}\nedge" for method in beside)):
        table.add_column(head, justify="right", no_wrap=True)
    for name in dict.fromkeys(score.voice or score.song for score in scores):
        table.add_row(name, *_row([score for score in scores if (score.voice or score.song) == name], beside))
    table.add_section()
    table.add_row("mean", *_row(scores, beside), style="bold")
    return table


def _row(scores: Sequence[Score], beside: Sequence[str]) -> list[str]:
    """Cells of the separator, and the edges of other methods, each the mean of its scores."""
    own, *others = ([s for s in scores if s.method == method] for method in (OWN, *beside))
    return [*_cells(mean_figures(own)), *(f"{mean_figures(rows).edge_db:.1f}" if rows else "" for rows in others)]


def _cells(figures: Score | Figures) -> tuple[str, str, str]:
    return f"{figures.sdr_db:.1f}", f"{figures.edge_db:.1f}", f"{figures.level_db:.1f}"


def _write_csv(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]) if rows else [])
        writer.writeheader()
        writer.writerows({k: round(v, 3) if isinstance(v, float) else v for k, v in row.items()} for row in rows)
