"""What a check found, as tables for the terminal and as JSON."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from rtmss.datasets import DATASETS
from rtmss.datasets.check import Findings
from rtmss.datasets.taxonomy import FAMILIES, FAMILY_OF
from rtmss.datasets.track import SPLITS
from rtmss.tables import WholeTable

_N_EXAMPLES = 3


def to_json(findings: Findings) -> dict[str, Any]:
    """Everything found, in plain values; lengths in minutes."""
    return {
        "folder": str(findings.folder),
        "dataset": findings.dataset.name,
        "songs": findings.songs,
        "solo_takes": findings.solos,
        "minutes": {
            split: _minutes(findings, lambda key: key[0], split) for split in _splits(findings)
        },
        "licences": _minutes(findings, lambda key: key[2] or "unknown"),
        "problems": [
            {
                "split": split,
                **problem._asdict(),
            }
            for split, problem in findings.problems
        ],
        "spoils_training": findings.spoiled,
    }


def print_findings(findings: Findings, console: Console) -> None:
    """The tables, and a last line that says whether one can train on it."""
    console.print(Text(f"{findings.folder}: {findings.dataset.name}"))
    for table in (_counts(findings), _instruments(findings), _licences(findings)):
        console.print()
        console.print(table)
    if findings.problems:
        console.print()
        _print_problems(findings, console)
    console.print()
    if findings.spoiled:
        console.print("Not fit for training: mend what is marked, or take it away.", style="red")
    else:
        console.print(
            "Fit for training." if findings.problems else "No problems: fit for training.",
            style="green",
        )


def print_datasets(console: Console) -> None:
    """Every dataset that rtmss reads: by which files it is known, where to get it, under which
    licence.
    """
    for dataset in DATASETS:
        console.print(Text(dataset.name, "bold"))
        for name, text in (
            ("files", dataset.layout),
            ("from", dataset.origin),
            ("licence", dataset.licence),
        ):
            console.print(
                Padding(
                    Text(f"{name}: {text}", overflow="fold"),
                    (0, 0, 0, 2),
                    expand=False,
                )
            )
        console.print()


def _splits(findings: Findings) -> list[str]:
    return [split for split in SPLITS if any(key[1] == split for key in findings.seconds)]


def _minutes(
    findings: Findings, name: Callable[[tuple[str, str, str]], str], split: str | None = None
) -> dict[str, float]:
    """Minutes by what `name` makes of (label, split, licence), most first."""
    sums: dict[str, float] = {}
    for key, seconds in findings.seconds.items():
        if split in {None, key[1]}:
            sums[name(key)] = (
                sums.get(
                    name(key),
                    0.0,
                )
                + seconds / 60
            )
    return {
        key: round(
            sums[key],
            2,
        )
        for key in sorted(sums, key=lambda key: -sums[key])
    }


def _counts(findings: Findings) -> WholeTable:
    table = WholeTable("split", ">songs", ">solo tracks", ">minutes of stems")
    for split in _splits(findings):
        minutes = sum(_minutes(findings, lambda key: key[0], split).values())
        table.add_row(
            split,
            str(findings.songs.get(split, 0)),
            str(findings.solos.get(split, 0)),
            f"{minutes:.1f}",
        )
    return table


def _instruments(findings: Findings) -> WholeTable:
    splits = _splits(findings)
    table = WholeTable("family", "instrument", *(f">{split}, min" for split in splits))
    minutes = {split: _minutes(findings, lambda key: key[0], split) for split in splits}
    families = list(FAMILIES)
    shown = ""
    for label in sorted(
        {key[0] for key in findings.seconds}, key=lambda x: (families.index(FAMILY_OF[x]), x)
    ):
        family = FAMILY_OF[label]
        table.add_row(
            "" if family == shown else family,
            label,
            *(_number(minutes[s].get(label, 0)) for s in splits),
        )
        shown = family
    return table


def _licences(findings: Findings) -> WholeTable:
    table = WholeTable("licence", ">minutes")
    for licence, minutes in _minutes(findings, lambda key: key[2] or "unknown").items():
        table.add_row(Text(licence), f"{minutes:.1f}")
    return table


def _print_problems(findings: Findings, console: Console) -> None:
    """Each kind of problem with its number and the first few; those that spoil training first."""
    kinds: dict[tuple[bool, str], list[str]] = {}
    for _, problem in findings.problems:
        kinds.setdefault(
            (not problem.spoils, problem.kind),
            [],
        ).append(problem.text)
    for (harmless, kind), items in sorted(kinds.items()):
        title = f"{kind}: {len(items)}"
        console.print(
            Text(title, "bold yellow")
            if harmless
            else Text(f"{title}, spoils training", "bold red")
        )
        for text in items[:_N_EXAMPLES]:
            console.print(Text(f"  {text}"), soft_wrap=True)
        if len(items) > _N_EXAMPLES:
            console.print(
                f"  and {len(items) - _N_EXAMPLES} more (--json lists all)", highlight=False
            )


def _number(minutes: float) -> str:
    return f"{minutes:.1f}" if minutes else ""
