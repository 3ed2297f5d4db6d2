"""The plug-in for DAWs, and the engine that it plays through."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from rtmss.cli.base import (
    BackendName,
    Weights,
    app,
    cache_folder,
    choose_backend,
    load_library,
    load_separator,
    tell,
)
from rtmss.config import UserError

plugin_app = typer.Typer(no_args_is_help=True, help="The plug-in for DAWs: VST3, CLAP and LV2.")
app.add_typer(plugin_app, name="plugin")

IDLE_SECONDS = 60.0
"""A detached engine without instances ends after this."""


@app.command()
def serve(
    detach: Annotated[
        bool,
        typer.Option(
            "--detach", help="Go on in the background, and end a minute after the last plug-in."
        ),
    ] = False,
    backend: BackendName = "auto",
    weights: Weights = None,
) -> None:
    """Play for the plug-ins in DAWs; they start this by themselves."""
    if sys.platform != "linux":
        raise UserError("the plug-in and its engine run on Linux only so far")
    from rtmss.serve.alone import detach as go_on_detached
    from rtmss.serve.alone import only_one
    from rtmss.serve.places import make_instances_folder

    folder = make_instances_folder()
    if detach:
        go_on_detached(cache_folder() / "serve.log")
    with only_one(folder):
        from rtmss.serve.engine import EngineOptions
        from rtmss.serve.supervisor import Supervisor

        separator = load_separator(weights, threads=1)
        choice = choose_backend(separator, backend)
        tell(f"serves plug-ins; backend {choice}")
        options = EngineOptions(separator, load_library(), choice.graph, folder)
        Supervisor(options, IDLE_SECONDS if detach else None).run()
