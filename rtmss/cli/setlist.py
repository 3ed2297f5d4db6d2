"""Set lists: what is missing, and what is in them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rtmss.cli.base import Weights, app, console, load_library, load_separator
from rtmss.console import one_line

if TYPE_CHECKING:
    from rtmss.conditions.set_list import SetList
    from rtmss.separator import Separator

setlist_app = typer.Typer(no_args_is_help=True, help="Look at set lists: songs and their cues.")
app.add_typer(setlist_app, name="setlist")

SetListFile = Annotated[Path, typer.Argument(metavar="FILE", help="A set list in YAML.")]


@setlist_app.command("check")
def setlist_check(
    file: SetListFile,
    preset: Annotated[
        str, typer.Option("--preset", "-p", metavar="NAME|FILE", help="What plays at first.")
    ] = "karaoke",
    weights: Weights = None,
) -> None:
    """Find what a set list lacks, before the evening: one line for each problem, and status 1."""
    from rtmss.conditions.set_list import load_set_list

    set_list = load_set_list(file)
    problems = set_list_problems(set_list, load_separator(weights), preset)
    for problem in problems:
        console.print(one_line(problem), soft_wrap=True)
    if problems:
        raise typer.Exit(1)
    n_songs, n_cues = len(set_list.songs), sum(len(song.cues) for song in set_list.songs)
    what = "files" if set_list.has_files else "the input"
    line = f"{file}: songs over {what}: {n_songs}, cues: {n_cues}; nothing is missing"
    console.print(one_line(line), soft_wrap=True)


@setlist_app.command("show")
def setlist_show(file: SetListFile) -> None:
    """A set list's songs and cues: when they come, and what they change."""
    from rtmss.conditions.set_list import load_set_list
    from rtmss.show import set_list_table

    console.print(set_list_table(load_set_list(file)))


def set_list_problems(
    set_list: SetList, separator: Separator, first_preset: str, *, listens: bool = True
) -> list[str]:
    """What a set list lacks, a line each; without `listens`, files are not decoded."""
    from rtmss.live.control.cues.check import SetListCheck

    check = SetListCheck(set_list, load_library(), separator.model_id, separator.limits)
    return check.run(first_preset, listens=listens)
