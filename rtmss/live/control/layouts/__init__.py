"""What other programs need to play rtmss: a file for each, or text made for a preset."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.resources import files

from rtmss.live.control.layouts.surface import surface
from rtmss.lookup import find

FILES = {"pd": "rtmss.pd", "reaper": "rtmss.ReaperOSC", "supercollider": "rtmss.scd"}
"""Layouts that are the same for every preset."""
SURFACE = "open-stage-control"
LAYOUTS = (*FILES, SURFACE)


def layout_text(
    name: str,
    stems: Iterable[str],
    presets: Iterable[str],
) -> str:
    """The text of a layout.

    Args:
        name: one of LAYOUTS.
        stems: names of the stems that are to have strips.
        presets: names of the presets that are to have buttons.

    Raises:
        ConfigError: there is none of this name; names those there are.
    """
    find(name, dict.fromkeys(LAYOUTS), "layout")
    if name == SURFACE:
        return surface(stems, presets)
    return (files("rtmss.live.control.layouts") / FILES[name]).read_text(encoding="utf-8")
