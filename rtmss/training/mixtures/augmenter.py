"""What parts sound like: their tracks are played and augmented, one by one on a processor, where a
part stays in the caches, and all at once on a GPU.

Axes: P parts, C channels, S samples, K shares of sums.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor

from rtmss.signal.dynamics import compress
from rtmss.training.mixtures.augment import (
    DRY,
    FADE,
    PLAIN,
    colour,
    equaliser_gains,
    play,
    room_impulses,
    saturate,
    to_sides,
)
from rtmss.training.mixtures.bank import Bank
from rtmss.training.mixtures.device_bank import DeviceBank
from rtmss.training.mixtures.formants import shift_formants
from rtmss.training.mixtures.low_sounds import put_under
from rtmss.training.mixtures.plan import Plan

STRAIGHT = (1.0, 0.0, 0.0, 1.0)
"""The sides of what stays where it is."""


class Sounds(Protocol):
    """Parts that can be added up."""

    def powers(self, length: int) -> Tensor:
        """(P, 2, blocks) mean power of each channel in blocks of `length` samples; mono is on both
        channels.
        """

    def sums(
        self,
        n: int,
        of: Tensor,
        parts: Tensor,
        sides: Tensor,
    ) -> Tensor:
        """(n, 2, S) sums.

        Args:
            n: how many.
            of: (K,) number of the sum that each share belongs to, on the processor.
            parts: (K,) number of the part that it is of, on the processor.
            sides: (K, 4) from `draw_side`, times gains, on the device.
        """


class Separate:
    """Each part for itself, mono or stereo, (1 or 2, S)."""

    def __init__(self, audio: list[Tensor]) -> None:
        self.audio = audio

    def powers(self, length: int) -> Tensor:
        """As in `Sounds`."""
        powers = (_block_powers(audio, length) for audio in self.audio)
        return torch.stack([power.expand(2, -1) for power in powers])

    def sums(
        self,
        n: int,
        of: Tensor,
        parts: Tensor,
        sides: Tensor,
    ) -> Tensor:
        """As in `Sounds`."""
        out = torch.zeros(
            n,
            2,
            self.audio[0].shape[-1],
        )
        for row, part, (ll, lr, rl, rr) in zip(
            of.tolist(), parts.tolist(), sides.tolist(), strict=True
        ):
            audio = self.audio[part]
            gains = ((ll, lr), (rl, rr)) if len(audio) == 2 else ((ll + lr,), (rl + rr,))
            for to, from_each in zip(out[row], gains, strict=True):
                for channel, gain in zip(audio, from_each, strict=True):
                    if gain:
                        to.add_(channel, alpha=gain)
        return out


class Together:
    """All parts in one tensor, (P, 2, S)."""

    def __init__(self, audio: Tensor) -> None:
        self.audio = audio

    def powers(self, length: int) -> Tensor:
        """As in `Sounds`."""
        return _block_powers(self.audio, length)

    def sums(
        self,
        n: int,
        of: Tensor,
        parts: Tensor,
        sides: Tensor,
    ) -> Tensor:
        """As in `Sounds`."""
        device = self.audio.device
        shares = to_sides(self.audio[parts.to(device)], sides)
        return self.audio.new_zeros(
            n,
            *self.audio.shape[1:],
        ).index_add_(0, of.to(device), shares)


class Augmenter:
    """Plays and augments the parts of one batch."""

    def __init__(
        self,
        bank: Bank,
        plan: Plan,
        n_samples: int,
        device: torch.device,
    ) -> None:
        self.bank = bank
        self.plan = plan
        self.n_out = n_samples + 2 * FADE
        self.device = device
        self.generator = torch.Generator(device).manual_seed(int(plan.seed))
        self.is_coloured = (plan.equaliser != plan.equaliser.new_tensor(PLAIN)).any(1)
        self.has_room = (plan.room != plan.room.new_tensor(DRY)).any(1)
        self.put_under = torch.zeros(
            len(plan.track),
            dtype=torch.bool,
        )
        self.put_under[torch.cat([plan.sub_parts, plan.noise_bass_parts])] = True

    def sides(self) -> Tensor:
        """(P, 4) what is still to be done to bring each sound to its sides."""
        sides = self.plan.sides.clone()
        sides[self.put_under] = sides.new_tensor(STRAIGHT)
        return sides.to(self.device)

    def one_by_one(self) -> Separate:
        """All parts, read from the bank."""
        return Separate([self._sound(part) for part in range(len(self.plan.track))])

    def at_once(self, device_bank: DeviceBank) -> Together:
        """All parts, played from a device's bank."""
        rows = torch.arange(len(self.plan.track))
        spectra = torch.fft.rfft(
            device_bank.play(
                self.plan,
                self.n_out,
            )
        )
        rate = self.bank.sample_rate
        audio = colour(
            spectra, self.n_out, rate, self.plan.equaliser, self.plan.room, self.generator
        )
        return Together(self._augmented(audio, rows))

    def _sound(self, part: int) -> Tensor:
        """(C, S) of one part; only what has two sides has two channels."""
        plan, rows = self.plan, torch.tensor([part])
        crop = torch.from_numpy(
            self.bank.crop(
                int(plan.track[part]),
                int(plan.start[part]),
                int(plan.n_in[part]),
            )
        )
        gains, impulses = None, None
        if self.is_coloured[part]:
            gains = equaliser_gains(
                plan.equaliser[rows], self.n_out // 2 + 1, self.bank.sample_rate
            )[0]
        if self.has_room[part]:
            impulses = room_impulses(
                plan.room[rows], self.n_out, self.bank.sample_rate, self.generator
            )[0]
        is_plain = crop.shape[-1] == self.n_out and gains is None and impulses is None
        played = (
            crop.contiguous()
            if is_plain
            else play(
                crop,
                self.n_out,
                gains,
                impulses,
            )
        )
        return self._augmented(played[None], rows)[0]

    def _augmented(self, audio: Tensor, rows: Tensor) -> Tensor:
        """(R, C, n_out) audio of the parts in `rows`, (R,), as it is heard but for its level and
        its sides.
        """
        plan, rate = self.plan, self.bank.sample_rate

        def changed(
            audio: Tensor, column: Tensor, which: Tensor, change: Callable[[Tensor, Tensor], Tensor]
        ) -> Tensor:
            if not which[rows].any():
                return audio
            found = which[rows].nonzero()[:, 0]
            values = column[rows[found]].to(self.device)
            if len(found) == len(rows):
                return change(audio, values)
            audio[found.to(self.device)] = change(
                audio[found.to(self.device)],
                values,
            )
            return audio

        audio = changed(
            audio, plan.formants, plan.formants != 1, lambda x, y: shift_formants(x, y, rate)
        )
        audio = changed(
            audio, plan.compressor, plan.compressor[:, 1] > 1, lambda x, y: compress(x, y, rate)
        )
        audio = changed(
            audio,
            plan.drive,
            plan.drive != 0,
            saturate,
        )[..., FADE:-FADE]
        if not self.put_under[rows].any():
            return audio
        # What lies under a part is as loud on both sides, wherever the part is.
        audio = changed(
            audio.expand(-1, 2, -1),
            plan.sides,
            self.put_under,
            to_sides,
        )
        for parts, sounds in (
            (plan.sub_parts, plan.subs),
            (plan.noise_bass_parts, plan.noise_basses),
        ):
            place, number = (parts == rows[:, None]).nonzero().unbind(1)
            audio = put_under(
                audio,
                place.to(self.device),
                sounds[number].to(self.device).float(),
            )
        return audio


def _block_powers(audio: Tensor, length: int) -> Tensor:
    """(..., S) -> (..., blocks), what is left over at the end left out."""
    blocks = torch.unflatten(
        audio[..., : audio.shape[-1] // length * length],
        -1,
        (-1, length),
    )
    norms: Tensor = torch.linalg.vector_norm(blocks, dim=-1)
    return norms.square() / length
