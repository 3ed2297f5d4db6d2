"""A controller in any order of changes for now and for later, hops of the engine and flushes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from helpers.models import make_condition
from rtmss.conditions.library import Library
from rtmss.engine.control import Scene, Stem
from rtmss.live.control.controller import AHEAD_HOPS, MixerController
from rtmss.live.shared.state import N_METERS, SharedState, Status

NAMES = ("voice", "drums")
Gains = dict[str, float]


@dataclass(frozen=True)
class Later:
    """A change that waits for its hop."""

    hop: int
    name: str
    gain_db: float


class ControllerMachine(RuleBasedStateMachine):
    """The model is the gains of now and a list of changes for later."""

    def __init__(self) -> None:
        super().__init__()
        self.shared = SharedState.create(12)
        self.controller = MixerController(self.shared, Library([]), "0123456789ab")
        stems = tuple(
            Stem(
                name,
                make_condition(name, seed),
            )
            for seed, name in enumerate(NAMES)
        )
        self.controller.play("first", Scene(stems))
        self.hop = 0
        self.gains: Gains = dict.fromkeys(NAMES, 0.0)
        self.later: list[Later] = []
        self.flush()

    def teardown(self) -> None:
        self.shared.close(unlink=True)

    @rule(
        name=st.sampled_from(NAMES),
        gain_db=st.sampled_from([-9.0, -3.0, 0.0]),
    )
    def change_now(self, name: str, gain_db: float) -> None:
        self.controller.change(_gain(name, gain_db))
        self.gains[name] = gain_db

    @rule(
        name=st.sampled_from(NAMES),
        gain_db=st.sampled_from([-12.0, -6.0, 6.0]),
        n_hops=st.integers(1, 2 * AHEAD_HOPS),
    )
    def change_later(self, name: str, gain_db: float, n_hops: int) -> None:
        self.controller.change(_gain(name, gain_db), self.hop + n_hops)
        self.later.append(Later(self.hop + n_hops, name, gain_db))
        self.later.sort(key=lambda change: change.hop)

    @rule(n_hops=st.integers(1, AHEAD_HOPS))
    def play(self, n_hops: int) -> None:
        self._report(self.hop + n_hops)
        self.flush()

    @precondition(lambda self: self.hop > 0)  # else it cannot be told from the old one
    @rule()
    def start_another_engine(self) -> None:
        self._report(0)
        self.later = [replace(change, hop=0) for change in self.later]
        self.flush()

    @rule()
    def flush(self) -> None:
        self.controller.flush()
        for change in [change for change in self.later if change.hop <= self.hop]:
            self.gains[change.name] = change.gain_db
            self.later.remove(change)
        entries = self.shared.receive(0)
        for hop in range(self.hop, self.hop + AHEAD_HOPS + 1):
            scene = [entry.scene for entry in entries if entry.hop <= hop][-1]
            expected = dict(self.gains)
            for change in self.later:
                if change.hop <= hop:
                    expected[change.name] = change.gain_db
            assert {stem.name: stem.strip.gain_db for stem in scene.stems} == expected, hop

    def _report(self, hop: int) -> None:
        self.hop = hop
        status = Status("running", hop, sample_rate=8000)
        self.shared.report(
            status,
            np.zeros((N_METERS, 2), np.float32),
        )


def _gain(
    name: str,
    gain_db: float,
) -> Callable[[Scene], Scene]:
    return lambda scene: scene.with_strip(name, gain_db=gain_db)


ControllerMachine.TestCase.settings = settings(
    max_examples=25, stateful_step_count=25, deadline=None, derandomize=True, database=None
)
TestController = ControllerMachine.TestCase
