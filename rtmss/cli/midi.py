"""MIDI: ports, and maps of controllers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from rtmss.cli.base import app, console, tell, user_folder
from rtmss.console import one_line

midi_app = typer.Typer(no_args_is_help=True, help="MIDI controllers: ports and maps.")
app.add_typer(midi_app, name="midi")


@midi_app.command("list")
def midi_list() -> None:
    """Every port: what to say to `live --midi`, and which ways it has."""
    from rtmss.live.control.midi.messages import check_mido
    from rtmss.live.control.midi.port import list_ports
    from rtmss.show import midi_ports_table

    check_mido()
    ports, problems = list_ports()
    console.print(midi_ports_table(ports))
    for problem in problems:
        tell(problem)


@midi_app.command("check")
def midi_check(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A map in YAML.")],
) -> None:
    """See that a map can be played, and print what its controls do."""
    from rtmss.live.control.midi.map_file import load_map
    from rtmss.show import midi_map_table

    midi_map = load_map(file)
    console.print(midi_map_table(midi_map.controls))
    line = f"{file}: controls: {len(midi_map.controls)}; all of them can be played"
    console.print(one_line(line), soft_wrap=True)


@midi_app.command("show")
def midi_show(
    file: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="A map; else the one of rtmss.")
    ] = None,
) -> None:
    """A map with all that was learned, in YAML, for a file of your own."""
    from rtmss.live.control.midi.map_file import as_yaml, load_learned, load_map

    learned = load_learned(user_folder())
    typer.echo(as_yaml(learned.over(load_map(file))), nl=False)


def check_midi(ports: Sequence[str], midi_map: Path | None) -> None:
    """See that what `live` is asked for can be, before anything starts.

    Raises:
        UserError: a library is missing, a name is none, or a map cannot be read.
    """
    from rtmss.config import UserError
    from rtmss.live.control.midi.map_file import load_learned, load_map
    from rtmss.live.control.midi.port import make_port

    if midi_map is not None and not ports:
        raise UserError("--midi-map needs a port: name it with --midi; see rtmss midi list")
    if len(set(ports)) < len(ports):
        raise UserError("--midi names a port twice")
    for name in ports:
        make_port(name)
    if ports:
        load_map(midi_map)
        load_learned(user_folder())
