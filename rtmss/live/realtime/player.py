"""A session behind a timeline, which plays the scenes in the shared state: the engine without its
device and process.

Axes: C channels, S samples.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rtmss.audio import Audio
from rtmss.config import UserError
from rtmss.engine.control import Scene
from rtmss.engine.mixer import gain_matrix
from rtmss.engine.session import Output, make_sane
from rtmss.live.buffers.timeline import N_LATE, Timeline
from rtmss.live.realtime.source import Source
from rtmss.live.realtime.step_times import StepTimes
from rtmss.live.shared.capture_ring import CaptureRing
from rtmss.live.shared.recorder_ring import RecorderRing
from rtmss.live.shared.state import N_METERS, Entry, SharedState, Status
from rtmss.recording.hop import EngineRun, StepInfo

MOST_AT_ONCE = 8
"""Hops that an engine which has fallen behind steps together."""
CATCH_UP = 16
"""Hops from which an engine that has given up some finds its way back: they fill its memory of the
latest sound.
"""
EVERY = 32
"""Steps between two looks at the percentiles."""


class DeviceState(NamedTuple):
    """What the engine knows of its devices; counts are since its start."""

    n_devices: int = 1
    latency: int = 0
    """Samples that the devices report, both ways together."""
    n_xruns: int = 0
    """Blocks lost so far."""
    drift_ppm: float = 0.0


class Player:
    """Steps the hops that have come in, and reports on each step."""

    def __init__(
        self,
        source: Source,
        timeline: Timeline,
        shared: SharedState,
        ring: RecorderRing | None = None,
        capture: CaptureRing | None = None,
    ) -> None:
        """Take up the latest scene.

        Args:
            source: gives the input and steps the session.
            timeline: its outputs are delivered to it.
            shared: scenes come from it, and the status goes to it.
            ring: a recorder's, if there is one.
            capture: where clips are taken from, if they are.
        """
        self.source = source
        self.timeline = timeline
        self.shared = shared
        self._ring = ring
        self._capture = capture
        self._n_late = 0
        """Late hops that the recorder knows of."""
        if ring is not None:
            ring.begin(self._engine_run())
        self.device = DeviceState()
        self.is_realtime = False
        self.times = StepTimes()
        self._load = 0.0
        self._n_received = 0
        self._applied = 0
        """Number of the latest scene that is audible."""
        self._waiting: dict[int, Entry] = {}
        """Scenes that are due at a hop to come."""
        self.meters: NDArray[np.float32] = np.zeros(
            (N_METERS, 2),
            np.float32,
        )
        """(N_METERS, 2) peaks and RMS."""
        self._levels: NDArray[np.float32] = np.zeros(0, np.float32)
        self._metered: Scene | None = None
        self._step_ms = [0.0, 0.0, 0.0, 0.0]
        """Median, 99 % and 99.9 % of the step times, and the longest, as of the latest look."""
        self._n_steps = 0
        self.status = self._status_at(0)._replace(hop_seconds=0.0)
        """The latest; it is reported after every step."""
        timeline.is_silent = lambda: shared.panic
        self._take_up(0)

    def work(self) -> bool:
        """Step what has come in; False if nothing has."""
        first, n = self.timeline.hops()
        if not n:
            return False
        if n * self.timeline.hop > self.timeline.most_waiting:
            first, n = first + n - CATCH_UP, CATCH_UP
            self.timeline.skip_to(first)
        due = self._take_up(first)
        block = self.source.read(
            first,
            min(n, MOST_AT_ONCE, due - first),
        )
        n = block.shape[1] // self.timeline.hop
        started = time.perf_counter()
        if self.timeline.fallback == "hold":
            self._deliver(
                self.timeline.write_fallback,
                first,
                self.source.hold(block),
            )
        output = self.source.step(block)
        self._deliver(self.timeline.deliver, first, output.mix)
        self.source.prepare()
        self._report(first + n, n, time.perf_counter() - started, output)
        if self._ring is not None or self._capture is not None:
            self._remember(first, make_sane(block)[0], output)
        return True

    def _remember(self, first: int, audio: Audio, output: Output) -> None:
        """Let the recorder have the latest step, and whoever takes clips."""
        if self._ring is not None:
            self._hand_over(self._ring, first, audio, output)
        if self._capture is not None:
            session = self.source.session
            self._capture.put(audio, output, session.scene, session.sample_rate)

    def _deliver(
        self,
        take: Callable[[int, Audio], None],
        first: int,
        mix: Audio,
    ) -> None:
        """Give (O, k * S) hop by hop."""
        hop = self.timeline.hop
        for i in range(mix.shape[1] // hop):
            take(
                first + i,
                mix[:, i * hop : (i + 1) * hop],
            )

    def _take_up(self, hop: int) -> int:
        """Give the session the scene that is due at `hop`; return the hop at which the next one is
        due.
        """
        for entry in self.shared.receive(self._n_received):
            self._n_received = entry.number
            if not entry.hop:
                self._waiting.clear()  # those that still count are sent again after it
            self._waiting[entry.hop] = entry
        for due in sorted(self._waiting):
            if due > hop:
                return due
            entry = self._waiting.pop(due)
            try:
                if entry.scene != self.source.scene:  # a fade under way goes on
                    self.source.scene = entry.scene
            except UserError:  # the scene before stays, and nobody is told that this one plays
                continue
            self.timeline.fallback = entry.scene.fallback
            self._applied = entry.number
        return hop + MOST_AT_ONCE

    def _engine_run(self) -> EngineRun:
        session = self.source.session
        return EngineRun(
            sample_rate=session.sample_rate,
            hop_length=session.hop_length,
            delay=session.delay,
            n_outputs=session.n_outputs,
            block=self.timeline.block,
            latency=self.timeline.latency,
            backend=session.backend.name,
        )

    def _hand_over(
        self,
        ring: RecorderRing,
        first: int,
        audio: Audio,
        output: Output,
    ) -> None:
        """Let the recorder have the latest step, and tell it which hops were late."""
        session = self.source.session
        info = StepInfo(
            step=audio.shape[1] // self.timeline.hop,
            n_bad_samples=session.n_bad_samples,
            n_bad_outputs=session.n_bad_outputs,
            n_xruns=self.device.n_xruns,
            is_panic=self.shared.panic,
            is_transport=not self.source.is_plain,
        )
        ring.put(first, audio, output, session, info)
        n_late = self.timeline.n_late
        late = range(max(self._n_late, n_late - N_LATE), n_late)
        ring.put_late([int(self.timeline.late_hops[number % N_LATE]) for number in late])
        self._n_late = n_late

    def _report(
        self,
        hop: int,
        n: int,
        seconds: float,
        output: Output,
    ) -> None:
        self.times.add(1000 * seconds / n, n)
        load = seconds * self.source.session.sample_rate / (n * self.timeline.hop)
        self._load += 0.05 * (load - self._load)
        if self._n_steps % EVERY == 0:
            self._step_ms = [*self.times.percentiles((0.5, 0.99, 0.999)), self.times.max_ms]
        self._n_steps += 1
        self.status = self._status_at(hop)
        self._measure(output)
        self.shared.report(self.status, self.meters)

    def _status_at(self, hop: int) -> Status:
        """The status, all of it, after the step before a hop."""
        session = self.source.session
        p50, p99, p999, longest = self._step_ms
        return Status(
            state="running",
            hop=hop,
            hop_seconds=time.perf_counter(),
            applied=self._applied,
            late=self.timeline.n_late,
            fallbacks=self.timeline.n_fallbacks,
            xruns=self.device.n_xruns,
            bad_samples=session.n_bad_samples,
            bad_outputs=session.n_bad_outputs,
            load=self._load,
            p50_ms=p50,
            p99_ms=p99,
            p999_ms=p999,
            max_ms=longest,
            sample_rate=session.sample_rate,
            hop_length=session.hop_length,
            block=self.timeline.block,
            latency=self.timeline.latency,
            device_latency=self.device.latency,
            n_devices=self.device.n_devices,
            drift_ppm=self.device.drift_ppm,
            realtime=int(self.is_realtime),
        )

    def _measure(self, output: Output) -> None:
        """Levels of every strip after its fader, and of the mix."""
        scene = self.source.scene
        if scene is not self._metered:
            self._metered = scene
            self._levels = gain_matrix(
                scene,
                self.source.session.n_outputs,
            ).max(1, initial=0)[:-1]
        n = len(output.stems)
        sources = np.concatenate([output.stems, output.remainder[None]])
        self.meters[:] = 0
        self.meters[: n + 1, 0] = np.abs(sources).max((1, 2)) * self._levels[: n + 1]
        self.meters[: n + 1, 1] = np.sqrt(np.square(sources).mean((1, 2))) * self._levels[: n + 1]
        self.meters[-1] = np.abs(output.mix[:2]).max(), np.sqrt(np.square(output.mix[:2]).mean())
