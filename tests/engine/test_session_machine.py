"""A session in any order of blocks, switches and new streams."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from helpers.models import TINY, make_condition, make_model
from rtmss.audio import Audio
from rtmss.engine.control import Scene, Stem, Strip
from rtmss.engine.session import Output, Session

HOP = TINY.stft.hop_length
MODEL = make_model(TINY)
CONDITIONS = [make_condition(name, seed) for seed, name in enumerate("abcd")]

strips = st.builds(
    Strip,
    gain_db=st.sampled_from(
        [
            -120.0,
            -6.0,
            0.0,
            3.0,
        ]
    ),
    mute=st.booleans(),
    solo=st.booleans(),
)
stems = st.lists(
    st.tuples(
        st.sampled_from(range(len(CONDITIONS))),
        strips,
    ),
    max_size=3,
    unique_by=lambda x: x[0],
)


class SessionMachine(RuleBasedStateMachine):
    """One session is stepped in blocks, and another one with the same scenes hop by hop."""

    def __init__(self) -> None:
        super().__init__()
        self.coarse, self.fine = Session(MODEL), Session(MODEL)
        self.past: Audio = np.zeros(
            (2, self.coarse.delay),
            np.float32,
        )
        self.rng = np.random.default_rng(0)

    def _switch(self, scene: Scene) -> None:
        self.coarse.scene = self.fine.scene = scene

    @rule(n_hops=st.integers(1, 7))
    def play(self, n_hops: int) -> None:
        block = 0.15 * self.rng.standard_normal(
            (2, n_hops * HOP),
            np.float32,
        )
        whole = self.coarse.step(block)
        hops = [
            self.fine.step(block[:, at : at + HOP])
            for at in range(
                0,
                block.shape[1],
                HOP,
            )
        ]
        samples = np.concatenate([self.past, block], axis=1)
        delayed, self.past = samples[:, : block.shape[1]], samples[:, block.shape[1] :]
        assert np.array_equal(whole.dry, delayed)
        assert np.abs(whole.stems.sum(0) + whole.remainder - delayed).max() <= 1e-6
        for field in Output._fields:
            pieces = np.concatenate(
                [getattr(hop, field) for hop in hops],
                axis=-1,
            )
            assert np.abs(getattr(whole, field) - pieces).max(initial=0) <= 1e-5, field

    @rule(
        stems=stems,
        fade_ms=st.sampled_from([0.0, 5.0, 30.0]),
    )
    def switch(
        self,
        stems: list[tuple[int, Strip]],
        fade_ms: float,
    ) -> None:
        chosen = [
            Stem(
                f"stem-{n}",
                CONDITIONS[n],
                strip,
            )
            for n, strip in stems
        ]
        self._switch(
            replace(
                self.coarse.scene,
                stems=tuple(chosen),
                fade_ms=fade_ms,
            )
        )

    @rule(
        strip=strips,
        master_db=st.sampled_from([-20.0, 0.0]),
    )
    def turn(self, strip: Strip, master_db: float) -> None:
        self._switch(
            replace(
                self.coarse.scene,
                remainder=strip,
                master_db=master_db,
            )
        )

    @rule()
    def toggle_bypass(self) -> None:
        self._switch(
            replace(
                self.coarse.scene,
                bypass=not self.coarse.scene.bypass,
            )
        )

    @precondition(lambda self: self.past.any())
    @rule()
    def begin_again(self) -> None:
        for session in (self.coarse, self.fine):
            session.reset()
        self.past = np.zeros_like(self.past)


SessionMachine.TestCase.settings = settings(
    max_examples=10, stateful_step_count=20, deadline=None, derandomize=True, database=None
)
pytestmark = pytest.mark.slow
TestSession = SessionMachine.TestCase
