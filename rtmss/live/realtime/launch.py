"""Runs an engine in a process of its own; imports no torch, which takes seconds, before it is
needed.
"""

from __future__ import annotations

from rtmss.live.options import EngineOptions


def launch(options: str) -> None:
    """Run an engine in this process, which ends with it; takes `EngineOptions` as text."""
    from rtmss.live.realtime.process import run_engine

    run_engine(EngineOptions.of_text(options))
