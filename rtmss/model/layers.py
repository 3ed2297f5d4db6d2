"""Streaming layers: weights on the module, memory in and out.

Axes: B batch, C channels, T frames, F bands (or bins, where said).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class BandSplit(nn.Module):
    """Merge bins into bands, each by a linear map of its own."""

    def __init__(
        self,
        n_in: int,
        n_out: int,
        bands: tuple[tuple[int, int], ...],
    ) -> None:
        super().__init__()
        self.bands = bands
        self.weights = nn.ParameterList(
            torch.randn(
                n,
                n_in * width,
                n_out,
            )
            * (n_in * width) ** -0.5
            for n, width in bands
        )
        self.bias = nn.Parameter(
            torch.zeros(
                n_out,
                1,
                sum(n for n, _ in bands),
            )
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, C_in, T, bins) -> (B, C_out, T, bands)."""
        parts = []
        sections = torch.split(
            x,
            [n * width for n, width in self.bands],
            dim=-1,
        )
        for part, (n, width), weight in zip(
            sections,
            self.bands,
            self.weights,
            strict=True,
        ):
            # (n, B * T, C_in * width) @ (n, C_in * width, C_out)
            rows = (
                torch.unflatten(part, -1, (n, width))
                .permute(3, 0, 2, 1, 4)
                .flatten(3)
                .flatten(1, 2)
            )
            parts.append(
                torch.unflatten(
                    rows @ weight,
                    1,
                    (x.shape[0], x.shape[2]),
                )
            )
        x = torch.cat(parts).permute(1, 3, 2, 0)
        return x + self.bias.to(x.dtype)


class BandMerge(nn.Module):
    """Spread bands back onto their bins, each by a linear map of its own."""

    def __init__(
        self,
        n_in: int,
        n_out: int,
        bands: tuple[tuple[int, int], ...],
    ) -> None:
        super().__init__()
        self.bands = bands
        self.n_out = n_out
        self.weights = nn.ParameterList(
            torch.randn(
                n,
                n_in,
                n_out * width,
            )
            * n_in**-0.5
            for n, width in bands
        )
        self.bias = nn.Parameter(
            torch.zeros(
                n_out,
                1,
                sum(n * width for n, width in bands),
            )
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, C_in, T, bands) -> (B, C_out, T, bins)."""
        parts = []
        sections = torch.split(
            x,
            [n for n, _ in self.bands],
            dim=-1,
        )
        for part, (_, width), weight in zip(
            sections,
            self.bands,
            self.weights,
            strict=True,
        ):
            rows = (
                part.permute(
                    3,
                    0,
                    2,
                    1,
                ).flatten(1, 2)
                @ weight
            )  # (n, B * T, C_out * width)
            rows = rows.unflatten(2, (self.n_out, width)).unflatten(
                1,
                (x.shape[0], x.shape[2]),
            )
            parts.append(
                rows.permute(
                    1,
                    3,
                    2,
                    0,
                    4,
                ).flatten(3)
            )
        x = torch.cat(parts, dim=-1)
        return x + self.bias.to(x.dtype)


class CausalConv2d(nn.Module):
    """Convolution over (frames, bands) that sees the current frame and earlier ones, never later
    ones.
    """

    def __init__(
        self, n_channels: int, kernel: tuple[int, int] = (3, 3), dilation: int = 1
    ) -> None:
        super().__init__()
        self.n_past = (kernel[0] - 1) * dilation
        self.conv = nn.Conv2d(
            n_channels,
            n_channels,
            kernel,
            padding=(0, kernel[1] // 2),
            dilation=(dilation, 1),
            bias=False,
        )

    def init_state(self, batch: int, n_bands: int) -> Tensor:
        """(B, C, n_past, F) of silence."""
        return torch.zeros(batch, self.conv.in_channels, self.n_past, n_bands)

    def forward(
        self,
        x: Tensor,
        past: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """x: (B, C, T, F), past: (B, C, n_past, F) -> (B, C, T, F), next past."""
        x = torch.cat(
            [past.to(x.dtype), x],
            dim=2,
        )
        return self.conv(x), x[:, :, x.shape[2] - self.n_past :]


def delay(
    x: Tensor,
    waiting: Tensor,
    dim: int,
) -> tuple[Tensor, Tensor]:
    """Frames wait in a queue along `dim`: as many of the oldest as come in, and those that wait
    now.
    """
    n, n_waiting = x.shape[dim], waiting.shape[dim]
    both = torch.cat(
        [waiting.to(x.dtype), x],
        dim,
    )
    return both.narrow(dim, 0, n), both.narrow(dim, n, n_waiting)


class CausalBlock(nn.Module):
    """Causal convolution, norm, optional FiLM, ReLU, around a residual path."""

    def __init__(
        self,
        n_channels: int,
        dilation: int,
        n_ahead: int = 0,
    ) -> None:
        """With `n_ahead`, what comes out is of so many frames ago, and the convolution has heard
        those after it.
        """
        super().__init__()
        self.n_ahead = n_ahead
        self.conv = CausalConv2d(n_channels, dilation=dilation)
        self.norm = nn.BatchNorm2d(n_channels)

    def init_state(self, batch: int, n_bands: int) -> Tensor:
        """(B, C, n_past, F) of silence."""
        return self.conv.init_state(batch, n_bands)

    def forward(
        self, x: Tensor, past: Tensor, film: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Tensor, Tensor]:
        """x: (B, C, T, F), film: scale and shift, each (B, C) -> (B, C, T, F), next past."""
        y, latest = self.conv(x, past)
        y = self.norm(y)
        if self.n_ahead:
            x, _ = delay(
                x,
                past[:, :, -self.n_ahead :],
                2,
            )
        if film is not None:
            scale, shift = (f[:, :, None, None] for f in film)
            y = y * (1 + scale) + shift
        return x + torch.relu(y), latest
