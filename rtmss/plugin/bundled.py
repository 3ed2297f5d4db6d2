"""Bundles that came with rtmss's wheel, for machines without a compiler."""

from __future__ import annotations

import platform
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

from rtmss.plugin.build import Bundles
from rtmss.plugin.identity import said
from rtmss.plugin.sources import content_id

LOAD = "import ctypes, sys; [ctypes.CDLL(path) for path in sys.argv[1:]]"
"""Loads libraries in a process of its own: what is in them is run."""
PATIENCE_SECONDS = 30.0


def machine() -> str:
    """The system and processor, as wheels name them."""
    return f"{sys.platform}_{platform.machine()}"


def wheel_folder() -> Path:
    """Where the wheel has bundles, a folder for each machine."""
    return Path(str(files("rtmss"))) / "plugin_bundles"


def bundled() -> Bundles | None:
    """Those that came with rtmss; None unless they are of its sources, and load on this machine."""
    folder = wheel_folder() / machine()
    bundles = Bundles.in_folder(folder)
    is_fit = said(folder) == content_id() and _can_be_loaded(bundles)
    return bundles if is_fit else None


def _can_be_loaded(bundles: Bundles) -> bool:
    """Whether the system's libraries are those that the bundles need."""
    command = [sys.executable, "-c", LOAD, *map(str, bundles.libraries)]
    try:
        done = subprocess.run(command, capture_output=True, timeout=PATIENCE_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0
