"""The evaluation: songs with clips from other songs, unknown voices, unseen instruments, and absent targets."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from functools import partial
from itertools import product
from pathlib import Path
from typing import NamedTuple

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from rtmss.conditions.preset import find
from rtmss.config import ConfigError
from rtmss.evaluation.chart import draw_edges
from rtmss.evaluation.exam import Examiner
from rtmss.evaluation.report import Absence, Report, Score, Shots, write_report
from rtmss.evaluation.songs import (
    JUDGED,
    TARGETS,
    find_labels,
    find_songs,
    find_unseen,
    find_voices,
    lay_voice,
    pair_voices,
    read_song,
)
from rtmss.evaluation.tables import print_report
from rtmss.training.datasets import find_takes

CLIPS = {"other-song": False, "same-song": True}
"""Where positive clips come from, and whether that is the judged stem itself."""
SPLITS = {"seen": False, "unseen": True}


class Exam(NamedTuple):
    """One piece to be judged on."""

    folder: Path
    """The song."""
    targets: tuple[str, ...]
    labels: Mapping[str, str]
    """The instruments of the song's stems."""
    voice: Path | None = None
    """The unknown voice to be laid over it; None for the song as it is."""

    def __str__(self) -> str:
        return self.folder.name + (f" + {self.voice.name}" if self.voice else "")


def evaluate(
    data: Path,
    weights: Path | None = None,
    output: Path | None = None,
    *,
    shots: Sequence[int] = (5,),
    negatives: Sequence[int] = (0,),
    clips: str = "other-song",
    split: str = "seen",
    targets: Sequence[str] | None = None,
    songs: Sequence[str] | None = None,
    seed: int = 0,
    bss: bool = False,
    by_class: bool = False,
    references: bool = True,
    mastered: bool = False,
    max_seconds: float | None = None,
    profile: str | None = None,
    n_processes: int = 1,
    console: Console | None = None,
) -> Report:
    """Judge weights on the validation part of a data folder, print the tables and write them.

    Args:
        data: folder laid out as in `rtmss.training.datasets.folder`.
        weights: None for those that come with rtmss.
        output: folder for the report's files; None writes none.
        shots: numbers of positive clips of a condition, K; fewer are taken where there are fewer recordings.
        negatives: numbers of negative clips, N, of the other families that play in the song; every K is judged with
            every N, and with the same clips as far as they go.
        clips: `other-song`, or `same-song` for positive clips of the very stem that is judged.
        split: `seen`, or `unseen` for the instruments that training has nothing of, in the songs where they play, by
            clips of recordings of them alone.
        targets: families or instruments; None for vocals, drums, bass and guitar, as far as there are recordings to
            take clips from, or for all that are unseen.
        songs: names of validation songs; None for all.
        seed: of the choice of clips.
        bss: measure BSSEval v4 too, of all methods, which takes many times as long as the separation.
        by_class: make conditions of the target's family alone, for weights whose recipe says `conditioning: class`.
        references: score baselines and oracles too.
        mastered: judge on mixtures that are compressed, limited and as loud as records.
        max_seconds: hear at most this much of each song, from the moment when all stems have begun.
        profile: latency profile; None for that of the weights.
        n_processes: pieces judged at once, each on one thread; 1 takes all threads for one after the other.
        console: where to print.

    Raises:
        CheckpointError: the weights cannot be used.
        ConfigError: the data folder lacks what is needed, or a song, a target, a profile or a choice is unknown.
    """
    console = console or Console()
    pairs = [Shots(*pair) for pair in product(shots, negatives)]
    same_song, unseen = find(clips, CLIPS, "kind of clips"), find(split, SPLITS, "split")
    exams = find_exams(data, targets, songs, unseen=unseen)
    examiner = Examiner.open(
        data, weights, pairs, seed,
        same_song=same_song, unseen=unseen, bss=bss, by_class=by_class, references=references,
        mastered=mastered, profile=profile,
    )  # fmt: skip
    report = Report(
        {
            "model_id": examiner.separator.model_id, "shots": list(shots), "negatives": list(negatives), "seed": seed,
            "clips": clips, "split": split, "targets": list(exams[0].targets), "bss": bss, "mastered": mastered,
            "max_seconds": max_seconds,
            "latency": examiner.separator.model.config.latency,
            "songs": [exam.folder.name for exam in exams if exam.voice is None],
        }
    )  # fmt: skip
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with ExitStack() as stack:
        progress = stack.enter_context(
            Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn(), console=console, transient=True)
        )
        task = progress.add_task("", total=len(exams))
        results: Iterable[tuple[list[Score], list[Absence]]]
        if n_processes > 1:
            context = multiprocessing.get_context("spawn")
            pool = ProcessPoolExecutor(n_processes, context, _keep, (examiner,))
            stack.callback(pool.shutdown, cancel_futures=True)
            results = pool.map(partial(_sit_own, max_seconds=max_seconds), exams)
        else:
            results = map(partial(_sit, examiner, max_seconds=max_seconds), exams)
        for exam, (scores, absences) in zip(exams, results, strict=True):
            progress.update(task, description=str(exam), advance=1)
            report.scores.extend(scores)
            report.absences.extend(absences)
    print_report(report, console)
    if output is not None:
        write_report(report, output)
        draw_edges(output / "edges.png", report)
    return report


def find_exams(
    data: Path, targets: Sequence[str] | None = None, songs: Sequence[str] | None = None, *, unseen: bool = False
) -> list[Exam]:
    """What is to be judged: the songs, and if vocals are asked for, unknown voices; or songs with unseen instruments.

    Raises:
        ConfigError: there are none, or a song or a target is unknown.
    """
    folders, labels = find_songs(data, songs), find_labels(data)
    known = {name: name for name in find_unseen(data)} if unseen else JUDGED
    recorded = {take.family for take in find_takes(data, "train")}
    usual = known if unseen else [name for name in TARGETS if name in recorded]
    wanted = tuple(find(name, known, "target") for name in targets or usual)
    exams = [Exam(folder, wanted, labels.get(folder.name, {})) for folder in folders]
    if unseen:
        exams = [exam for exam in exams if set(exam.labels.values()) & set(wanted)]
        if not exams:
            raise ConfigError(f"{data}: {', '.join(wanted)} play in none of these songs; name them in song.yaml")
    elif "vocals" in wanted:
        for voice, folder in pair_voices(find_voices(data), folders):
            exams.append(Exam(folder, wanted, labels.get(folder.name, {}), voice))
    return exams


def _sit(examiner: Examiner, exam: Exam, max_seconds: float | None) -> tuple[list[Score], list[Absence]]:
    rate = examiner.clips.sample_rate
    song = read_song(exam.folder, rate, max_seconds, exam.labels)
    if exam.voice is None:
        return examiner.examine(song, exam.targets)
    return examiner.examine(lay_voice(song, exam.voice, rate), ["vocals"])


_own: list[Examiner] = []
"""That of this process, where several share the work."""


def _keep(examiner: Examiner) -> None:
    torch.set_num_threads(1)
    _own[:] = [examiner]


def _sit_own(exam: Exam, max_seconds: float | None) -> tuple[list[Score], list[Absence]]:
    return _sit(_own[0], exam, max_seconds)
