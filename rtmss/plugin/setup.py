"""The small file by which the plug-in finds an engine and presets; `plugin/src/Places.hpp` reads
it.

Lines: `engine ARGUMENT`, in order, and `preset FALLBACK NAME`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from rtmss.conditions.library import Library, shipped
from rtmss.config import ConfigError
from rtmss.ownership import whole_file
from rtmss.serve.layout import N_PRESETS, NAME_BYTES


def engine_command() -> list[str]:
    """What starts an engine as this command line was started."""
    path = os.environ.get("PYTHONPATH")
    environment = [] if path is None else ["/usr/bin/env", f"PYTHONPATH={path}"]
    return [*environment, sys.executable, "-m", "rtmss", "serve", "--detach"]


def setup_text(command: Sequence[str], library: Library) -> str:
    """What the file says."""
    lines = [f"engine {argument}" for argument in command]
    lines += [f"preset {fallback} {name}" for name, fallback in _presets(library)]
    return "".join(f"{line}\n" for line in lines)


def write_setup(path: Path, command: Sequence[str], library: Library) -> None:
    """Write the file; nobody else may change it.

    Raises:
        OSError: it cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as partial:
        partial.write_text(setup_text(command, library), encoding="utf-8")
        partial.chmod(0o600)


def _presets(library: Library) -> Iterable[tuple[str, str]]:
    """Names and fallbacks, those that come with rtmss first, so that they keep their numbers."""
    ours = sorted(path.stem for path in shipped().glob("*.yaml"))
    others = sorted(library.presets().keys() - set(ours))
    names = [name for name in (*ours, *others) if _can_be_told(name)]
    return [(name, _fallback(library, name)) for name in names[:N_PRESETS]]


def _can_be_told(name: str) -> bool:
    is_plain = name.isprintable() and "," not in name and name == name.strip()
    return is_plain and 0 < len(os.fsencode(name)) < NAME_BYTES


def _fallback(library: Library, name: str) -> str:
    """`silence`, or `input`, as the plug-in has no masks that it might hold."""
    try:
        return "silence" if library.preset_named(name).fallback == "silence" else "input"
    except ConfigError:
        return "silence"
