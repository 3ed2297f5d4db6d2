"""The supervisor: starts engine, control side and recorder, each in a process of its own, and again
what has died.

It holds the shared memory, so that the scene outlives both. Killing the control side does not touch
the sound; a new engine plays the scene that the old one played.
"""

from __future__ import annotations

import multiprocessing
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from rtmss.engine.control import Scene
from rtmss.live.options import (
    EXIT_LOST,
    EXIT_REFUSED,
    SILENT_SECONDS,
    ControlOptions,
    EngineOptions,
    ProcessOptions,
    RecorderOptions,
)
from rtmss.live.realtime.launch import launch
from rtmss.live.realtime.priority import hint
from rtmss.live.shared.recorder_ring import RecorderRing, RingShape
from rtmss.live.shared.song_state import TransportCommand
from rtmss.live.shared.state import SharedState
from rtmss.live.song.decode import Loader

POLL_SECONDS = 0.05
START_SECONDS = 30.0
"""An engine that is not running by then is started again."""
PAUSES_SECONDS = (0.0, 0.5, 1.0, 2.0, 5.0)
"""Before the first, second, ... start after a failure."""
ENDINGS = {EXIT_LOST: "lost its sound device", EXIT_REFUSED: "cannot start"}
"""What exit statuses mean."""
WRITE_SECONDS = 8.0
"""A slow disk has so long in the end to take what is left of a recording."""
CALM_SECONDS = 10.0
"""After so long without a failure the pauses begin anew."""


@dataclass(frozen=True)
class HostOptions:
    """What `rtmss live` was asked for."""

    engine: EngineOptions
    control: ControlOptions
    recorder: RecorderOptions | None = None
    song: tuple[Path, TransportCommand] | None = None
    """A file to play instead of the input, and how it begins."""


class Process(Protocol):
    """What the supervisor needs of a process."""

    def exit_code(self) -> int | None:
        """None while it runs."""

    def kill(self) -> None:
        """End it at once."""


class RefusedError(Exception):
    """A process cannot start as the user wants it to, and has said so."""


class Supervised:
    """One process that is to run always."""

    def __init__(self, name: str, start: Callable[[], Process], say: Callable[[str], None]) -> None:
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
            if code == EXIT_REFUSED and not self.n_restarts:
                raise RefusedError  # it has said why
            self._n_failures = 0 if now - self.started > CALM_SECONDS else self._n_failures + 1
            pause = PAUSES_SECONDS[min(self._n_failures, len(PAUSES_SECONDS) - 1)]
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


def run_host(options: HostOptions, scene: Scene, preset: str, say: Callable[[str], None]) -> int:
    """Play until somebody says stop; returns the exit status.

    Args:
        options: how.
        scene: what plays at first.
        preset: its name.
        say: prints one line for the user.
    """
    shared = SharedState.create(options.engine.n_condition)
    ring: RecorderRing | None = None
    recorder: Supervised | None = None
    loader: Loader | None = None
    supervised: list[Supervised] = []

    def stop(*_: object) -> None:
        shared.stop = True

    signals = [signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else [])]
    before = [signal.signal(number, stop) for number in signals]
    try:
        shared.send(scene, preset)
        loader = _start_loader(options, shared, say)
        if options.recorder is not None:
            ring = RecorderRing.create(_ring_shape(options.recorder))
            recorder_options = options.recorder.in_memory(shared.path, ring.path)
            recorder = Supervised("the recorder", partial(_start_recorder, recorder_options), say)
            supervised.append(recorder)
        engine_options = options.engine.in_memory(shared.path, ring.path if ring else None)
        engine = Supervised("the engine", partial(_start_engine, engine_options), say)
        supervised.append(engine)
        if not _await_start(engine, shared, say):
            return 0 if shared.stop else 1
        control_options = options.control.in_memory(shared.path)
        supervised.append(
            Supervised("the control side", partial(_start_control, control_options), say)
        )
        while not shared.stop:
            for child in supervised:
                child.check(_stall(engine, shared) if child is engine else "")
            if engine.is_down:
                shared.announce("reopening")
            time.sleep(POLL_SECONDS)
    except KeyboardInterrupt:
        pass
    except RefusedError:
        return 1
    finally:
        shared.stop = True
        if loader is not None:
            loader.close()
        _end([child.process for child in supervised if child is not recorder])
        _end([child.process for child in supervised if child is recorder], WRITE_SECONDS)
        for number, handler in zip(signals, before, strict=True):
            signal.signal(number, handler)
        shared.close(unlink=True)
        if ring is not None:
            ring.close(unlink=True)
    return int(loader is not None and loader.has_failed)


def _start_loader(
    options: HostOptions, shared: SharedState, say: Callable[[str], None]
) -> Loader | None:
    if options.song is None:
        return None
    shared.transport.insert(*options.song)
    return Loader(options.song[0], shared, say)


def _stall(engine: Supervised, shared: SharedState) -> str:
    """What is wrong with an engine that runs but does not play."""
    status, now = shared.read()[0], time.monotonic()
    if status.hop_seconds < engine.started:  # it has not stepped yet
        return (
            f"did not start within {START_SECONDS:g} s"
            if now - engine.started > START_SECONDS
            else ""
        )
    silent = now - status.hop_seconds
    # The engine ends itself first if it still can.
    return f"has been silent for {silent:.1f} s" if silent > 2 * SILENT_SECONDS else ""


def _await_start(engine: Supervised, shared: SharedState, say: Callable[[str], None]) -> bool:
    """Wait for the first hop, and advise on how it runs; false, and said why, if there will be
    none.
    """
    while shared.read()[0].hop_seconds < engine.started:
        code, problem = engine.process.exit_code(), _stall(engine, shared)
        if code is not None and code != EXIT_REFUSED:
            problem = ENDINGS.get(code, f"ended with status {code}")
        if code is not None or problem or shared.stop:
            if problem:
                say(f"{engine.name} {problem}")
            return False
        time.sleep(POLL_SECONDS)
    if advice := hint(is_realtime=bool(shared.read()[0].realtime)):
        say(advice)
    return True


class _Child:
    """A process of multiprocessing."""

    def __init__(self, process: Any) -> None:
        self._process = process

    def exit_code(self) -> int | None:
        code: int | None = self._process.exitcode
        return code

    def kill(self) -> None:
        self._process.kill()
        self._process.join()


class _Command:
    """A process with a command line, which keeps the terminal."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    def exit_code(self) -> int | None:
        return self._process.poll()

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()


def _ring_shape(options: RecorderOptions) -> RingShape:
    return RingShape(options.hop_length, options.n_outputs, options.n_condition)


def _start_engine(options: EngineOptions) -> Process:
    """A fork of a server that has imported torch already starts in a fraction of the time; not on
    every system.
    """
    methods = multiprocessing.get_all_start_methods()
    context: Any = multiprocessing.get_context("forkserver" if "forkserver" in methods else "spawn")
    if "forkserver" in methods:
        context.set_forkserver_preload(["rtmss.live.realtime.process"])
    process = context.Process(
        target=launch, args=(options.to_text(),), name="rtmss-engine", daemon=True
    )
    process.start()
    return _Child(process)


def _start_control(options: ControlOptions) -> Process:
    return _start_module("rtmss.live.control.process", options)


def _start_recorder(options: RecorderOptions) -> Process:
    return _start_module("rtmss.live.recorder", options)


def _start_module(module: str, options: ProcessOptions) -> Process:
    return _Command(subprocess.Popen([sys.executable, "-m", module, options.to_text()]))


def _end(processes: list[Process], seconds: float = 2.0) -> None:
    """Wait a moment for them to end by themselves, then end them."""
    deadline = time.monotonic() + seconds
    for process in processes:
        while process.exit_code() is None and time.monotonic() < deadline:
            time.sleep(0.02)
        if process.exit_code() is None:
            process.kill()
