"""The optimiser of the U-Net: Adam for all weights, or Muon for those that are matrices.

Adam scales every number of a gradient by itself. Muon takes a weight as a matrix and steps along
the orthogonal factor of its gradient, so that the many weak directions of a gradient are learnt as
fast as the few strong ones. Method: K. Jordan and others, "Muon: an optimizer for hidden layers in
neural networks" (2024), with steps of the size of Adam's after J. Liu and others, "Muon is scalable
for LLM training", arXiv 2502.16982; torch implements both.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from rtmss.model.dual_path import GatedPath
from rtmss.model.separator import SeparatorModel
from rtmss.training.recipe import LoopRecipe

N_GATES = 3
"""Matrices that lie one on the other in a recurrent layer's weights."""


def hidden_matrices(model: SeparatorModel) -> dict[Tensor, int]:
    """The U-Net's weights from hidden features to hidden features, and how many matrices each is.

    Not among them are the band layers, which meet the sound, and what a condition acts by: Muon is
    not made for the ends of a network.
    """
    unet = model.unet
    found: dict[Tensor, int] = {}
    for module in unet.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            found[module.weight] = 1
        elif isinstance(module, nn.GRU):
            found |= {weight: N_GATES for weight in module.parameters() if weight.dim() == 2}
        elif isinstance(module, GatedPath):
            found[module.gates.weight] = N_GATES
            found[module.project.weight] = 1
    found |= {unet.squeeze.weight: 1, unet.expand.weight: 1}
    return found


def as_matrices(weight: Tensor, n_matrices: int) -> list[Tensor]:
    """Views of a weight, or of its gradient, as matrices of two axes.

    Args:
        weight: (rows, columns), or a kernel (C_a, C_b, height, width).
        n_matrices: how many lie one on the other.

    Returns:
        `n_matrices` matrices. Those of a kernel in channels-last order share its memory, as those
        of two axes do.
    """
    if weight.dim() == 4:
        weight = weight.permute(0, 2, 3, 1).flatten(1)
    return list(weight.chunk(n_matrices))


class Optimiser:
    """Adam, and Muon where the recipe asks for it, as one."""

    def __init__(self, model: SeparatorModel, recipe: LoopRecipe) -> None:
        """The U-Net's and the condition head's weights, in memory as they are trained."""
        self.trained = [*model.unet.parameters(), *model.condition_head.parameters()]
        gru = {
            *model.unet.gru.parameters(),
            *model.unet.target_gru.parameters(),
        }
        share: dict[Tensor, float] = {
            p: recipe.recurrent_share if p in gru else 1.0 for p in self.trained
        }
        self.sizes = hidden_matrices(model) if recipe.optimiser == "muon" else {}
        groups = [
            {
                "params": [p for p in self.trained if p not in self.sizes and share[p] == s],
                "share": s,
            }
            for s in sorted(set(share.values()))
        ]
        self.adam = torch.optim.AdamW(
            groups, betas=(0.9, 0.99), weight_decay=recipe.weight_decay, fused=True
        )
        self.matrices = {p: self._leaves(p, n) for p, n in self.sizes.items()}
        self.muon: torch.optim.Muon | None = None
        if self.sizes:
            rows = [
                {
                    "params": self.matrices[p],
                    "share": share[p],
                }
                for p in self.sizes
            ]
            self.muon = torch.optim.Muon(
                rows, weight_decay=recipe.weight_decay, adjust_lr_fn="match_rms_adamw"
            )

    @staticmethod
    def _leaves(weight: Tensor, n_matrices: int) -> list[Tensor]:
        views = as_matrices(weight.detach(), n_matrices)
        start = weight.data_ptr()
        end = start + weight.numel() * weight.element_size()
        if not all(start <= view.data_ptr() < end for view in views):
            raise ValueError(f"a weight of {tuple(weight.shape)} is not in channels-last order")
        return views

    def set_rate(self, rate: float) -> None:
        """Set the learning rate of the next step."""
        for group in self._groups():
            group["lr"] = rate * group["share"]

    def zero_grad(self) -> None:
        """Forget all gradients."""
        for parameter in self.trained:
            parameter.grad = None

    def step(self, norm: Tensor) -> None:
        """Take a step along the gradients, or none where their norm is no number.

        Args:
            norm: () of all gradients together. Adam looks at it on its own device.
        """
        # What a gradient scaler would set: the fused optimiser then leaves all as it is.
        self.adam.found_inf = (~torch.isfinite(norm)).float()  # type: ignore[attr-defined]
        self.adam.step()
        if self.muon is None or not torch.isfinite(norm):
            return
        for parameter, leaves in self.matrices.items():
            if parameter.grad is None:
                continue
            gradients = as_matrices(parameter.grad, self.sizes[parameter])
            for leaf, gradient in zip(leaves, gradients, strict=True):
                leaf.grad = gradient
        self.muon.step()  # type: ignore[no-untyped-call]

    def state(self) -> dict[str, Tensor]:
        """Everything that a resumed run needs, by name."""
        return {name: value.contiguous() for name, value in self._named_state()}

    def load_state(self, state: dict[str, Tensor]) -> None:
        """Take up what `state` gave."""
        for owner, prefix, parameter in self._owners():
            own = {
                name.removeprefix(prefix): value
                for name, value in state.items()
                if name.startswith(prefix)
            }
            order = torch.channels_last if parameter.dim() == 4 else torch.preserve_format
            owner.state[parameter] = {
                name: value.to(
                    parameter.device,
                    memory_format=order if value.dim() == 4 else torch.preserve_format,
                )
                for name, value in own.items()
            }

    def _groups(self) -> Iterator[dict[str, Any]]:
        yield from self.adam.param_groups
        if self.muon is not None:
            yield from self.muon.param_groups

    def _owners(self) -> Iterator[tuple[torch.optim.Optimizer, str, Tensor]]:
        """Every optimiser with each of its weights and the beginning of its names in `state`."""
        for i, parameter in enumerate(self.trained):
            leaves: Sequence[Tensor] = self.matrices.get(parameter, [])
            for part, leaf in enumerate(leaves):
                assert self.muon is not None
                yield self.muon, f"{i}.{part}.", leaf
            if not leaves:
                yield self.adam, f"{i}.", parameter

    def _named_state(self) -> Iterator[tuple[str, Tensor]]:
        for owner, prefix, parameter in self._owners():
            for name, value in owner.state[parameter].items():
                yield f"{prefix}{name}", value
