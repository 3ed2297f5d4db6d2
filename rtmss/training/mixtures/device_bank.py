"""A bank's audio on a device, and tracks played from it.

Axes: P parts, S samples.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from rtmss.training.mixtures.bank import Bank
from rtmss.training.mixtures.plan import Plan

N_TAPS = 16
"""Samples of a track that make one sample at another speed, where a windowed sinc interpolates."""


class DeviceBank:
    """A bank's audio on a device, played at any speed by interpolation with a windowed sinc."""

    def __init__(
        self,
        bank: Bank,
        device: torch.device,
        *,
        compiled: bool,
    ) -> None:
        lengths = [audio.size for audio in bank.audio]
        self.audio = torch.empty(
            sum(lengths),
            dtype=torch.int16,
            device=device,
        )
        for place, audio in zip(
            torch.split(self.audio, lengths),
            bank.audio,
            strict=True,
        ):
            place.copy_(torch.from_numpy(np.array(audio)).flatten())
        self.first = torch.tensor(
            [0, *np.cumsum(lengths)[:-1]],
            device=device,
        )
        self.n_samples = torch.tensor(
            [track.n_samples for track in bank.tracks],
            device=device,
        )
        self.n_channels = torch.tensor(
            [track.n_channels for track in bank.tracks],
            device=device,
        )
        self._interpolate: Callable[..., Tensor] = (
            torch.compile(interpolate, dynamic=True) if compiled else interpolate
        )

    def play(self, plan: Plan, n_out: int) -> Tensor:
        """(P, 2, n_out) audio of every part's track at its speed; mono lies on both sides."""
        device = self.audio.device
        track = plan.track.to(device)
        ratio = plan.n_in.to(device).double() / n_out
        return self._interpolate(
            self.audio,
            self.first[track],
            self.n_samples[track],
            self.n_channels[track],
            plan.start.to(device),
            ratio,
            n_out,
        )


def interpolate(
    audio: Tensor,
    first: Tensor,
    n_samples: Tensor,
    n_channels: Tensor,
    start: Tensor,
    ratio: Tensor,
    n_out: int,
) -> Tensor:
    """(P, 2, n_out) float audio from one long row of interleaved int16 tracks; silence around a
    track.

    Args:
        audio: (total,) int16.
        first: (P,) where each track begins in it.
        n_samples: (P,) of each track.
        n_channels: (P,) 1 or 2.
        start: (P,) first sample of the track to play.
        ratio: (P,) float64 samples of the track for one that is played.
        n_out: samples to play.
    """
    position = (
        torch.arange(
            n_out,
            device=audio.device,
        )
        * ratio[:, None]
    )
    whole = position.floor()
    fraction = (position - whole).float()
    place = whole.long() + start[:, None]
    # What is played faster would fold at the top: the sinc is as much wider.
    cutoff = (1 / ratio).clamp_max(1).float()[:, None]
    sides: list[Tensor] = [torch.zeros_like(fraction), torch.zeros_like(fraction)]
    for tap in range(1 - N_TAPS // 2, 1 + N_TAPS // 2):
        x = fraction - tap
        weight = cutoff * torch.sinc(cutoff * x) * torch.cos(x * (np.pi / N_TAPS)).square()
        index = place + tap
        weight = weight * ((index >= 0) & (index < n_samples[:, None])) / 32768
        index = (
            first[:, None]
            + index.clamp_min(0).minimum(n_samples[:, None] - 1) * n_channels[:, None]
        )
        sides = [
            side + weight * audio[index + (n_channels[:, None] > 1) * number].float()
            for number, side in enumerate(sides)
        ]
    return torch.stack(sides, 1)
