"""The supervisor: starts engine, control side and recorder, each in a process of its own, and again
what has died.

It holds the shared memory, so that the scene outlives both. Killing the control side does not touch
the sound; a new engine plays the scene that the old one played.
"""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from rtmss.engine.control import Scene
from rtmss.live.options import (
    EXIT_LOST,
    EXIT_REFUSED,
    SILENT_SECONDS,
    BuilderOptions,
    ControlOptions,
    EngineOptions,
    RecorderOptions,
)
from rtmss.live.processes import (
    ForkServer,
    Process,
    end_all,
    start_builder,
    start_control,
    start_engine,
    start_recorder,
)
from rtmss.live.realtime.priority import hint
from rtmss.live.shared.capture_ring import CaptureRing
from rtmss.live.shared.cue_state import CueState
from rtmss.live.shared.heartbeat import AwakeClock, Pulse
from rtmss.live.shared.jobs import JobQueue
from rtmss.live.shared.memory import memory_kind
from rtmss.live.shared.parent import group_signals
from rtmss.live.shared.recorder_ring import RecorderRing, RingShape
from rtmss.live.shared.song_state import TransportCommand
from rtmss.live.shared.state import SharedState
from rtmss.live.song.decode import Loader
from rtmss.live.song.scratch import sweep_songs

POLL_SECONDS = 0.05
START_SECONDS = 60.0
"""A process without a sign of life by then is started again; a busy machine takes its time."""
PAUSES_SECONDS = (0.0, 0.5, 1.0, 2.0, 5.0)
"""Before the first, second, ... start after a failure."""
ENDINGS = {EXIT_LOST: "lost its sound device", EXIT_REFUSED: "cannot start"}
"""What exit statuses mean."""
WRITE_SECONDS = 8.0
"""A slow disk has so long in the end to take what is left of a recording."""
PATIENCE_SECONDS = 20.0
"""A control side or recorder without a sign of life for so long hangs: longer than a slow disk."""
CALM_SECONDS = 10.0
"""After so long without a failure the pauses are short again."""


@dataclass(frozen=True)
class HostOptions:
    """What `rtmss live` was asked for."""

    engine: EngineOptions
    control: ControlOptions
    recorder: RecorderOptions | None = None
    song: tuple[Path, TransportCommand] | None = None
    """A file to play instead of the input, and how it begins."""
    builder: BuilderOptions | None = None
    """None where nothing is to be captured."""
    songs: tuple[Path, ...] = ()
    """All that may be asked for; empty for that one alone."""
    cue: CueState | None = None
    """Where a set list is resumed."""


class RefusedError(Exception):
    """A process cannot start as the user wants it to, and has said so."""


class Supervised:
    """One process that is to run always."""

    def __init__(
        self,
        name: str,
        start: Callable[[], Process],
        say: Callable[[str], None],
    ) -> None:
        self.name, self._start, self._say = name, start, say
        self.process: Process = start()
        self.started = time.monotonic()
        self.n_restarts = 0
        self._n_failures = 0
        self._due = 0.0
        self.is_down = False
        """Whether it has ended and waits for its pause."""

    def check(self, problem: str = "") -> None:
        """Start it again if it has ended, or end it because of `problem` first; pauses grow with
        failures.
        """
        now = time.monotonic()
        if not self.is_down:
            code = self.process.exit_code()
            if code is None and not problem:
                return
            if code is None:
                self.process.kill()
                if self.process.exit_code() is None:
                    return  # the system holds it, and there must not be two
            if code == EXIT_REFUSED and not self.n_restarts:
                raise RefusedError  # it has said why
            was_calm = now - self.started > CALM_SECONDS
            pause = PAUSES_SECONDS[0 if was_calm else self._n_failures]
            self._n_failures = min(
                1 if was_calm else self._n_failures + 1,
                len(PAUSES_SECONDS) - 1,
            )
            self._due, self.is_down = now + pause, True
            reason = problem or ENDINGS.get(code or 0, f"ended with status {code}")
            self._say(f"{self.name} {reason}; starting it again in {pause:g} s")
            return
        if now >= self._due:
            try:
                self.process, self.started, self.is_down = self._start(), now, False
            except (OSError, EOFError) as error:
                self._due = now + PAUSES_SECONDS[-1]
                self._say(f"{self.name} cannot be started: {error}")
            self.n_restarts += 1


class Watched(Supervised):
    """One that is also to get on."""

    def __init__(
        self,
        name: str,
        start: Callable[[], Process],
        say: Callable[[str], None],
        pulse: Pulse,
        patience: float,
    ) -> None:
        """Start it.

        Args:
            name: for messages.
            start: starts it.
            say: prints one line for the user.
            pulse: its signs of life.
            patience: seconds without any, after which it stands still.
        """
        super().__init__(name, start, say)
        self._pulse, self._patience = pulse, patience
        self._seen = self.process

    def has_begun(self) -> bool:
        """Whether it has given a sign of life."""
        self._pulse.still_seconds()
        return self._pulse.has_begun

    def problem(self) -> str:
        """What is wrong with it although it runs; nothing if it gets on."""
        if self.process is not self._seen:
            self._seen = self.process
            self._pulse.restart()
        still = self._pulse.still_seconds()
        if not self._pulse.has_begun:
            return f"did not start within {START_SECONDS:g} s" if still > START_SECONDS else ""
        # The engine ends itself first if it still can.
        return f"has been silent for {still:.1f} s" if still > self._patience else ""


def run_host(
    options: HostOptions,
    scene: Scene,
    preset: str,
    server: ForkServer,
    say: Callable[[str], None],
) -> int:
    """Play until somebody says stop; returns the exit status.

    Args:
        options: how.
        scene: what plays at first.
        preset: its name.
        server: forks engines where they are forked; it is closed in the end.
        say: prints one line for the user.
    """
    sweep()
    with contextlib.ExitStack() as on_exit:
        # First of all: they are obeyed, and harm nothing, until everything has been put away.
        stop = on_exit.enter_context(_signals())
        shared = SharedState.create(options.engine.n_condition)
        on_exit.callback(shared.close, unlink=True)
        shared.send(scene, preset)
        host = _Host(options, shared, server, stop, _careful(say))
        on_exit.callback(host.close)
        return host.run()


def sweep() -> None:
    """Remove what hosts left that were killed."""
    memory_kind().sweep()
    sweep_songs()


class _Stop:
    """Whether a signal has asked for the end."""

    is_asked = False

    def __call__(self, *_: object) -> None:
        self.is_asked = True


@contextlib.contextmanager
def _signals() -> Iterator[_Stop]:
    """However a system says that it is over. What is ignored (by nohup) stays ignored."""
    stop = _Stop()
    numbers = [signal.SIGTERM, *group_signals()]
    before = {number: signal.getsignal(number) for number in numbers}
    heard = {number: how for number, how in before.items() if how is not signal.SIG_IGN}
    for number in heard:
        signal.signal(number, stop)
    try:
        yield stop
    finally:
        for number, handler in heard.items():
            signal.signal(number, handler)


def _careful(say: Callable[[str], None]) -> Callable[[str], None]:
    """The same, but nothing happens where nobody is left to hear it."""

    def said(line: str) -> None:
        # Rich ends a program whose reader has gone.
        with contextlib.suppress(OSError, ValueError, SystemExit):
            say(line)

    return said


class _Host:
    """The processes of a host, and what they need."""

    def __init__(
        self,
        options: HostOptions,
        shared: SharedState,
        server: ForkServer,
        stop: _Stop,
        say: Callable[[str], None],
    ) -> None:
        self._options, self._shared, self._stop, self._say = options, shared, stop, say
        self._server = server
        self._clock = AwakeClock()
        self._ring: RecorderRing | None = None
        self._capture: CaptureRing | None = None
        self._jobs: JobQueue | None = None
        self._loader: Loader | None = None
        self._recorder: Watched | None = None
        self._watched: list[Watched] = []

    def run(self) -> int:
        """Start everything, and what has ended again, until the end; the exit status."""
        try:
            return self._run()
        except RefusedError:
            return 1

    def close(self) -> None:
        """End everything; the recorder last, which writes what the engine has left."""
        self._shared.stop = True
        if self._loader is not None:
            self._loader.stop()
        last = [self._recorder] if self._recorder is not None else []
        end_all([child.process for child in self._watched if child not in last])
        self._server.close()
        end_all([child.process for child in last], WRITE_SECONDS)
        if self._loader is not None:
            self._loader.close()
        for memory in (self._ring, self._capture, self._jobs):
            if memory is not None:
                memory.close(unlink=True)

    def _run(self) -> int:
        options, shared = self._options, self._shared
        if options.cue is not None:
            shared.cues.write(options.cue)
        if options.song is not None:
            shared.transport.insert(*options.song)
            self._loader = Loader(options.songs or options.song[:1], shared, self._say)
        if options.recorder is not None:
            self._ring = RecorderRing.create(_ring_shape(options.recorder))
            recorder_options = options.recorder.in_memory(shared.path, ring=self._ring.path)
            self._recorder = self._watch(
                "the recorder", partial(start_recorder, recorder_options), "recorder"
            )
        if options.builder is not None:
            self._capture = CaptureRing.create()
            self._jobs = JobQueue.create()
        ring = self._ring.path if self._ring else None
        capture = self._capture.path if self._capture else None
        jobs = self._jobs.path if self._jobs else None
        engine_options = options.engine.in_memory(shared.path, ring=ring, capture=capture)
        engine = self._watch("the engine", partial(start_engine, engine_options, self._server))
        if not self._await_start(engine):
            return self._status() if self._is_over() else 1
        control_options = options.control.in_memory(shared.path, capture=capture, jobs=jobs)
        self._watch("the control side", partial(start_control, control_options), "control")
        if options.builder is not None:
            builder_options = options.builder.in_memory(shared.path, capture=capture, jobs=jobs)
            self._watch("the builder", partial(start_builder, builder_options), "builder")
        while not self._is_over():
            for child in self._watched:
                child.check(child.problem())
            if engine.is_down:
                shared.announce("reopening")
            time.sleep(POLL_SECONDS)
        return self._status()

    def _status(self) -> int:
        """1 if the host has ended because there is no song."""
        return int(self._loader is not None and self._loader.has_failed)

    def _watch(
        self,
        name: str,
        start: Callable[[], Process],
        beating: str = "",
    ) -> Watched:
        """Start a process whose signs of life are these beats, or the engine's."""
        shared = self._shared
        read = partial(shared.n_beats, beating) if beating else lambda: shared.read()[0].hop_seconds
        patience = PATIENCE_SECONDS if beating else 2 * SILENT_SECONDS
        child = Watched(
            name,
            start,
            self._say,
            Pulse(read, self._clock),
            patience,
        )
        self._watched.append(child)
        return child

    def _is_over(self) -> bool:
        """Whether somebody has said stop. Children see by the beat that this process is there."""
        self._shared.beat("supervisor")
        return self._stop.is_asked or self._shared.stop

    def _await_start(self, engine: Watched) -> bool:
        """Wait for the first hop, and advise on how it runs; false, and said why, if there will be
        none.
        """
        while not engine.has_begun():
            code, problem = engine.process.exit_code(), engine.problem()
            if code is not None and code != EXIT_REFUSED:
                problem = ENDINGS.get(code, f"ended with status {code}")
            if code is not None or problem or self._is_over():
                if problem and not self._is_over():
                    self._say(f"{engine.name} {problem}")
                return False
            time.sleep(POLL_SECONDS)
        if advice := hint(is_realtime=bool(self._shared.read()[0].realtime)):
            self._say(advice)
        return True


def _ring_shape(options: RecorderOptions) -> RingShape:
    return RingShape(options.hop_length, options.n_outputs, options.n_condition)
