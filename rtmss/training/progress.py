"""What a training run prints and logs: one JSON line per report, and a line for the terminal."""

from __future__ import annotations

import json
import time
from pathlib import Path

from rich.console import Console


class Progress:
    """Averages figures between reports; prints them with speed and time left, appends them to a log."""

    def __init__(self, log: Path, console: Console, every_seconds: float = 20.0) -> None:
        self.log = log
        self.console = console
        self.every_seconds = every_seconds
        self._sums: dict[str, float] = {}
        self._n = 0
        self._last = time.monotonic()

    def report(self, step: int, n_steps: int, figures: dict[str, float], audio_seconds: float = 0.0) -> None:
        """Take the figures of one step; print when it is time.

        Args:
            step: counted from 1.
            n_steps: of the whole run.
            figures: values to average.
            audio_seconds: mixture audio that the step trained on.
        """
        for name, value in (figures | {"audio_seconds": audio_seconds}).items():
            self._sums[name] = self._sums.get(name, 0.0) + value
        self._n += 1
        elapsed = time.monotonic() - self._last
        if elapsed < self.every_seconds and step < n_steps:
            return
        means = {name: round(total / self._n, 4) for name, total in self._sums.items() if name != "audio_seconds"}
        speed = self._sums["audio_seconds"] / elapsed
        self.note({"step": step, **means, "audio_seconds_per_second": round(speed, 1)})
        left = (n_steps - step) * elapsed / self._n
        shown = "  ".join(f"{name} {value:.3f}" for name, value in means.items())
        self.console.print(
            f"step {step}/{n_steps}  {shown}  {speed:.1f} audio-s/s  {left / 60:.0f} min left", highlight=False
        )
        self._sums, self._n, self._last = {}, 0, time.monotonic()

    def note(self, row: dict[str, object]) -> None:
        """Append one line to the log."""
        with self.log.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
