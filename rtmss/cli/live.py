"""The live host."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

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
from rtmss.cli.live_options import (
    BlockLength,
    DeviceName,
    DeviceRate,
    FirstPreset,
    InputName,
    JsonLines,
    Loop,
    LoopCount,
    MidiMapFile,
    MidiPorts,
    NoCapture,
    OscAddress,
    OscPort,
    OscToken,
    OutputName,
    Queue,
    Quiet,
    RecordFolder,
    Resume,
    SetListOption,
    SongFile,
    SongStart,
    Web,
    WebAddress,
    WebPort,
)
from rtmss.cli.live_songs import (
    Songs,
    check_set_list,
    find_songs,
    most_channels_of,
    resumed_songs,
)
from rtmss.cli.live_web import with_osc_token, with_web
from rtmss.cli.midi import check_midi
from rtmss.config import UserError

if TYPE_CHECKING:
    from rtmss.conditions.strip import Strip
    from rtmss.engine.control import Scene
    from rtmss.live.options import BuilderOptions, ControlOptions, EngineOptions, RecorderOptions
    from rtmss.live.saved import Resumed
    from rtmss.separator import Separator


@app.command()
def live(
    preset: FirstPreset = "karaoke",
    resume: Resume = False,
    device: DeviceName = None,
    source: InputName = None,
    sink: OutputName = None,
    block: BlockLength = None,
    sample_rate: DeviceRate = None,
    queue: Queue = None,
    osc_port: OscPort = 9470,
    osc_bind: OscAddress = "127.0.0.1",
    osc_token: OscToken = False,
    web: Web = False,
    web_port: WebPort = 9471,
    web_bind: WebAddress = "127.0.0.1",
    file: SongFile = None,
    loop: Loop = None,
    loops: LoopCount = 0,
    start: SongStart = 0.0,
    setlist: SetListOption = None,
    midi: MidiPorts = None,
    midi_map: MidiMapFile = None,
    record: RecordFolder = None,
    no_capture: NoCapture = False,
    quiet: Quiet = False,
    json_lines: JsonLines = False,
    backend: BackendName = "auto",
    profile: Profile = None,
    weights: Weights = None,
    strict: Strict = False,
) -> None:
    """Play from a sound device to the same or another, through a preset's mixer, driven over OSC
    and by keys.
    """
    from rtmss.live.host import HostOptions, run_host
    from rtmss.live.options import EngineOptions
    from rtmss.live.processes import ForkServer

    _check_ways(device, source, sink)
    check_midi(midi or (), midi_map)
    refuse_damaged(strict)
    songs = find_songs(setlist, file, loop, loops, start)
    if songs.song and source:
        what = "the set list" if songs.set_list else "--file"
        raise UserError(f"{what} plays in the place of an input; leave --input out")
    with ForkServer() as server:
        server.warm_up()  # it imports torch while this process does so, too
        separator = load_separator(weights, profile=profile)
        first = _what_plays_first(preset, songs, setlist, separator, resume=resume, quiet=quiet)
        if not (quiet or no_capture):
            _tell_of_drafts()
        choice = choose_backend(separator, backend)
        if not quiet:
            tell(f"backend {choice}")
        engine = EngineOptions(
            n_condition=separator.model.config.unet.n_condition,
            weights=weights,
            model_id=separator.model_id,
            device=device,
            source=source,
            sink=sink,
            block=block,
            n_outputs=first.n_outputs,
            sample_rate=sample_rate,
            n_queued=queue,
            graph=choice.graph,
            latency_profile=profile,
        )
        songs = first.songs
        recorder = recorder_options(record, separator, engine) if record is not None else None
        output = "none" if quiet else "json" if json_lines else "view"
        control = _control(separator, osc_bind, osc_port, output, setlist, midi, midi_map)
        if osc_token:
            control = with_osc_token(control, quiet=quiet)
        if web:
            control = with_web(control, web_port, web_bind, quiet=quiet)
        builder = None if no_capture else _builder(engine)
        if builder is not None:
            control = control.model_copy(update={"drafts": builder.drafts})
        raise typer.Exit(
            run_host(
                HostOptions(engine, control, recorder, songs.song, builder, songs.files, songs.cue),
                first.scene,
                first.preset,
                server,
                tell,
            )
        )


def _check_ways(
    device: str | None,
    source: str | None,
    sink: str | None,
) -> None:
    """Refuse two names for one way."""
    if device and (source or sink):
        raise UserError("--device is for both ways; name either it, or --input and --output")


class _First(NamedTuple):
    """What plays at first."""

    scene: Scene
    preset: str
    """Its name."""
    songs: Songs
    n_outputs: int
    """That it and whatever may follow need."""


def _what_plays_first(
    preset: str,
    songs: Songs,
    set_list: Path | None,
    separator: Separator,
    *,
    resume: bool,
    quiet: bool,
) -> _First:
    """A preset and songs from their beginning, or where they were left.

    Raises:
        UserError: something of it cannot be played.
    """
    if songs.set_list:
        check_set_list(songs.set_list, set_list, separator, preset)
        preset = songs.set_list.songs[0].preset or preset
    name = Path(preset).name.removesuffix(".yaml").removesuffix(".yml")
    scene, n_outputs = _first_scene(preset, separator, quiet=quiet)
    if resume:
        resumed = _resumed(separator)
        scene, name = resumed.scene, resumed.preset
        songs = resumed_songs(songs, resumed)
        n_outputs = max(n_outputs, *(max(strip.channels, default=2) for strip in _strips(scene)))
    return _First(scene, name, songs, max(n_outputs, most_channels_of(songs.set_list)))


def _first_scene(
    preset: str,
    separator: Separator,
    *,
    quiet: bool,
) -> tuple[Scene, int]:
    """What plays at first, and how many outputs it and any other preset need."""
    from rtmss.conditions.preset import most_channels
    from rtmss.engine.control import Scene

    library = load_library()
    loaded = library.load_preset(preset)
    scene = Scene.from_preset(loaded, library, separator.model_id)
    scene.check(separator.limits)
    if not quiet:
        tell_of_own(library, (stem.condition for stem in loaded.stems.values()))
    return scene, max(
        most_channels(loaded),
        *map(most_channels, library.readable_presets()),
    )


def _resumed(separator: Separator) -> Resumed:
    """The scene that was played last, with conditions that were captured then."""
    from rtmss.conditions.library import Library
    from rtmss.live.saved import resume

    library = Library([_drafts(), user_folder()])
    resumed = resume(user_folder(), library, separator.model_id)
    resumed.scene.check(separator.limits)
    return resumed


def _strips(scene: Scene) -> list[Strip]:
    return [scene.remainder, *(stem.strip for stem in scene.stems)]


def _tell_of_drafts() -> None:
    """Say which conditions are other ones here than for all other commands."""
    drafts = {path.stem for path in (_drafts() / "conditions").glob("*.safetensors")}
    for name in sorted(drafts & load_library().conditions().keys()):
        tell(
            f"condition '{name}' is the one that was captured and not saved; "
            f"/rtmss/condition/delete {name} takes it away"
        )


def _drafts() -> Path:
    """Where conditions in the making are kept."""
    return user_folder() / "captured"


def recorder_options(folder: Path, separator: Separator, engine: EngineOptions) -> RecorderOptions:
    """How the recorder is started; takes that were cut off get their end first."""
    from rtmss.live.options import RecorderOptions
    from rtmss.live.recorder import check_folder
    from rtmss.recording.unfinished import end_unfinished

    check_folder(folder)
    for take in end_unfinished(folder):
        tell(f"{take}: its recorder was killed with everything else; it has an end now")
    return RecorderOptions(
        n_condition=engine.n_condition,
        folder=folder,
        hop_length=separator.model.config.stft.hop_length,
        n_outputs=engine.n_outputs,
        model_id=separator.model_id,
        weights=str(engine.weights or "shipped"),
    )


def _control(
    separator: Separator,
    osc_bind: str,
    osc_port: int,
    output: str,
    set_list: Path | None,
    midi: list[str] | None,
    midi_map: Path | None,
) -> ControlOptions:
    """How the control side is started."""
    from rtmss.live.options import ControlOptions

    return ControlOptions(
        n_condition=separator.model.config.unet.n_condition,
        model_id=separator.model_id,
        largest_norm=separator.limits.largest_norm,
        library=user_folder(),
        osc_bind=osc_bind,
        osc_port=osc_port,
        output=output,
        set_list=set_list.resolve() if set_list else None,
        midi=tuple(midi or ()),
        midi_map=midi_map.resolve() if midi_map else None,
    )


def _builder(engine: EngineOptions) -> BuilderOptions:
    """How the condition builder is started."""
    from rtmss.live.options import BuilderOptions

    library = user_folder()
    return BuilderOptions(
        n_condition=engine.n_condition,
        weights=engine.weights,
        model_id=engine.model_id,
        drafts=_drafts(),
        library=library,
    )


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
        from rtmss.serve.control.table import INSTANCE_TABLE
        from rtmss.show import osc_table

        console.print(osc_table())
        typer.echo("\nButtons of the presets:\n")
        for name in sorted(library.presets()):
            typer.echo(preset_address(name))
        typer.echo("\nInstances of the plug-in, at `rtmss serve`:\n")
        console.print(osc_table(INSTANCE_TABLE))
        return
    from rtmss.live.control.layouts import layout_text

    typer.echo(
        layout_text(layout, library.load_preset(preset).stems, library.presets()),
        nl=False,
    )
