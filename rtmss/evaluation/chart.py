"""The edges of an evaluation as a picture."""

from __future__ import annotations

from pathlib import Path
from statistics import fmean
from typing import Any

from rtmss.evaluation.report import BASELINES, BINARY, NMF, ORACLE, OWN, Report, Score, clips_of

COLOURS = {OWN: "tab:blue", NMF: "tab:orange", ORACLE: "tab:green", BINARY: "tab:olive"}
OTHER_COLOUR = "tab:red"
LOWEST_DB = -15.0
"""What lies below is an arrowhead here."""


def draw_edges(path: Path, report: Report) -> None:
    """Write one PNG: a panel per target, in it a row per method, a dot per piece, and the mean as a
    line and number.

    Nothing is written where no target was scored.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    panels = {group: _rows(report, *group) for group in report.groups()}
    if not panels:
        return
    heights = [len(rows) + 2.2 for rows in panels.values()]
    figure = Figure(
        figsize=(9, 0.32 * sum(heights) + 0.6),
        layout="constrained",
    )
    FigureCanvasAgg(figure)
    axes = figure.subplots(
        len(panels),
        1,
        sharex=True,
        squeeze=False,
        height_ratios=heights,
    )[:, 0]
    for axis, ((target, on), rows) in zip(
        axes,
        panels.items(),
        strict=True,
    ):
        _draw_panel(axis, rows)
        axis.set_title(f"{target}, {on}", loc="left")
        axis.set_title("mean", loc="right", fontsize="medium")
    axes[-1].set_xlabel(
        "edge in dB: SDR less the better of the mixture's and that of silence, 0 dB"
    )
    figure.savefig(path, dpi=120)


def _rows(
    report: Report,
    target: str,
    on: str,
) -> dict[str, list[Score]]:
    """Scores by the name of their row, from the top down."""
    several = len(report.shots()) > 1
    rows: dict[str, list[Score]] = {}
    for method in (
        OWN,
        NMF,
        BASELINES.get(target, ""),
        BINARY,
        ORACLE,
    ):
        for score in report.select(target, method, on=on):
            clips = clips_of(score.shots, score.negatives, score.own_clips)
            rows.setdefault(f"{method} {clips}" if several and clips else method, []).append(score)
    return rows


def _draw_panel(
    axis: Any,
    rows: dict[str, list[Score]],
) -> None:
    axis.axvline(0, color="black", linewidth=0.8)
    for y, (name, scores) in enumerate(rows.items()):
        colour = COLOURS.get(scores[0].method, OTHER_COLOUR)
        edges = [score.edge_db for score in scores]
        mean = fmean(edges)
        for marker, shown in (
            ("o", [e for e in edges if e >= LOWEST_DB]),
            ("<", [e for e in edges if e < LOWEST_DB]),
        ):
            places = [max(edge, LOWEST_DB) for edge in shown]
            axis.plot(
                places,
                [y] * len(places),
                marker,
                color=colour,
                alpha=0.5,
                markersize=6,
                markeredgewidth=0,
            )
        axis.plot(
            [max(mean, LOWEST_DB)] * 2,
            [y - 0.4, y + 0.4],
            color=colour,
            linewidth=2.5,
        )
        axis.text(
            1.01, y, f"{mean:+.1f}", transform=axis.get_yaxis_transform(), va="center", color=colour
        )
        axis.text(
            -0.01,
            y,
            name,
            transform=axis.get_yaxis_transform(),
            va="center",
            ha="right",
        )
    axis.set(
        ylim=(len(rows) - 0.4, -0.6),
        yticks=[],
    )
    axis.grid(axis="x", alpha=0.3)
    axis.tick_params(labelbottom=True)
    axis.spines[["top", "right", "left"]].set_visible(False)
