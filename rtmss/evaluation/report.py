"""What an evaluation found, and its files."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import fmean, median
from typing import Any, NamedTuple

from rtmss.evaluation.bss import BssFigures
from rtmss.evaluation.metrics import Figures

OWN = "rtmss"
ORACLE = "IRM oracle"
BINARY = "IBM oracle"
RIVAL = "NMF"
"""By the same positive clips, without training."""
BASELINES = {"drums": "HPSS", "vocals": "centre cut"}
MIXTURE, ZERO = "mixture", "zero"
"""The mixture itself, and silence, as estimates: the edge counts from the better of them."""


class Shots(NamedTuple):
    """How many clips make a condition."""

    positive: int
    negative: int

    def __str__(self) -> str:
        return f"{self.positive}+{self.negative}"


@dataclass(frozen=True)
class Score:
    """One method's figures for one target of one piece, as `metrics.Figures` describes them."""

    song: str
    voice: str
    """The unknown voice laid over the song; empty for the song as it is."""
    target: str
    method: str
    shots: int | None
    """Positive clips that the method was given; None for methods that take none."""
    negatives: int | None
    sdr_db: float
    edge_db: float
    level_db: float
    si_sdr_db: float | None = None
    bss_sdr_db: float | None = None
    bss_isr_db: float | None = None
    bss_sir_db: float | None = None
    bss_sar_db: float | None = None


@dataclass(frozen=True)
class Absence:
    """What came out for a target that is not in the song."""

    song: str
    target: str
    shots: int
    negatives: int
    leakage_db: float
    """Level of the output relative to the mixture."""
    leakage_dbfs: float
    """RMS of the output in dB of full scale."""


@dataclass(frozen=True)
class Report:
    """Everything an evaluation found, and how it was set."""

    settings: dict[str, Any]
    scores: list[Score] = field(default_factory=list)
    absences: list[Absence] = field(default_factory=list)

    def select(
        self, target: str, method: str = OWN, *, unknown_voices: bool = False, shots: Shots | None = None
    ) -> list[Score]:
        """A method's scores for a target over the songs, or over the unknown voices; of all numbers of clips, or one.

        Methods that take no negatives, or no clips, are found by any `shots` that agrees with what they take.
        """
        rows = [s for s in self.scores if (s.target, s.method, bool(s.voice)) == (target, method, unknown_voices)]
        if shots is None:
            return rows
        return [s for s in rows if s.shots in {None, shots.positive} and s.negatives in {None, shots.negative}]

    def mean(
        self, target: str, method: str = OWN, *, unknown_voices: bool = False, shots: Shots | None = None
    ) -> Figures | None:
        """Mean figures (BSSEval: medians) of what `select` finds; None without any."""
        rows = self.select(target, method, unknown_voices=unknown_voices, shots=shots)
        return mean_figures(rows) if rows else None

    def groups(self) -> list[tuple[str, bool]]:
        """Targets, in songs (False) and over unknown voices (True), in the order they are shown in."""
        return sorted(dict.fromkeys((s.target, bool(s.voice)) for s in self.scores), key=lambda group: group[1])

    def shots(self) -> list[Shots]:
        """The numbers of clips that conditions were made of."""
        pairs = {(s.shots, s.negatives) for s in self.scores if s.method == OWN}
        pairs |= {(a.shots, a.negatives) for a in self.absences}
        return sorted(Shots(k, n) for k, n in pairs if k is not None and n is not None)

    def means(self) -> list[dict[str, Any]]:
        """One row per target, method and number of clips, songs and unknown voices apart."""
        keys = dict.fromkeys((bool(s.voice), s.target, s.method, s.shots, s.negatives) for s in self.scores)
        rows = []
        for key in keys:
            found = [s for s in self.scores if (bool(s.voice), s.target, s.method, s.shots, s.negatives) == key]
            names = ("on", "target", "method", "shots", "negatives")
            row = dict(zip(names, (place(key[0]), *key[1:]), strict=True))
            rows.append({**row, "n": len(found), **mean_figures(found)._asdict()})
        return rows

    def edges(self) -> list[dict[str, Any]]:
        """Mean edges in dB of the separator: a row per target, a column per number of positive + negative clips."""
        rows = []
        for target, unknown in self.groups():
            means = {str(s): self.mean(target, unknown_voices=unknown, shots=s) for s in self.shots()}
            edges = {name: figures.edge_db if figures else None for name, figures in means.items()}
            rows.append({"on": place(unknown), "target": target, **edges})
        return rows


def place(unknown_voices: bool) -> str:
    """What a mean is over."""
    return "unknown voices" if unknown_voices else "songs"


def mean_figures(scores: Sequence[Score]) -> Figures:
    """Mean of each figure over the scores that have it, of BSSEval's the median, as its campaigns do."""
    found: dict[str, Any] = {}
    for name in Figures._fields:
        values = [value for value in (getattr(score, name) for score in scores) if value is not None]
        average = median if name in BssFigures._fields else fmean
        found[name] = average(values) if values else None
    return Figures(**found)


def write_report(report: Report, folder: Path) -> None:
    """Write report.json with everything, scores.csv, absences.csv, means.csv, and edges.csv."""
    folder.mkdir(parents=True, exist_ok=True)
    content = {"means": report.means(), "edges": report.edges(), **asdict(report)}
    (folder / "report.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    _write_csv(folder / "scores.csv", map(asdict, report.scores))
    _write_csv(folder / "absences.csv", map(asdict, report.absences))
    _write_csv(folder / "means.csv", report.means())
    _write_csv(folder / "edges.csv", report.edges())


def _write_csv(path: Path, content: Iterable[dict[str, Any]]) -> None:
    rows = list(content)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]) if rows else [])
        writer.writeheader()
        writer.writerows({k: round(v, 3) if isinstance(v, float) else v for k, v in row.items()} for row in rows)
