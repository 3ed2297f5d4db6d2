"""The network for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rtmss.cli.base import Profile, Weights, app, console, load_separator
from rtmss.console import one_line

export_app = typer.Typer(no_args_is_help=True, help="Write the network for other programs.")
app.add_typer(export_app, name="export")


@export_app.command("onnx")
def export_onnx(
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="The file to write.")
    ],
    profile: Profile = None,
    weights: Weights = None,
) -> None:
    """One hop of the separator as ONNX: samples, conditions and state in, targets and the next
    state out.
    """
    from rtmss.engine.backends.graph import export_graph

    separator = load_separator(weights, profile=profile)
    with console.status("Exporting"):
        export_graph(output, separator.model, separator.model_id, standalone=True)
    console.print(
        f"Wrote {one_line(str(output))} for weights {separator.model_id}", highlight=False
    )
