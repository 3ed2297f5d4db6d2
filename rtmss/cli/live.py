"""The live host."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from rtmss.cli.base import Weights, app, console, load_library, load_separator, user_folder


@app.command()
def live(
    preset: Annotated[
        str, typer.Option("--preset", "-p", metavar="NAME|FILE", help="What plays at first.")
    ] = "karaoke",
    device: Annotated[
        str | None, typer.Option(metavar="NAME", help="The sound device, in and out, or a part of its name.")
    ] = None,
    block: Annotated[
        int | None, typer.Option(min=16, max=4096, help="Samples per block; else what the device brings at once.")
    ] = None,
    sample_rate: Annotated[
        int | None, typer.Option(metavar="HZ", help="44100 or 48000; else the device's own.")
    ] = None,
    queue: Annotated[
        int | None, typer.Option(min=1, max=16, help="Blocks that a step may take; more is safer and later.")
    ] = None,
    osc_port: Annotated[int, typer.Option(min=1, max=65535, help="UDP and TCP port for OSC.")] = 9470,
    osc_bind: Annotated[
        str, typer.Option(metavar="ADDRESS", help="Where OSC listens; 0.0.0.0 is everywhere.")
    ] = "127.0.0.1",
    quiet: Annotated[bool, typer.Option("--quiet", help="Show nothing.")] = False,
    json_lines: Annotated[bool, typer.Option("--json", help="Print statistics, a JSON object per second.")] = False,
    weights: Weights = None,
) -> None:
    """Play from a sound device to the same device, through a preset's mixer, driven over OSC and by keys."""
    from rtmss.conditions.preset import most_channels
    from rtmss.engine.control import Scene
    from rtmss.live.host import HostOptions, run_host
    from rtmss.live.launch import EngineOptions

    library, separator = load_library(), load_separator(weights)
    loaded = library.load_preset(preset)
    scene = Scene.from_preset(loaded, library, separator.model_id)
    config = separator.model.config
    n_outputs = max(most_channels(loaded), *map(most_channels, library.readable_presets()))
    options = HostOptions(
        EngineOptions(weights, device, block, n_outputs, sample_rate, queue),
        ("--n-condition", str(config.unet.n_condition), "--model-id", separator.model_id,
         "--hop-length", str(config.stft.hop_length), "--library", str(user_folder()), "--osc-bind", osc_bind,
         "--osc-port", str(osc_port), "--output", "none" if quiet else "json" if json_lines else "view"),
        config.unet.n_condition,
    )  # fmt: skip
    name = Path(preset).name.removesuffix(".yaml").removesuffix(".yml")
    errors = Console(stderr=True)
    code = run_host(options, scene, name, lambda line: errors.print(f"rtmss: {line}", highlight=False, soft_wrap=True))
    raise typer.Exit(code)


@app.command()
def devices() -> None:
    """Sound devices: name, host API, channels, default rate."""
    from rtmss.show import devices_table

    console.print(devices_table())


@app.command()
def osc() -> None:
    """Every OSC address, what it takes and what it does."""
    from rtmss.show import osc_table

    console.print(osc_table())
