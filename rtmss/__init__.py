"""rtmss: real-time music source separation by example."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rtmss.threads import let_waiting_threads_sleep

__version__ = "0.1.0"
__all__ = ["Scene", "Separator", "Session", "Stem", "Strip"]

if TYPE_CHECKING:
    from rtmss.engine.control import Scene, Stem, Strip
    from rtmss.engine.session import Session
    from rtmss.separator import Separator

let_waiting_threads_sleep()  # before torch is imported, which the names below do

_HOMES = {
    "Scene": "rtmss.engine.control",
    "Stem": "rtmss.engine.control",
    "Strip": "rtmss.engine.control",
    "Session": "rtmss.engine.session",
    "Separator": "rtmss.separator",
}


def __getattr__(name: str) -> Any:
    """Import the public names when they are first used: torch takes a second to load."""
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'rtmss' has no attribute '{name}'")
