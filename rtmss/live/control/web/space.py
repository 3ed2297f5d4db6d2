"""What the web server describes: an address space that changes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Protocol

from rtmss.live.control.osc.state import Values
from rtmss.live.control.osc.table import Row


class Snapshot(NamedTuple):
    """The address space as it was; nothing in it changes afterwards."""

    rows: Mapping[str, Row]
    """Every address that acts or is told, but for the buttons of presets."""
    values: Values
    """Of those that have one."""
    presets: tuple[str, ...]
    conditions: tuple[str, ...]
    osc_host: str
    osc_port: int
    cues: tuple[str, ...] = ()
    has_buttons: bool = True
    """Whether every preset has an address of its own."""


class PathNews(NamedTuple):
    """How the address space has changed."""

    command: str
    """As OSCQuery says it: `PATH_ADDED` and so on."""
    path: str
    new_path: str = ""
    """Of one that was renamed."""


class Space(Protocol):
    """An address space, for the control loop alone."""

    def snapshot(self) -> Snapshot:
        """As it is now. Looks into folders."""

    def news(self) -> list[PathNews]:
        """How it has changed since the last call; nothing at the first one."""
