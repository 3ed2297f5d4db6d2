"""Step times as a picture: how far every backend is from the hop that it has to be done with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rtmss.bench.steps import StepRow

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7")
"""Okabe and Ito's, which the colour-blind can tell apart."""
MARKERS = {
    "p50": ("p50_ms", "o"),
    "p99": ("p99_ms", "s"),
    "p99.9": ("p999_ms", "^"),
    "max": ("max_ms", "x"),
}
TICKS = (
    0.1,
    0.2,
    0.5,
    1,
    2,
    5,
    10,
    20,
    50,
    100,
    200,
    500,
    1000,
)
"""Milliseconds that are written at the axis."""


def draw_steps(path: Path, rows: Sequence[StepRow]) -> None:
    """Write a PNG: milliseconds per step on a logarithmic scale by number of targets and backend,
    and the hop.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 5.5), layout="constrained")
    FigureCanvasAgg(figure)
    axis = figure.subplots()
    counts = list(dict.fromkeys(row.n_targets for row in rows))
    backends = list(dict.fromkeys(row.backend for row in rows))
    colours = {backend: COLOURS[i % len(COLOURS)] for i, backend in enumerate(backends)}
    for row in rows:
        beside = backends.index(row.backend) - (len(backends) - 1) / 2
        _draw_row(axis, row, counts.index(row.n_targets) + 0.3 * beside, colours[row.backend])
    _draw_axis(axis, rows, counts)
    _draw_legend(figure, colours)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)


def _draw_axis(axis: Any, rows: Sequence[StepRow], counts: Sequence[int]) -> None:
    """The hop, the scale of times, and how many targets each place stands for."""
    hop = rows[0].hop_ms
    axis.axhline(hop, color="black", linewidth=1.2, linestyle="--")
    axis.text(
        len(counts) - 0.5,
        hop * 1.03,
        f"a hop lasts {hop:.2f} ms ",
        ha="right",
        va="bottom",
    )
    times = [hop, *(ms for row in rows for ms in (row.p50_ms, row.max_ms))]
    axis.set(
        yscale="log",
        ylim=(min(times) / 1.6, max(times) * 1.6),
        ylabel="ms per step",
        title=_title(rows),
    )
    axis.set_yticks([t for t in TICKS if axis.get_ylim()[0] <= t <= axis.get_ylim()[1]])
    axis.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axis.yaxis.set_minor_formatter(lambda *_: "")
    axis.set_xlim(-0.5, len(counts) - 0.5)
    axis.set_xticks(range(len(counts)), [f"{n} target{'s' * (n > 1)}" for n in counts])
    axis.grid(axis="y", which="both", alpha=0.2)
    for side in ("top", "right"):
        axis.spines[side].set_visible(False)


def _draw_legend(figure: Any, colours: Mapping[str, str]) -> None:
    from matplotlib.lines import Line2D

    lines = [
        Line2D([], [], color=colour, linewidth=3, label=backend)
        for backend, colour in colours.items()
    ]
    marks = [
        Line2D([], [], color="0.3", marker=marker, linestyle="", label=name)
        for name, (_, marker) in MARKERS.items()
    ]
    figure.legend(
        handles=[*lines, *marks],
        loc="outside lower center",
        ncols=len(lines) + len(marks),
        frameon=False,
    )


def _draw_row(
    axis: Any,
    row: StepRow,
    place: float,
    colour: str,
) -> None:
    axis.plot(
        [place, place],
        [row.p50_ms, row.max_ms],
        color=colour,
        linewidth=1.5,
        alpha=0.5,
    )
    for field, marker in MARKERS.values():
        axis.plot(
            place,
            getattr(row, field),
            marker=marker,
            color=colour,
            markersize=7,
            markeredgewidth=1.8,
        )
    for ms, x, side in (
        (
            row.p50_ms,
            -8,
            "right",
        ),
        (row.p999_ms, 8, "left"),
    ):
        axis.annotate(
            f"{ms:.1f}",
            (place, ms),
            xytext=(x, 0),
            textcoords="offset points",
            ha=side,
            va="center",
        )


def _title(rows: Sequence[StepRow]) -> str:
    how = f"{rows[0].n_hops:,} hops each, one thread"
    if rows[0].is_paced:
        how += f", paced, {'with' if rows[0].has_priority else 'without'} real-time priority"
    if rows[0].is_switching:
        how += ", every condition switched at every hop"
    late = sum(row.n_late for row in rows)
    return f"Step times: {how}; {late} late"
