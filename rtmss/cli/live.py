"""The live host."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rtmss.cli.base import (
    BackendName,
    Profile,
    Strict,
    Weights,
    app,
    choose_backend,
    console,
    load_library,
    load_separator,
    refuse_damaged,
    tell,
    tell_of_own,
    user_folder,
)
from rtmss.config import UserError

if TYPE_CHECKING:
    from rtmss.live.shared.song_state import TransportCommand


@app.command()
def live(
    preset: Annotated[
        str, typer.Option("--preset", "-p", metavar="NAME|FILE", help="What plays at first.")
    ] = "karaoke",
    device: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="The sound device, in and out, or a part of its name."),
    ] = None,
    source: Annotated[
        str | None,
        typer.Option(
            "--input", metavar="NAME", help="The input's device, if the output is another."
        ),
    ] = None,
    sink: Annotated[
        str | None, typer.Option("--output", metavar="NAME", help="The output's device.")
    ] = None,
    block: Annotated[
        int | None,
        typer.Option(
            min=16, max=4096, help="Samples per block; else what the device brings at once."
        ),
    ] = None,
    sample_rate: Annotated[
        int | None, typer.Option(metavar="HZ", help="Of the devices; else their own.")
    ] = None,
    queue: Annotated[
        int | None,
        typer.Option(min=1, max=16, help="Blocks that a step may take; more is safer and later."),
    ] = None,
    osc_port: Annotated[
        int, typer.Option(min=1, max=65535, help="UDP and TCP port for OSC.")
    ] = 9470,
    osc_bind: Annotated[
        str, typer.Option(metavar="ADDRESS", help="Where OSC listens; 0.0.0.0 is everywhere.")
    ] = "127.0.0.1",
    file: Annotated[
        Path | None, typer.Option(metavar="SONG", help="Play a file in the place of the input.")
    ] = None,
    loop: Annotated[
        str | None, typer.Option(metavar="A:B", help="Repeat the song from A to B, in seconds.")
    ] = None,
    loops: Annotated[
        int,
        typer.Option(min=0, max=9999, help="How many times; the song then goes on. 0 is for ever."),
    ] = 0,
    start: Annotated[
        float, typer.Option(min=0, metavar="S", help="Where the song begins, in seconds.")
    ] = 0.0,
    record: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Record input, mix, stems and log into the next DIR/take-NNN."
        ),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Show nothing.")] = False,
    json_lines: Annotated[
        bool, typer.Option("--json", help="Print statistics, a JSON object per second.")
    ] = False,
    backend: BackendName = "auto",
    profile: Profile = None,
    weights: Weights = None,
    strict: Strict = False,
) -> None:
    """Play from a sound device to the same or another, through a preset's mixer, driven over OSC
    and by keys.
    """
    from rtmss.conditions.preset import most_channels
    from rtmss.engine.control import Scene
    from rtmss.live.host import HostOptions, run_host
    from rtmss.live.options import ControlOptions, EngineOptions, RecorderOptions
    from rtmss.live.recorder import check_folder
    from rtmss.recording.unfinished import end_unfinished

    if device and (source or sink):
        raise UserError("--device is for both ways; name either it, or --input and --output")
    refuse_damaged(strict)
    song = _song(file, loop, loops, start)
    if song and source:
        raise UserError("--file plays in the place of an input; leave --input out")
    library, separator = load_library(), load_separator(weights, profile=profile)
    loaded = library.load_preset(preset)
    scene = Scene.from_preset(loaded, library, separator.model_id)
    scene.check(separator.limits)
    if not quiet:
        tell_of_own(library, (stem.condition for stem in loaded.stems.values()))
    config = separator.model.config
    n_outputs = max(most_channels(loaded), *map(most_channels, library.readable_presets()))
    choice = choose_backend(separator, backend)
    if not quiet:
        tell(f"backend {choice}")
    n_condition = config.unet.n_condition
    recorder = None
    if record is not None:
        check_folder(record)
        for take in end_unfinished(record):
            tell(f"{take}: its recorder was killed with everything else; it has an end now")
        recorder = RecorderOptions(
            n_condition=n_condition,
            folder=record,
            hop_length=config.stft.hop_length,
            n_outputs=n_outputs,
            model_id=separator.model_id,
            weights=str(weights or "shipped"),
        )
    engine = EngineOptions(
        n_condition=n_condition,
        weights=weights,
        device=device,
        source=source,
        sink=sink,
        block=block,
        n_outputs=n_outputs,
        sample_rate=sample_rate,
        n_queued=queue,
        graph=choice.graph,
        latency_profile=profile,
    )
    control = ControlOptions(
        n_condition=n_condition,
        model_id=separator.model_id,
        largest_norm=separator.limits.largest_norm,
        library=user_folder(),
        osc_bind=osc_bind,
        osc_port=osc_port,
        output="none" if quiet else "json" if json_lines else "view",
    )
    options = HostOptions(engine, control, recorder, song)
    name = Path(preset).name.removesuffix(".yaml").removesuffix(".yml")
    code = run_host(options, scene, name, tell)
    raise typer.Exit(code)


def _song(
    file: Path | None, loop: str | None, loops: int, start: float
) -> tuple[Path, TransportCommand] | None:
    """The song that is to be played, and how it begins.

    Raises:
        UserError: it cannot be.
    """
    from rtmss.live.shared.song_state import TransportCommand, checked, parse_loop
    from rtmss.live.song.decode import song_seconds

    if file is None:
        if loop or loops or start:
            raise UserError("--loop, --loops and --start are for a song; name it with --file")
        return None
    a, b = parse_loop(loop or ":")
    command = TransportCommand(
        seek_seconds=start, is_looping=loop is not None, a_seconds=a, b_seconds=b, n_loops=loops
    )
    last_place = max(start, a, b if b != math.inf else 0.0)
    return file.resolve(), checked(command, song_seconds(file, last_place + 1))


@app.command()
def devices() -> None:
    """Sound devices: name, host API, channels, default rate."""
    from rtmss.show import devices_table

    console.print(devices_table())


@app.command()
def osc(
    layout: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="A file for another program instead: open-stage-control, pd, reaper, "
            "supercollider.",
        ),
    ] = None,
    preset: Annotated[
        str,
        typer.Option(
            "--preset", "-p", metavar="NAME|FILE", help="Whose stems are on open-stage-control."
        ),
    ] = "four-stems",
) -> None:
    """Every OSC address, what it takes and what it does; or a layout for a controller."""
    library = load_library()
    if layout is None:
        from rtmss.live.control.osc.buttons import preset_address
        from rtmss.show import osc_table

        console.print(osc_table())
        typer.echo("\nButtons of the presets:\n")
        for name in sorted(library.presets()):
            typer.echo(preset_address(name))
        return
    from rtmss.live.control.layouts import layout_text

    typer.echo(layout_text(layout, library.load_preset(preset).stems, library.presets()), nl=False)
