"""Segments of tracks as clips of them come: at any pitch, through equalisers, rooms and drives,
with something else in the background.

Axes: S samples.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from rtmss.training.mixtures.augment import (
    FADE,
    draw_drive,
    draw_equaliser,
    draw_room,
    equaliser_gains,
    play,
    room_impulses,
    saturate,
    smooth_length,
)
from rtmss.training.mixtures.bank import Bank, Urn, draw_start
from rtmss.training.recipe import EncoderRecipe


class Segments:
    """Draws segments of a bank's tracks."""

    def __init__(self, bank: Bank, recipe: EncoderRecipe) -> None:
        self.bank = bank
        self.recipe = recipe
        self.tracks_of: dict[str, list[int]] = {}
        """Those that sound, by label."""
        for index, track in enumerate(bank.tracks):
            if len(bank.active_blocks(index)):
                self.tracks_of.setdefault(track.label, []).append(index)
        self.urns = [Urn(bank, tracks) for _, tracks in sorted(self.tracks_of.items())]

    def draw(
        self,
        index: int,
        n: int,
        rng: np.random.Generator,
    ) -> Tensor:
        """(n,) mono audio of a track: sometimes with bleed of others, and all of it augmented."""
        # The widest filters first: a shift of pitch hardly changes what an instrument is.
        n_out = smooth_length(1.02 * (n + 2 * FADE))
        n_in = smooth_length(
            n_out
            * 2
            ** (
                rng.uniform(
                    -self.recipe.semitones,
                    self.recipe.semitones,
                )
                / 12
            )
        )
        audio = self._crop(index, n_in, rng)
        if rng.random() < self.recipe.bleed:
            n_others = int(rng.integers(1, self.recipe.max_bleeding + 1))
            others = [self.urns[rng.integers(len(self.urns))].draw(rng) for _ in range(n_others)]
            bleed = sum(
                (self._crop(other, n_in, rng) for other in others),
                torch.zeros(1, n_in),
            )
            level_db = rng.uniform(*self.recipe.bleed_db)
            audio = audio + bleed * (
                10 ** (level_db / 20) * audio.std() / bleed.std().clamp_min(1e-5)
            )
        return self._augmented(audio, n_out, rng)[FADE : FADE + n]

    def _crop(
        self,
        index: int,
        n: int,
        rng: np.random.Generator,
    ) -> Tensor:
        start = draw_start(self.bank, index, n, rng)
        return torch.from_numpy(self.bank.crop(index, start, n)).mean(0, keepdim=True)

    def _augmented(
        self,
        audio: Tensor,
        n_out: int,
        rng: np.random.Generator,
    ) -> Tensor:
        """(1, S) -> (n_out,) through an equaliser, a room and a drive, each of which is there or
        not.
        """
        rate = self.bank.sample_rate
        gains, impulses = None, None
        if rng.random() < 0.7:
            gains = equaliser_gains(
                torch.tensor([draw_equaliser(rng)]),
                n_out // 2 + 1,
                rate,
            )[0]
        if rng.random() < 0.4:
            noise = torch.Generator().manual_seed(int(rng.integers(2**62)))
            impulses = room_impulses(
                torch.tensor([draw_room(rng)]),
                n_out,
                rate,
                noise,
            )[0].mean(0, keepdim=True)
        sound = play(audio, n_out, gains, impulses)
        if rng.random() < 0.25:
            sound = saturate(
                sound[None],
                torch.tensor([draw_drive(rng)]),
            )[0]
        return sound[0]
