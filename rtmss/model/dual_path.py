"""Dual-path blocks: recurrences over the frames within each band, and over the bands within each
frame.

They keep the bands apart where the U-Net is narrowest, after Luo, Chen, Yoshioka, "Dual-Path RNN",
ICASSP 2020, and Luo, Yu, "Music Source Separation with Band-Split RNN", TASLP 2023. The recurrence
is linear with gates that depend on the input alone, after Qin, Yang, Zhong, "Hierarchically Gated
Recurrent Neural Network for Sequence Modeling", NeurIPS 2023: no matrix product waits for the step
before.

Axes: B batch, C channels, T frames, F bands, D sequences that take turns, H hidden.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from rtmss.model.scan import scan

Film = tuple[Tensor, Tensor]
"""Scale and shift, each (B, C)."""


class GatedPath(nn.Module):
    """One recurrence in a residual branch, with its norm, its gates and its projection back.

    A new one changes nothing: its last projection begins at zero.
    """

    bands: Tensor

    def __init__(
        self,
        n_channels: int,
        n_hidden: int,
        n_bands: int,
        longest: float,
    ) -> None:
        """`longest` is the time constant, in steps, of the slowest hidden unit at the start of
        training.
        """
        super().__init__()
        self.gates = nn.Linear(n_channels, 3 * n_hidden, bias=False)
        self.project = nn.Linear(n_hidden, n_channels, bias=False)
        nn.init.zeros_(self.project.weight)
        steps = torch.logspace(0, math.log10(longest), n_hidden)
        keep = torch.exp(-1 / steps)
        start = torch.cat([torch.logit(keep), torch.zeros(2 * n_hidden)])
        # Weights are shared by all bands, so each has a bias that says which one it is.
        self.bias = nn.Parameter(start.repeat(n_bands, 1))
        self.register_buffer("bands", torch.eye(n_bands), persistent=False)

    def forward(
        self, x: Tensor, film: Film | None, recur: Callable[[Tensor, Tensor], Tensor]
    ) -> Tensor:
        """(B, C, T, F) -> the same, with what `recur` makes of (B, T, F, H) `keep` and `new`
        added.
        """
        rows = x.permute(0, 2, 3, 1)
        logit, value, gate = self._gates(rows, film).chunk(
            3,
            dim=-1,
        )
        keep = torch.sigmoid(logit.float())
        states = recur(keep, (1 - keep) * value.float())
        y: Tensor = self.project(states.to(gate.dtype) * nn.functional.silu(gate))
        return (rows + y).permute(0, 3, 1, 2)

    def _gates(self, rows: Tensor, film: Film | None) -> Tensor:
        """(B, T, F, C) -> (B, T, F, 3 * H) before their functions."""
        normed = nn.functional.layer_norm(rows, rows.shape[-1:])
        if rows.shape[1] > 1:
            return self._gates_of_many(normed, film)
        if film is not None:
            scale, shift = (f[:, None, None] for f in film)
            normed = normed * (1 + scale) + shift
        gates: Tensor = self.gates(normed) + self.bias
        return gates

    def _gates_of_many(self, normed: Tensor, film: Film | None) -> Tensor:
        """The same with FiLM and the bands' biases in the product's weights.

        Its gradient needs no sums over frames of its own, which would cost more than the product.
        """
        batch, n_frames, n_bands, _ = normed.shape
        bands = self.bands.to(normed.dtype).expand(
            batch,
            n_frames,
            -1,
            -1,
        )
        weight = self.gates.weight.t()
        bias: Tensor = self.bias
        if film is not None:
            scale, shift = film
            bias = bias + (shift @ weight)[:, None]
            weight = weight * (1 + scale[:, :, None])
        both = torch.cat(
            [
                weight.expand(
                    batch,
                    -1,
                    -1,
                ),
                bias.expand(batch, -1, -1),
            ],
            dim=1,
        )
        product = (
            torch.cat(
                [normed, bands],
                dim=-1,
            ).flatten(1, 2)
            @ both
        )
        gates: Tensor = torch.unflatten(product, 1, (n_frames, n_bands))
        return gates


class DualPath(nn.Module):
    """A recurrence over frames, then one over bands in both directions."""

    def __init__(
        self,
        n_channels: int,
        n_hidden: int,
        n_bands: int,
        dilation: int = 1,
    ) -> None:
        super().__init__()
        self.n_hidden = n_hidden
        self.n_bands = n_bands
        self.dilation = dilation
        self.over_frames = GatedPath(n_channels, n_hidden, n_bands, longest=300.0)
        self.over_bands = GatedPath(n_channels, n_hidden, n_bands, longest=8.0)

    def init_state(self, batch: int) -> Tensor:
        """(B, D, F, H) of silence."""
        return torch.zeros(batch, self.dilation, self.n_bands, self.n_hidden)

    def forward(
        self,
        x: Tensor,
        hidden: Tensor,
        film: Film | None = None,
    ) -> tuple[Tensor, Tensor]:
        """x: (B, C, T, F), hidden: (B, D, F, H) -> (B, C, T, F), next hidden."""
        start = hidden.float()
        latest = start

        def over_frames(keep: Tensor, new: Tensor) -> Tensor:
            nonlocal latest
            states = scan(keep, new, start, 1)
            latest = torch.cat(
                [start, states],
                dim=1,
            )[:, -self.dilation :]
            return states

        x = self.over_frames(x, film, over_frames)
        x = self.over_bands(x, film, _both_ways)
        return x, latest


def _both_ways(keep: Tensor, new: Tensor) -> Tensor:
    """(B, T, F, H): half of the hidden units go up the bands, half go down."""
    half = keep.shape[-1] // 2
    sizes = [half, keep.shape[-1] - half]
    kept_up, kept_down = torch.split(keep, sizes, dim=-1)
    new_up, new_down = torch.split(new, sizes, dim=-1)
    up = scan(
        kept_up,
        new_up,
        torch.zeros_like(new_up[:, :, :1]),
        2,
    )
    down = scan(
        kept_down,
        new_down,
        torch.zeros_like(new_down[:, :, :1]),
        2,
        backwards=True,
    )
    return torch.cat([up, down], dim=-1)
