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
NMF = "NMF"
"""By the same positive clips, without training."""
BASELINES = {"drums": "HPSS", "vocals": "centre cut"}
MIXTURE, ZERO = "mixture", "zero"
"""The mixture itself, and silence, as estimates: the edge counts from the better of them."""
BOTH = "both"
"""Two sources of one family together, where one of them is asked for."""
METHODS = (
    OWN,
    NMF,
    *BASELINES.values(),
    ORACLE,
    BINARY,
    BOTH,
    MIXTURE,
    ZERO,
)
"""In the order in which they are shown."""

SONGS = "songs"
UNKNOWN_VOICES = "unknown voices"
DUETS = "two of a family"
"""What a mean is over."""


class Shots(NamedTuple):
    """How many clips make a condition, and whose."""

    positive: int
    negative: int
    own: bool = False
    """Positive clips are of the judged stem itself, and not of other songs."""

    def __str__(self) -> str:
        return f"{self.positive}+{self.negative}" + (" own" if self.own else "")


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
    on: str = SONGS
    """What its mean is over."""
    own_clips: bool = False
    """Whether the positive clips were of the judged stem itself."""


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
    on: str = SONGS
    own_clips: bool = False


@dataclass(frozen=True)
class Report:
    """Everything an evaluation found, and how it was set."""

    settings: dict[str, Any]
    scores: list[Score] = field(default_factory=list)
    absences: list[Absence] = field(default_factory=list)

    def select(
        self, target: str, method: str = OWN, *, on: str = SONGS, shots: Shots | None = None
    ) -> list[Score]:
        """A method's scores for a target over one kind of pieces; of all numbers of clips, or one.

        Methods that track no negatives, or no clips, are found by any `shots` that agrees with what
        they take.
        """
        rows = [
            s
            for s in self.scores
            if (
                s.target,
                s.method,
                s.on,
            )
            == (target, method, on)
        ]
        if shots is None:
            return rows
        rows = [s for s in rows if s.shots is None or s.own_clips == shots.own]
        return [
            s
            for s in rows
            if s.shots in {None, shots.positive} and s.negatives in {None, shots.negative}
        ]

    def mean(
        self, target: str, method: str = OWN, *, on: str = SONGS, shots: Shots | None = None
    ) -> Figures | None:
        """Mean figures (BSSEval: medians) of what `select` finds; None without any."""
        rows = self.select(target, method, on=on, shots=shots)
        return mean_figures(rows) if rows else None

    def groups(self) -> list[tuple[str, str]]:
        """Targets, and the kind of pieces that they are judged on, kind by kind."""
        kinds = list(dict.fromkeys(s.on for s in self.scores))
        return sorted(
            dict.fromkeys((s.target, s.on) for s in self.scores),
            key=lambda group: kinds.index(group[1]),
        )

    def shots(self) -> list[Shots]:
        """How the conditions were made."""
        ways = {
            (
                s.shots,
                s.negatives,
                s.own_clips,
            )
            for s in self.scores
            if s.method == OWN
        }
        ways |= {
            (
                a.shots,
                a.negatives,
                a.own_clips,
            )
            for a in self.absences
        }
        found = [Shots(k, n, own) for k, n, own in ways if k is not None and n is not None]
        return sorted(
            found,
            key=lambda shots: (
                shots.own,
                shots.positive,
                shots.negative,
            ),
        )

    def means(self) -> list[dict[str, Any]]:
        """One row per target, method and number of clips, every kind of pieces apart."""
        names = ("on", "target", "method", "shots", "negatives", "own_clips")
        groups: dict[tuple[Any, ...], list[Score]] = {}
        for score in self.scores:
            groups.setdefault(
                tuple(getattr(score, name) for name in names),
                [],
            ).append(score)
        return [
            {
                **dict(zip(names, key, strict=True)),
                "n": len(found),
                **mean_figures(found)._asdict(),
                "median_sdr_db": median(score.sdr_db for score in found),
            }
            for key, found in groups.items()
        ]

    def edges(self) -> list[dict[str, Any]]:
        """Mean edges in dB of the separator: a row per target, a column per number of positive +
        negative clips.
        """
        rows = []
        for target, on in self.groups():
            means = {
                str(s): self.mean(
                    target,
                    on=on,
                    shots=s,
                )
                for s in self.shots()
            }
            edges = {name: figures.edge_db if figures else None for name, figures in means.items()}
            rows.append({"on": on, "target": target, **edges})
        return rows


def clips_of(
    shots: int | None,
    negatives: int | None,
    own: bool,
) -> str:
    """The clips that a method was given, such as `5+0`; empty for none."""
    numbers = "+".join(str(n) for n in (shots, negatives) if n is not None)
    return f"{numbers} own" if numbers and own else numbers


def mean_figures(scores: Sequence[Score]) -> Figures:
    """Mean of each figure over the scores that have it, of BSSEval's the median, as its campaigns
    do.
    """
    found: dict[str, Any] = {}
    for name in Figures._fields:
        values = [
            value for value in (getattr(score, name) for score in scores) if value is not None
        ]
        average = median if name in BssFigures._fields else fmean
        found[name] = average(values) if values else None
    return Figures(**found)


def write_report(report: Report, folder: Path) -> None:
    """Write report.json with everything, scores.csv, absences.csv, means.csv, and edges.csv."""
    folder.mkdir(parents=True, exist_ok=True)
    content = {
        "means": report.means(),
        "edges": report.edges(),
        **asdict(report),
    }
    (folder / "report.json").write_text(
        json.dumps(content, indent=1) + "\n",
        encoding="utf-8",
    )
    _write_csv(folder / "scores.csv", map(asdict, report.scores))
    _write_csv(folder / "absences.csv", map(asdict, report.absences))
    _write_csv(folder / "means.csv", report.means())
    _write_csv(folder / "edges.csv", report.edges())


def _write_csv(
    path: Path,
    content: Iterable[dict[str, Any]],
) -> None:
    rows = list(content)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(
            file,
            fieldnames=list(rows[0]) if rows else [],
        )
        writer.writeheader()
        writer.writerows(
            {k: round(v, 3) if isinstance(v, float) else v for k, v in row.items()} for row in rows
        )
