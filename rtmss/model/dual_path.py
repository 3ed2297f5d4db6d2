"""Dual-path blocks: recurrences over the frames within each band, and over the bands within each frame.

They keep the bands apart where the U-Net is narrowest, after Luo, Chen, Yoshioka, "Dual-Path RNN", ICASSP 2020, and
Luo, Yu, "Music Source Separation with Band-Split RNN", TASLP 2023. The recurrence is linear with gates that depend on
the input alone, after Qin, Yang, Zhong, "Hierarchically Gated Recurrent Neural Network for Sequence Modeling",
NeurIPS 2023: no matrix product waits for the step before.

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

    def __init__(self, n_channels: int, n_hidden: int, n_bands: int, longest: float) -> None:
        """`longest` is the time constant, in steps, of the slowest hidden unit at the start of training."""
        super().__init__()
        self.norm = nn.LayerNorm(n_channels)
        self.gates = nn.Linear(n_channels, 3 * n_hidden, bias=False)
        self.project = nn.Linear(n_hidden, n_channels)
        nn.init.zeros_(self.project.weight)
        nn.init.zeros_(self.project.bias)
        steps = torch.logspace(0, math.log10(longest), n_hidden)
        keep = torch.exp(-1 / steps)
        start = torch.cat([torch.logit(keep), torch.zeros(2 * n_hidden)])
        # Weights are shared by all bands, so each has a bias that says which one it is.
        self.bias = nn.Parameter(start.repeat(n_bands, 1))

    def forward(self, x: Tensor, film: Film | None, recur: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
        """(B, C, T, F) -> the same, with what `recur` makes of (B, T, F, H) `keep` and `new` added."""
        rows = x.permute(0, 2, 3, 1)
        y = self.norm(rows)
        if film is not None:
            scale, shift = (f[:, None, None] for f in film)
            y = y * (1 + scale) + shift
        gates = self.gates(y) + self.bias
        logit, value, gate = gates.chunk(3, dim=-1)
        keep = torch.sigmoid(logit.float())
        states = recur(keep, (1 - keep) * value.float())
        y = self.project(states.to(gate.dtype) * nn.functional.silu(gate))
        return (rows + y).permute(0, 3, 1, 2)


class DualPath(nn.Module):
    """A recurrence over frames, then one over bands in both directions."""

    def __init__(self, n_channels: int, n_hidden: int, n_bands: int, dilation: int = 1) -> None:
        super().__init__()
        self.n_hidden = n_hidden
        self.n_bands = n_bands
        self.dilation = dilation
        self.over_frames = GatedPath(n_channels, n_hidden, n_bands, longest=300.0)
        self.over_bands = GatedPath(n_channels, n_hidden, n_bands, longest=8.0)

    def init_state(self, batch: int) -> Tensor:
        """(B, D, F, H) of silence."""
        return torch.zeros(batch, self.dilation, self.n_bands, self.n_hidden)

    def forward(self, x: Tensor, hidden: Tensor, film: Film | None = None) -> tuple[Tensor, Tensor]:
        """x: (B, C, T, F), hidden: (B, D, F, H) -> (B, C, T, F), next hidden."""
        start = hidden.float()
        latest = start

        def over_frames(keep: Tensor, new: Tensor) -> Tensor:
            nonlocal latest
            states = scan(keep, new, start, 1)
            latest = torch.cat([start, states], dim=1)[:, -self.dilation :]
            return states

        x = self.over_frames(x, film, over_frames)
        x = self.over_bands(x, film, _both_ways)
        return x, latest


def _both_ways(keep: Tensor, new: Tensor) -> Tensor:
    """(B, T, F, H): half of the hidden units go up the bands, half go down."""
    half = keep.shape[-1] // 2
    sizes = [half, keep.shape[-1] - half]
    kept_up, kept_down = keep.split(sizes, dim=-1)
    new_up, new_down = new.split(sizes, dim=-1)
    up = scan(kept_up, new_up, torch.zeros_like(new_up[:, :, :1]), 2)
    down = scan(kept_down, new_down, torch.zeros_like(new_down[:, :, :1]), 2, backwards=True)
    return torch.cat([up, down], dim=-1)
