"""A run as it is seen: how much audio is done and when the rest will be, and what was slow or
failed.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Sequence

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from rtmss.catalogue.lengths import Lengths
from rtmss.catalogue.run import Summary
from rtmss.catalogue.songs import Song
from rtmss.catalogue.worker import Outcome
from rtmss.console import one_line
from rtmss.tables import WholeTable

_N_SLOWEST = 3
_N_FAILED = 10
_LINE_SECONDS = 60.0
"""Where there is no terminal, a line so often."""


class Display:
    """Progress over hours of audio; a context."""

    def __init__(self, console: Console) -> None:
        self.console = console
        columns = TextColumn("{task.description}", markup=False), BarColumn()
        self._bar = Progress(*columns, console=console, transient=True)
        self._started = self._spoken = time.monotonic()
        self._n_waiting = 0
        self._bytes_waiting: Counter[str] = Counter()
        """By the suffixes of songs."""
        self._lengths = Lengths()
        self._seconds = 0.0
        self._n_done = self._n_failed = 0
        self._workers: dict[str, tuple[int, float, float]] = defaultdict(lambda: (0, 0.0, 0.0))
        self._slowest: list[Outcome] = []

    def begin(self, todo: Sequence[Song], lengths: Lengths) -> Display:
        """Know what is to be done."""
        self._n_waiting = len(todo)
        for song in todo:
            self._bytes_waiting[song.suffix] += song.n_bytes
        self._lengths = lengths
        self._started = time.monotonic()
        self._task = self._bar.add_task("", total=1.0)
        return self

    def __enter__(self) -> Display:
        self._bar.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.__exit__(None, None, None)

    def __call__(self, outcome: Outcome) -> None:
        """Show that a song is done."""
        self._n_waiting -= 1
        self._bytes_waiting[outcome.song.suffix] -= outcome.song.n_bytes
        self._n_done += 1
        self._n_failed += any(row.status == "failed" for row in outcome.rows)
        self._seconds += outcome.seconds
        if outcome.worker:
            n, seconds, wall_seconds = self._workers[outcome.worker]
            together = n + 1, seconds + outcome.seconds, wall_seconds + outcome.wall_seconds
            self._workers[outcome.worker] = together
        self._slowest = sorted(
            [*self._slowest, outcome],
            key=_slowness,
        )[-_N_SLOWEST:]
        self._show()

    def _show(self) -> None:
        left = sum(self._lengths.guess_all(*kind) for kind in self._bytes_waiting.items())
        text = self.line(left)
        share = self._seconds / max(1e-9, self._seconds + left)
        self._bar.update(self._task, description=text, completed=share)
        if not self.console.is_terminal and time.monotonic() - self._spoken > _LINE_SECONDS:
            self.console.print(text)
            self._spoken = time.monotonic()

    def line(self, left: float) -> str:
        """Where the run stands, with so many seconds of audio to go."""
        speed = self._seconds / max(1e-9, time.monotonic() - self._started)
        eta = _clock(left / speed) if speed else "?"
        done, total = self._seconds / 3600, (self._seconds + left) / 3600
        return (
            f"{done:.2f} of about {total:.2f} h of audio, {self._n_done} songs, {self._n_failed} "
            f"failed, {self._n_waiting} to go, {speed:.1f} x real time, {eta} left"
        )

    def summarise(self, summary: Summary) -> None:
        """Say what became of everything."""
        seconds = time.monotonic() - self._started
        if self._seconds:
            self.console.print(self._worker_table())
            self.console.print(self._slowest_table())
        for row in summary.failed[:_N_FAILED]:
            self.console.print(f"failed: {one_line(row.id)}: {one_line(row.error)}", style="red")
        if len(summary.failed) > _N_FAILED:
            self.console.print(f"and {len(summary.failed) - _N_FAILED} more, in the report")
        speed = self._seconds / max(1e-9, seconds)
        self.console.print(
            f"{summary.n_made} songs made ({self._seconds / 3600:.2f} h of audio in "
            f"{_clock(seconds)}, {speed:.1f} x real time), {summary.n_kept} were there, "
            f"{len(summary.failed)} failed"
        )

    def _worker_table(self) -> WholeTable:
        table = WholeTable("worker", ">songs", ">hours", ">x real time")
        for name, (n, seconds, wall_seconds) in sorted(self._workers.items()):
            speed = seconds / max(1e-9, wall_seconds)
            table.add_row(name, str(n), f"{seconds / 3600:.2f}", f"{speed:.2f}")
        return table

    def _slowest_table(self) -> WholeTable:
        table = WholeTable("slowest", ">seconds", ">took")
        for outcome in reversed(self._slowest):
            if outcome.seconds:
                took = f"{outcome.wall_seconds:.1f}"
                table.add_row(one_line(outcome.song.id), f"{outcome.seconds:.1f}", took)
        return table


def _slowness(outcome: Outcome) -> float:
    """Seconds of work for a second of audio."""
    return outcome.wall_seconds / outcome.seconds if outcome.seconds else 0.0


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"
