"""`rtmss serve`: one for each user; forks the engine off, and OSC's process beside it, and each
again when it has ended or hangs.

All that takes long is done before: an engine that is forked anew plays within half a second.
"""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import time
import traceback
from collections.abc import Callable

from rtmss.live.options import EXIT_REFUSED
from rtmss.live.shared.heartbeat import AwakeClock, Pulse
from rtmss.serve.attendant import tell
from rtmss.serve.board import Board
from rtmss.serve.control.process import OscOptions, run_osc
from rtmss.serve.engine import EngineOptions, Prepared, Report, run_engine

HANGING_SECONDS = 5.0
"""A process whose turns stand still for so long is started again."""
LOOK_SECONDS = 0.05
SOONEST_SECONDS = 2.0
"""A process that ends within this of its start is started again only after as long."""


class Supervisor:
    """The parent of both."""

    def __init__(
        self,
        options: EngineOptions,
        idle_seconds: float | None = None,
        osc: OscOptions | None = None,
    ) -> None:
        """Start an engine.

        Args:
            options: what it plays with.
            idle_seconds: without an instance for so long all ends; None for never.
            osc: where OSC is spoken; None for nowhere.
        """
        prepared, self._idle_seconds = Prepared(options), idle_seconds
        self._report, board = Report(), Board()
        gc.collect()
        gc.freeze()  # what was made so far is not looked through again, here and in both
        self._clock = AwakeClock()
        self._last_busy = self._clock.now()
        parent, report = os.getpid(), self._report

        def play() -> None:
            run_engine(prepared, report, parent, board)

        def speak() -> int:
            assert osc is not None
            return run_osc(osc, board, options.folder, prepared.book, report.beat, parent)

        self._children = [_Child("the engine", play, lambda: report.n_turns, self._clock)]
        if osc is not None:
            self._children.append(_Child("OSC", speak, lambda: report.n_beats, self._clock))

    def run(self) -> None:
        """Watch until the engine has been idle for long; an exception ends it too."""
        try:
            while not self._is_idle():
                for child in self._children:
                    child.watch()
                time.sleep(LOOK_SECONDS)
        finally:
            for child in self._children:
                child.end()

    def _is_idle(self) -> bool:
        now = self._clock.now()
        if self._report.n_instances:
            self._last_busy = now
        return self._idle_seconds is not None and now - self._last_busy > self._idle_seconds


class _Child:
    """A process that is forked off, and again when need be."""

    def __init__(
        self,
        name: str,
        run: Callable[[], int | None],
        n_turns: Callable[[], int],
        clock: AwakeClock,
    ) -> None:
        """Start it.

        Args:
            name: for messages.
            run: what it does; its exit status.
            n_turns: stands still if it does.
            clock: of this process.
        """
        self._name, self._run, self._clock = name, run, clock
        self._pulse = Pulse(n_turns, clock)
        self._due = 0.0
        self._pid = 0
        self._start()

    def watch(self) -> None:
        """Start it again if it has ended or hangs; one that cannot do its work is left alone."""
        if self._pid == 0:
            if self._clock.now() >= self._due:
                self._start()
            return
        if self._pid < 0:
            return
        pid, status = os.waitpid(self._pid, os.WNOHANG)
        still = self._pulse.still_seconds()
        if not pid and self._pulse.has_begun and still > HANGING_SECONDS:
            os.kill(self._pid, signal.SIGKILL)
            pid, status = os.waitpid(self._pid, 0)
        if pid:
            code = os.waitstatus_to_exitcode(status)
            self._pid = -1 if code == EXIT_REFUSED else 0
            if self._pid == 0:
                tell(f"{self._name} has ended ({code}), and starts again")
                self._due = self._started + SOONEST_SECONDS
                self.watch()

    def end(self) -> None:
        """End it; it has nothing to put away."""
        if self._pid > 0:
            with contextlib.suppress(ProcessLookupError, ChildProcessError):
                os.kill(self._pid, signal.SIGKILL)
                os.waitpid(self._pid, 0)

    def _start(self) -> None:
        self._started = self._clock.now()
        self._pid = os.fork()
        if not self._pid:
            _be(self._run)
        self._pulse.restart()


def _be(run: Callable[[], int | None]) -> None:
    """In the forked process; does not return."""
    code = 1
    try:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        code = run() or 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)  # nothing of the supervisor's is done a second time
