"""What every command shares: the application, options, and how weights and presets are found."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from rtmss import __version__
from rtmss.cli.endings import orderly_end
from rtmss.config import DamagedFileWarning, UserError
from rtmss.console import can_take, make_console, one_line, show_all_names

if TYPE_CHECKING:
    from rtmss.conditions.library import Library
    from rtmss.engine.backends.choose import BackendChoice
    from rtmss.separator import Separator

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Real-time music source separation by example: live stems from a few clips of the sound "
    "you want.",
)
console = make_console()

NO_ROOM = {errno.ENOSPC, errno.EIO, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)}
"""What is wrong with a disk, and with no program."""
DAMAGED_STATUS = 3
"""Exit status of a command that did its work on a damaged file."""

Inputs = Annotated[
    list[Path],
    typer.Argument(
        metavar="INPUT...", help="Audio files, or videos with sound. Several get a folder each."
    ),
]
Output = Annotated[
    Path,
    typer.Option(
        "--output",
        "-o",
        metavar="DIR",
        help="Where the files go.",
    ),
]
Positives = Annotated[
    list[Path] | None,
    typer.Option("--positive", "-p", metavar="CLIP", help="A clip of the wanted sound; repeat it."),
]
Negatives = Annotated[
    list[Path] | None,
    typer.Option(
        "--negative", "-n", metavar="CLIP", help="A clip of an unwanted sound; repeat it."
    ),
]
Weights = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Other weights than those that come with rtmss.")
]
Profile = Annotated[
    str | None,
    typer.Option(
        metavar="default|tight|tighter",
        help="Latency: 23.2 ms; or 11.6 or 5.8 ms, at two or four times the work and with a "
        "little less separation.",
        show_default="that of the weights",
    ),
]
Format = Annotated[
    str, typer.Option(metavar="wav|flac|ogg", help="File format: 32-bit float, 24-bit, or Vorbis.")
]
BackendName = Annotated[
    str,
    typer.Option(
        "--backend",
        metavar="auto|torch|onnx",
        help="What runs the model; auto takes the faster one.",
    ),
]
Strict = Annotated[
    bool,
    typer.Option(
        "--strict",
        help="Refuse damaged files. Without, what can be read is used, and the status is 3.",
    ),
]
MAX_THREADS = 256
"""Far more would end the process without a word."""
Threads = Annotated[
    int,
    typer.Option(
        min=0,
        max=MAX_THREADS,
        help="Processor threads for the model; 0 takes those that are free.",
    ),
]


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"rtmss {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[  # noqa: ARG001
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    """What stands before a command.

    Raises:
        UserError: rtmss does not run on this system.
    """
    if sys.platform == "darwin" and os.uname().machine == "x86_64":
        raise UserError(
            "Intel Macs are not supported: torch ends at 2.2.2 there. On Apple silicon, use a "
            "Python for arm64, not one under Rosetta"
        )


def main() -> None:
    """Run the command line; what a user can mend is one line, without a traceback."""
    show_all_names()
    with warnings.catch_warnings():
        damaged = _tell_of_damage()
        with orderly_end():
            status = _run()
            if not _flushed():
                status = status or 1
    sys.exit(DAMAGED_STATUS if damaged and not status else status)


def _run() -> int | str | None:
    try:
        app()
    except SystemExit as stop:
        return stop.code
    except UserError as error:
        complain(str(error))
    except BrokenPipeError:
        pass
    except OSError as error:
        if error.filename is None and error.errno not in NO_ROOM:
            raise
        where = "" if error.filename is None else f"{os.fsdecode(error.filename)}: "
        complain(f"{where}{error.strerror}")
    return 1


def _flushed() -> bool:
    """Whether all that was printed has been written; what could not be is given up."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except (OSError, ValueError) as error:
        if isinstance(error, OSError) and error.errno in NO_ROOM:
            complain(f"standard output: {error.strerror}")
        with contextlib.suppress(OSError, ValueError):  # else the interpreter tries again
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return False
    return True


def _tell_of_damage() -> list[str]:
    """Print warnings of damaged files as they come; they are also added to the list."""
    told: list[str] = []
    show_others = warnings.showwarning

    def show(
        message: Warning | str,
        category: type[Warning],
        *where: Any,
        **more: Any,
    ) -> None:
        if issubclass(category, DamagedFileWarning):
            told.append(str(message))
            complain(str(message), style="yellow")
        else:
            show_others(message, category, *where, **more)

    warnings.simplefilter("always", DamagedFileWarning)
    warnings.showwarning = cast("Any", show)
    return told


def refuse_damaged(strict: bool) -> None:
    """From now on a damaged file is an error, if `strict`."""
    if strict:
        warnings.simplefilter("error", DamagedFileWarning)


def complain(line: str, style: str = "red") -> None:
    """Say what went wrong, on one line."""
    make_console(stderr=True).print(f"rtmss: {one_line(line)}", style=style, soft_wrap=True)


def tell(line: str) -> None:
    """Say on standard error what goes on, on one line; what nobody reads holds nothing up."""
    if can_take(sys.stderr):
        make_console(stderr=True).print(f"rtmss: {one_line(line)}", soft_wrap=True)


def load_separator(
    weights: Path | None,
    threads: int = 0,
    profile: str | None = None,
) -> Separator:
    """The separator with its weights; `threads` processor threads, 0 for as many as are free."""
    import torch

    from rtmss.separator import Separator
    from rtmss.threads import free_cores

    torch.set_num_threads(threads or min(torch.get_num_threads(), free_cores()))
    return Separator.load(weights, profile)


def torch_device(name: str) -> str:
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


def choose_backend(
    separator: Separator,
    wanted: str,
    *,
    may_export: bool = True,
) -> BackendChoice:
    """What is to run the model hop by hop; says what takes a while."""
    from rtmss.engine.backends.choose import choose

    folder = cache_folder() / "onnx"
    return choose(
        separator.model, separator.model_id, wanted, folder, may_export=may_export, say=tell
    )


def load_library() -> Library:
    """The user's presets and conditions, and those that come with rtmss."""
    from rtmss.conditions.library import Library

    return Library([user_folder()])


def tell_of_own(library: Library, names: Iterable[str]) -> None:
    """Say which of these conditions are the user's own although rtmss comes with others of their
    names.
    """
    own = sorted(set(names) & library.own_instead_of_shipped())
    if own:
        tell(
            f"your own {', '.join(own)} in {user_folder() / 'conditions'}, not what comes with "
            "rtmss under that name"
        )
