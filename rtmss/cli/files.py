"""Files: the demo, separation by example, rendering through a preset."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rtmss.cli.base import (
    BackendName,
    Format,
    Inputs,
    Negatives,
    Output,
    Positives,
    Profile,
    Strict,
    Threads,
    Weights,
    app,
    choose_backend,
    complain,
    console,
    load_library,
    load_separator,
    refuse_damaged,
    tell_of_own,
)
from rtmss.config import PROFILES, UserError
from rtmss.console import one_line

if TYPE_CHECKING:
    from rtmss.config import SeparatorConfig
    from rtmss.recording.log import Header
    from rtmss.rendering import RenderPlan, RenderReport
    from rtmss.separator import Separator


@app.command()
def demo(
    output: Output = Path("rtmss-demo"),
    weights: Weights = None,
    wait: Annotated[
        bool, typer.Option(help="Keep to real time; without, go as fast as possible.")
    ] = True,
    seconds: Annotated[
        float | None, typer.Option(min=8, help="Play no more than this of the song.")
    ] = None,
    backend: BackendName = "auto",
    profile: Profile = None,
) -> None:
    """Play a bundled song through the session in real time, with live preset switches; no sound
    card needed.
    """
    from rtmss.demo import run_demo

    # One hop is too little work to share: a second thread costs more in waiting than it gives.
    separator = load_separator(weights, threads=1, profile=profile)
    choice = choose_backend(separator, backend)
    if not run_demo(
        separator,
        load_library(),
        output,
        console,
        choice,
        wait=wait,
        seconds=seconds,
    ):
        raise typer.Exit(1)


@app.command()
def separate(
    inputs: Inputs,
    output: Output,
    positive: Positives = None,
    negative: Negatives = None,
    format: Format = "wav",  # noqa: A002
    profile: Profile = None,
    weights: Weights = None,
    threads: Threads = 0,
    strict: Strict = False,
) -> None:
    """Split files by example into target and remainder."""
    from rtmss.engine.control import Scene, Stem
    from rtmss.rendering import RenderPlan

    refuse_damaged(strict)
    separator = load_separator(weights, threads, profile)
    condition = separator.condition_from_files("target", positive or [], negative or [])
    plan = RenderPlan(
        Scene((Stem("target", condition),)),
        mix=False,
        stems=True,
        format=format,
    )
    _render(inputs, output, separator, plan)


@app.command()
def render(
    inputs: Inputs,
    output: Output,
    preset: Annotated[
        str | None, typer.Option(metavar="NAME|FILE", help="A preset by name, or a YAML file.")
    ] = None,
    automation: Annotated[
        Path | None,
        typer.Option(
            metavar="LOG", help="Instead: the session.jsonl of a recording, to be played again."
        ),
    ] = None,
    stems: Annotated[
        bool, typer.Option("--stems", help="Write every stem and the remainder too.")
    ] = False,
    format: Format = "wav",  # noqa: A002
    backend: Annotated[
        str | None,
        typer.Option(
            metavar="auto|torch|onnx",
            help="Else torch in long blocks, or with --automation the log's.",
        ),
    ] = None,
    profile: Profile = None,
    weights: Weights = None,
    threads: Threads = 0,
    strict: Strict = False,
) -> None:
    """Play files into mix.wav, through a preset's mixer or as it was played live."""
    from rtmss.engine.control import Scene
    from rtmss.rendering import RenderPlan

    refuse_damaged(strict)
    if (preset is None) == (automation is None):
        raise UserError("render takes one of --preset and --automation")
    if automation is not None:
        if format != "wav" or threads > 1 or profile is not None:
            raise UserError(
                "--automation plays hop by hop on one thread, at the log's latency, into wav: "
                "leave out --format, --threads and --profile"
            )
        if len(inputs) > 1:
            raise UserError("--automation plays one input, that of its recording")
        _replay(inputs[0], output, automation, weights, backend, stems=stems)
        return
    library = load_library()
    loaded = library.load_preset(str(preset))
    separator = load_separator(weights, threads, profile)
    scene = Scene.from_preset(loaded, library, separator.model_id)
    scene.check(separator.limits)
    tell_of_own(library, (stem.condition for stem in loaded.stems.values()))
    _render(
        inputs,
        output,
        separator,
        RenderPlan.from_preset(loaded, scene, stems=stems, format=format),
        backend or "torch",
    )


@app.command()
def info(profile: Profile = None, weights: Weights = None) -> None:
    """Versions, devices, the model and its latency."""
    from rtmss.show import info_table

    separator = load_separator(weights, profile=profile)
    console.print(info_table(separator, choose_backend(separator, "auto", may_export=False)))


def _render(
    sources: list[Path], output: Path, separator: Separator, plan: RenderPlan, wanted: str = "torch"
) -> None:
    """Render one file into a folder, or several into folders of their names; one that cannot be is
    no end for others.

    Raises:
        UserError: one of them could not be rendered, two of several have the same name, or one
            would be written over.
    """
    from rtmss.files import folder_name
    from rtmss.rendering import render as run

    model, choice = separator.model, choose_backend(separator, wanted)
    is_one = len(sources) == 1
    folders = {source: output if is_one else output / folder_name(source) for source in sources}
    if len(set(folders.values())) < len(sources):
        raise UserError(
            "inputs of the same name would be written over one another; render them one by one"
        )
    _keep_inputs(folders, plan)
    n_failed = 0
    for source, folder in folders.items():
        backend = choice.start(model)
        try:
            _show(
                source.name,
                partial(
                    run,
                    source,
                    folder,
                    model,
                    plan,
                    backend=backend,
                ),
                plan.format,
            )
        except (UserError, OSError, MemoryError, RuntimeError) as error:
            if len(sources) == 1:
                raise
            n_failed += 1
            told = str(error) if isinstance(error, UserError) else f"{source}: {error}"
            complain(told)
    if n_failed:
        raise UserError(f"{n_failed} of {len(sources)} files could not be rendered")


def _replay(
    source: Path,
    folder: Path,
    log_file: Path,
    weights: Path | None,
    wanted: str | None,
    *,
    stems: bool,
) -> None:
    from rtmss.recording.log import versions
    from rtmss.recording.log_reader import SessionLog
    from rtmss.recording.replay import replay

    separator = load_separator(weights, threads=1)
    log = SessionLog.load(log_file, separator.model_id)
    if not log.header.fits(separator.model.config):
        profile = _profile_of(log.header, separator.model.config)
        if profile is None:
            hop_length, delay = log.header.hop_length, log.header.delay
            raise UserError(
                f"{log_file}: hops of {hop_length} samples, {delay} late, are those of no profile"
            )
        separator = load_separator(weights, threads=1, profile=profile)
    backend = choose_backend(
        separator,
        wanted or log.header.backend,
    ).start(separator.model)
    run = partial(
        replay,
        source,
        folder,
        separator.model,
        log,
        stems=stems,
        backend=backend,
    )
    _show(source.name, lambda tell: run(report=tell))
    if log.n_lost:
        console.print(
            f"The recorder lost {log.n_lost} hops; from there on, samples differ",
            style="yellow",
        )
    if log.n_moves:
        text = (
            f"A song was started, stopped or moved {log.n_moves} times; from there "
            "on, samples differ"
        )
        console.print(text, style="yellow")
    made_by = log.header.versions
    if made_by != versions(backend.name):
        console.print(
            f"Recorded with {made_by}: samples may differ in their last bits",
            style="yellow",
            markup=False,
        )


def _profile_of(header: Header, config: SeparatorConfig) -> str | None:
    """The latency profile that a log was recorded with; None for another."""
    for name, stft in PROFILES.items():
        if header.fits(config.model_copy(update={"stft": stft})):
            return name
    return None


def _keep_inputs(folders: Mapping[Path, Path], plan: RenderPlan) -> None:
    """See that no input is where what becomes of another goes.

    Raises:
        UserError: one is.
    """
    names = [f"{name}.{plan.format}" for name in plan.names]
    written = {os.path.realpath(folder / name) for folder in folders.values() for name in names}
    for source in folders:
        if os.path.realpath(source) in written:
            raise UserError(f"{source}: would be written over; choose another output folder")


def _show(
    name: str,
    run: Callable[[Callable[[float], None]], RenderReport],
    format: str = "wav",  # noqa: A002
) -> None:
    from rich.progress import (
        BarColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
    )
    with Progress(
        *columns, TimeElapsedColumn(), TimeRemainingColumn(), console=console, transient=True
    ) as progress:
        task = progress.add_task(name, total=1.0)
        report = run(lambda done: progress.update(task, completed=done))
    _summarise(report, format)


def _summarise(report: RenderReport, format: str) -> None:  # noqa: A002
    for path in report.files:
        console.print(f"  {one_line(str(path))}", highlight=False)
    console.print(
        f"{report.seconds:.1f} s of audio in {report.wall_seconds:.1f} s (real-time factor "
        f"{report.real_time_factor:.2f})",
        highlight=False,
    )
    if report.peak > 1 and format != "wav":
        console.print(
            f"Peaks reach {report.peak:.2f} of full scale and were clipped: use --format wav",
            style="yellow",
        )
    if report.n_bad_samples:
        console.print(
            f"{report.n_bad_samples} input samples were not finite or absurdly loud", style="yellow"
        )
    if report.n_bad_outputs:
        console.print(
            f"{report.n_bad_outputs} samples of stems, effects or mix were not finite and are "
            "silence",
            style="yellow",
        )
