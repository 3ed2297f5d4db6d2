"""Data to train on: looking it through, and making some up."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from rtmss.cli.base import app, complain, console, torch_device
from rtmss.config import UserError
from rtmss.console import make_console

data_app = typer.Typer(no_args_is_help=True, help="Data to train on.")
app.add_typer(data_app, name="data")


@data_app.command("check")
def data_check(
    folder: Annotated[
        Path,
        typer.Argument(metavar="DIR", help="A dataset as it was unpacked, or a folder of stems."),
    ],
    as_json: Annotated[
        bool, typer.Option("--json", help="Print everything found as JSON, and nothing else.")
    ] = False,
) -> None:
    """Say what a folder holds, by instrument, and what is wrong with it; status 1 if that spoils
    training.
    """
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    from rtmss.datasets.check import check
    from rtmss.datasets.report import print_findings, to_json

    columns = BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn()
    shown = make_console(stderr=True)
    with Progress(
        *columns, console=shown, transient=True, disable=not shown.is_terminal
    ) as progress:
        task = progress.add_task("")
        findings = check(
            folder,
            lambda done, total: progress.update(
                task,
                completed=done,
                total=total,
            ),
        )
    if as_json:
        typer.echo(json.dumps(to_json(findings), indent=2))
    else:
        print_findings(findings, console)
    if findings.spoiled:
        raise typer.Exit(1)


@data_app.command("sets")
def data_sets() -> None:
    """Datasets that rtmss reads as they are unpacked: their files, where to get them, under which
    licence.
    """
    from rtmss.datasets.report import print_datasets

    print_datasets(console)


@data_app.command("synth")
def data_synth(
    output: Annotated[
        Path, typer.Argument(metavar="DIR", help="A folder of stems; what is there is kept.")
    ],
    songs: Annotated[
        int, typer.Option(min=1, help="How many, of about 80 seconds, earlier ones included.")
    ] = 90,
    valid: Annotated[
        int, typer.Option(min=0, help="How many more for validation, with music of their own.")
    ] = 0,
    seed: Annotated[
        int, typer.Option(min=0, help="The same seed and soundfonts make the same music.")
    ] = 0,
    soundfont: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="sf2 or sf3; repeat it. None: those of the system."),
    ] = None,
    leave_out: Annotated[
        list[int] | None,
        typer.Option(
            metavar="PROGRAM",
            help="A General MIDI program, from 0; repeat it. None: 22, 60, 68, 105.",
        ),
    ] = None,
    processes: Annotated[
        int, typer.Option(min=0, help="Songs made at once; 0 takes all processors.")
    ] = 0,
) -> None:
    """Make up songs and play them with fluidsynth, as stems to train on; goes on where it
    stopped.
    """
    import os

    from rtmss.synth.instruments import LEFT_OUT
    from rtmss.synth.run import synthesize

    made = synthesize(
        output,
        songs,
        n_valid=valid,
        seed=seed,
        soundfonts=soundfont or [],
        console=console,
        leave_out=LEFT_OUT if leave_out is None else leave_out,
        n_processes=processes or os.cpu_count() or 1,
    )
    console.print(
        f"Made {len(made)} of {songs + valid} songs in {output / 'songs'}", highlight=False
    )


@data_app.command("split")
def data_split(
    inputs: Annotated[
        list[Path], typer.Argument(metavar="INPUT...", help="Finished songs, or folders of them.")
    ],
    by: Annotated[
        str,
        typer.Option(
            metavar="TEACHER", help="spleeter, demucs or openunmix; TEACHER:MODEL for another."
        ),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", metavar="DIR", help="A folder of stems; what is there is kept."
        ),
    ],
    split: Annotated[
        str, typer.Option(metavar="train|valid|test", help="What the songs are for.")
    ] = "train",
    licence: Annotated[
        str, typer.Option(metavar="TEXT", help="Of the songs of which --about says none.")
    ] = "",
    about: Annotated[
        Path | None,
        typer.Option(
            metavar="CSV", help="A table of path, licence, artist and title; known by file name."
        ),
    ] = None,
    device: Annotated[
        str, typer.Option(metavar="auto|cpu|cuda", help="What the teacher runs on.")
    ] = "auto",
) -> None:
    """Split finished songs into stems to train on, by a big separator; goes on where it stopped."""
    from rtmss.teachers import load_teacher
    from rtmss.teachers.batch import find_songs, read_about, split_songs

    songs, known = find_songs(inputs), read_about(about) if about else {}
    teacher = load_teacher(by, torch_device(device))
    console.print(
        f"{teacher.version}, {teacher.licence or 'licence unknown'}: {', '.join(teacher.stems)}",
        highlight=False,
    )
    outcome = split_songs(
        songs, output, teacher, split=split, licence=licence, about=known, console=console
    )
    for line in outcome.failed:
        complain(line)
    place, minutes = output / "songs" / split, outcome.seconds / 60
    console.print(
        f"Split {len(outcome.made)} of {len(songs)} songs ({minutes:.1f} minutes) into {place}; "
        f"{len(outcome.kept)} were there",
        highlight=False,
        soft_wrap=True,
    )
    if outcome.failed:
        raise UserError(f"{len(outcome.failed)} of {len(songs)} songs could not be split")
