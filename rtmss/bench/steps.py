"""Step times of a session: backends by turns in one run, so that a noisy machine is noisy for all of them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from rtmss.bench.work import macs_per_hop
from rtmss.conditions.condition import Condition, ConditionHeader
from rtmss.conditions.preset import find
from rtmss.config import PROFILES, SeparatorConfig
from rtmss.engine.backends.protocol import Backend
from rtmss.engine.control import Scene, Stem
from rtmss.engine.session import Session
from rtmss.files import Audio
from rtmss.model.separator import N_CHANNELS, SeparatorModel
from rtmss.separator import Separator

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
    n_hops: int
    p50_ms: float
    p99_ms: float
    p999_ms: float
    max_ms: float
    n_late: int
    """Hops that took longer than a hop lasts or, if paced, were ready after the next one was due."""
    hop_ms: float
    macs: int
    """Multiply-adds per hop."""


def random_separator(profile: str) -> Separator:
    """A separator of the default sizes with weights out of thin air, always the same ones, for a latency profile.

    Raises:
        ConfigError: there is no profile of this name.
    """
    config = SeparatorConfig(stft=find(profile, PROFILES, "profile"))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = SeparatorModel(config)
    return Separator(model.eval().requires_grad_(False), f"random-{profile}")


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
        paced: wait before every hop until a sound device would have brought it, with one backend after the other.

    Returns:
        One row per backend, in order.
    """
    hop = model.config.stft.hop_length
    period = hop / model.config.sample_rate
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        sessions = [Session(model, _scene(model, n_targets, 0), backend=backend) for backend in backends]
        noise = _noise(hop)
        for session in sessions:
            for _ in range(N_WARM):
                session.step(next(noise))
        seconds: list[list[float]] = [[] for _ in sessions]
        n_late = [0] * len(sessions)
        scenes = [_scene(model, n_targets, seed) for seed in (0, 1)]
        turn = n_hops if paced else N_TURN
        for first in range(0, n_hops, turn):
            for i, session in enumerate(sessions):
                started = time.perf_counter()
                for number in range(min(turn, n_hops - first)):
                    block, due = next(noise), started + number * period
                    if switching:
                        session.scene = scenes[number % 2]
                    if paced:
                        time.sleep(max(0.0, due - time.perf_counter()))
                    begun = time.perf_counter()
                    session.step(block)
                    done = time.perf_counter()
                    seconds[i].append(done - begun)
                    n_late[i] += done - (due if paced else begun) > period
    finally:
        torch.set_num_threads(n_threads)
    macs = macs_per_hop(model, n_targets)
    rows = []
    for session, taken, late in zip(sessions, seconds, n_late, strict=True):
        p50, p99, p999, longest = (float(ms) for ms in 1000 * np.percentile(taken, (50, 99, 99.9, 100)))
        name, times = session.backend.name, (p50, p99, p999, longest)
        rows.append(StepRow(name, n_targets, switching, paced, len(taken), *times, late, 1000 * period, macs))
    return rows


def _noise(hop: int) -> Iterator[Audio]:
    rng = np.random.default_rng(0)
    while True:
        yield 0.1 * rng.standard_normal((N_CHANNELS, hop), np.float32)


def _scene(model: SeparatorModel, n_targets: int, seed: int) -> Scene:
    """Stems with conditions out of thin air."""
    rng, nothing = np.random.default_rng(seed), np.zeros((0, 0), np.float32)
    stems = tuple(
        Stem(name, Condition(ConditionHeader(name=name, model_id=""),
                             rng.random(model.config.unet.n_condition, np.float32), nothing, nothing))
        for name in (f"target-{number}" for number in range(n_targets))
    )  # fmt: skip
    return Scene(stems)
