"""The one place where a stream's memory changes: the model, stepped on the CPU by eager torch.

Axes: N targets, C channels, S samples.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rtmss.engine.control import Stem
from rtmss.files import Audio
from rtmss.model.separator import SeparatorModel, TargetState


class TorchBackend:
    """Holds the model and the state of one stream."""

    def __init__(self, model: SeparatorModel) -> None:
        self.model = model
        self.reset()

    def reset(self) -> None:
        """Forget everything heard; no stems."""
        self.state = self.model.init_state(1, 0)
        self._conditions = torch.zeros(1, 0, self.model.config.unet.n_condition)

    def arrange(self, order: Sequence[int | None], stems: Sequence[Stem]) -> None:
        """Follow a change of stems.

        Args:
            order: for every new stem the old slot that goes on, or None for one that starts with empty memory.
            stems: the new stems.
        """
        old = self.state.targets
        fresh = self.model.init_targets(1, 1)
        slots = [fresh if slot is None else _select(old, slot) for slot in order]
        targets = _concatenate(slots) if slots else self.model.init_targets(1, 0)
        self.state = self.state._replace(targets=targets)
        vectors = [torch.from_numpy(stem.condition.vector) for stem in stems]
        self._conditions = torch.stack(vectors)[None] if vectors else self._conditions[:, :0]

    def tail(self, slot: int) -> Audio:
        """(C, n_synthesis - hop_length): what a slot would still say if nothing more came."""
        return self.state.targets.overlap[0, slot].numpy().copy()

    def step(self, block: Audio) -> Audio:
        """(C, T * hop_length) new samples -> (N, C, T * hop_length) targets."""
        with torch.inference_mode():
            targets, self.state = self.model(torch.from_numpy(block)[None], self._conditions, self.state)
        return np.asarray(targets[0].numpy(), np.float32)

    def hold(self, block: Audio) -> Audio:
        """What `step` would give if the masks stayed as they are; changes nothing."""
        if not self._conditions.shape[1]:
            return np.zeros((0, *block.shape), np.float32)
        with torch.inference_mode():
            return np.asarray(self.model.hold(torch.from_numpy(block)[None], self.state)[0].numpy(), np.float32)


def _select(state: Any, slot: int) -> Any:
    """One slot of a tree of (B, N, ...) tensors."""
    if isinstance(state, Tensor):
        return state[:, slot : slot + 1]
    parts = [_select(part, slot) for part in state]
    return type(state)(*parts) if hasattr(state, "_fields") else tuple(parts)


def _concatenate(states: Sequence[Any]) -> TargetState:
    """Trees of (B, N, ...) tensors joined along N."""
    first = states[0]
    if isinstance(first, Tensor):
        return torch.cat(list(states), dim=1)  # type: ignore[return-value]
    parts = [_concatenate(column) for column in zip(*states, strict=True)]
    return type(first)(*parts) if hasattr(first, "_fields") else tuple(parts)  # type: ignore[return-value]
