"""Conditions and presets: making them and looking at them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rtmss.cli.base import (
    Negatives,
    Positives,
    Strict,
    Weights,
    app,
    complain,
    console,
    load_library,
    load_separator,
    refuse_damaged,
    tell_of_own,
    user_folder,
)
from rtmss.config import UserError
from rtmss.console import one_line

if TYPE_CHECKING:
    from rtmss.conditions.clips import Clip, Excerpt

condition_app = typer.Typer(
    no_args_is_help=True, help="Make and look at conditions: what to separate, by example."
)
preset_app = typer.Typer(no_args_is_help=True, help="Look at presets: scenes of stems.")
app.add_typer(condition_app, name="condition")
app.add_typer(preset_app, name="preset")


@condition_app.command("create")
def condition_create(
    name: Annotated[str, typer.Argument(help="How presets will call it.")],
    positive: Positives = None,
    negative: Negatives = None,
    from_song: Annotated[
        Path | None,
        typer.Option(metavar="SONG", help="Take clips from this song, at the ranges."),
    ] = None,
    range: Annotated[  # noqa: A002
        list[str] | None,
        typer.Option(metavar="FROM-TO", help="The wanted sound is here, as 0:41-0:46; repeat it."),
    ] = None,
    not_range: Annotated[
        list[str] | None,
        typer.Option(metavar="FROM-TO", help="An unwanted sound is here; repeat it."),
    ] = None,
    weights: Weights = None,
    strict: Strict = False,
) -> None:
    """Make a condition from clips and keep it; negatives alone mean "everything except this"."""
    from rtmss.conditions.condition import save_condition
    from rtmss.conditions.doubts import clip_warnings
    from rtmss.conditions.preset import check_name

    refuse_damaged(strict)
    check_name(name, "condition")
    wanted: list[Clip] = [*(positive or []), *_excerpts(from_song, range)]
    unwanted: list[Clip] = [*(negative or []), *_excerpts(from_song, not_range)]
    if from_song is not None and not (range or not_range):
        raise UserError("--from-song needs a --range or --not-range, such as 0:41-0:46")
    condition = load_separator(weights).condition_from_files(name, wanted, unwanted)
    path = _own_file(name)
    replaced = path.exists()
    save_condition(path, condition)
    console.print(
        f"{'Replaced' if replaced else 'Created'} condition '{name}' in {one_line(str(path))}",
        highlight=False,
    )
    for warning in clip_warnings(condition):
        console.print(f"Doubtful: {warning}", style="yellow", highlight=False)
    tell_of_own(load_library(), [name])


@condition_app.command("rebuild")
def condition_rebuild(
    names: Annotated[
        list[str] | None,
        typer.Argument(help="Which; none means all that were made for other weights."),
    ] = None,
    weights: Weights = None,
) -> None:
    """Make conditions again from their clips, as after an update of the weights; they go into your
    own library.
    """
    from rtmss.conditions.clips import recorded_clips
    from rtmss.conditions.condition import load_condition, save_condition
    from rtmss.lookup import find

    separator, library = load_separator(weights), load_library()
    known = library.conditions()
    asked = names or sorted(known)
    failed = 0
    for name in asked:
        try:
            header = load_condition(find(name, known, "condition")).header
            if not names and header.model_id == separator.model_id:
                continue
            wanted = recorded_clips(header.positive)
            unwanted = recorded_clips(header.negative)
            path = _own_file(name)
            save_condition(path, separator.condition_from_files(name, wanted, unwanted))
        except UserError as error:
            if len(asked) == 1:
                raise
            failed += 1
            complain(f"{name}: {error}")
            continue
        console.print(f"Rebuilt condition '{name}' in {one_line(str(path))}", highlight=False)
    tell_of_own(library, names or known)
    if failed:
        raise UserError(f"{failed} of {len(asked)} conditions could not be rebuilt")


def _excerpts(
    song: Path | None,
    ranges: list[str] | None,
) -> list[Excerpt]:
    """The places in a song that were named.

    Raises:
        UserError: there is no song, or a range is none.
    """
    from rtmss.conditions.clips import Excerpt, parse_range

    if not ranges:
        return []
    if song is None:
        raise UserError("--range and --not-range are places in a song; name it with --from-song")
    return [Excerpt(song, *parse_range(text)) for text in ranges]


def _own_file(name: str) -> Path:
    """Where the user's own condition of this name is kept: what came with rtmss is only read."""
    return user_folder() / "conditions" / f"{name}.safetensors"


@condition_app.command("list")
def condition_list() -> None:
    """Every condition that presets can name."""
    from rtmss.show import conditions_table

    console.print(conditions_table(load_library()))


@condition_app.command("inspect")
def condition_inspect(
    name: Annotated[str, typer.Argument(help="A condition.")],
    picture: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Draw how alike they are, as PNG."),
    ] = None,
    sound: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="How like its clips is this file, as a rendered stem?"),
    ] = None,
    weights: Weights = None,
) -> None:
    """A condition's clips, how alike they are, the outlier, and the nearest other conditions."""
    from rtmss.conditions.picture import draw_likeness
    from rtmss.show import condition_details, nearest_conditions, sounds_table

    library = load_library()
    console.print(condition_details(name, library))
    if sound:
        separator = load_separator(weights)
        condition = library.load_condition(name, separator.model_id)
        console.print(sounds_table(condition, sound, separator.model))
    if picture is not None:
        condition = library.load_condition(name)
        draw_likeness(picture, condition, nearest_conditions(condition, library))
        console.print(f"Picture: {one_line(str(picture))}", highlight=False)


@preset_app.command("list")
def preset_list() -> None:
    """Every preset."""
    from rtmss.show import presets_table

    console.print(presets_table(load_library()))


@preset_app.command("show")
def preset_show(
    name: Annotated[str, typer.Argument(metavar="NAME|FILE", help="A preset.")],
) -> None:
    """A preset's strips."""
    from rtmss.show import preset_table

    console.print(preset_table(name, load_library()))
