"""Files: the demo, separation by example, rendering through a preset."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rtmss.cli.base import (
    Format,
    Input,
    Negatives,
    Output,
    Positives,
    Threads,
    Weights,
    app,
    console,
    load_library,
    load_separator,
)

if TYPE_CHECKING:
    from rtmss.render import Plan, Report
    from rtmss.separator import Separator


@app.command()
def demo(
    output: Output = Path("rtmss-demo"),
    weights: Weights = None,
    wait: Annotated[bool, typer.Option(help="Keep to real time; without, go as fast as possible.")] = True,
    seconds: Annotated[float | None, typer.Option(min=8, help="Play no more than this of the song.")] = None,
) -> None:
    """Play a bundled song through the session in real time, with live preset switches; no sound card needed."""
    from rtmss.demo import run_demo

    # One hop is too little work to share: a second thread costs more in waiting than it gives.
    if not run_demo(load_separator(weights, threads=1), load_library(), output, console, wait=wait, seconds=seconds):
        raise typer.Exit(1)


@app.command()
def separate(
    input: Input,  # noqa: A002
    output: Output,
    positive: Positives = None,
    negative: Negatives = None,
    format: Format = "wav",  # noqa: A002
    weights: Weights = None,
    threads: Threads = 0,
) -> None:
    """Split a file by example into target and remainder."""
    from rtmss.engine.control import Scene, Stem
    from rtmss.render import Plan

    separator = load_separator(weights, threads)
    condition = separator.condition_from_files("target", positive or [], negative or [])
    plan = Plan(Scene((Stem("target", condition),)), mix=False, stems=True, format=format)
    _render(input, output, separator, plan)


@app.command()
def render(
    input: Input,  # noqa: A002
    output: Output,
    preset: Annotated[str, typer.Option(metavar="NAME|FILE", help="A preset by name, or a YAML file.")],
    stems: Annotated[bool, typer.Option("--stems", help="Write every stem and the remainder too.")] = False,
    format: Format = "wav",  # noqa: A002
    weights: Weights = None,
    threads: Threads = 0,
) -> None:
    """Play a file through a preset's mixer into mix.wav."""
    from rtmss.engine.control import Scene
    from rtmss.render import Plan

    library = load_library()
    loaded = library.load_preset(preset)
    separator = load_separator(weights, threads)
    scene = Scene.from_preset(loaded, library, separator.model_id)
    _render(input, output, separator, Plan.from_preset(loaded, scene, stems=stems, format=format))


@app.command()
def info(weights: Weights = None) -> None:
    """Versions, devices, the model and its latency."""
    from rtmss.show import info_table

    console.print(info_table(load_separator(weights)))


def _render(source: Path, folder: Path, separator: Separator, plan: Plan) -> None:
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    from rtmss.render import render as run

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"))
    with Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn(), console=console, transient=True) as progress:
        task = progress.add_task(source.name, total=1.0)
        report = run(source, folder, separator.model, plan, lambda done: progress.update(task, completed=done))
    _summarise(report, plan)


def _summarise(report: Report, plan: Plan) -> None:
    for path in report.files:
        console.print(f"  {path}", highlight=False)
    console.print(
        f"{report.seconds:.1f} s of audio in {report.wall_seconds:.1f} s (real-time factor "
        f"{report.real_time_factor:.2f})",
        highlight=False,
    )
    if report.peak > 1 and plan.format != "wav":
        console.print(f"Peaks reach {report.peak:.2f} of full scale and were clipped: use --format wav", style="yellow")
    if report.n_bad_samples:
        console.print(f"{report.n_bad_samples} input samples were not finite or absurdly loud", style="yellow")
