"""What an evaluation found, as tables for the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean
from typing import Any

from rich.console import Console

from rtmss.evaluation.bss import BssFigures
from rtmss.evaluation.metrics import Figures
from rtmss.evaluation.report import (
    BASELINES,
    BINARY,
    METHODS,
    NMF,
    ORACLE,
    OWN,
    SONGS,
    Absence,
    Report,
    Score,
    clips_of,
    mean_figures,
)
from rtmss.tables import WholeTable

HEADS = {
    "sdr_db": "SDR",
    "si_sdr_db": "SI-SDR",
    "edge_db": "edge",
    "level_db": "level",
    "bss_sdr_db": "v4 SDR",
    "bss_isr_db": "ISR",
    "bss_sir_db": "SIR",
    "bss_sar_db": "SAR",
}
OWN_HEADS = list(HEADS)[:4]


def print_report(report: Report, console: Console) -> None:
    """Print the tables: each target's songs, or with several numbers of clips the edges by them;
    all methods; absences.

    Unknown voices stand for themselves, each over its backings.
    """
    if report.settings.get("exam") == "stems":
        console.print(_stems_table(report))
        if report.absences:
            console.print(_absence_table(report.absences))
        return
    several = len(report.shots()) > 1
    if not several:
        for target, on in report.groups():
            rows = [s for s in report.scores if (s.target, s.on) == (target, on)]
            console.print(_song_table(on, target, rows))
    if report.scores:
        console.print(_method_table(report))
    if report.absences:
        console.print(_absence_table(report.absences))
    if several and report.scores:
        console.print(_edge_table(report))


def print_scores(
    scores: Sequence[Score],
    title: str,
    console: Console,
) -> None:
    """Print one row per score, named by its method."""
    heads = (f">{HEADS[name]}" for name in OWN_HEADS)
    table = WholeTable("conditions", "target", *heads, title=title, n_keys=2)
    for score in scores:
        table.add_row(score.method, score.target, *_cells(score, OWN_HEADS))
    console.print(table)


def _song_table(
    title: str,
    target: str,
    scores: Sequence[Score],
) -> WholeTable:
    """One row per song or voice, the other methods' edges beside it, and the mean."""
    known = {score.method for score in scores}
    beside = [
        method
        for method in (
            NMF,
            BASELINES.get(target, ""),
            ORACLE,
            BINARY,
        )
        if method in known
    ]
    key = "\nvoice" if scores[0].voice else "\nsong"
    first, *others = (HEADS[name] for name in OWN_HEADS)
    own = (f">{OWN}\n{first}", *(f">\n{head}" for head in others))
    methods = (f">{method}\nedge" for method in beside)
    table = WholeTable(key, *own, *methods, title=f"{target}, {title} (dB)")
    for name in dict.fromkeys(score.voice or score.song for score in scores):
        table.add_row(
            name,
            *_row(
                [score for score in scores if (score.voice or score.song) == name],
                beside,
            ),
        )
    table.add_section()
    table.add_row("mean", *_row(scores, beside), style="bold")
    return table


def _row(
    scores: Sequence[Score],
    beside: Sequence[str],
) -> list[str]:
    """Cells of the separator, and the edges of other methods, each the mean of its scores."""
    own, *others = ([s for s in scores if s.method == method] for method in (OWN, *beside))
    return [
        *_cells(mean_figures(own), OWN_HEADS),
        *(_number(mean_figures(r).edge_db) if r else "" for r in others),
    ]


def _edge_table(report: Report) -> WholeTable:
    """One row per target, one column per number of clips."""
    title = "Mean edge (dB) by positive + negative clips"
    heads = (f">{shots}" for shots in report.shots())
    table = WholeTable("target", "on", *heads, title=title, n_keys=2)
    for row in report.edges():
        table.add_row(
            row["target"], row["on"], *(_number(row[str(shots)]) for shots in report.shots())
        )
    return table


def _method_table(report: Report) -> WholeTable:
    """One row per target, method and number of clips, with all figures that there are."""
    rows = report.means()
    names = [
        name
        for name in HEADS
        if name not in BssFigures._fields or any(row[name] is not None for row in rows)
    ]
    title = (
        "All methods: means"
        + ("; BSSEval v4: medians" if len(names) > len(OWN_HEADS) else "")
        + " (dB)"
    )
    heads = (f">{HEADS[name]}" for name in names)
    table = WholeTable("target, method", *heads, title=title)
    several = len(report.shots()) > 1
    for target, on in report.groups():
        table.add_section()
        table.add_row(target if on == SONGS else f"{target}, {on}")
        for row in sorted(rows, key=lambda row: METHODS.index(row["method"])):
            if (row["target"], row["on"]) == (target, on):
                clips = clips_of(row["shots"], row["negatives"], row["own_clips"])
                method = f"{row['method']} {clips}" if several else row["method"]
                figures = Figures(*(row[name] for name in Figures._fields))
                table.add_row(
                    "  " + method,
                    *_cells(figures, names),
                    style="bold" if row["method"] == OWN else None,
                )
    return table


STEMS_HEADS = {
    "bss_sdr_db": "museval\nSDR",
    "bss_isr_db": "\nISR",
    "bss_sir_db": "\nSIR",
    "bss_sar_db": "\nSAR",
    "sdr_db": "whole songs\nmean SDR",
    "median_sdr_db": "\nmedian SDR",
}


def _stems_table(report: Report) -> WholeTable:
    """One row per stem in the order of publications, and the mean of the stems."""
    rows = report.means()
    names = [name for name in STEMS_HEADS if any(row[name] is not None for row in rows)]
    title = "Stems together (dB); museval: medians over seconds, then songs"
    heads = (f">{STEMS_HEADS[name]}" for name in names)
    table = WholeTable("\nstem", ">\nsongs", *heads, title=title)
    groups: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        clips = clips_of(row["shots"], row["negatives"], row["own_clips"])
        groups.setdefault(f"{row['on']}, {clips} clips", []).append(row)
    for group, found in groups.items():
        table.add_section()
        table.add_row(group, style="bold")
        for row in found:
            figures = (_number(row[name], 2) for name in names)
            table.add_row(f"  {row['target']}", str(row["n"]), *figures)
        means = (
            _number(
                _mean([row[name] for row in found]),
                2,
            )
            for name in names
        )
        table.add_row("  mean of the stems", "", *means)
    return table


def _mean(values: Sequence[float | None]) -> float | None:
    """The mean, None where a value is missing."""
    known = [value for value in values if value is not None]
    return fmean(known) if known and len(known) == len(values) else None


def _absence_table(absences: Sequence[Absence]) -> WholeTable:
    """One row per absent target, the loudest output of all numbers of clips, and the worst."""
    title = "Absent targets: level of the output"
    heads = (">dB of the mixture", ">dBFS")
    table = WholeTable("target", "song", *heads, title=title, n_keys=2)
    loudest: dict[tuple[str, str], Absence] = {}
    for row in sorted(
        absences,
        key=lambda row: (
            row.target,
            row.song,
            row.leakage_db,
        ),
    ):
        loudest[row.target, row.song] = row
    for row in loudest.values():
        table.add_row(row.target, row.song, f"{row.leakage_db:.1f}", f"{row.leakage_dbfs:.1f}")
    table.add_section()
    worst = [max(row.leakage_db for row in absences), max(row.leakage_dbfs for row in absences)]
    table.add_row(
        "worst",
        "",
        *(f"{level:.1f}" for level in worst),
        style="bold",
    )
    return table


def _cells(
    figures: Score | Figures,
    names: Sequence[str],
) -> list[str]:
    return [_number(getattr(figures, name)) for name in names]


def _number(value: float | None, n_digits: int = 1) -> str:
    return "" if value is None else f"{value:.{n_digits}f}"
