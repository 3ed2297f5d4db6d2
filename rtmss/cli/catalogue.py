"""A catalogue: everything that somebody has, by one command."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from rtmss.cli.base import (
    DAMAGED_STATUS,
    Format,
    Profile,
    Weights,
    app,
    console,
    load_library,
    load_separator,
    tell,
    torch_device,
)
from rtmss.cli.catalogue_options import (
    Batch,
    DryRun,
    Force,
    Inputs,
    Loudness,
    ModelDevice,
    OnRay,
    Output,
    Presets,
    Price,
    RetryFailed,
    Stems,
    Strict,
    Workers,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rtmss.catalogue.run import Engine
    from rtmss.catalogue.songs import Song
    from rtmss.catalogue.worker import Task


@app.command()
def catalogue(
    inputs: Inputs,
    output: Output,
    preset: Presets = None,
    stems: Stems = False,
    format: Format = "wav",  # noqa: A002
    loudness: Loudness = None,
    workers: Workers = 0,
    ray: OnRay = None,
    device: ModelDevice = "cpu",
    batch: Batch = 1,
    force: Force = False,
    retry_failed: RetryFailed = False,
    dry_run: DryRun = False,
    price: Price = None,
    profile: Profile = None,
    weights: Weights = None,
    strict: Strict = False,
) -> None:
    """Render everything, each song once; goes on where it stopped. Status 3 if songs failed."""
    import datetime

    from rtmss.catalogue.makings import Makings, Style
    from rtmss.catalogue.songs import find_songs, is_address
    from rtmss.catalogue.worker import Task

    separator = load_separator(weights, 1, profile)
    output = output if is_address(output) else str(Path(output).absolute())
    style = Style(separator.model_id, profile, format, stems, loudness)
    makings = Makings(load_library(), style)
    songs = [
        makings.of(
            song,
            preset or (),
        )
        for song in find_songs(inputs, output)
    ]
    task = Task(
        output=output,
        style=style,
        makings=makings.by_name,
        run=f"{datetime.datetime.now(datetime.UTC):%Y%m%dT%H%M%S.%f}",
        weights=weights.absolute() if weights else None,
        force=force,
        strict=strict,
        device=torch_device(device),
        batch=batch,
    )
    del separator
    if dry_run:
        _estimate(songs, task, workers, price)
        return
    n_failed = _run(
        songs,
        task,
        _engine(task, workers, ray),
        retry_failed=retry_failed,
    )
    if n_failed:
        raise typer.Exit(DAMAGED_STATUS)


def _run(
    songs: Sequence[Song],
    task: Task,
    engine: Engine,
    *,
    retry_failed: bool,
) -> int:
    """Do it; gives the number of songs that failed."""
    from rtmss.catalogue.display import Display
    from rtmss.catalogue.run import run_catalogue
    from rtmss.catalogue.store import open_store

    with Display(console) as display:
        summary = run_catalogue(
            songs,
            open_store(task.output),
            engine,
            task.run,
            force=task.force,
            retry_failed=retry_failed,
            batch=task.batch,
            show=display.begin,
        )
    display.summarise(summary)
    console.print(
        f"Report: {', '.join(f'{task.output}/{name}' for name in summary.report)}",
        soft_wrap=True,
    )
    if len(summary.report) == 1:
        tell("no Parquet, as pyarrow is missing: pip install 'rtmss[ray]'")
    return len(summary.failed)


def _engine(task: Task, n_workers: int, ray: str | None) -> Engine:
    from functools import partial

    from rtmss.catalogue.cluster import on_ray
    from rtmss.catalogue.engines import n_cores, on_this_machine
    from rtmss.catalogue.worker import Worker

    start: Any = partial(Worker, task)
    is_gpu = task.device != "cpu"
    if ray is not None:
        return partial(
            on_ray,
            start=start,
            n_workers=n_workers,
            address=ray,
            n_gpus=int(is_gpu),
        )
    return partial(
        on_this_machine, start=start, n_workers=n_workers or (1 if is_gpu else n_cores())
    )


def _estimate(
    songs: Sequence[Song],
    task: Task,
    n_workers: int,
    price: float | None,
) -> None:
    from rtmss.catalogue.engines import n_cores
    from rtmss.catalogue.estimate import estimate

    found = estimate(songs, task)
    n_workers = n_workers or n_cores()
    console.print(
        f"{found.n_songs} songs, about {found.hours:.2f} hours of audio ({found.n_opened} looked "
        "up)"
    )
    console.print(
        f"One worker renders {found.speed:.1f} seconds a second: about {found.worker_hours:.2f} "
        f"hours, {found.worker_hours / n_workers:.2f} with {n_workers} workers"
    )
    if price is not None:
        console.print(f"At {price:g} an hour of a worker: about {found.worker_hours * price:.2f}")
