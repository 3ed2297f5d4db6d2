"""The control side's process: OSC and the terminal, at one controller. It may die and come back without a sound.

Started by the supervisor as `python -m rtmss.live.control.process`.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from rtmss.conditions.preset import Library
from rtmss.config import UserError
from rtmss.live.control.controller import MixerController
from rtmss.live.control.osc.server import OscServer
from rtmss.live.control.terminal import Terminal, statistics_line
from rtmss.live.options import EXIT_REFUSED
from rtmss.live.shared.state import SharedState

TICK_SECONDS = 0.005


def run_control(
    shared: Annotated[Path, typer.Option()],
    n_condition: Annotated[int, typer.Option()],
    model_id: Annotated[str, typer.Option()],
    hop_length: Annotated[int, typer.Option()],
    library: Annotated[Path, typer.Option()],
    osc_bind: Annotated[str, typer.Option()],
    osc_port: Annotated[int, typer.Option()],
    output: Annotated[str, typer.Option()],
) -> None:
    """Serve until the shared state says stop, or the user does."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # so that the terminal is left as it was
    memory, supervisor = SharedState.attach(shared, n_condition), os.getppid()
    controller = MixerController(memory, Library([library]), model_id, hop_length)
    with contextlib.closing(OscServer(controller, osc_bind, osc_port)) as server, _shown(controller, output) as shown:
        shown.say(server.describe())
        while not memory.stop and os.getppid() == supervisor:
            for loaded in server.poll(TICK_SECONDS):
                shown.say(str(loaded.error) if loaded.error else f"preset {loaded.name}")
            if not shown.poll():
                memory.stop = True


class _Lines:
    """One JSON object per second, or nothing at all."""

    def __init__(self, controller: MixerController, *, is_quiet: bool) -> None:
        self._controller, self._is_quiet, self._due = controller, is_quiet, time.monotonic()

    def say(self, text: str) -> None:
        """Nobody is there to read it; OSC is answered anyway."""

    def poll(self) -> bool:
        """Print when it is time."""
        if not self._is_quiet and time.monotonic() >= self._due:
            self._due = time.monotonic() + 1.0
            try:
                print(statistics_line(self._controller, self._controller.status, self._controller.meters()), flush=True)
            except BrokenPipeError:
                self._is_quiet = True
        return True


def _shown(controller: MixerController, output: str) -> contextlib.AbstractContextManager[Terminal | _Lines]:
    if output == "view":
        return Terminal(controller, Console())
    return contextlib.nullcontext(_Lines(controller, is_quiet=output == "none"))


if __name__ == "__main__":
    try:
        with contextlib.suppress(KeyboardInterrupt):
            typer.run(run_control)
    except UserError as error:
        print(f"rtmss: {error}", file=sys.stderr)
        sys.exit(EXIT_REFUSED)
