"""rtmss: real-time music source separation by example.

What is in `__all__` is the public interface; every other module may change without notice.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from rtmss.threads import let_waiting_threads_sleep

__all__ = [
    "PROFILES",
    "Condition",
    "Library",
    "Output",
    "Preset",
    "RenderPlan",
    "Scene",
    "Separator",
    "Session",
    "SessionLog",
    "Stem",
    "Strip",
    "UserError",
    "render",
    "replay",
]

if TYPE_CHECKING:
    from rtmss.conditions.condition import Condition
    from rtmss.conditions.library import Library
    from rtmss.conditions.preset import Preset
    from rtmss.conditions.strip import Strip
    from rtmss.config import PROFILES, UserError
    from rtmss.engine.control import Scene, Stem
    from rtmss.engine.session import Output, Session
    from rtmss.recording.log_reader import SessionLog
    from rtmss.recording.replay import replay
    from rtmss.rendering import RenderPlan, render
    from rtmss.separator import Separator

    __version__: str

let_waiting_threads_sleep()  # before torch is imported, which the names below do

_MODULES = {
    "Condition": "rtmss.conditions.condition",
    "Library": "rtmss.conditions.library",
    "Output": "rtmss.engine.session",
    "PROFILES": "rtmss.config",
    "Preset": "rtmss.conditions.preset",
    "RenderPlan": "rtmss.rendering",
    "Scene": "rtmss.engine.control",
    "Separator": "rtmss.separator",
    "Session": "rtmss.engine.session",
    "SessionLog": "rtmss.recording.log_reader",
    "Stem": "rtmss.engine.control",
    "Strip": "rtmss.conditions.strip",
    "UserError": "rtmss.config",
    "render": "rtmss.rendering",
    "replay": "rtmss.recording.replay",
}
"""Where each public name is defined."""


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: torch takes a second to load."""
    if name in _MODULES:
        return getattr(import_module(_MODULES[name]), name)
    if name == "__version__":
        from importlib.metadata import version

        return version("rtmss")
    raise AttributeError(f"module 'rtmss' has no attribute '{name}'")


def __dir__() -> list[str]:
    """The public names, for completion."""
    return [*__all__, "__version__"]
