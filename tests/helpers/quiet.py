"""A backend for tests of what plays when, which need no sound of the network."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rtmss.audio import Audio
from rtmss.config import StftConfig
from rtmss.engine.control import Stem


class QuietBackend:
    """Targets are silence, which takes no time; see `Backend`."""

    name = "quiet"

    def __init__(self, stft: StftConfig) -> None:
        self.stft = stft
        self.reset()

    def reset(self) -> None:
        """No stems."""
        self.n_targets = 0

    def arrange(self, order: Sequence[int | None], stems: Sequence[Stem]) -> None:
        """Follow the number of stems."""
        assert len(order) == len(stems)
        self.n_targets = len(stems)

    def tail(self, slot: int) -> Audio:
        """(C, n_synthesis - hop_length) zeros."""
        assert slot < self.n_targets
        return np.zeros((2, self.stft.n_synthesis - self.stft.hop_length), np.float32)

    def step(self, block: Audio) -> Audio:
        """(C, S) -> (N, C, S) zeros."""
        return np.zeros((self.n_targets, *block.shape), np.float32)

    def hold(self, block: Audio) -> Audio:
        """(C, S) -> (N, C, S) zeros."""
        return self.step(block)
