"""Experiments: variants of one recipe, each trained from several seeds with the same budget and
judged in the same way.

A study goes on where its folder stands: runs that are trained and reports that are written are
kept.
"""

from __future__ import annotations

import json
import multiprocessing
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from functools import partial
from itertools import zip_longest
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
import torch
import yaml
from pydantic import Field, model_validator
from rich.console import Console
from rich.progress import track

from rtmss.config import Config, ConfigError, find_yaml, read_yaml, validate
from rtmss.evaluation.options import Options
from rtmss.evaluation.run import evaluate
from rtmss.tables import WholeTable
from rtmss.training.recipe import Recipe
from rtmss.training.run import PREPARED, prepare, train

RECIPE = "recipe.yaml"


class Question(Options):
    """One way to judge weights."""

    variants: tuple[str, ...] | None = None
    """Which are asked; None for all."""
    max_seconds: float | None = 20.0
    references: bool = False


class Study(Config):
    """What is compared."""

    recipe: dict[str, Any]
    """What all variants have in common: a recipe, see `rtmss.training.recipe`."""
    seeds: tuple[int, ...] = Field(
        default=(1, 2),
        min_length=1,
    )
    variants: dict[str, dict[str, Any]] = Field(min_length=1)
    """By name, what is different in the recipe."""
    questions: dict[str, Question] = Field(min_length=1)
    """By name, how they are judged."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        for title, question in self.questions.items():
            for name in set(question.variants or ()) - set(self.variants):
                raise ValueError(
                    f"question '{title}': no variant '{name}'; known: {', '.join(self.variants)}"
                )
        return self


class Edge(NamedTuple):
    """A mean edge over songs, of one run."""

    variant: str
    seed: int
    question: str
    target: str
    on: str
    """On songs, or on unknown voices."""
    clips: str
    """Numbers of positive and negative clips, K + N."""
    edge_db: float


def run_study(
    name: str,
    data: Sequence[Path],
    folder: Path,
    console: Console,
    n_processes: int = 1,
    device: str = "cpu",
) -> list[Edge]:
    """Train and judge all variants, print the tables, and write them as `study.json` and
    `study.md`.

    Args:
        name: one that comes with rtmss, or a YAML file.
        data: folders to train on; the first one is judged on.
        folder: one folder for every run, what they share, and the table.
        console: where to print.
        n_processes: runs trained and judged at once, each on the recipe's number of threads.
        device: where to train, as for `train`; judging is for a processor.

    Raises:
        ConfigError: the study, one of its recipes or the data cannot be used.
    """
    study = read_yaml(find_yaml(name, Path(__file__).parent / "studies", "study"), Study)
    # Before anything is trained: a misspelt variant is not found out after hours.
    recipes = list(_runs(study, name))
    runs = [
        (variant, recipe, _placed(recipe, folder / f"{variant}-{recipe.seed}"))
        for variant, recipe in recipes
    ]
    prepare(runs[0][1], folder, data, folder / "shared", console, device)
    run = partial(
        _train_and_judge,
        data=data,
        shared=folder / "shared",
        questions=study.questions,
        device=device,
    )
    edges: list[Edge] = []
    with ExitStack() as stack:
        results: Iterable[list[Edge]]
        if n_processes > 1:
            pool = ProcessPoolExecutor(n_processes, multiprocessing.get_context("spawn"))
            stack.callback(pool.shutdown, cancel_futures=True)
            results = pool.map(run, runs)
        else:
            results = map(run, runs)
        for found in track(
            results,
            "Runs",
            len(runs),
            console=console,
            transient=True,
        ):
            edges += found
            _write(edges, folder)
    for title in study.questions:
        console.print(edges_table(title, [edge for edge in edges if edge.question == title]))
    return edges


def _write(edges: Sequence[Edge], folder: Path) -> None:
    rows = json.dumps([edge._asdict() for edge in edges], indent=1)
    (folder / "study.json").write_text(rows + "\n", "utf-8")
    (folder / "study.md").write_text(edges_page(edges), "utf-8")


N_KEYS = 3
"""Columns that tell rows of a study's tables apart: target, place, clips."""


def edges_table(title: str, edges: Sequence[Edge]) -> WholeTable:
    """One row per target and numbers of clips, one column per variant: mean over seeds, and half
    their range.
    """
    headings, rows = _cells(edges)
    variants = (f">{heading}" for heading in headings[N_KEYS:])
    table = WholeTable(
        *headings[:N_KEYS], *variants, title=f"{title}: mean edge (dB)", n_keys=N_KEYS
    )
    has_many = len({row[2] for row in rows}) > 1
    for row, following in zip_longest(rows, rows[1:]):
        table.add_row(
            *row, end_section=has_many and following is not None and following[:2] != row[:2]
        )
    return table


def edges_page(edges: Sequence[Edge]) -> str:
    """The tables of all questions as Markdown."""
    parts = []
    for title in dict.fromkeys(edge.question for edge in edges):
        headings, rows = _cells([edge for edge in edges if edge.question == title])
        lines = [
            headings,
            ["---"] * N_KEYS + ["---:"] * (len(headings) - N_KEYS),
            *rows,
        ]
        parts.append(f"## {title}\n\n" + "".join(f"| {' | '.join(line)} |\n" for line in lines))
    return "\n".join(parts)


def _cells(edges: Sequence[Edge]) -> tuple[list[str], list[list[str]]]:
    variants = list(dict.fromkeys(edge.variant for edge in edges))
    rows = []
    for key in dict.fromkeys(
        (
            edge.target,
            edge.on,
            edge.clips,
        )
        for edge in edges
    ):
        cells = []
        for variant in variants:
            found = [
                e.edge_db
                for e in edges
                if (
                    e.variant,
                    e.target,
                    e.on,
                    e.clips,
                )
                == (variant, *key)
            ]
            cells.append(f"{np.mean(found):.1f} ± {np.ptp(found) / 2:.1f}" if found else "")
        rows.append([*key, *cells])
    return ["target", "on", "clips", *variants], rows


def _runs(
    study: Study,
    name: str,
) -> Iterator[tuple[str, Recipe]]:
    for variant, changes in study.variants.items():
        for seed in study.seeds:
            content = merged(merged(study.recipe, changes), {"seed": seed})
            yield variant, validate(content, Recipe, f"{name}: {variant}")


def merged(
    base: Mapping[str, Any],
    changes: Mapping[str, Any],
) -> dict[str, Any]:
    """`base` with what `changes` says instead, level by level."""
    result = dict(base)
    for key, value in changes.items():
        below = result.get(key)
        result[key] = (
            merged(below, value)
            if isinstance(value, Mapping) and isinstance(below, Mapping)
            else value
        )
    return result


def _placed(recipe: Recipe, place: Path) -> Path:
    """The folder of a run, with its recipe written into it.

    Raises:
        ConfigError: the folder holds a run of another recipe.
    """
    recipe_file = place / RECIPE
    if recipe_file.exists() and read_yaml(recipe_file, Recipe) != recipe:
        raise ConfigError(f"{place}: holds a run of another recipe; choose another --output")
    place.mkdir(parents=True, exist_ok=True)
    recipe_file.write_text(
        yaml.safe_dump(recipe.model_dump(mode="json")),
        encoding="utf-8",
    )
    return place


def _train_and_judge(
    run: tuple[str, Recipe, Path],
    data: Sequence[Path],
    shared: Path,
    questions: Mapping[str, Question],
    device: str,
) -> list[Edge]:
    """Train and judge one run, as far as that is not done. All runs share one clip encoder."""
    variant, recipe, place = run
    torch.set_num_threads(recipe.n_threads)
    for name in PREPARED:
        if not (place / name).exists():
            shutil.copy(shared / name, place / name)
    weights = train(
        place / RECIPE,
        data,
        place,
        Console(quiet=True),
        device,
    )
    edges: list[Edge] = []
    for title, question in questions.items():
        if question.variants is not None and variant not in question.variants:
            continue
        report = place / title / "report.json"
        if not report.exists():
            by_class = recipe.episodes.conditioning == "class"
            asked = Options(
                **question.model_dump(exclude={"variants", "by_class"}), by_class=by_class
            )
            evaluate(
                data[:1],
                weights,
                report.parent,
                asked,
                console=Console(quiet=True),
            )
        rows = json.loads(report.read_text(encoding="utf-8"))["edges"]
        edges += [
            Edge(
                variant,
                recipe.seed,
                title,
                row["target"],
                row["on"],
                clips,
                value,
            )
            for row in rows
            for clips, value in row.items()
            if clips not in {"target", "on"} and value is not None
        ]
    return edges
