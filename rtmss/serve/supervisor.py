"""`rtmss serve`: one for each user; forks the engine off, and again when it has ended or hangs.

All that takes long is done before: an engine that is forked anew plays within half a second.
"""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import time
import traceback

from rtmss.live.shared.heartbeat import AwakeClock, Pulse
from rtmss.serve.attendant import tell
from rtmss.serve.engine import EngineOptions, Prepared, Report, run_engine

HANGING_SECONDS = 5.0
"""An engine whose turns stand still for so long is started again."""
LOOK_SECONDS = 0.05
SOONEST_SECONDS = 2.0
"""An engine that ends within this of its start is started again only after as long."""


class Supervisor:
    """The engine's parent."""

    def __init__(self, options: EngineOptions, idle_seconds: float | None = None) -> None:
        """Start an engine.

        Args:
            options: what it plays with.
            idle_seconds: without an instance for so long all ends; None for never.
        """
        self._prepared, self._idle_seconds = Prepared(options), idle_seconds
        self._report = Report()
        gc.collect()
        gc.freeze()  # what was made so far is not looked through again, here and in engines
        self._clock = AwakeClock()
        self._last_busy = self._clock.now()
        self._start()

    def run(self) -> None:
        """Watch until the engine has been idle for long; an exception ends it too."""
        try:
            while not self._is_idle():
                self._watch()
                time.sleep(LOOK_SECONDS)
        finally:
            self._end()

    def _start(self) -> None:
        self._started = self._clock.now()
        parent = os.getpid()
        self._pid = os.fork()
        if not self._pid:
            _be_the_engine(self._prepared, self._report, parent)
        self._pulse = Pulse(lambda: self._report.n_turns, self._clock)

    def _watch(self) -> None:
        pid, status = os.waitpid(self._pid, os.WNOHANG)
        still = self._pulse.still_seconds()
        if not pid and self._pulse.has_begun and still > HANGING_SECONDS:
            os.kill(self._pid, signal.SIGKILL)
            pid, status = os.waitpid(self._pid, 0)
        if pid:
            tell(f"the engine has ended ({os.waitstatus_to_exitcode(status)}), and starts again")
            left = SOONEST_SECONDS - (self._clock.now() - self._started)
            time.sleep(max(0.0, left))
            self._start()

    def _is_idle(self) -> bool:
        now = self._clock.now()
        if self._report.n_instances:
            self._last_busy = now
        return self._idle_seconds is not None and now - self._last_busy > self._idle_seconds

    def _end(self) -> None:
        with contextlib.suppress(ProcessLookupError, ChildProcessError):
            os.kill(self._pid, signal.SIGKILL)  # it has nothing to put away
            os.waitpid(self._pid, 0)


def _be_the_engine(prepared: Prepared, report: Report, parent: int) -> None:
    """In the forked process; does not return."""
    code = 1
    try:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        run_engine(prepared, report, parent)
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)  # nothing of the supervisor's is done a second time
