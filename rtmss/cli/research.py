"""Training and evaluation."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rtmss.cli.base import Output, Profile, Weights, app, console, find_device
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

    path = run(find_recipe(recipe), data, output, console, find_device(device))
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
    processes: Annotated[int, typer.Option(min=1, help="Runs trained and judged at once.")] = 1,
    device: Device = "auto",
) -> None:
    """Train and judge variants of a recipe alike, from several seeds; goes on where the output
    folder stands.
    """
    from rtmss.study import run_study

    run_study(name, data, output, console, processes, find_device(device))


@app.command()
def evaluate(
    data: Annotated[
        list[Path],
        typer.Argument(metavar="DIR...", help="Datasets or folders of stems, judged together."),
    ],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="DIR", help="JSON, CSV and a picture go here."),
    ] = None,
    weights: Weights = None,
    exam: Annotated[
        str,
        typer.Option(
            metavar="targets|unseen|stems|duets",
            help="One target after the other; instruments that training has nothing of; all stems "
            "of a dataset, as "
            "results are published; or one of two sources of a family.",
        ),
    ] = "targets",
    split: Annotated[
        str | None,
        typer.Option(
            metavar="train|valid|test",
            help="Which songs.",
            show_default="valid; test for published stems",
        ),
    ] = None,
    songs: Annotated[
        list[str] | None,
        typer.Option("--song", metavar="NAME", help="Only these, or such as 'band-*'; repeat it."),
    ] = None,
    targets: Annotated[
        str | None,
        typer.Option(
            metavar="NAME,...",
            help="Families, instruments, or an instrument alone: vocals-alone.",
            show_default="the usual four",
        ),
    ] = None,
    shots: Annotated[
        str, typer.Option(metavar="K,...", help="Positive clips of each condition.")
    ] = "5",
    negatives: Annotated[
        str, typer.Option(metavar="N,...", help="Negative clips; every K goes with every N.")
    ] = "0",
    clips: Annotated[
        str,
        typer.Option(
            metavar="other-song|same-song|both",
            help="Positive clips of other songs, of the judged stem, or each.",
        ),
    ] = "other-song",
    clips_from: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="DIR", help="Take clips from this folder's training songs instead; repeat it."
        ),
    ] = None,
    clip_seconds: Annotated[
        float, typer.Option(metavar="SECONDS", min=0.5, help="How long a clip is.")
    ] = 6.0,
    seed: Annotated[int, typer.Option(help="Fixes which clips are drawn.")] = 0,
    max_seconds: Annotated[
        float | None,
        typer.Option(metavar="SECONDS", min=1.0, help="Hear at most this much of each song."),
    ] = None,
    loudest: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="With --max-seconds: hear where this target is loudest."),
    ] = None,
    mastered: Annotated[
        bool,
        typer.Option(
            "--mastered", help="Judge on mixtures compressed, limited and as loud as records."
        ),
    ] = False,
    bss: Annotated[
        bool,
        typer.Option(
            "--bss", help="SDR, ISR, SIR and SAR by BSSEval v4 too: takes many times as long."
        ),
    ] = False,
    references: Annotated[
        bool, typer.Option("--references/--no-references", help="Score baselines and oracles too.")
    ] = True,
    apart: Annotated[
        bool, typer.Option("--apart", help="Give every folder a mean of its own.")
    ] = False,
    processes: Annotated[int, typer.Option(min=1, help="Pieces judged at once.")] = 1,
    profile: Profile = None,
    compare: Annotated[
        str | None,
        typer.Option(
            metavar="SONG:TARGET", help="Instead: one target by positives, negatives, and both."
        ),
    ] = None,
) -> None:
    """Measure weights on songs they never heard, beside baselines and the oracles."""
    from rtmss.evaluation.compare import compare_conditions
    from rtmss.evaluation.options import Options
    from rtmss.evaluation.run import evaluate as run

    n_positive, n_negative = numbers(shots, "--shots"), numbers(negatives, "--negatives")
    if compare:
        song, _, target = compare.partition(":")
        compare_conditions(
            data[0],
            song,
            target,
            weights,
            n_clips=n_positive[0],
            seed=seed,
            profile=profile,
            console=console,
        )
        return
    options = Options(
        exam=exam,
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


def numbers(text: str, option: str) -> list[int]:
    """Whole numbers of 0 or more between commas.

    Raises:
        ConfigError: they are something else.
    """
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() for part in parts):
        raise ConfigError(f"{option}: expected whole numbers such as 1,2,5, got '{text}'")
    return [int(part) for part in parts]
