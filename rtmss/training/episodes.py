"""Few-shot episodes: a mixture, conditions by example, and what each condition should bring out.

Axes: B batch, N targets, C channels, S samples, E embedding.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from rtmss.training.augment import FADE, growl, saturate, speed_and_colour, sub_notes, to_stereo
from rtmss.training.bank import Bank
from rtmss.training.classify import draw_start, draw_take
from rtmss.training.datasets.taxonomy import HIDES
from rtmss.training.recipe import Recipe

SMOOTH = np.array(sorted(2**a * 3**b * 5**c for a in range(6, 22) for b in range(8) for c in range(5)))
"""Lengths with small prime factors, on which the FFT is fast."""


class Episode(NamedTuple):
    """One batch (B first) or one episode (without B)."""

    mixture: Tensor
    """(B, C, S)."""
    targets: Tensor
    """(B, N, C, S), silence where the target is absent."""
    positive: Tensor
    """(B, N, E) mean embedding of the positive clips, zeros where there are none."""
    negative: Tensor
    """(B, N, E) likewise."""


class Part(NamedTuple):
    """One source in a mixture."""

    take: int
    audio: Tensor
    """(C, S) stereo, as it sounds in the mixture."""


class Episodes(Dataset[Episode]):
    """Endless batches of episodes by number, fixed by the recipe's seed and the lane."""

    def __init__(self, bank: Bank, embeddings: list[NDArray[np.float32]], recipe: Recipe, lane: int = 0) -> None:
        self.bank = bank
        self.embeddings = embeddings
        self.recipe = recipe
        self.lane = lane
        unit = recipe.model.stft.hop_length * recipe.loop.windows
        self.n_samples = int(recipe.episodes.seconds * recipe.model.sample_rate) // unit * unit
        self.families: dict[str, list[int]] = {}
        self.songs: dict[str, list[int]] = {}
        for index, take in enumerate(bank.takes):
            if len(bank.active_blocks(index)):
                self.families.setdefault(take.family, []).append(index)
                if take.song:
                    self.songs.setdefault(take.song, []).append(index)
        self.songs = {song: takes for song, takes in self.songs.items() if len(takes) > 1}
        # By the square root of their length, as the takes of a source.
        lengths = np.sqrt([max(bank.takes[i].n_samples for i in takes) for takes in self.songs.values()])
        self.song_weights = lengths / lengths.sum()

    def __getitem__(self, number: int) -> Episode:
        rng = np.random.default_rng([self.recipe.seed, self.lane, number])
        episodes = [self._draw(rng) for _ in range(self.recipe.loop.batch)]
        return Episode(*(torch.stack(column) for column in zip(*episodes, strict=True)))

    def _draw(self, rng: np.random.Generator) -> Episode:
        is_song = self.songs and rng.random() < self.recipe.episodes.coherent
        parts = self._song(rng) if is_song else self._gathering(rng)
        gain = 10 ** (rng.uniform(-14, 4) / 20)
        mixture = torch.stack([part.audio for part in parts]).sum(0)
        gain = min(gain, float(0.99 / mixture.abs().max().clamp_min(1e-5)))
        parts = [part._replace(audio=part.audio * gain) for part in parts]
        chosen = self._choose(parts, rng)
        truths, positives, negatives = zip(*(self._ask(parts, family, rng) for family in chosen), strict=True)
        return Episode(
            torch.stack([part.audio for part in parts]).sum(0),
            torch.stack(truths),
            torch.from_numpy(np.stack(positives)),
            torch.from_numpy(np.stack(negatives)),
        )

    def _family(self, part: Part) -> str:
        return self.bank.takes[part.take].family

    def _draw_family(self, among: list[str], rng: np.random.Generator) -> str:
        weights = np.array([self.recipe.episodes.target_weights.get(family, 0.01) for family in among])
        return among[rng.choice(len(among), p=weights / weights.sum())]

    def _song(self, rng: np.random.Generator) -> list[Part]:
        """The stems of a song at one place, some left out, the singer sometimes another."""
        song = list(self.songs)[rng.choice(len(self.songs), p=self.song_weights)]
        indices = self.songs[song]
        anchor = indices[rng.integers(len(indices))]
        ratio = 2 ** (rng.uniform(-2, 2) / 12) if rng.random() < 0.5 else 1.0
        n_in = self._length_at(ratio)
        start = draw_start(self.bank, anchor, n_in, rng)
        parts = []
        for index in indices:
            if self.bank.takes[index].family == "vocals" and rng.random() < self.recipe.episodes.replaced_voice:
                part = self._solo("vocals", rng)
                reference = float(np.sqrt(np.mean(self.bank.levels[index][self.bank.active_blocks(index)] ** 2)))
                parts.append(part._replace(audio=part.audio * (reference / 10 ** (-23 / 20))))
            elif index == anchor or rng.random() > 0.12:
                audio = torch.from_numpy(self.bank.crop(index, start, n_in))
                audio = speed_and_colour(
                    audio, self.n_samples + 2 * FADE, self.bank.sample_rate, rng, colour=0.3, room=0.1
                )
                audio = self._growling(index, to_stereo(audio, rng)[..., FADE:-FADE], rng)
                parts.append(Part(index, audio * 10 ** (rng.normal(0, 2.5) / 20)))
        has_voice = any(self.bank.takes[index].family == "vocals" for index in indices)
        may_sing = "vocals" in self.families and not has_voice
        if may_sing and rng.random() < self.recipe.episodes.added_voice:
            part = self._solo("vocals", rng)
            level = float(torch.stack([each.audio for each in parts]).sum(0).square().mean().sqrt())
            parts.append(part._replace(audio=part.audio * (level / 10 ** (-21 / 20))))
        return parts

    def _gathering(self, rng: np.random.Generator) -> list[Part]:
        """Takes of different families from anywhere, levelled and mixed."""
        n_parts = min(len(self.families), int(rng.integers(2, self.recipe.episodes.max_parts + 1)))
        families: list[str] = []
        while len(families) < n_parts:
            left = [family for family in self.families if family not in families]
            # Records have drums and bass more often than a draw by weight would give.
            usual: list[str] = [family for family in ("drums", "bass", "guitar") if family in left]
            if families and rng.random() < self.recipe.episodes.rivals:
                families.append(left[rng.integers(len(left))])
                continue
            pick = usual if usual and len(families) >= 2 and rng.random() < 0.5 else left
            families.append(self._draw_family(pick, rng))
        return [self._solo(family, rng) for family in families]

    def _solo(self, family: str, rng: np.random.Generator) -> Part:
        """One disguised take, its sounding half seconds near -24 dBFS."""
        index = draw_take(self.bank, self.families[family], rng)
        is_voice, often = family == "vocals", self.recipe.episodes.disguise
        semitones = rng.uniform(-5, 5) if is_voice else rng.uniform(-2, 2)
        ratio = 2 ** (semitones / 12) if rng.random() < 0.7 * often else 1.0
        n_in = self._length_at(ratio)
        audio = torch.from_numpy(self.bank.crop(index, draw_start(self.bank, index, n_in, rng), n_in))
        n = self.n_samples + 2 * FADE
        dry_voice = is_voice and not self.bank.takes[index].song
        room = (0.6 if dry_voice else 0.2) * often
        audio = speed_and_colour(audio, n, self.bank.sample_rate, rng, colour=0.6 * often, room=room)
        if rng.random() < (0.3 if is_voice else 0.1) * often:
            audio = saturate(audio, rng)
        audio = self._growling(index, to_stereo(audio, rng)[..., FADE:-FADE], rng)
        half = self.bank.sample_rate // 2
        blocks = audio[..., : self.n_samples // half * half].reshape(2, -1, half).square().mean((0, 2))
        level = float(blocks.max().sqrt().clamp_min(1e-4))
        wanted_db = rng.normal(-22 if is_voice else -24, 5)
        return Part(index, audio * (10 ** (wanted_db / 20) / level))

    def _growling(self, index: int, audio: Tensor, rng: np.random.Generator) -> Tensor:
        """Sometimes, what may growl does: else everything low and noise-like is taken for a drum."""
        may = self.bank.takes[index].family in {"synth", "bass", "other"}
        if may and rng.random() < self.recipe.episodes.sub_notes:
            audio = sub_notes(audio, self.bank.sample_rate, rng)
        is_growling = may and rng.random() < self.recipe.episodes.growl
        return growl(audio, self.bank.sample_rate, rng) if is_growling else audio

    def _length_at(self, ratio: float) -> int:
        """Samples to crop for a playback speed: the nearest length that the FFT likes."""
        wanted = (self.n_samples + 2 * FADE) * ratio
        return int(SMOOTH[np.abs(SMOOTH - wanted).argmin()])

    def _choose(self, parts: list[Part], rng: np.random.Generator) -> list[str]:
        """Families to ask for: different ones of the mixture, some absent from it."""
        present = sorted({self._family(part) for part in parts} - {"other"})
        sounding = [family for family in present if self._truth(parts, {family}).abs().max() > 1e-3]
        hidden = {family for part in parts for family in HIDES.get(self.bank.takes[part.take].label, ())}
        absent = [f for f in self.families if f not in present and f != "other" and f not in hidden]
        chosen: list[str] = []
        for _ in range(self.recipe.episodes.n_targets):
            left = [family for family in sounding if family not in chosen]
            if not left or rng.random() < self.recipe.episodes.absent:
                left = [family for family in absent if family not in chosen] or left or chosen or present
            chosen.append(self._draw_family(left, rng))
        return chosen

    def _truth(self, parts: list[Part], families: set[str]) -> Tensor:
        silence = torch.zeros(2, self.n_samples)
        return sum((part.audio for part in parts if self._family(part) in families), silence)

    def _ask(
        self, parts: list[Part], family: str, rng: np.random.Generator
    ) -> tuple[Tensor, NDArray[np.float32], NDArray[np.float32]]:
        """Truth, mean positive and mean negative for one wanted family."""
        recipe = self.recipe.episodes
        others = [part for part in parts if self._family(part) != family]
        own = [part for part in parts if self._family(part) == family]
        toss = rng.random()
        nothing = np.zeros(self.embeddings[0].shape[1], np.float32)
        if toss < recipe.negatives_only and own and others:
            # "Everything except": either of one family, or of all but one.
            unwanted, wanted = (own, others) if rng.random() < 0.5 else (others, own)
            truth = self._truth(wanted, {self._family(part) for part in wanted})
            return truth, nothing, self._clips(unwanted, family if unwanted is own else "", rng)
        positive = self._clips(own, family, rng)
        if toss < recipe.negatives_only + recipe.positives_only or not others:
            return self._truth(own, {family}), positive, nothing
        picked = [others[i] for i in rng.permutation(len(others))[: rng.integers(1, len(others) + 1)]]
        return self._truth(own, {family}), positive, self._clips(picked, "", rng)

    def _clips(self, parts: list[Part], family: str, rng: np.random.Generator) -> NDArray[np.float32]:
        """Mean embedding of 1 to `max_clips` clips: of the parts' own takes, sources or instruments.

        With `family`, clips may also be of any instrument of it; without parts they must be. Every part gets a clip.
        """
        clips = []
        wide = rng.random() < 0.5
        n_clips = max(len(parts), int(rng.integers(1, self.recipe.episodes.max_clips + 1)))
        for number in range(n_clips):
            toss = rng.random()
            if not parts or (wide and family and toss < 0.8):
                index = draw_take(self.bank, self.families[family], rng)
            else:
                part = self.bank.takes[(own := parts[number % len(parts)].take)]
                alike = [i for i in self.families[part.family] if self.bank.takes[i].label == part.label]
                same = [i for i in alike if toss > 0.7 or self.bank.takes[i].source == part.source]
                index = own if toss < 0.35 or not same else draw_take(self.bank, same, rng)
            segments = self.embeddings[index]
            first = rng.integers(len(segments))
            clip = segments[first : first + rng.integers(1, 5)].mean(0)
            clips.append(clip / np.linalg.norm(clip))
        return np.asarray(np.mean(clips, axis=0), np.float32)
