"""VST3 and CLAP for Windows, made on Linux: nobody has loaded them; no engine plays for them."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from rtmss.config import UserError
from rtmss.plugin.build import make, sign
from rtmss.plugin.sources import check_tools

COMPILERS = ("CC=x86_64-w64-mingw32-gcc-posix", "CXX=x86_64-w64-mingw32-g++-posix")
PACKAGE = "g++-mingw-w64-x86-64-posix"
"""Of Debian, whose compilers these are."""


def check_compilers() -> None:
    """See that all is there to build for Windows with.

    Raises:
        UserError: something is missing; says how to get it.
    """
    check_tools()
    if any(shutil.which(word.partition("=")[2]) is None for word in COMPILERS):
        raise UserError(f"the plug-in cannot be built for Windows: apt install {PACKAGE}")


def build_for_windows(folder: Path, say: Callable[[str], None] = lambda _: None) -> list[Path]:
    """Build bundles into a new folder, and give them.

    Raises:
        UserError: a tool is missing, the compiler fails, or the folder is there already.
    """
    check_compilers()
    if folder.exists():
        raise UserError(f"{folder}: is there already")
    say("building the plug-in for Windows; this takes a minute")
    with tempfile.TemporaryDirectory() as name:
        made = make(Path(name), *COMPILERS, "vst3", "clap")
        sign(made)
        shutil.copytree(made, folder)
    return [folder / "rtmss.vst3", folder / "rtmss.clap"]
