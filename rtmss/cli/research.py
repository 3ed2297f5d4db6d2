"""Training and evaluation."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rtmss.cli.base import Output, Weights, app, console


@app.command()
def train(
    recipe: Annotated[str, typer.Argument(metavar="NAME|FILE", help="`default`, or a recipe in YAML.")],
    data: Annotated[
        list[Path], typer.Option(metavar="DIR", help="A dataset or folder of stems to train on; repeat it for several.")
    ],
    output: Output = Path("runs/default"),
) -> None:
    """Train weights, or go on training where the output folder stands."""
    from rtmss.training.run import find_recipe
    from rtmss.training.run import train as run

    path = run(find_recipe(recipe), data, output, console)
    console.print(f"Weights: {path}", highlight=False)


@app.command()
def evaluate(
    data: Annotated[Path, typer.Argument(metavar="DIR", help="A data folder with a `valid` split.")],
    output: Annotated[Path | None, typer.Option("--output", "-o", metavar="DIR", help="JSON and CSV go here.")] = None,
    weights: Weights = None,
    clips: Annotated[int, typer.Option(help="Positive clips of each condition.")] = 5,
    negatives: Annotated[int, typer.Option(help="Negative clips of each condition.")] = 0,
    songs: Annotated[list[str] | None, typer.Option("--song", help="Only these songs; repeat it.")] = None,
    seed: Annotated[int, typer.Option(help="Fixes which clips are drawn.")] = 0,
    same_song: Annotated[
        bool, typer.Option("--same-song", help="Positive clips of the judged stem itself instead of other songs.")
    ] = False,
    processes: Annotated[int, typer.Option(min=1, help="Pieces judged at once.")] = 1,
    compare: Annotated[
        str | None, typer.Option(metavar="SONG:TARGET", help="Instead: one target by positives, negatives, and both.")
    ] = None,
) -> None:
    """Measure weights on songs they never heard, beside baselines and the oracle."""
    from rtmss.evaluation.run import compare_conditions
    from rtmss.evaluation.run import evaluate as run

    if compare:
        song, _, target = compare.partition(":")
        compare_conditions(data, song, target, weights, n_clips=clips, seed=seed, console=console)
    else:
        run(
            data, weights, output, n_clips=clips, n_negatives=negatives, songs=songs, seed=seed, same_song=same_song,
            n_processes=processes, console=console,
        )  # fmt: skip
