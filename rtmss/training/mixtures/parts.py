"""One part of a mixture: which track plays from where, how loud, and how it is changed."""

from __future__ import annotations

import numpy as np

from rtmss.signal.dynamics import UNCOMPRESSED
from rtmss.training.mixtures.augment import (
    DRY,
    FADE,
    PLAIN,
    draw_compressor,
    draw_drive,
    draw_equaliser,
    draw_room,
    draw_side,
    smooth_length,
)
from rtmss.training.mixtures.bank import Bank, Urn, draw_start
from rtmss.training.mixtures.formants import draw_formants
from rtmss.training.mixtures.low_sounds import draw_noise_bass, draw_sub_bass
from rtmss.training.mixtures.plan import Level, Part
from rtmss.training.recipe import EpisodeRecipe


class PartDrawer:
    """Draws parts of `n_samples` samples each."""

    def __init__(self, bank: Bank, recipe: EpisodeRecipe, n_samples: int) -> None:
        self.bank = bank
        self.recipe = recipe
        self.n_samples = n_samples

    def solo(self, urn: Urn, rng: np.random.Generator) -> Part:
        """A track from anywhere, its loudest half second near -24 dBFS."""
        index = urn.draw(rng)
        is_voice = self.bank.tracks[index].family == "vocals"
        often = self.recipe.augment
        semitones = rng.uniform(-5, 5) if is_voice else rng.uniform(-2, 2)
        ratio = 2 ** (semitones / 12) if rng.random() < 0.7 * often else 1.0
        n_in = self.length_at(ratio)
        start = draw_start(self.bank, index, n_in, rng)
        dry_voice = is_voice and not self.bank.tracks[index].song
        room = (0.6 if dry_voice else 0.2) * often
        drive = (0.3 if is_voice else 0.1) * often
        gain = 10 ** (
            rng.normal(
                -22 if is_voice else -24,
                5,
            )
            / 20
        )
        return self._augmented(
            index, start, n_in, rng, 0.6 * often, room, drive, Level.LOUDEST, gain
        )

    def recorded(
        self,
        track: int,
        start: int,
        n_in: int,
        rng: np.random.Generator,
    ) -> Part:
        """A track about as loud as it was recorded, changed less often than a solo."""
        gain = 10 ** (rng.normal(0, 2.5) / 20)
        return self._augmented(track, start, n_in, rng, 0.3, 0.1, 0.0, Level.RECORDED, gain)

    def _augmented(
        self,
        track: int,
        start: int,
        n_in: int,
        rng: np.random.Generator,
        colour: float,
        room: float,
        drive: float,
        level: Level,
        gain: float,
    ) -> Part:
        """A part with an equaliser, a room and a drive, each at its probability; some
        have a noise bass.

        Without it, everything low and noise-like would be taken for a drum.
        """
        recipe, rate = self.recipe, self.bank.sample_rate
        family = self.bank.tracks[track].family
        may_have_noise_bass = family in {"synth", "bass", "other"}
        has_room = rng.random() < room
        return Part(
            track,
            start,
            n_in,
            draw_equaliser(rng) if rng.random() < colour else PLAIN,
            draw_room(rng) if has_room else DRY,
            draw_formants(rng) if family == "vocals" and toss(recipe.formants, rng) else 1.0,
            draw_compressor(rng) if toss(recipe.compressed, rng) else UNCOMPRESSED,
            draw_drive(rng) if rng.random() < drive else 0.0,
            draw_side(2 if has_room else self.bank.tracks[track].n_channels, rng),
            draw_sub_bass(self.n_samples, rate, rng)
            if may_have_noise_bass and rng.random() < recipe.sub_bass
            else None,
            draw_noise_bass(self.n_samples, rate, rng)
            if may_have_noise_bass and rng.random() < recipe.noise_bass
            else None,
            level,
            gain,
        )

    def again(self, part: Part, rng: np.random.Generator) -> Part:
        """The same once more: some 30 ms apart at most, some cents higher or lower, on another
        side, no louder.
        """
        apart = rng.uniform(-0.03, 0.03) * self.bank.sample_rate
        # Not of a length that the FFT likes: those are too far from each other.
        n_in = round(part.n_in * 2 ** (rng.normal(0, 8) / 1200))
        has_room = part.room != DRY
        return part._replace(
            start=part.start + round(apart - (n_in - part.n_in) / 2),
            n_in=n_in,
            sides=draw_side(
                2 if has_room else self.bank.tracks[part.track].n_channels,
                rng,
            ),
            gain=part.gain * 10 ** (rng.uniform(-9, 0) / 20),
        )

    def recorded_level(self, track: int) -> float:
        """RMS of a track where it sounds."""
        return float(np.sqrt(np.mean(self.bank.levels[track][self.bank.active_blocks(track)] ** 2)))

    def song_length(self, rng: np.random.Generator) -> int:
        """Samples to crop of every stem of a song, half of which play at another speed."""
        return self.length_at(2 ** (rng.uniform(-2, 2) / 12) if rng.random() < 0.5 else 1.0)

    def length_at(self, ratio: float) -> int:
        """Samples to crop for a playback speed: the nearest length that the FFT likes."""
        return smooth_length((self.n_samples + 2 * FADE) * ratio)


def toss(share: float, rng: np.random.Generator) -> bool:
    """Whether something of this share happens. What never does takes nothing of chance, so that the
    recipes that came before it draw what they drew.
    """
    return share > 0 and rng.random() < share
