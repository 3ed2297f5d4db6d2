"""How fast this machine is."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rtmss.cli.base import BackendName, Threads, Weights, app, choose_backend, console, load_separator
from rtmss.config import UserError

bench_app = typer.Typer(no_args_is_help=True, help="How fast this machine is: steps, the live host, memory.")
app.add_typer(bench_app, name="bench")

Json = Annotated[Path | None, typer.Option("--output", "-o", metavar="FILE", help="All figures as JSON.")]


@bench_app.command("step")
def step(
    targets: Annotated[
        list[int] | None, typer.Option("--targets", min=1, max=8, help="How many at once; repeat it. Else 1, 4, 8.")
    ] = None,
    hops: Annotated[int, typer.Option(min=1, help="Hops of each backend.")] = 10_000,
    profile: Annotated[
        str | None, typer.Option(metavar="NAME", help="default or tight, with weights out of thin air.")
    ] = None,
    switch: Annotated[bool, typer.Option("--switch", help="Change every condition at every hop.")] = False,
    paced: Annotated[bool, typer.Option("--paced", help="At the pace of a sound device.")] = False,
    backend: Annotated[
        str, typer.Option("--backend", metavar="all|torch|onnx", help="One alone, or all by turns.")
    ] = "all",
    output: Json = None,
    weights: Weights = None,
) -> None:
    """Step times on one thread, backends by turns, beside what the products alone would take here."""
    from rtmss.bench.steps import StepRow, measure_steps, random_separator
    from rtmss.bench.tables import steps_table, write_json
    from rtmss.bench.work import peak_macs_per_second

    if profile is not None and weights is not None:
        raise UserError("--profile is for weights out of thin air; leave --weights out")
    separator = load_separator(weights, threads=1) if profile is None else random_separator(profile)
    names = ("torch", "onnx") if backend == "all" else (backend,)
    choices = [choose_backend(separator, name) for name in names]
    rows: list[StepRow] = []
    peak = peak_macs_per_second()
    with console.status("Stepping") as status:
        for n in targets or (1, 4, 8):
            status.update(f"{n} targets, {hops} hops each of {', '.join(names)}")
            backends = [choice.start(separator.model) for choice in choices]
            rows += measure_steps(separator.model, backends, n, hops, switching=switch, paced=paced)
    console.print(steps_table(rows, peak))
    if output is not None:
        write_json(output, rows, model_id=separator.model_id, peak_macs_per_second=peak)


@bench_app.command("render")
def render(
    seconds: Annotated[float, typer.Option(min=1, help="Length of the song.")] = 60,
    peers: Annotated[bool, typer.Option("--peers", help="Also what is installed of htdemucs and open-unmix.")] = False,
    threads: Threads = 0,
    output: Json = None,
    weights: Weights = None,
) -> None:
    """Real-time factor of four stems of a whole song in memory, alone or beside other separators, by turns."""
    from rtmss.bench.tables import whole_table, write_json
    from rtmss.bench.whole import measure_whole

    separator = load_separator(weights, threads)
    with console.status("Separating") as status:
        rows = measure_whole(separator, seconds, peers=peers, say=status.update)
    console.print(whole_table(rows))
    if output is not None:
        write_json(output, rows, model_id=separator.model_id)


@bench_app.command("live")
def live(
    disturbance: Annotated[
        list[str] | None,
        typer.Option("--disturb", metavar="none|osc|preset|busy", help="What happens meanwhile; repeat it. Else all."),
    ] = None,
    hops: Annotated[int, typer.Option(min=1, help="Hops of each run; 30,000 take six minutes.")] = 30_000,
    period: Annotated[int, typer.Option(min=16, max=4096, help="Samples per block of the JACK server.")] = 512,
    realtime: Annotated[
        bool, typer.Option("--realtime/--no-realtime", help="Let the JACK server ask for real-time priority.")
    ] = True,
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
            rows.append(measure_paced(name, hops, period, options, is_realtime=realtime, say=status.update))
            if output is not None:  # what there is, should a later run fail
                write_json(output, rows)
    console.print(paced_table(rows))


@bench_app.command("memory")
def memory(
    minutes: Annotated[float, typer.Option(min=0, help="Of audio.")] = 60,
    every: Annotated[float, typer.Option(min=0.01, help="Minutes of audio between two looks.")] = 5,
    speed: Annotated[float, typer.Option(min=0.1, help="Times real time.")] = 4,
    backend: BackendName = "auto",
    output: Json = None,
) -> None:
    """Memory of `rtmss live` over an hour of audio, on a freewheeling JACK server without hardware."""
    from rtmss.bench.memory import measure_memory
    from rtmss.bench.tables import memory_table, write_json

    with console.status("Starting") as status:
        options = ["--backend", backend]
        rows = measure_memory(minutes, every, speed, options, status.update)
    console.print(memory_table(rows))
    if output is not None:
        write_json(output, rows)


@bench_app.command("callback")
def callback(
    period: Annotated[
        list[int] | None, typer.Option(min=16, max=4096, help="Samples per block; repeat it. Else 128 and 256.")
    ] = None,
    rounds: Annotated[int, typer.Option(min=1, help="Runs of each; they take turns.")] = 4,
    seconds: Annotated[float, typer.Option(min=1, help="Of each run.")] = 40,
    backend: BackendName = "auto",
    output: Json = None,
) -> None:
    """Blocks lost by PortAudio's callback in Python, which rtmss has, and by one in C (rtmixer), beside the engine."""
    from rtmss.bench.callback import CALLBACKS, measure_callback
    from rtmss.bench.tables import callback_table, write_json

    graph = choose_backend(load_separator(None), backend).graph
    rows = []
    with console.status("Starting") as status:
        for number in range(rounds):
            for size in period or (128, 256):
                for kind in CALLBACKS if number % 2 == 0 else CALLBACKS[::-1]:
                    status.update(f"round {number + 1} of {rounds}: blocks of {size}, callback in {kind}")
                    rows.append(measure_callback(kind, size, seconds, graph))
    console.print(callback_table(rows))
    if output is not None:
        write_json(output, rows)
