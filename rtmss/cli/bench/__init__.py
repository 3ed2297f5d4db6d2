"""How fast this machine is."""

from __future__ import annotations

import typer

from rtmss.cli.base import app
from rtmss.cli.bench.jack import callback, live, memory, soak
from rtmss.cli.bench.model import operators, step, streams, training
from rtmss.cli.bench.whole import everything, render, start

bench_app = typer.Typer(
    no_args_is_help=True, help="How fast this machine is: steps, the live host, memory."
)
app.add_typer(bench_app, name="bench")

for command in (
    step,
    operators,
    training,
    start,
    render,
    live,
    memory,
    soak,
    callback,
    streams,
):
    bench_app.command()(command)
bench_app.command("all")(everything)
