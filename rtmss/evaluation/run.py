"""The evaluation: songs with clips from other songs, unknown voices, absent targets, and kinds of conditions."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import NamedTuple

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from rtmss.conditions.preset import find
from rtmss.evaluation.exam import Examiner, other_families, score
from rtmss.evaluation.report import Absence, Report, Score, print_report, print_scores, write_report
from rtmss.evaluation.songs import TARGETS, find_songs, find_voices, lay_voice, pair_voices, read_song


class Exam(NamedTuple):
    """One piece to be judged on."""

    folder: Path
    """The song."""
    voice: Path | None = None
    """The unknown voice to be laid over it; None for the song as it is."""

    def __str__(self) -> str:
        return self.folder.name + (f" + {self.voice.name}" if self.voice else "")


def evaluate(
    data: Path,
    weights: Path | None = None,
    output: Path | None = None,
    *,
    n_clips: int = 5,
    n_negatives: int = 0,
    songs: Sequence[str] | None = None,
    seed: int = 0,
    same_song: bool = False,
    max_seconds: float | None = None,
    n_processes: int = 1,
    console: Console | None = None,
) -> Report:
    """Judge weights on the validation part of a data folder, print the tables and write them.

    Args:
        data: folder laid out as in `rtmss.training.datasets.folder`.
        weights: None for those that come with rtmss.
        output: folder for the report's files; None writes none.
        n_clips: positive clips of each condition.
        n_negatives: negative clips of each condition, of the other families that play in the song.
        songs: names of validation songs; None for all.
        seed: of the choice of clips.
        same_song: take positive clips from the song that is judged, or from the voice, instead of from others.
        max_seconds: hear at most this much of each song, from the moment when all stems have begun.
        n_processes: pieces judged at once, each on one thread; 1 takes all threads for one after the other.
        console: where to print.

    Raises:
        CheckpointError: the weights cannot be used.
        ConfigError: the data folder lacks what is needed, or a song is unknown.
    """
    console = console or Console()
    examiner = Examiner.open(data, weights, n_clips, n_negatives, seed, same_song=same_song)
    folders = find_songs(data, songs)
    exams = [Exam(folder) for folder in folders]
    exams += [Exam(folder, voice) for voice, folder in pair_voices(find_voices(data), folders)]
    settings = {"model_id": examiner.separator.model_id, "n_clips": n_clips, "n_negatives": n_negatives, "seed": seed}
    settings["same_song"] = same_song
    report = Report(settings | {"max_seconds": max_seconds, "songs": [folder.name for folder in folders]})
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
    return report


def _sit(examiner: Examiner, exam: Exam, max_seconds: float | None) -> tuple[list[Score], list[Absence]]:
    rate = examiner.clips.sample_rate
    song = read_song(exam.folder, rate, max_seconds)
    if exam.voice is None:
        return examiner.examine(song, TARGETS)
    return examiner.examine(lay_voice(song, exam.voice, rate), ["vocals"])


_own: list[Examiner] = []
"""That of this process, where several share the work."""


def _keep(examiner: Examiner) -> None:
    torch.set_num_threads(1)
    _own[:] = [examiner]


def _sit_own(exam: Exam, max_seconds: float | None) -> tuple[list[Score], list[Absence]]:
    return _sit(_own[0], exam, max_seconds)


def compare_conditions(
    data: Path,
    song: str,
    target: str,
    weights: Path | None = None,
    *,
    n_clips: int = 5,
    seed: int = 0,
    console: Console | None = None,
) -> list[Score]:
    """Ask for one target of one song in every way: by positives, by negatives, by both; and for all but the target.

    Negatives alone mean "everything except this": for the target they are clips of all other families that play.

    Raises:
        CheckpointError: the weights cannot be used.
        ConfigError: the data folder lacks what is needed, the song is unknown, or the target is not in it.
    """
    examiner = Examiner.open(data, weights, n_clips, n_clips, seed)
    clips, separator = examiner.clips, examiner.separator
    piece = read_song(find_songs(data, [song])[0], clips.sample_rate)
    truth = find(target, {name: piece.truth(name) for name in TARGETS if piece.truth(name) is not None}, f"{song} stem")
    own = clips.draw(target, n_clips, f"{song}//{target}", avoid=song)
    others = clips.draw_others(other_families(piece, target), n_clips, f"{song}//{target}", avoid=song)
    rest = piece.mixture - truth
    ways = {
        "positives only": (own, [], target, truth),
        "negatives only": ([], others, target, truth),
        "positives and negatives": (own, others, target, truth),
        f"negatives only, of {target}": ([], own, f"all but {target}", rest),
    }
    conditions = [separator.condition(*way[:2], sample_rate=clips.sample_rate) for way in ways.values()]
    estimates = separator.separate_all(piece.mixture, clips.sample_rate, conditions)
    scores: list[Score] = []
    for (method, (_, _, wanted, wanted_truth)), estimate in zip(ways.items(), estimates, strict=True):
        scores += score(piece, wanted, wanted_truth, {method: estimate})
    print_scores(scores, f"{target} of {song} (dB)", console or Console())
    return scores
