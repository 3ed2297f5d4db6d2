"""From a plan to sound: takes are played, disguised, levelled and mixed, a whole batch at once, on any device.

On a GPU the bank's audio lies there, and the processor does nothing but plan. On a processor takes are read from disk.

Axes: B batch, N targets, P parts of all mixtures, C channels, S samples.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from rtmss.training.augment import FADE, colour, put_under, saturate, shift_formants, spectra_at_speed, to_sides
from rtmss.training.bank import Bank
from rtmss.training.dynamics import UNMASTERED, compress, master_gains
from rtmss.training.episodes import Episodes
from rtmss.training.plan import Episode, Level, Plan

N_TAPS = 16
"""Samples of a take that make one sample at another speed, where a windowed sinc interpolates."""


class Mixdown:
    """Makes episodes of a bank's audio."""

    def __init__(self, bank: Bank, n_samples: int, device: torch.device, *, compiled: bool = False) -> None:
        self.bank = bank
        self.n_samples = n_samples
        self.device = device
        self.shelf = None if device.type == "cpu" else Shelf(bank, device, compiled=compiled)

    def __call__(self, plan: Plan) -> Episode:
        """The batch that `plan` describes."""
        device, n = self.device, self.n_samples
        generator = torch.Generator(device).manual_seed(int(plan.seed))
        n_out = n + 2 * FADE
        audio = colour(self._spectra(plan, n_out), n_out, self.bank.sample_rate, plan.equaliser, plan.room, generator)
        shifted = (plan.formants != 1).nonzero()[:, 0]
        if len(shifted):
            rows = shifted.to(device)
            audio[rows] = shift_formants(audio[rows], plan.formants[shifted].to(device), self.bank.sample_rate)
        compressed = (plan.compressor[:, 1] > 1).nonzero()[:, 0]
        if len(compressed):
            rows = compressed.to(device)
            audio[rows] = compress(audio[rows], plan.compressor[compressed].to(device), self.bank.sample_rate)
        driven = plan.drive.nonzero()[:, 0]
        if len(driven):
            rows = driven.to(device)
            audio[rows] = saturate(audio[rows], plan.drive[driven].to(device))
        audio = to_sides(audio, plan.sides.to(device))[..., FADE:-FADE]
        for parts, sounds in ((plan.sub_parts, plan.subs), (plan.growl_parts, plan.growls)):
            audio = put_under(audio, parts.to(device), sounds.to(device).float())
        audio = self._levelled(audio, plan)
        mixture_of, gain = plan.mixture_of.to(device), plan.gain.to(device)
        mixture = self._sums(len(gain), mixture_of, audio)
        if (plan.master != plan.master.new_tensor(UNMASTERED)).any():
            curves = master_gains(mixture, plan.master.to(device), self.bank.sample_rate)
            mixture, audio = mixture * curves, audio * curves[mixture_of]
        gain = torch.minimum(gain, 0.99 / mixture.abs().amax((1, 2)).clamp_min(1e-5))
        wanted = audio[plan.wanted_parts.to(device)] * gain[mixture_of[plan.wanted_parts.to(device)], None, None]
        targets = self._sums(plan.positive.shape[:2].numel(), plan.wanted_by.to(device), wanted)
        return Episode(
            mixture * gain[:, None, None],
            torch.unflatten(targets, 0, plan.positive.shape[:2]),
            plan.positive.to(device),
            plan.negative.to(device),
        )

    def _spectra(self, plan: Plan, n_out: int) -> Tensor:
        """(P, 2, n_out // 2 + 1): every part's take, played in `n_out` samples, on two channels."""
        if self.shelf is not None:
            spectra: Tensor = torch.fft.rfft(self.shelf.play(plan, n_out))
            return spectra
        numbers = zip(plan.take.tolist(), plan.start.tolist(), plan.n_in.tolist(), strict=True)
        crops = (torch.from_numpy(self.bank.crop(take, start, n_in)) for take, start, n_in in numbers)
        return torch.stack([spectra_at_speed(crop, n_out).expand(2, -1) for crop in crops])

    def _levelled(self, audio: Tensor, plan: Plan) -> Tensor:
        """Each part at its level: as recorded, by its loudest half second, or by the rest of its mixture."""
        loudest = self._half_seconds(audio).square().mean((1, 3)).amax(1).sqrt().clamp_min(1e-4)
        level = plan.level.to(self.device)
        gain = plan.part_gain.to(self.device) / torch.where(level == Level.RECORDED, 1, loudest)
        added = (plan.level == Level.OVER_THE_REST).nonzero()[:, 0].to(self.device)
        audio = audio * gain[:, None, None]
        if len(added):
            mixture_of = plan.mixture_of.to(self.device)
            rest = (level != Level.OVER_THE_REST).float()[:, None, None] * audio
            rms = self._sums(len(plan.gain), mixture_of, rest).square().mean((1, 2)).sqrt()
            audio[added] *= rms[mixture_of[added], None, None]
        return self._sung(audio, plan) if plan.voice_level.any() else audio

    def _sung(self, audio: Tensor, plan: Plan) -> Tensor:
        """All parts, the voices at their level over the rest where the plan has one: where they sound, within 20 dB of
        their loudest half second, against the rest as a whole.
        """
        mixture_of, is_voice = plan.mixture_of.to(self.device), plan.is_voice.to(self.device)[:, None, None]
        voices = self._sums(len(plan.gain), mixture_of, audio * is_voice)
        rest = self._sums(len(plan.gain), mixture_of, audio * ~is_voice).square().mean((1, 2)).sqrt()
        powers = self._half_seconds(voices).square().mean((1, 3))
        sounds = powers > 0.01 * powers.amax(1, keepdim=True)
        sung = ((powers * sounds).sum(1) / sounds.sum(1).clamp_min(1)).sqrt()
        is_set = (plan.voice_level.to(self.device) > 0) & (sung > 1e-5) & (rest > 1e-5)
        gain = torch.where(is_set, plan.voice_level.to(self.device) * rest / sung.clamp_min(1e-5), 1)
        return audio * torch.where(is_voice, gain[mixture_of, None, None], 1)

    def _half_seconds(self, audio: Tensor) -> Tensor:
        """(P, C, S) -> (P, C, half seconds, samples), what is left over cut off."""
        half = self.bank.sample_rate // 2
        return torch.unflatten(audio[..., : self.n_samples // half * half], -1, (-1, half))

    def _sums(self, n: int, of: Tensor, audio: Tensor) -> Tensor:
        """(n, C, S) sums of the (K, C, S) audio that belongs to each."""
        return audio.new_zeros(n, *audio.shape[1:]).index_add_(0, of, audio)


class Mixed(Dataset[Episode]):
    """Episodes by number, mixed where they are drawn."""

    def __init__(self, plans: Episodes, mixdown: Mixdown) -> None:
        self.plans = plans
        self.mixdown = mixdown

    def __getitem__(self, number: int) -> Episode:
        return self.mixdown(self.plans[number])


class Shelf:
    """A bank's audio on a device, played at any speed by interpolation with a windowed sinc."""

    def __init__(self, bank: Bank, device: torch.device, *, compiled: bool) -> None:
        lengths = [audio.size for audio in bank.audio]
        self.audio = torch.empty(sum(lengths), dtype=torch.int16, device=device)
        for place, audio in zip(torch.split(self.audio, lengths), bank.audio, strict=True):
            place.copy_(torch.from_numpy(np.array(audio)).flatten())
        self.first = torch.tensor([0, *np.cumsum(lengths)[:-1]], device=device)
        self.n_samples = torch.tensor([take.n_samples for take in bank.takes], device=device)
        self.n_channels = torch.tensor([take.n_channels for take in bank.takes], device=device)
        self._interpolate: Callable[..., Tensor] = torch.compile(interpolate, dynamic=True) if compiled else interpolate

    def play(self, plan: Plan, n_out: int) -> Tensor:
        """(P, 2, n_out) audio of every part's take at its speed; mono lies on both sides."""
        device = self.audio.device
        take = plan.take.to(device)
        ratio = plan.n_in.to(device).double() / n_out
        return self._interpolate(
            self.audio,
            self.first[take],
            self.n_samples[take],
            self.n_channels[take],
            plan.start.to(device),
            ratio,
            n_out,
        )


def interpolate(
    audio: Tensor, first: Tensor, n_samples: Tensor, n_channels: Tensor, start: Tensor, ratio: Tensor, n_out: int
) -> Tensor:
    """(P, 2, n_out) float audio from one long row of interleaved int16 takes; silence around a take.

    Args:
        audio: (total,) int16.
        first: (P,) where each take begins in it.
        n_samples: (P,) of each take.
        n_channels: (P,) 1 or 2.
        start: (P,) first sample of the take to play.
        ratio: (P,) float64 samples of the take for one that is played.
        n_out: samples to play.
    """
    position = torch.arange(n_out, device=audio.device) * ratio[:, None]
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
        index = first[:, None] + index.clamp_min(0).minimum(n_samples[:, None] - 1) * n_channels[:, None]
        sides = [
            side + weight * audio[index + (n_channels[:, None] > 1) * number].float()
            for number, side in enumerate(sides)
        ]
    return torch.stack(sides, 1)
