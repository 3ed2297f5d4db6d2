"""Runs an engine in a process of its own; imports no torch, which takes seconds, before it is needed."""

from __future__ import annotations

from pathlib import Path

from rtmss.live.options import EngineOptions


def launch(options: EngineOptions, shared: Path) -> None:
    """Run an engine in this process, which ends with it."""
    from rtmss.live.realtime.process import run_engine

    run_engine(options, shared)
