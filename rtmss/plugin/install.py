"""Bundles to where the system's hosts look for them, and away again."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from rtmss.plugin.build import Bundles
from rtmss.serve.places import setup_file

FOLDERS = {"vst3": ".vst3", "clap": ".clap", "lv2": ".lv2"}
"""Of a user's bundles on Linux, in the home folder."""


def places(home: Path) -> list[Path]:
    """Where bundles are installed, in the order of `Bundles.plugins`."""
    return [home / folder / f"rtmss.{kind}" for kind, folder in FOLDERS.items()]


def install(bundles: Bundles, home: Path) -> list[Path]:
    """Copy bundles into a home folder, in the place of older ones; give what was written.

    Raises:
        OSError: something cannot be written.
    """
    targets = places(home)
    for source, target in zip(bundles.plugins, targets, strict=True):
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_name(f".{target.name}.{os.getpid()}")
        _remove(partial)
        _copy(source, partial)
        _remove(target)  # a host that has loaded it keeps what it has
        partial.replace(target)
    return targets


def uninstall(home: Path) -> list[Path]:
    """Remove bundles and the small file; give what was there."""
    there = [path for path in (*places(home), setup_file()) if os.path.lexists(path)]
    for path in there:
        _remove(path)
    return there


def _copy(source: Path, target: Path) -> None:
    """Copy a file or a folder; times are whole seconds, as Ardour's cache expects them."""
    if source.is_dir():
        shutil.copytree(source, target)
    else:
        shutil.copy(source, target)
    for path in [target, *target.rglob("*")]:
        seconds = int(path.stat().st_mtime)
        os.utime(path, (seconds, seconds))


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
