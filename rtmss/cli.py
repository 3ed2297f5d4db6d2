"""The command line: one short function per command. torch is imported late, so that `--help` is quick."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from rtmss.config import UserError

if TYPE_CHECKING:
    from rtmss.conditions.preset import Library
    from rtmss.render import Plan, Report
    from rtmss.separator import Separator

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Real-time music source separation by example: live stems from a few clips of the sound you want.",
)
condition_app = typer.Typer(no_args_is_help=True, help="Make and look at conditions: what to separate, by example.")
preset_app = typer.Typer(no_args_is_help=True, help="Look at presets: scenes of stems.")
app.add_typer(condition_app, name="condition")
app.add_typer(preset_app, name="preset")
console = Console()

Input = Annotated[Path, typer.Argument(metavar="INPUT", help="An audio file: wav, flac, ogg, mp3, aiff.")]
Output = Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Where the files go.")]
Positives = Annotated[
    list[Path] | None, typer.Option("--positive", "-p", metavar="CLIP", help="A clip of the wanted sound; repeat it.")
]
Negatives = Annotated[
    list[Path] | None, typer.Option("--negative", "-n", metavar="CLIP", help="A clip of an unwanted sound; repeat it.")
]
Weights = Annotated[Path | None, typer.Option(metavar="FILE", help="Other weights than those that come with rtmss.")]
Format = Annotated[str, typer.Option(metavar="wav|flac|ogg", help="File format: 32-bit float, 24-bit, or Vorbis.")]
Threads = Annotated[int, typer.Option(help="Processor threads for the model; 0 takes all.")]


def main() -> None:
    """Run the command line; what a user can mend is one line, without a traceback."""
    try:
        app()
    except UserError as error:
        Console(stderr=True).print(f"rtmss: {error}", style="red", highlight=False, markup=False, soft_wrap=True)
        sys.exit(1)
    except BrokenPipeError:
        sys.exit(1)


@app.command()
def demo(
    output: Output = Path("rtmss-demo"),
    weights: Weights = None,
    wait: Annotated[bool, typer.Option(help="Keep to real time; without, go as fast as possible.")] = True,
    seconds: Annotated[float | None, typer.Option(min=8, help="Play no more than this of the song.")] = None,
) -> None:
    """Play a bundled song through the session in real time, with live preset switches; no sound card needed."""
    from rtmss.demo import run_demo

    # One hop is too little work to share: a second thread costs more in waiting than it gives.
    if not run_demo(_separator(weights, threads=1), _library(), output, console, wait=wait, seconds=seconds):
        raise typer.Exit(1)


@app.command()
def separate(
    input: Input,  # noqa: A002
    output: Output,
    positive: Positives = None,
    negative: Negatives = None,
    format: Format = "wav",  # noqa: A002
    weights: Weights = None,
    threads: Threads = 0,
) -> None:
    """Split a file by example into target and remainder."""
    from rtmss.engine.control import Scene, Stem
    from rtmss.render import Plan

    separator = _separator(weights, threads)
    condition = separator.condition_from_files("target", positive or [], negative or [])
    plan = Plan(Scene((Stem("target", condition),)), mix=False, stems=True, format=format)
    _render(input, output, separator, plan)


@app.command()
def render(
    input: Input,  # noqa: A002
    output: Output,
    preset: Annotated[str, typer.Option(metavar="NAME|FILE", help="A preset by name, or a YAML file.")],
    stems: Annotated[bool, typer.Option("--stems", help="Write every stem and the remainder too.")] = False,
    format: Format = "wav",  # noqa: A002
    weights: Weights = None,
    threads: Threads = 0,
) -> None:
    """Play a file through a preset's mixer into mix.wav."""
    from rtmss.engine.control import Scene
    from rtmss.render import Plan

    library = _library()
    loaded = library.load_preset(preset)
    separator = _separator(weights, threads)
    scene = Scene.from_preset(loaded, library, separator.model_id)
    _render(input, output, separator, Plan.from_preset(loaded, scene, stems=stems, format=format))


@condition_app.command("create")
def condition_create(
    name: Annotated[str, typer.Argument(help="How presets will call it.")],
    positive: Positives = None,
    negative: Negatives = None,
    weights: Weights = None,
) -> None:
    """Make a condition from clips and keep it; negatives alone mean "everything except this"."""
    from rtmss.conditions.condition import save_condition
    from rtmss.conditions.preset import check_name

    check_name(name, "condition")
    condition = _separator(weights).condition_from_files(name, positive or [], negative or [])
    path = _user_folder() / "conditions" / f"{name}.safetensors"
    replaced = path.exists()
    save_condition(path, condition)
    console.print(f"{'Replaced' if replaced else 'Created'} condition '{name}' in {path}", highlight=False)


@condition_app.command("rebuild")
def condition_rebuild(
    names: Annotated[list[str] | None, typer.Argument(help="Which; none means all.")] = None, weights: Weights = None
) -> None:
    """Make conditions again from their clips, as after an update of the weights."""
    from rtmss.conditions.condition import load_condition, save_condition
    from rtmss.conditions.preset import find

    separator, known = _separator(weights), _library().conditions()
    for name in names or sorted(known):
        path = find(name, known, "condition")
        header = load_condition(path).header
        sides = [[Path(clip.file) for clip in side] for side in (header.positive, header.negative)]
        save_condition(path, separator.condition_from_files(name, *sides))
        console.print(f"Rebuilt condition '{name}' in {path}", highlight=False)


@condition_app.command("list")
def condition_list() -> None:
    """Every condition that presets can name."""
    from rtmss.show import conditions_table

    console.print(conditions_table(_library()))


@condition_app.command("inspect")
def condition_inspect(name: Annotated[str, typer.Argument(help="A condition.")]) -> None:
    """A condition's clips, how alike they are, the outlier, and the nearest other conditions."""
    from rtmss.show import condition_details

    console.print(condition_details(name, _library()))


@preset_app.command("list")
def preset_list() -> None:
    """Every preset."""
    from rtmss.show import presets_table

    console.print(presets_table(_library()))


@preset_app.command("show")
def preset_show(name: Annotated[str, typer.Argument(metavar="NAME|FILE", help="A preset.")]) -> None:
    """A preset's strips."""
    from rtmss.show import preset_table

    console.print(preset_table(name, _library()))


@app.command()
def info(weights: Weights = None) -> None:
    """Versions, devices, the model and its latency."""
    from rtmss.show import info_table

    console.print(info_table(_separator(weights)))


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

    library, separator = _library(), _separator(weights)
    loaded = library.load_preset(preset)
    scene = Scene.from_preset(loaded, library, separator.model_id)
    config = separator.model.config
    n_outputs = max(most_channels(loaded), *map(most_channels, library.readable_presets()))
    options = HostOptions(
        EngineOptions(weights, device, block, n_outputs, sample_rate, queue),
        ("--n-condition", str(config.unet.n_condition), "--model-id", separator.model_id,
         "--hop-length", str(config.stft.hop_length), "--library", str(_user_folder()), "--osc-bind", osc_bind,
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


@app.command()
def train(
    recipe: Annotated[str, typer.Argument(metavar="NAME|FILE", help="`default`, or a recipe in YAML.")],
    data: Annotated[Path, typer.Option(metavar="DIR", help="Stems to train on; ARCHITECTURE.md has the layout.")],
    output: Output = Path("runs/default"),
) -> None:
    """Train weights, or go on training where the output folder stands."""
    from rtmss.training.run import find_recipe
    from rtmss.training.run import train as run

    path = run(find_recipe(recipe), data, output, console)
    console.print(f"Weights: {path}", highlight=False)


@app.command()
def evaluate(
    data: Annotated[Path, typer.Argument(metavar="DIR", help="A data folder with a `valid` split.")],
    output: Annotated[Path | None, typer.Option("--output", "-o", metavar="DIR", help="JSON and CSV go here.")] = None,
    weights: Weights = None,
    clips: Annotated[int, typer.Option(help="Positive clips of each condition.")] = 5,
    negatives: Annotated[int, typer.Option(help="Negative clips of each condition.")] = 0,
    songs: Annotated[list[str] | None, typer.Option("--song", help="Only these songs; repeat it.")] = None,
    seed: Annotated[int, typer.Option(help="Fixes which clips are drawn.")] = 0,
    compare: Annotated[
        str | None, typer.Option(metavar="SONG:TARGET", help="Instead: one target by positives, negatives, and both.")
    ] = None,
) -> None:
    """Measure weights on songs they never heard, beside baselines and the oracle."""
    from rtmss.evaluation.run import compare_conditions
    from rtmss.evaluation.run import evaluate as run

    if compare:
        song, _, target = compare.partition(":")
        compare_conditions(data, song, target, weights, n_clips=clips, seed=seed, console=console)
    else:
        run(data, weights, output, n_clips=clips, n_negatives=negatives, songs=songs, seed=seed, console=console)


def _separator(weights: Path | None, threads: int = 0) -> Separator:
    import torch

    from rtmss.separator import Separator

    if threads:
        torch.set_num_threads(threads)
    return Separator.load(weights)


def _user_folder() -> Path:
    import platformdirs

    return Path(os.environ.get("RTMSS_LIBRARY") or platformdirs.user_data_path("rtmss"))


def _library() -> Library:
    from rtmss.conditions.preset import Library

    return Library([_user_folder()])


def _render(source: Path, folder: Path, separator: Separator, plan: Plan) -> None:
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    from rtmss.render import render as run

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"))
    with Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn(), console=console, transient=True) as progress:
        task = progress.add_task(source.name, total=1.0)
        report = run(source, folder, separator.model, plan, lambda done: progress.update(task, completed=done))
    _summarise(report, plan)


def _summarise(report: Report, plan: Plan) -> None:
    for path in report.files:
        console.print(f"  {path}", highlight=False)
    console.print(
        f"{report.seconds:.1f} s of audio in {report.wall_seconds:.1f} s (real-time factor "
        f"{report.real_time_factor:.2f})",
        highlight=False,
    )
    if report.peak > 1 and plan.format != "wav":
        console.print(f"Peaks reach {report.peak:.2f} of full scale and were clipped: use --format wav", style="yellow")
    if report.n_bad_samples:
        console.print(f"{report.n_bad_samples} input samples were not finite or absurdly loud", style="yellow")
