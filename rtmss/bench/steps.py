"""Step times of a session: backends by turns in one run, so that a noisy machine is noisy for all
of them.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from rtmss.audio import Audio
from rtmss.bench.realtime_thread import realtime_thread
from rtmss.bench.work import macs_per_hop
from rtmss.conditions.condition import Condition, ConditionHeader
from rtmss.engine.backends.protocol import Backend
from rtmss.engine.control import Scene, Stem
from rtmss.engine.session import Session
from rtmss.live.realtime.process import NAP_SECONDS
from rtmss.model.separator import N_CHANNELS, SeparatorModel
from rtmss.threads import torch_threads

N_WARM = 30
"""Hops before the first that is timed."""
N_TURN = 25
"""Hops of one backend before it is the next one's turn."""


@dataclass(frozen=True)
class StepRow:
    """What steps of one backend took."""

    backend: str
    n_targets: int
    is_switching: bool
    """Every condition is another one at every hop."""
    is_paced: bool
    """Every hop began when a sound device would have brought it."""
    has_priority: bool | None
    """Real-time priority, as the live engine has it, was granted; None where it was not asked
    for.
    """
    n_hops: int
    p50_ms: float
    p99_ms: float
    p999_ms: float
    max_ms: float
    n_late: int
    """Hops that took longer than a hop lasts or, if paced, were ready after the next one was
    due.
    """
    hop_ms: float
    macs: int
    """Multiply-adds per hop."""


def measure_steps(
    model: SeparatorModel,
    backends: list[Backend],
    n_targets: int,
    n_hops: int,
    *,
    switching: bool = False,
    paced: bool = False,
) -> list[StepRow]:
    """Step noise through a session for each backend, on one thread.

    Args:
        model: the weights; speed does not depend on what they have learnt.
        backends: what runs the model, each for itself.
        n_targets: 1 to 8.
        n_hops: timed ones, of each backend.
        switching: change every condition at every hop.
        paced: wait before every hop until a sound device would have brought it, with one backend
            after the other and settled as the live engine is, looking as often, with real-time
            priority where it is permitted.

    Returns:
        One row per backend, in order.
    """
    hop = model.config.stft.hop_length
    period = hop / model.config.sample_rate
    with torch_threads(1):
        sessions = [
            Session(model, random_scene(model, n_targets), backend=backend) for backend in backends
        ]
        noise = noise_hops(hop)
        for session in sessions:
            for _ in range(N_WARM):
                session.step(next(noise))
        scenes = [random_scene(model, n_targets, seed) for seed in (0, 1)] if switching else []
        clocks = [_Clock(session, period, scenes, is_paced=paced) for session in sessions]
        turn = n_hops if paced else N_TURN
        with realtime_thread() if paced else contextlib.nullcontext() as has_priority:
            for first in range(0, n_hops, turn):
                for clock in clocks:
                    clock.play(noise, min(turn, n_hops - first))
    macs = macs_per_hop(model, n_targets)
    return [clock.row(n_targets, macs, has_priority=has_priority) for clock in clocks]


class _Clock:
    """Steps a session and keeps what its hops took."""

    def __init__(
        self, session: Session, period: float, scenes: list[Scene], *, is_paced: bool
    ) -> None:
        """Seconds from hop to hop, and scenes that take turns at every hop, if any."""
        self.session, self.period, self.scenes, self.is_paced = session, period, scenes, is_paced
        self.seconds: list[float] = []
        self.n_late = 0

    def play(self, noise: Iterator[Audio], n_hops: int) -> None:
        """Hops in a row; if paced, none before it is due."""
        started = time.perf_counter()
        for number in range(n_hops):
            block, due = next(noise), started + number * self.period
            if self.scenes:
                self.session.scene = self.scenes[number % len(self.scenes)]
            if self.is_paced:
                while time.perf_counter() < due:
                    time.sleep(NAP_SECONDS)
            begun = time.perf_counter()
            self.session.step(block)
            done = time.perf_counter()
            self.seconds.append(done - begun)
            self.n_late += done - (due if self.is_paced else begun) > self.period

    def row(self, n_targets: int, macs: int, *, has_priority: bool | None) -> StepRow:
        """What the steps took so far."""
        p50, p99, p999, longest = percentiles_ms(self.seconds, 50, 99, 99.9, 100)
        return StepRow(
            backend=self.session.backend.name,
            n_targets=n_targets,
            is_switching=bool(self.scenes),
            is_paced=self.is_paced,
            has_priority=has_priority,
            n_hops=len(self.seconds),
            p50_ms=p50,
            p99_ms=p99,
            p999_ms=p999,
            max_ms=longest,
            n_late=self.n_late,
            hop_ms=1000 * self.period,
            macs=macs,
        )


def percentiles_ms(seconds: Sequence[float], *shares: float) -> list[float]:
    """Times in milliseconds below which such shares, in percent, of some lie."""
    percentiles: list[float] = (1000 * np.percentile(seconds, shares)).tolist()
    return percentiles


def noise_hops(hop: int) -> Iterator[Audio]:
    """(C, hop) of noise, without end, always the same."""
    rng = np.random.default_rng(0)
    while True:
        yield 0.1 * rng.standard_normal((N_CHANNELS, hop), np.float32)


def random_scene(model: SeparatorModel, n_targets: int, seed: int = 0) -> Scene:
    """Stems with conditions out of thin air."""
    rng, nothing = (
        np.random.default_rng(seed),
        np.zeros(
            (0, 0),
            np.float32,
        ),
    )
    stems = tuple(
        Stem(
            name,
            Condition(
                ConditionHeader(name=name, model_id=""),
                rng.random(model.config.unet.n_condition, np.float32),
                nothing,
                nothing,
            ),
        )
        for name in (f"target-{number}" for number in range(n_targets))
    )
    return Scene(stems)
