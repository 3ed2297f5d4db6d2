"""Eager torch: the reference. Blocks of any number of hops, on as many threads as torch has.

Axes: N targets, C channels, S samples.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from rtmss.audio import Audio
from rtmss.engine.backends.tree import map_tree
from rtmss.engine.control import Stem
from rtmss.model.separator import SeparatorModel, TargetState


class TorchBackend:
    """Holds the model and the state of one stream; see `Backend`."""

    name = "torch"

    def __init__(self, model: SeparatorModel) -> None:
        self.model = model
        self.reset()

    def reset(self) -> None:
        """Forget the input so far; no stems."""
        self.state = self.model.init_state(1, 0)
        self._conditions = conditions_of((), self.model)

    def arrange(
        self,
        order: Sequence[int | None],
        stems: Sequence[Stem],
    ) -> None:
        """Follow a change of stems: `order` has for every new one its old slot, or None."""
        self.state = self.state._replace(
            targets=rearrange(
                order,
                self.state.targets,
                self.model,
            )
        )
        self._conditions = conditions_of(stems, self.model)

    def tail(self, slot: int) -> Audio:
        """(C, n_synthesis - hop_length): what a slot would still say if nothing more came."""
        return self.state.targets.overlap[0, slot].numpy().copy()

    def step(self, block: Audio) -> Audio:
        """(C, T * hop_length) new samples -> (N, C, T * hop_length) targets."""
        with torch.inference_mode():
            targets, self.state = self.model(
                torch.from_numpy(block)[None], self._conditions, self.state
            )
        return np.asarray(targets[0].numpy(), np.float32)

    def hold(self, block: Audio) -> Audio:
        """What `step` would give if the masks stayed as they are; changes nothing."""
        if not self._conditions.shape[1]:
            return np.zeros((0, *block.shape), np.float32)
        with torch.inference_mode():
            return np.asarray(
                self.model.hold(
                    torch.from_numpy(block)[None],
                    self.state,
                )[0].numpy(),
                np.float32,
            )


def rearrange(
    order: Sequence[int | None],
    old: TargetState,
    model: SeparatorModel,
) -> TargetState:
    """(1, N, ...) memory of the targets in a new order; None is empty memory."""
    if not order:
        return model.init_targets(1, 0)
    fresh = model.init_targets(1, 1)
    slots = [fresh if slot is None else _select(old, slot) for slot in order]
    return map_tree(lambda *parts: torch.cat(parts, dim=1), *slots)


def conditions_of(stems: Sequence[Stem], model: SeparatorModel) -> Tensor:
    """(1, N, n_condition)."""
    vectors = [torch.tensor(stem.target.vector) for stem in stems]
    return (
        torch.stack(vectors)[None]
        if vectors
        else torch.zeros(
            1,
            0,
            model.config.unet.n_condition,
        )
    )


def _select(state: TargetState, slot: int) -> TargetState:
    """One slot of a tree of (B, N, ...) tensors."""
    return map_tree(lambda leaf: leaf[:, slot : slot + 1], state)
