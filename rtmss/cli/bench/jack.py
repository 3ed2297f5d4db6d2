"""What the live host does on a JACK server without hardware."""

from __future__ import annotations

from typing import Annotated

import typer

from rtmss.cli.base import (
    BackendName,
    choose_backend,
    console,
    load_separator,
)
from rtmss.cli.bench.options import Json, Period, Realtime


def live(
    disturbance: Annotated[
        list[str] | None,
        typer.Option(
            "--disturb",
            metavar="none|osc|preset|capture|busy",
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
