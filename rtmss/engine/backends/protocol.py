"""What a session needs of a backend.

Axes: N targets, C channels, S samples.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from rtmss.audio import Audio
from rtmss.engine.control import Stem


class Backend(Protocol):
    """The model and the memory of one stream."""

    @property
    def name(self) -> str:
        """As the command line calls it. Two streams of one backend that hear the same say the same,
        to the bit.
        """

    def reset(self) -> None:
        """Forget the input so far; no stems."""

    def arrange(
        self,
        order: Sequence[int | None],
        stems: Sequence[Stem],
    ) -> None:
        """Follow a change of stems.

        Args:
            order: for every new stem the old slot that goes on, or None for one that starts with
                empty memory.
            stems: the new stems.
        """

    def tail(self, slot: int) -> Audio:
        """(C, n_synthesis - hop_length): what a slot would still say if nothing more came."""

    def step(self, block: Audio) -> Audio:
        """(C, T * hop_length) new samples -> (N, C, T * hop_length) targets, which are the caller's
        own.
        """

    def hold(self, block: Audio) -> Audio:
        """What `step` would give if the masks stayed as they are; changes nothing."""
