"""A session behind a timeline, which plays the scenes in the shared state: the engine without its device and process.

Axes: C channels, S samples.
"""

from __future__ import annotations

import time

import numpy as np
from numpy.typing import NDArray

from rtmss.engine.control import Scene
from rtmss.engine.mixer import gain_matrix
from rtmss.engine.session import Output, Session, make_sane
from rtmss.files import Audio
from rtmss.live.buffers.timeline import MOST_WAITING, N_LATE, Timeline
from rtmss.live.realtime.step_times import StepTimes
from rtmss.live.shared.recorder_ring import RecorderRing
from rtmss.live.shared.state import N_METERS, Entry, SharedState, Status
from rtmss.live.song.source import SongSource
from rtmss.recording.hop import EngineRun, StepInfo

MOST_AT_ONCE = 8
"""Hops that an engine which has fallen behind steps together."""
CATCH_UP = 16
"""Hops from which an engine that has given up some finds its way back: they fill its memory of the latest sound."""
EVERY = 32
"""Steps between two looks at the percentiles."""


class Player:
    """Steps the hops that have come in, and reports on each step."""

    def __init__(
        self, session: Session | SongSource, timeline: Timeline, shared: SharedState, ring: RecorderRing | None = None
    ) -> None:
        self.session, self.timeline, self.shared = session, timeline, shared
        self._ring, self._n_late = ring, 0
        if ring is not None:
            numbers = session.sample_rate, session.n_outputs, timeline.block, timeline.latency
            ring.begin(EngineRun(0, *numbers, self._sounding.backend.name))
        self.status = Status(
            state="running", sample_rate=session.sample_rate, block=timeline.block, latency=timeline.latency
        )
        self.n_xruns = 0
        """Blocks lost so far."""
        self.device_latency = 0
        self.drift_ppm = 0.0
        self.times = StepTimes()
        self._n_received = 0
        self._waiting: dict[int, Entry] = {}
        """Scenes that are due at a hop to come."""
        self.meters: NDArray[np.float32] = np.zeros((N_METERS, 2), np.float32)
        """(N_METERS, 2) peaks and RMS."""
        self._levels: NDArray[np.float32] = np.zeros(0, np.float32)
        self._metered: Scene | None = None
        self._n_steps = 0
        timeline.is_silent = lambda: shared.panic
        self._take_up(0)

    def work(self) -> bool:
        """Step what has come in; False if nothing has."""
        first, n = self.timeline.hops()
        if not n:
            return False
        if n * self.timeline.hop > MOST_WAITING:
            first, n = first + n - CATCH_UP, CATCH_UP
            self.timeline.skip_to(first)
        due = self._take_up(first)
        n = min(n, MOST_AT_ONCE, due - first)
        if isinstance(self.session, SongSource):
            n = self.session.feed(first, n)
        hop = self.timeline.hop
        started = time.perf_counter()
        block = self.timeline.read_input(n)
        if self.timeline.fallback == "hold":
            held = self.session.hold(block)
            for i in range(n):
                self.timeline.write_fallback(first + i, held[:, i * hop : (i + 1) * hop])
        output = self.session.step(block)
        for i in range(n):
            self.timeline.deliver(first + i, output.mix[:, i * hop : (i + 1) * hop])
        self._report(first + n, n, time.perf_counter() - started, output)
        if self._ring is not None:
            self._hand_over(self._ring, first, block, output)
        return True

    def _take_up(self, hop: int) -> int:
        """Give the session the scene that is due at `hop`; return the hop at which the next one is due."""
        for entry in self.shared.receive(self._n_received):
            self._n_received = entry.number
            if not entry.hop:
                self._waiting.clear()  # those that still count are sent again after it
            self._waiting[entry.hop] = entry
        for due in sorted(self._waiting):
            if due > hop:
                return due
            entry = self._waiting.pop(due)
            self.session.scene = entry.scene
            self.timeline.fallback = entry.scene.fallback
            self.status = self.status._replace(applied=entry.number)
        return hop + MOST_AT_ONCE

    def _hand_over(self, ring: RecorderRing, first: int, block: Audio, output: Output) -> None:
        """Let the recorder have the latest step, and hear which hops were late."""
        is_transport = isinstance(self.session, SongSource) and not self.session.is_plain
        n, n_bad_samples = block.shape[1] // self.timeline.hop, self.session.n_bad_samples
        info = StepInfo(n, n_bad_samples, self.n_xruns, self.shared.panic, is_transport)
        ring.put(first, make_sane(block)[0], output, self._sounding, info)
        n_late = self.timeline.n_late
        late = range(max(self._n_late, n_late - N_LATE), n_late)
        ring.put_late([int(self.timeline.late_hops[number % N_LATE]) for number in late])
        self._n_late = n_late

    @property
    def _sounding(self) -> Session:
        return self.session.session if isinstance(self.session, SongSource) else self.session

    def _report(self, hop: int, n: int, seconds: float, output: Output) -> None:
        self.times.add(1000 * seconds / n, n)
        load = seconds * self.session.sample_rate / (n * self.timeline.hop)
        self.status = self.status._replace(
            hop=hop,
            hop_seconds=time.monotonic(),
            late=self.timeline.n_late,
            fallbacks=self.timeline.n_fallbacks,
            xruns=self.n_xruns,
            bad_samples=self.session.n_bad_samples,
            load=self.status.load + 0.05 * (load - self.status.load),
            device_latency=self.device_latency,
            drift_ppm=self.drift_ppm,
        )
        if self._n_steps % EVERY == 0:
            p50, p99, p999 = self.times.percentiles((0.5, 0.99, 0.999))
            self.status = self.status._replace(p50_ms=p50, p99_ms=p99, p999_ms=p999, max_ms=self.times.max_ms)
        self._n_steps += 1
        self._measure(output)
        self.shared.report(self.status, self.meters)

    def _measure(self, output: Output) -> None:
        """Levels of every strip after its fader, and of the mix."""
        scene = self.session.scene
        if scene is not self._metered:
            self._metered = scene
            self._levels = gain_matrix(scene, self.session.n_outputs).max(1, initial=0)[:-1]
        n = len(output.stems)
        sources = np.concatenate([output.stems, output.remainder[None]])
        self.meters[:] = 0
        self.meters[: n + 1, 0] = np.abs(sources).max((1, 2)) * self._levels[: n + 1]
        self.meters[: n + 1, 1] = np.sqrt(np.square(sources).mean((1, 2))) * self._levels[: n + 1]
        self.meters[-1] = np.abs(output.mix[:2]).max(), np.sqrt(np.square(output.mix[:2]).mean())
