"""How fast this machine is."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rtmss.cli.base import (
    BackendName,
    Profile,
    Threads,
    Weights,
    app,
    cache_folder,
    choose_backend,
    console,
    find_device,
    load_separator,
    tell,
)

bench_app = typer.Typer(
    no_args_is_help=True, help="How fast this machine is: steps, the live host, memory."
)
app.add_typer(bench_app, name="bench")

Json = Annotated[
    Path | None, typer.Option("--output", "-o", metavar="FILE", help="All figures as JSON.")
]
Period = Annotated[
    int, typer.Option(min=16, max=4096, help="Samples per block of the JACK server.")
]
Realtime = Annotated[
    bool,
    typer.Option(
        "--realtime/--no-realtime", help="Let the JACK server ask for real-time priority."
    ),
]


@bench_app.command("step")
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


@bench_app.command("operators")
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


@bench_app.command("training")
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


@bench_app.command("start")
def start(
    targets: Annotated[
        list[int] | None,
        typer.Option("--targets", min=1, max=8, help="How many at once; repeat it. Else 1, 4, 8."),
    ] = None,
    rounds: Annotated[
        int,
        typer.Option(
            min=1,
            help="Processes for each; they take turns.",
        ),
    ] = 5,
    hops: Annotated[
        int,
        typer.Option(
            min=0,
            help="To play before memory is looked at.",
        ),
    ] = 200,
    backend: Annotated[
        str,
        typer.Option(
            "--backend", metavar="all|auto|torch|onnx", help="One alone, or all by turns."
        ),
    ] = "all",
    output: Json = None,
    weights: Weights = None,
) -> None:
    """From the start of a process to its first sound, its memory, the size of the weights, and
    latency by block.
    """
    from dataclasses import asdict

    from rtmss.bench.sizes import latencies, sizes
    from rtmss.bench.start import Order, measure_help, measure_start
    from rtmss.bench.tables import latency_table, size_table, start_table, write_json
    from rtmss.engine.backends.choose import BACKENDS
    from rtmss.separator import default_weights

    separator = load_separator(weights)
    names = BACKENDS if backend == "all" else (backend,)
    for name in names:
        choose_backend(separator, name)  # what is made and measured once, not while somebody waits
    path = None if weights is None else str(weights)
    orders = [
        Order(name, n, hops, str(cache_folder() / "onnx"), path)
        for n in targets or (1, 4, 8)
        for name in names
    ]
    with console.status("Starting") as status:
        help_seconds = measure_help(rounds)
        rows = measure_start(orders, rounds, status.update)
    parts, n_bytes = sizes(separator.model, weights or default_weights())
    waits = latencies()
    for table in (
        start_table(rows, help_seconds),
        size_table(parts, n_bytes),
        latency_table(waits),
    ):
        console.print(table)
    if output is not None:
        told = {
            "help_seconds": help_seconds,
            "weights_bytes": n_bytes,
            "model_id": separator.model_id,
        }
        write_json(
            output, rows, **told, sizes=[*map(asdict, parts)], latencies=[*map(asdict, waits)]
        )


@bench_app.command("render")
def render(
    seconds: Annotated[
        float,
        typer.Option(
            min=1,
            help="Length of the song.",
        ),
    ] = 60,
    peers: Annotated[
        bool, typer.Option("--peers", help="Also what is installed of htdemucs and open-unmix.")
    ] = False,
    threads: Threads = 0,
    output: Json = None,
    weights: Weights = None,
) -> None:
    """Real-time factor of four stems of a whole song in memory, alone or beside other separators,
    by turns.
    """
    from rtmss.bench.tables import whole_table, write_json
    from rtmss.bench.whole import measure_whole

    separator = load_separator(weights, threads)
    with console.status("Separating") as status:
        rows = measure_whole(
            separator,
            seconds,
            peers=peers,
            say=status.update,
            tell_missing=tell,
        )
    console.print(whole_table(rows))
    if output is not None:
        write_json(output, rows, model_id=separator.model_id)


@bench_app.command("live")
def live(
    disturbance: Annotated[
        list[str] | None,
        typer.Option(
            "--disturb",
            metavar="none|osc|preset|busy",
            help="What happens meanwhile; repeat it. Else all.",
        ),
    ] = None,
    hops: Annotated[
        int, typer.Option(min=1, help="Hops of each run; 30,000 take six minutes.")
    ] = 30_000,
    period: Period = 512,
    realtime: Realtime = True,
    backend: BackendName = "auto",
    output: Json = None,
) -> None:
    """Late hops of `rtmss live` on a JACK server without hardware, undisturbed and disturbed."""
    from rtmss.bench.paced import DISTURBANCES, PacedRow, measure_paced
    from rtmss.bench.tables import paced_table, write_json

    rows: list[PacedRow] = []
    with console.status("Starting") as status:
        for name in disturbance or DISTURBANCES:
            options = ["--backend", backend]
            rows.append(
                measure_paced(name, hops, period, options, is_realtime=realtime, say=status.update)
            )
            if output is not None:  # what there is, should a later run fail
                write_json(output, rows)
    console.print(paced_table(rows))


@bench_app.command("memory")
def memory(
    minutes: Annotated[
        float,
        typer.Option(
            min=0,
            help="Of audio.",
        ),
    ] = 60,
    every: Annotated[
        float,
        typer.Option(
            min=0.01,
            help="Minutes of audio between two looks.",
        ),
    ] = 5,
    speed: Annotated[
        float,
        typer.Option(
            min=0.1,
            help="Times real time.",
        ),
    ] = 4,
    backend: BackendName = "auto",
    output: Json = None,
) -> None:
    """Memory of `rtmss live` over an hour of audio, on a freewheeling JACK server without
    hardware.
    """
    from rtmss.bench.memory import measure_memory
    from rtmss.bench.tables import memory_table, write_json

    with console.status("Starting") as status:
        options = ["--backend", backend]
        rows = measure_memory(minutes, every, speed, options, status.update)
    console.print(memory_table(rows))
    if output is not None:
        write_json(output, rows)


@bench_app.command("soak")
def soak(
    minutes: Annotated[
        float,
        typer.Option(
            min=0,
            help="Real time.",
        ),
    ] = 60,
    every: Annotated[
        float,
        typer.Option(
            min=0.01,
            help="Minutes between two looks.",
        ),
    ] = 15,
    period: Period = 512,
    realtime: Realtime = True,
    backend: BackendName = "auto",
    output: Json = None,
) -> None:
    """A long show on a JACK server without hardware: meters, subscriptions, a preset every second
    and a recorder; late hops, memory and open files at begin and end. The recording takes 9 GB an
    hour in this folder, and is removed.
    """
    from rtmss.bench.soak import measure_soak
    from rtmss.bench.tables import soak_table, write_json

    with console.status("Starting") as status:
        rows = measure_soak(
            minutes,
            every,
            period,
            ["--backend", backend],
            is_realtime=realtime,
            say=status.update,
        )
    console.print(soak_table(rows))
    if output is not None:
        write_json(output, rows)


@bench_app.command("callback")
def callback(
    period: Annotated[
        list[int] | None,
        typer.Option(min=16, max=4096, help="Samples per block; repeat it. Else 128 and 256."),
    ] = None,
    rounds: Annotated[
        int,
        typer.Option(
            min=1,
            help="Runs of each; they take turns.",
        ),
    ] = 4,
    seconds: Annotated[
        float,
        typer.Option(
            min=1,
            help="Of each run.",
        ),
    ] = 40,
    backend: BackendName = "auto",
    output: Json = None,
) -> None:
    """Blocks lost by PortAudio's callback in Python, which rtmss has, and by one in C (rtmixer),
    beside the engine.
    """
    from rtmss.bench.callback import CALLBACKS, measure_callback
    from rtmss.bench.tables import callback_table, write_json

    graph = choose_backend(load_separator(None), backend).graph
    rows = []
    with console.status("Starting") as status:
        for number in range(rounds):
            for size in period or (128, 256):
                for kind in CALLBACKS if number % 2 == 0 else CALLBACKS[::-1]:
                    status.update(
                        f"round {number + 1} of {rounds}: blocks of {size}, callback in {kind}"
                    )
                    rows.append(measure_callback(kind, size, seconds, graph))
    console.print(callback_table(rows))
    if output is not None:
        write_json(output, rows)


@bench_app.command("streams")
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

    device = find_device(device)
    separator = load_separator(weights, threads=1, profile=profile)
    numbers = [2**k for k in range(most.bit_length())]
    rows = measure_streams(separator.model, device, targets, hops, numbers, threads)
    console.print(streams_table(rows))
    if output is not None:
        write_json(output, rows, model_id=separator.model_id)


@bench_app.command("all")
def everything(
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="DIR", help="JSON and a picture go here.")
    ] = Path("rtmss-bench"),
    hops: Annotated[
        int, typer.Option(min=1, help="Hops of each backend and number of targets.")
    ] = 10_000,
    seconds: Annotated[
        float,
        typer.Option(
            min=1,
            help="Length of the song for whole songs.",
        ),
    ] = 60,
    rounds: Annotated[
        int,
        typer.Option(
            min=1,
            help="Fresh processes of each kind.",
        ),
    ] = 5,
    peers: Annotated[
        bool, typer.Option("--peers", help="Also what is installed of htdemucs and open-unmix.")
    ] = False,
    weights: Weights = None,
) -> None:
    """All that needs no sound server, one after the other: start, render, step, operators,
    streams.
    """
    start(rounds=rounds, output=output / "start.json", weights=weights)
    # Before those that leave torch one thread.
    render(seconds=seconds, peers=peers, output=output / "render.json", weights=weights)
    step(
        hops=hops,
        picture=output / "step.png",
        output=output / "step.json",
        weights=weights,
    )
    operators(
        hops=min(hops, 500),
        output=output / "operators.json",
        weights=weights,
    )
    streams(
        hops=min(hops, 1000),
        output=output / "streams.json",
        weights=weights,
    )
    console.print(f"All figures are in {output}", highlight=False)
