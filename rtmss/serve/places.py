"""Where the plug-in and the engine find one another: folders and small files of the user.

The other half is `plugin/src/Places.hpp`.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from rtmss.config import UserError

PREFIX = "instance-"
"""How the names of instances' files begin."""
LOCK = "engine.lock"
"""Held by the engine's supervisor while it lives, in the folder of the instances."""


def instances_folder() -> Path:
    """The folder with one file for each instance; RTMSS_PLUGIN_DIR sets another."""
    return Path(os.environ.get("RTMSS_PLUGIN_DIR") or f"/dev/shm/rtmss-{os.getuid()}")


def make_instances_folder() -> Path:
    """The same, there for certain, and this user's alone.

    Raises:
        UserError: it cannot be made, or somebody else has made it.
    """
    folder = instances_folder()
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
    except OSError as error:
        raise UserError(f"{folder}: {error.strerror}") from error
    is_own = stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid()
    if not is_own or stat.S_IMODE(found.st_mode) & 0o077:
        raise UserError(f"{folder}: has to be a folder of this user that nobody else may open")
    return folder


def setup_file() -> Path:
    """What the installation writes and the plug-in reads; RTMSS_PLUGIN_SETUP sets another."""
    import platformdirs

    named = os.environ.get("RTMSS_PLUGIN_SETUP")
    return Path(named) if named else platformdirs.user_config_path("rtmss") / "plugin"


def program_of(pid: int) -> str:
    """Name of the program of a process; its number where that is not to be had."""
    try:
        name = Path(f"/proc/{pid}/comm").read_bytes()
    except OSError:
        return f"process {pid}"
    return name.decode(errors="replace").strip()
