"""How long a start takes, and whole songs; and everything that needs no sound server."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rtmss.cli.base import (
    Threads,
    Weights,
    cache_folder,
    choose_backend,
    console,
    load_separator,
    tell,
)
from rtmss.cli.bench.model import operators, step, streams
from rtmss.cli.bench.options import Json


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
    from rtmss.bench.start import StartOrder, measure_help, measure_start
    from rtmss.bench.tables import latency_table, size_table, start_table, write_json
    from rtmss.engine.backends.choose import BACKENDS
    from rtmss.separator import default_weights

    separator = load_separator(weights)
    names = BACKENDS if backend == "all" else (backend,)
    for name in names:
        choose_backend(separator, name)  # what is made and measured once, not while somebody waits
    path = None if weights is None else str(weights)
    orders = [
        StartOrder(name, n, hops, str(cache_folder() / "onnx"), path)
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
    start(
        rounds=rounds,
        hops=min(hops, 200),
        output=output / "start.json",
        weights=weights,
    )
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
