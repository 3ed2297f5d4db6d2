"""What a training run prints and logs: a line for the terminal, one JSON line, and curves for
TensorBoard.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from torch import Tensor


class Progress:
    """Averages figures between reports; prints them with speed and time left, appends them to a
    log.

    Curves for TensorBoard, where it is installed, go into the folder `tensorboard` beside the log.
    """

    def __init__(
        self,
        log: Path,
        console: Console,
        every_seconds: float = 20.0,
    ) -> None:
        self.log = log
        self.console = console
        self.every_seconds = every_seconds
        self._sums: dict[str, float | Tensor] = {}
        self._n = 0
        self._last = time.monotonic()
        self._board: Any = None

    def report(
        self,
        step: int,
        n_steps: int,
        figures: Mapping[str, float | Tensor],
        audio_seconds: float = 0.0,
    ) -> None:
        """Take the figures of one step; print when it is time.

        Args:
            step: counted from 1.
            n_steps: of the whole run.
            figures: values to average; those on a device are fetched when it is time to print.
            audio_seconds: mixture audio that the step trained on.
        """
        for name, value in {**figures, "audio_seconds": audio_seconds}.items():
            self._sums[name] = self._sums.get(name, 0.0) + value
        self._n += 1
        if time.monotonic() - self._last < self.every_seconds and step < n_steps:
            return
        sums = {name: float(total) for name, total in self._sums.items()}
        elapsed = time.monotonic() - self._last
        speed = sums.pop("audio_seconds") / elapsed
        means = {
            name: round(
                total / self._n,
                4,
            )
            for name, total in sums.items()
        }
        self.note(
            {
                "step": step,
                **means,
                "audio_seconds_per_second": round(speed, 1),
            }
        )
        self._draw(step, means | {"audio_seconds_per_second": speed})
        left = (n_steps - step) * elapsed / self._n
        shown = "  ".join(f"{name} {value:.3f}" for name, value in means.items())
        self.console.print(
            f"step {step}/{n_steps}  {shown}  {speed:.1f} audio-s/s  {left / 60:.0f} min left",
            highlight=False,
        )
        self._sums, self._n, self._last = {}, 0, time.monotonic()

    def note(self, row: dict[str, object]) -> None:
        """Append one line to the log."""
        with self.log.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")

    def _draw(
        self,
        step: int,
        figures: dict[str, float],
    ) -> None:
        if self._board is None:
            try:
                from torch.utils.tensorboard import SummaryWriter
            except ImportError:
                self._board = False
            else:
                # A run that goes on takes back what was drawn after its checkpoint.
                folder = self.log.parent / "tensorboard"
                self._board = SummaryWriter(
                    str(folder), filename_suffix=f".{self.log.stem}", purge_step=step
                )
        if self._board:
            for name, value in figures.items():
                self._board.add_scalar(f"{self.log.stem}/{name}", value, step)
            self._board.flush()
