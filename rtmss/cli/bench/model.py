"""How long steps of the model take, and what they spend their time on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rtmss.cli.base import (
    Profile,
    Threads,
    Weights,
    choose_backend,
    console,
    load_separator,
    torch_device,
)
from rtmss.cli.bench.options import Json


def step(
    targets: Annotated[
        list[int] | None,
        typer.Option("--targets", min=1, max=8, help="How many at once; repeat it. Else 1, 4, 8."),
    ] = None,
    hops: Annotated[
        int,
        typer.Option(
            min=1,
            help="Hops of each backend.",
        ),
    ] = 10_000,
    profile: Profile = None,
    switch: Annotated[
        bool, typer.Option("--switch", help="Change every condition at every hop.")
    ] = False,
    paced: Annotated[bool, typer.Option("--paced", help="At the pace of a sound device.")] = False,
    backend: Annotated[
        str, typer.Option("--backend", metavar="all|torch|onnx", help="One alone, or all by turns.")
    ] = "all",
    picture: Annotated[
        Path | None,
        typer.Option(
            "--picture", metavar="FILE.png", help="The times beside the hop, as a picture."
        ),
    ] = None,
    output: Json = None,
    weights: Weights = None,
) -> None:
    """Step times on one thread, backends by turns, beside what the products alone would take
    here.
    """
    from rtmss.bench.steps import StepRow, measure_steps
    from rtmss.bench.tables import steps_table, write_json
    from rtmss.bench.work import peak_macs_per_second

    separator = load_separator(weights, threads=1, profile=profile)
    names = ("torch", "onnx") if backend == "all" else (backend,)
    choices = [choose_backend(separator, name) for name in names]
    rows: list[StepRow] = []
    peak = peak_macs_per_second()
    for n in targets or (1, 4, 8):
        # A line and no spinner, whose thread would take the interpreter from the one that is
        # measured.
        console.print(
            f"{n} targets, {hops} hops each of {', '.join(names)}", style="dim", highlight=False
        )
        backends = [choice.start(separator.model) for choice in choices]
        rows += measure_steps(
            separator.model,
            backends,
            n,
            hops,
            switching=switch,
            paced=paced,
        )
    console.print(steps_table(rows, peak))
    if picture is not None:
        from rtmss.bench.picture import draw_steps

        draw_steps(picture, rows)
    if output is not None:
        write_json(output, rows, model_id=separator.model_id, peak_macs_per_second=peak)


def operators(
    targets: Annotated[
        list[int] | None,
        typer.Option("--targets", min=1, max=8, help="How many at once; repeat it. Else 1, 4, 8."),
    ] = None,
    hops: Annotated[
        int, typer.Option(min=1, help="Hops with the profiler, and as many without.")
    ] = 500,
    profile: Profile = None,
    output: Json = None,
    weights: Weights = None,
) -> None:
    """Where the time of a step in ONNX Runtime goes: kinds of operators, how fast they multiply,
    and what is left.
    """
    from rtmss.bench.operators import OperatorRow, measure_operators
    from rtmss.bench.tables import operators_table, write_json
    from rtmss.bench.work import peak_macs_per_second

    separator = load_separator(weights, threads=1, profile=profile)
    graph = choose_backend(separator, "onnx").graph
    assert graph is not None
    rows: list[OperatorRow] = []
    steps, peak = {}, peak_macs_per_second()
    for n in targets or (1, 4, 8):
        with console.status(f"{n} targets, {hops} hops with and without the profiler"):
            anatomy = measure_operators(separator.model, graph, n, hops)
        console.print(operators_table(anatomy, peak))
        rows += anatomy.rows
        steps[n] = {name: getattr(anatomy, name) for name in ("p50_ms", "milliseconds", "overhead")}
    if output is not None:
        write_json(
            output,
            rows,
            model_id=separator.model_id,
            peak_macs_per_second=peak,
            steps=steps,
            hop_length=separator.model.config.stft.hop_length,
        )


def streams(
    device: Annotated[
        str, typer.Option(metavar="cpu|cuda", help="What plays them, all in one step.")
    ] = "cpu",
    targets: Annotated[
        int,
        typer.Option(
            min=1,
            max=8,
            help="Of each stream.",
        ),
    ] = 4,
    hops: Annotated[
        int,
        typer.Option(
            min=1,
            help="Of each number of streams.",
        ),
    ] = 1000,
    most: Annotated[
        int,
        typer.Option(
            min=1,
            help="Streams at which to stop.",
        ),
    ] = 256,
    profile: Profile = None,
    threads: Threads = 1,
    output: Json = None,
    weights: Weights = None,
) -> None:
    """How many independent streams one device serves in time: 1, 2, 4 and so on, until it is
    late.
    """
    from rtmss.bench.streams import measure_streams
    from rtmss.bench.tables import streams_table, write_json

    device = torch_device(device)
    separator = load_separator(weights, threads=1, profile=profile)
    numbers = [2**k for k in range(most.bit_length())]
    rows = measure_streams(separator.model, device, targets, hops, numbers, threads)
    console.print(streams_table(rows))
    if output is not None:
        write_json(output, rows, model_id=separator.model_id)


def training(
    recipe: Annotated[
        str, typer.Argument(metavar="NAME|FILE", help="A recipe of `rtmss train`.")
    ] = "finish",
    data: Annotated[
        list[Path] | None,
        typer.Option(metavar="DIR", help="What to mix; noise without it. Repeat it for several."),
    ] = None,
    steps: Annotated[
        int,
        typer.Option(
            min=1,
            help="Steps to time.",
        ),
    ] = 20,
    output: Json = None,
) -> None:
    """What a training step costs, part by part, and how near that is to what the machine could
    multiply.
    """
    from rtmss.training.memory import keep_memory

    keep_memory()
    from rtmss.bench.tables import training_table, write_json
    from rtmss.bench.training import measure_training
    from rtmss.config import read_yaml
    from rtmss.training.recipe import Recipe
    from rtmss.training.run import find_recipe

    file = find_recipe(recipe)
    with console.status("Compiling, then training"):
        step = measure_training(
            read_yaml(file, Recipe),
            file.parent,
            data or [],
            steps,
        )
    console.print(training_table(step))
    if output is not None:
        figures = {
            "p50_ms": step.p50_ms,
            "least_ms": step.least_ms,
            "macs": step.macs,
        }
        write_json(output, step.rows, **figures, peak_macs_per_second=step.peak_macs_per_second)
