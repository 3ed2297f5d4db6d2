"""Training and evaluation."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rtmss.cli.base import Output, Profile, Weights, app, console, find_device
from rtmss.config import ConfigError

Device = Annotated[str, typer.Option(metavar="auto|cpu|cuda", help="Where to train; a GPU if there is one.")]


@app.command()
def train(
    recipe: Annotated[str, typer.Argument(metavar="NAME|FILE", help="`default`, or a recipe in YAML.")],
    data: Annotated[
        list[Path], typer.Option(metavar="DIR", help="A dataset or folder of stems to train on; repeat it for several.")
    ],
    output: Output = Path("runs/default"),
    device: Device = "auto",
) -> None:
    """Train weights, or go on training where the output folder stands."""
    from rtmss.training.run import find_recipe
    from rtmss.training.run import train as run

    path = run(find_recipe(recipe), data, output, console, find_device(device))
    console.print(f"Weights: {path}", highlight=False)


@app.command()
def study(
    name: Annotated[str, typer.Argument(metavar="NAME|FILE", help="`paper`, `learning-curve`, or a study in YAML.")],
    data: Annotated[
        list[Path], typer.Option(metavar="DIR", help="Folders to train on; the first one is judged on; repeat it.")
    ],
    output: Output = Path("runs/study"),
    processes: Annotated[int, typer.Option(min=1, help="Runs trained and judged at once.")] = 1,
    device: Device = "auto",
) -> None:
    """Train and judge variants of a recipe alike, from several seeds; goes on where the output folder stands."""
    from rtmss.study import run_study

    run_study(name, data, output, console, processes, find_device(device))


@app.command()
def evaluate(
    data: Annotated[Path, typer.Argument(metavar="DIR", help="A data folder with a `valid` split.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="DIR", help="JSON, CSV and a picture go here.")
    ] = None,
    weights: Weights = None,
    shots: Annotated[str, typer.Option(metavar="K,...", help="Positive clips of each condition.")] = "5",
    negatives: Annotated[str, typer.Option(metavar="N,...", help="Negative clips; every K goes with every N.")] = "0",
    clips: Annotated[
        str, typer.Option(metavar="other-song|same-song", help="Positive clips of other songs, or of the judged stem.")
    ] = "other-song",
    split: Annotated[
        str, typer.Option(metavar="seen|unseen", help="Unseen: instruments that the `train` split does not have.")
    ] = "seen",
    targets: Annotated[
        str | None, typer.Option(metavar="NAME,...", help="Families or instruments.", show_default="the usual four")
    ] = None,
    songs: Annotated[list[str] | None, typer.Option("--song", help="Only these songs; repeat it.")] = None,
    seed: Annotated[int, typer.Option(help="Fixes which clips are drawn.")] = 0,
    bss: Annotated[
        bool, typer.Option("--bss", help="SDR, ISR, SIR and SAR by BSSEval v4 too: takes many times as long.")
    ] = False,
    mastered: Annotated[
        bool, typer.Option("--mastered", help="Judge on mixtures compressed, limited and as loud as records.")
    ] = False,
    max_seconds: Annotated[
        float | None, typer.Option(metavar="SECONDS", min=1.0, help="Hear at most this much of each song.")
    ] = None,
    processes: Annotated[int, typer.Option(min=1, help="Pieces judged at once.")] = 1,
    profile: Profile = None,
    compare: Annotated[
        str | None, typer.Option(metavar="SONG:TARGET", help="Instead: one target by positives, negatives, and both.")
    ] = None,
) -> None:
    """Measure weights on songs they never heard, beside baselines and the oracles."""
    from rtmss.evaluation.compare import compare_conditions
    from rtmss.evaluation.run import evaluate as run

    n_positive, n_negative = numbers(shots, "--shots"), numbers(negatives, "--negatives")
    if compare:
        song, _, target = compare.partition(":")
        compare_conditions(
            data, song, target, weights, n_clips=n_positive[0], seed=seed, profile=profile, console=console
        )
    else:
        run(
            data, weights, output, shots=n_positive, negatives=n_negative, clips=clips, split=split,
            targets=targets.split(",") if targets else None, songs=songs, seed=seed, bss=bss, mastered=mastered,
            max_seconds=max_seconds, profile=profile, n_processes=processes, console=console,
        )  # fmt: skip


def numbers(text: str, option: str) -> list[int]:
    """Whole numbers of 0 or more between commas.

    Raises:
        ConfigError: they are something else.
    """
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() for part in parts):
        raise ConfigError(f"{option}: expected whole numbers such as 1,2,5, got '{text}'")
    return [int(part) for part in parts]
