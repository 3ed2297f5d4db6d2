"""Training and evaluation."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rtmss.cli.base import Output, Profile, Weights, app, console, torch_device
from rtmss.cli.evaluation_options import (
    Apart,
    Bss,
    ClipFolders,
    ClipSeconds,
    ClipSource,
    Compare,
    JudgedData,
    Loudest,
    Mastered,
    MaxSeconds,
    NegativeShots,
    Processes,
    References,
    ReportFolder,
    Seed,
    Shots,
    SongNames,
    SplitName,
    TargetNames,
    TaskName,
)
from rtmss.config import ConfigError
from rtmss.console import one_line

Device = Annotated[
    str, typer.Option(metavar="auto|cpu|cuda", help="Where to train; a GPU if there is one.")
]


@app.command()
def train(
    recipe: Annotated[
        str, typer.Argument(metavar="NAME|FILE", help="`default`, or a recipe in YAML.")
    ],
    data: Annotated[
        list[Path],
        typer.Option(
            metavar="DIR", help="A dataset or folder of stems to train on; repeat it for several."
        ),
    ],
    output: Output = Path("runs/default"),
    device: Device = "auto",
) -> None:
    """Train weights, or go on training where the output folder stands."""
    from rtmss.training.memory import keep_memory

    keep_memory()
    from rtmss.training.run import find_recipe
    from rtmss.training.run import train as run

    path = run(find_recipe(recipe), data, output, console, torch_device(device))
    console.print(f"Weights: {one_line(str(path))}", highlight=False)


@app.command()
def study(
    name: Annotated[
        str,
        typer.Argument(metavar="NAME|FILE", help="`paper`, `learning-curve`, or a study in YAML."),
    ],
    data: Annotated[
        list[Path],
        typer.Option(
            metavar="DIR", help="Folders to train on; the first one is judged on; repeat it."
        ),
    ],
    output: Output = Path("runs/study"),
    processes: Annotated[
        int,
        typer.Option(
            min=1,
            help="Runs trained and judged at once.",
        ),
    ] = 1,
    device: Device = "auto",
) -> None:
    """Train and judge variants of a recipe alike, from several seeds; goes on where the output
    folder stands.
    """
    from rtmss.study import run_study

    run_study(name, data, output, console, processes, torch_device(device))


@app.command()
def evaluate(
    data: JudgedData,
    output: ReportFolder = None,
    weights: Weights = None,
    task: TaskName = "targets",
    split: SplitName = None,
    songs: SongNames = None,
    targets: TargetNames = None,
    shots: Shots = "5",
    negatives: NegativeShots = "0",
    clips: ClipSource = "other-song",
    clips_from: ClipFolders = None,
    clip_seconds: ClipSeconds = 6.0,
    seed: Seed = 0,
    max_seconds: MaxSeconds = None,
    loudest: Loudest = None,
    mastered: Mastered = False,
    bss: Bss = False,
    references: References = True,
    apart: Apart = False,
    processes: Processes = 1,
    profile: Profile = None,
    compare: Compare = None,
) -> None:
    """Measure weights on songs they never heard, beside baselines and the oracles."""
    from rtmss.evaluation.options import Options
    from rtmss.evaluation.run import evaluate as run

    n_positive, n_negative = numbers(shots, "--shots"), numbers(negatives, "--negatives")
    if compare:
        _compare(compare, data[0], weights, n_positive[0], seed, profile)
        return
    options = Options(
        task=task,
        split=split,
        songs=tuple(songs) if songs else None,
        targets=tuple(targets.split(",")) if targets else None,
        shots=tuple(n_positive),
        negatives=tuple(n_negative),
        clips=clips,
        clips_from=tuple(clips_from or ()),
        clip_seconds=clip_seconds,
        seed=seed,
        max_seconds=max_seconds,
        loudest=loudest,
        mastered=mastered,
        bss=bss,
        references=references,
        apart=apart,
        profile=profile,
    )
    run(data, weights, output, options, n_processes=processes, console=console)


def _compare(
    which: str, data: Path, weights: Path | None, n_clips: int, seed: int, profile: str | None
) -> None:
    """Judge one target of one song, SONG:TARGET, by every kind of condition."""
    from rtmss.evaluation.compare import compare_conditions

    song, _, target = which.partition(":")
    compare_conditions(
        data,
        song,
        target,
        weights,
        n_clips=n_clips,
        seed=seed,
        profile=profile,
        console=console,
    )


def numbers(text: str, option: str) -> list[int]:
    """Whole numbers of 0 or more between commas.

    Raises:
        ConfigError: they are something else.
    """
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() for part in parts):
        raise ConfigError(f"{option}: expected whole numbers such as 1,2,5, got '{text}'")
    return [int(part) for part in parts]
