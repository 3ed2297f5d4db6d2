"""The evaluation: which tasks are evaluated, by one process or several, and what becomes of the
results.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from rtmss.config import ConfigError
from rtmss.datasets.track import SPLITS
from rtmss.evaluation.chart import draw_edges
from rtmss.evaluation.clips import ClipLibrary
from rtmss.evaluation.duets import find_duets
from rtmss.evaluation.evaluator import Evaluator, Result
from rtmss.evaluation.options import CLIPS, TASKS, Options, shots_of
from rtmss.evaluation.report import Report, write_report
from rtmss.evaluation.songs import Excerpt
from rtmss.evaluation.stems import find_stems_tasks, stem_set
from rtmss.evaluation.tables import print_report
from rtmss.evaluation.targets import JUDGED
from rtmss.evaluation.tasks import Material, Task, choose_materials, find_tasks, find_unseen_tasks
from rtmss.lookup import find
from rtmss.separator import Separator


def evaluate(
    data: Sequence[Path],
    weights: Path | None = None,
    output: Path | None = None,
    options: Options | None = None,
    *,
    n_processes: int = 1,
    console: Console | None = None,
) -> Report:
    """Judge weights on songs, print the tables and write them.

    Args:
        data: datasets and folders of stems, whose songs are judged together.
        weights: None for those that come with rtmss.
        output: folder for the report's files; None writes none.
        options: what is judged and how.
        n_processes: pieces judged at once, each on one thread; 1 takes all threads for one after
            the other.
        console: where to print.

    Raises:
        CheckpointError: the weights cannot be used.
        ConfigError: a data folder lacks what is needed, or a song, a target, a profile or a choice
            is unknown.
    """
    options = options or Options()
    console = console or Console()
    separator = Separator.load(weights, options.profile)
    evaluator, tasks = prepare(data, separator, options)
    report = Report(_settings(evaluator, tasks, data, options))
    with ExitStack() as stack:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        progress = stack.enter_context(
            Progress(
                *columns,
                TimeElapsedColumn(),
                TimeRemainingColumn(),
                console=console,
                transient=True,
            )
        )
        shown = progress.add_task("", total=len(tasks))
        results: Iterable[Result]
        if n_processes > 1:
            context = multiprocessing.get_context("spawn")
            pool = ProcessPoolExecutor(n_processes, context, _init_worker, (evaluator,))
            stack.callback(pool.shutdown, cancel_futures=True)
            results = pool.map(_evaluate_own, tasks)
        else:
            results = (evaluate_task(evaluator, task) for task in tasks)
        for task, (scores, absences) in zip(tasks, results, strict=True):
            progress.update(shown, description=str(task), advance=1)
            report.scores.extend(scores)
            report.absences.extend(absences)
    print_report(report, console)
    if output is not None:
        write_report(report, output)
        draw_edges(output / "edges.png", report)
    return report


def prepare(
    data: Sequence[Path], separator: Separator, options: Options
) -> tuple[Evaluator, list[Task]]:
    """List the clips and everything that is to be judged.

    Raises:
        ConfigError: as of `evaluate`.
    """
    kind = find(options.task, TASKS, "task")
    whose = find(options.clips, CLIPS, "kind of clips")
    shots = shots_of(options.shots, options.negatives, whose)
    split = _split(data, options)
    rate = separator.model.config.sample_rate
    clips_from = options.clips_from or data
    clips = ClipLibrary.open(clips_from, rate, options.seed, seconds=options.clip_seconds)
    places = _places(data, options)
    materials = [
        Material.open(folder, split, place)
        for folder, place in zip(
            data,
            places,
            strict=True,
        )
    ]
    if options.songs is not None:
        materials = choose_materials(materials, options.songs)
    loudest = find(options.loudest, JUDGED, "target") if options.loudest else ""
    excerpt = Excerpt(options.max_seconds, loudest)
    solos = None
    if kind == "targets":
        tasks = find_tasks(materials, options.targets, clips, excerpt)
    elif kind == "unseen":
        tasks = find_unseen_tasks(materials, options.targets, clips, excerpt)
        solos = ClipLibrary.open(data, rate, options.seed, split, options.clip_seconds)
    elif kind == "stems":
        tasks = find_stems_tasks(materials, options.targets, split, excerpt)
    else:
        tasks = find_duets(materials, options.targets, excerpt)
    evaluator = Evaluator(
        separator,
        clips,
        shots,
        solos,
        options.bss,
        options.by_class,
        options.references,
        options.mastered,
    )
    return evaluator, tasks


def _split(data: Sequence[Path], options: Options) -> str:
    """The split that is judged.

    Raises:
        ConfigError: there is none of this name, or no data folder.
    """
    if not data:
        raise ConfigError("no data folder: name at least one")
    if options.split is not None:
        return str(
            find(
                options.split,
                {name: name for name in SPLITS},
                "split",
            )
        )
    usual = {stem_set(folder).split if options.task == "stems" else "valid" for folder in data}
    if len(usual) > 1:
        raise ConfigError(
            f"results on these datasets are published for {' and '.join(sorted(usual))}: choose a "
            "split"
        )
    return usual.pop()


def _places(data: Sequence[Path], options: Options) -> list[str]:
    """What each data folder is called in the tables; nothing where all have one mean."""
    if not options.apart:
        return [""] * len(data)
    names = [folder.resolve().name for folder in data]
    return names if len(set(names)) == len(names) else [str(folder) for folder in data]


def _settings(
    evaluator: Evaluator, tasks: Sequence[Task], data: Sequence[Path], options: Options
) -> dict[str, object]:
    """What a report says about itself."""
    settings = options.model_dump(mode="json", by_alias=True, exclude={"references", "profile"})
    return settings | {
        "model_id": evaluator.separator.model_id,
        "latency": evaluator.separator.model.config.latency,
        "data": [folder.resolve().name for folder in data],
        "clips_from": [folder.resolve().name for folder in options.clips_from],
        "songs": list(dict.fromkeys(task.song.name for task in tasks)),
    }


def evaluate_task(evaluator: Evaluator, task: Task) -> Result:
    """The results of one task, under the name of its folder where folders have means of their
    own.
    """
    scores, absences = task.run(evaluator)
    if not task.place:
        return scores, absences
    return (
        [replace(score, on=f"{score.on}, {task.place}") for score in scores],
        [replace(absence, on=f"{absence.on}, {task.place}") for absence in absences],
    )


_own: list[Evaluator] = []
"""That of this process, where several share the work."""


def _init_worker(evaluator: Evaluator) -> None:
    torch.set_num_threads(1)
    _own[:] = [evaluator]


def _evaluate_own(task: Task) -> Result:
    return evaluate_task(_own[0], task)
