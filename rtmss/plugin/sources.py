"""The plug-in's C++ sources, and what makes bundles of them."""

from __future__ import annotations

import os
import shutil
import sys
from importlib.resources import files
from pathlib import Path

from rtmss import __version__
from rtmss.config import UserError
from rtmss.plugin import identity

PROGRAMS = {"g++": "g++", "make": "make", "pkg-config": "pkg-config"}
"""What the build calls, and the packages of Debian that have it."""
DPF = Path("/usr/share/dpf")


def plugin_sources() -> Path:
    """The folder of sources that come with rtmss."""
    package = Path(str(files("rtmss")))
    inside = package / "plugin_sources"
    return inside if inside.is_dir() else package.parent / "plugin"


def dpf_folder() -> Path:
    """DPF's sources; RTMSS_DPF names others than Debian's."""
    return Path(os.environ.get("RTMSS_DPF") or DPF)


def check_tools() -> None:
    """See that all is there to build with.

    Raises:
        UserError: something is missing; says how to get it.
    """
    if sys.platform != "linux":
        raise UserError("the plug-in is built on Linux only so far")
    missing = [package for name, package in PROGRAMS.items() if shutil.which(name) is None]
    if not (dpf_folder() / "Makefile.plugins.mk").is_file():
        missing.append("dpf-source")
    if missing:
        command = f"apt install {' '.join(missing)}"
        raise UserError(f"the plug-in cannot be built without {', '.join(missing)}: {command}")


def content_id() -> str:
    """Changes with everything that the bundles are made of."""
    return identity.content_id(plugin_sources(), __version__)
