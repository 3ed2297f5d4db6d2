"""What every command shares: the application, options, and how weights and presets are found."""

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
    from rtmss.engine.backends.choose import BackendChoice
    from rtmss.separator import Separator

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Real-time music source separation by example: live stems from a few clips of the sound you want.",
)
console = Console()

Inputs = Annotated[
    list[Path],
    typer.Argument(metavar="INPUT...", help="Audio files: wav, flac, ogg, mp3, aiff. Several get a folder each."),
]
Output = Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Where the files go.")]
Positives = Annotated[
    list[Path] | None, typer.Option("--positive", "-p", metavar="CLIP", help="A clip of the wanted sound; repeat it.")
]
Negatives = Annotated[
    list[Path] | None, typer.Option("--negative", "-n", metavar="CLIP", help="A clip of an unwanted sound; repeat it.")
]
Weights = Annotated[Path | None, typer.Option(metavar="FILE", help="Other weights than those that come with rtmss.")]
Profile = Annotated[
    str | None,
    typer.Option(
        metavar="default|tight|tighter",
        help="Latency: 23.2 ms; or 11.6 or 5.8 ms, at two or four times the work and with a little less separation.",
        show_default="that of the weights",
    ),
]
Format = Annotated[str, typer.Option(metavar="wav|flac|ogg", help="File format: 32-bit float, 24-bit, or Vorbis.")]
BackendName = Annotated[
    str, typer.Option("--backend", metavar="auto|torch|onnx", help="What runs the model; auto takes the faster one.")
]
Threads = Annotated[int, typer.Option(help="Processor threads for the model; 0 takes all.")]


def main() -> None:
    """Run the command line; what a user can mend is one line, without a traceback."""
    try:
        app()
    except UserError as error:
        complain(str(error))
        sys.exit(1)
    except BrokenPipeError:
        sys.exit(1)


def complain(line: str) -> None:
    """Say what went wrong, on one line."""
    Console(stderr=True).print(f"rtmss: {line}", style="red", highlight=False, markup=False, soft_wrap=True)


def load_separator(weights: Path | None, threads: int = 0, profile: str | None = None) -> Separator:
    """The separator with its weights; `threads` processor threads, 0 leaves it to torch."""
    import torch

    from rtmss.separator import Separator

    if threads:
        torch.set_num_threads(threads)
    return Separator.load(weights, profile)


def find_device(name: str) -> str:
    """Torch's name of a device; `auto` is a GPU if there is one.

    Raises:
        UserError: there is none of this name.
    """
    import torch

    if name not in {"auto", "cpu", "cuda"}:
        raise UserError(f"no device '{name}': auto, cpu or cuda")
    if name == "cuda" and not torch.cuda.is_available():
        raise UserError("no device 'cuda' here: torch finds no GPU")
    return "cuda" if name == "auto" and torch.cuda.is_available() else name.replace("auto", "cpu")


def user_folder() -> Path:
    """Where the user's own conditions and presets are kept; RTMSS_LIBRARY sets another."""
    import platformdirs

    return Path(os.environ.get("RTMSS_LIBRARY") or platformdirs.user_data_path("rtmss"))


def cache_folder() -> Path:
    """Where networks for ONNX Runtime are kept; RTMSS_CACHE sets another."""
    import platformdirs

    return Path(os.environ.get("RTMSS_CACHE") or platformdirs.user_cache_path("rtmss"))


def choose_backend(separator: Separator, wanted: str, *, may_export: bool = True) -> BackendChoice:
    """What is to run the model hop by hop; says what takes a while."""
    from rtmss.engine.backends.choose import choose

    def say(line: str) -> None:
        Console(stderr=True).print(f"rtmss: {line}", highlight=False, soft_wrap=True)

    folder = cache_folder() / "onnx"
    return choose(separator.model, separator.model_id, wanted, folder, may_export=may_export, say=say)


def load_library() -> Library:
    """The user's presets and conditions, and those that come with rtmss."""
    from rtmss.conditions.preset import Library

    return Library([user_folder()])
