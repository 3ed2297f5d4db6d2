"""From a plan to sound: tracks are played, augmented, levelled and mixed, a whole batch at once, on
any device.

On a GPU the bank's audio lies there, and the processor does nothing but plan. On a processor tracks
are read from disk.

Axes: B batch, N targets, P parts of all mixtures, C channels, S samples.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.utils.data import Dataset

from rtmss.signal.dynamics import UNMASTERED, master_gains
from rtmss.training.mixtures.augmenter import Augmenter, Sounds
from rtmss.training.mixtures.bank import Bank
from rtmss.training.mixtures.device_bank import DeviceBank
from rtmss.training.mixtures.draw import Episodes
from rtmss.training.mixtures.plan import Episode, Level, Plan


class Mixdown:
    """Makes episodes of a bank's audio."""

    def __init__(
        self, bank: Bank, n_samples: int, device: torch.device, *, compiled: bool = False
    ) -> None:
        self.bank = bank
        self.n_samples = n_samples
        self.device = device
        self.device_bank = (
            None if device.type == "cpu" else DeviceBank(bank, device, compiled=compiled)
        )

    def __call__(self, plan: Plan) -> Episode:
        """The batch that `plan` describes."""
        augmenter = Augmenter(self.bank, plan, self.n_samples, self.device)
        sounds = (
            augmenter.one_by_one()
            if self.device_bank is None
            else augmenter.at_once(self.device_bank)
        )
        sides = augmenter.sides()
        sides = sides * self._levels(plan, sounds, sides)[:, None]
        mixture = sounds.sums(
            len(plan.gain),
            plan.mixture_of,
            torch.arange(len(sides)),
            sides,
        )
        wanted = sides[plan.wanted_parts.to(self.device)]
        n_targets = plan.positive.shape[:2]
        targets = sounds.sums(
            n_targets.numel(),
            plan.wanted_by,
            plan.wanted_parts,
            wanted,
        )
        targets = torch.unflatten(targets, 0, n_targets)
        mastered = (plan.master != plan.master.new_tensor(UNMASTERED)).any(1).nonzero()[:, 0]
        if len(mastered):
            rows = mastered.to(self.device)
            curves = master_gains(
                mixture[rows], plan.master[mastered].to(self.device), self.bank.sample_rate
            )
            mixture[rows] *= curves
            targets[rows] *= curves[:, None]
        peaks = mixture.abs().amax((1, 2)).clamp_min(1e-5)
        gain = torch.minimum(
            plan.gain.to(self.device),
            0.99 / peaks,
        )[:, None, None]
        positive, negative = plan.positive.to(self.device), plan.negative.to(self.device)
        return Episode(
            mixture.mul_(gain),
            targets.mul_(gain[:, None]),
            positive,
            negative,
        )

    def _levels(self, plan: Plan, sounds: Sounds, sides: Tensor) -> Tensor:
        """(P,) gains: of the track as recorded, by the loudest half second, or by the rest of the
        mixture.
        """
        level = plan.level.to(self.device)
        # Each side hears one channel, so that powers go over to the sides as the squares of their
        # gains.
        powers = torch.bmm(
            sides.square().view(-1, 2, 2),
            sounds.powers(self.bank.sample_rate // 2),
        )
        loudest = powers.mean(1).amax(1).sqrt().clamp_min(1e-4)
        gain = plan.part_gain.to(self.device) / torch.where(
            level == Level.RECORDED,
            1,
            loudest,
        )
        added = plan.level == Level.OVER_THE_REST
        if added.any():
            rms = (
                self._rest(
                    plan,
                    sounds,
                    sides * gain[:, None],
                    added,
                )
                .square()
                .mean((1, 2))
                .sqrt()
            )
            gain = torch.where(
                added.to(self.device), gain * rms[plan.mixture_of.to(self.device)], gain
            )
        if plan.voice_level.any():
            gain = gain * self._voice_gains(
                plan,
                sounds,
                sides * gain[:, None],
            )
        return gain

    def _voice_gains(self, plan: Plan, sounds: Sounds, sides: Tensor) -> Tensor:
        """(P,) gains that bring all voices of a mixture to their level over the rest, where the
        plan has one.

        Voices count where they sound, within 20 dB of their loudest half second; the rest counts as
        a whole.
        """
        is_set = (plan.voice_level > 0)[plan.mixture_of]
        rest, voices = (
            self._rest(
                plan,
                sounds,
                sides,
                is_set & of,
            )
            for of in (plan.is_voice, ~plan.is_voice)
        )
        half = self.bank.sample_rate // 2
        blocks = torch.unflatten(
            voices[..., : self.n_samples // half * half],
            -1,
            (-1, half),
        )
        powers = blocks.square().mean((1, 3))
        sounding = powers > 0.01 * powers.amax(1, keepdim=True)
        sung = ((powers * sounding).sum(1) / sounding.sum(1).clamp_min(1)).sqrt()
        rms = rest.square().mean((1, 2)).sqrt()
        level = plan.voice_level.to(self.device)
        can_be = (level > 0) & (sung > 1e-5) & (rms > 1e-5)
        gain = torch.where(
            can_be,
            level * rms / sung.clamp_min(1e-5),
            1,
        )
        return torch.where(
            plan.is_voice.to(self.device),
            gain[plan.mixture_of.to(self.device)],
            1,
        )

    def _rest(
        self,
        plan: Plan,
        sounds: Sounds,
        sides: Tensor,
        left_out: Tensor,
    ) -> Tensor:
        """(B, 2, S) what sounds beside the parts that are left out, (P,), where any of a mixture's
        is; else silence.
        """
        concerned = torch.zeros(len(plan.gain), dtype=torch.bool)
        concerned[plan.mixture_of[left_out]] = True
        parts = (concerned[plan.mixture_of] & ~left_out).nonzero()[:, 0]
        return sounds.sums(
            len(plan.gain), plan.mixture_of[parts], parts, sides[parts.to(self.device)]
        )


class Mixed(Dataset[Episode]):
    """Episodes by number, mixed where they are drawn."""

    def __init__(self, plans: Episodes, mixdown: Mixdown) -> None:
        self.plans = plans
        self.mixdown = mixdown

    def __getitem__(self, number: int) -> Episode:
        return self.mixdown(self.plans[number])
