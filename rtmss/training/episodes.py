"""Few-shot episodes: a mixture, conditions by example, and what each condition should bring out.

They are planned here, in numbers; `mixdown` makes them sound.

Axes: B batch, N targets, P parts of all mixtures, C channels, S samples, E embedding.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from rtmss.training.augment import (
    DRY,
    FADE,
    PLAIN,
    draw_drive,
    draw_equaliser,
    draw_formants,
    draw_growl,
    draw_room,
    draw_side,
    draw_sub_notes,
)
from rtmss.training.bank import Bank, choose_share, draw_start, draw_take
from rtmss.training.datasets.taxonomy import HIDES
from rtmss.training.dynamics import UNCOMPRESSED, UNMASTERED, draw_compressor, draw_master
from rtmss.training.recipe import Recipe

SMOOTH = np.array(sorted(2**a * 3**b * 5**c for a in range(6, 22) for b in range(8) for c in range(5)))
"""Lengths with small prime factors, on which the FFT is fast."""


DOUBLED = {"vocals", "guitar"}
"""Families that are often recorded twice."""


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


class Level(IntEnum):
    """What a part's gain is relative to."""

    RECORDED = 0
    """The take as it was recorded."""
    LOUDEST = 1
    """Its own loudest half second, RMS."""
    OVER_THE_REST = 2
    """Its own loudest half second, and the mean level of the other parts."""


class Part(NamedTuple):
    """One source in a mixture, and what is done to it."""

    take: int
    start: int
    """First sample of the take; what is played lasts `n_in` of its samples, `FADE` at either end left out."""
    n_in: int
    equaliser: tuple[float, ...]
    room: tuple[float, ...]
    formants: float
    """1 for where they were."""
    compressor: tuple[float, ...]
    drive: float
    """0 for none."""
    sides: tuple[float, ...]
    sub: NDArray[np.float32] | None
    growl: NDArray[np.float32] | None
    level: Level
    gain: float


class Target(NamedTuple):
    """What one condition asks for."""

    parts: list[int]
    """Numbers of the parts that it should bring out; none where it is absent."""
    positive: NDArray[np.float32]
    negative: NDArray[np.float32]


class Mixture(NamedTuple):
    """One episode in numbers."""

    gain: float
    master: tuple[float, ...]
    parts: list[Part]
    targets: list[Target]


class Plan(NamedTuple):
    """A batch of episodes in numbers; everything lies on the processor."""

    seed: Tensor
    """() of what chance is left to the device: the noise in rooms."""
    gain: Tensor
    """(B,) of each mixture, as far as it stays below full scale."""
    master: Tensor
    """(B, 6) from `draw_master`, or `UNMASTERED`."""
    positive: Tensor
    """(B, N, E) as in `Episode`."""
    negative: Tensor
    wanted_by: Tensor
    """(K,) numbers of targets, counted over the batch, ..."""
    wanted_parts: Tensor
    """(K,) ... and of a part that each wants."""
    mixture_of: Tensor
    """(P,) in which mixture a part sounds; the rest of its numbers as in `Part`."""
    take: Tensor
    start: Tensor
    n_in: Tensor
    equaliser: Tensor
    room: Tensor
    formants: Tensor
    compressor: Tensor
    drive: Tensor
    sides: Tensor
    sub_parts: Tensor
    """(K,) the parts with a sub bass under them, ..."""
    subs: Tensor
    """(K, S) ... and its sound."""
    growl_parts: Tensor
    growls: Tensor
    level: Tensor
    part_gain: Tensor


class Episodes(Dataset[Plan]):
    """Endless batches of episodes by number, planned, fixed by the recipe's seed and the lane."""

    def __init__(self, bank: Bank, embeddings: list[NDArray[np.float32]], recipe: Recipe, lane: int = 0) -> None:
        self.bank = bank
        self.embeddings = embeddings
        self.recipe = recipe
        self.lane = lane
        unit = recipe.model.stft.hop_length * recipe.loop.windows
        self.n_samples = int(recipe.episodes.seconds * recipe.model.sample_rate) // unit * unit
        self.families: dict[str, list[int]] = {}
        self.songs: dict[str, list[int]] = {}
        sounding = [index for index in range(len(bank.takes)) if len(bank.active_blocks(index))]
        for index in choose_share(bank.takes, sounding, recipe.episodes.data_share, recipe.seed):
            take = bank.takes[index]
            self.families.setdefault(take.family, []).append(index)
            if take.song:
                self.songs.setdefault(take.song, []).append(index)
        self.songs = {song: takes for song, takes in self.songs.items() if len(takes) > 1}
        # By the square root of their length, as the takes of a source.
        lengths = np.sqrt([max(bank.takes[i].n_samples for i in takes) for takes in self.songs.values()])
        self.song_weights = lengths / lengths.sum()

    def __getitem__(self, number: int) -> Plan:
        rng = np.random.default_rng([self.recipe.seed, self.lane, number])
        mixtures = [self._draw(rng) for _ in range(self.recipe.loop.batch)]
        first = np.cumsum([0, *(len(mixture.parts) for mixture in mixtures)])
        n_targets = self.recipe.episodes.n_targets
        wanted = [
            (b * n_targets + n, first[b] + part)
            for b, mixture in enumerate(mixtures)
            for n, target in enumerate(mixture.targets)
            for part in target.parts
        ]
        by, of = torch.tensor(wanted, dtype=torch.long).reshape(-1, 2).unbind(1)
        parts = [part for mixture in mixtures for part in mixture.parts]

        def clips(side: str) -> Tensor:
            vectors = [np.stack([getattr(target, side) for target in mixture.targets]) for mixture in mixtures]
            return torch.from_numpy(np.stack(vectors))

        def column(name: str) -> Tensor:
            return _column([getattr(part, name) for part in parts])

        sub_parts, subs = self._sounds([part.sub for part in parts])
        growl_parts, growls = self._sounds([part.growl for part in parts])
        return Plan(
            seed=torch.tensor(int(rng.integers(2**62))),
            gain=_column([mixture.gain for mixture in mixtures]),
            master=_column([mixture.master for mixture in mixtures]),
            positive=clips("positive"),
            negative=clips("negative"),
            wanted_by=by,
            wanted_parts=of,
            mixture_of=torch.from_numpy(np.repeat(np.arange(len(mixtures)), np.diff(first))),
            take=column("take"),
            start=column("start"),
            n_in=column("n_in"),
            equaliser=column("equaliser"),
            room=column("room"),
            formants=column("formants"),
            compressor=column("compressor"),
            drive=column("drive"),
            sides=column("sides"),
            sub_parts=sub_parts,
            subs=subs,
            growl_parts=growl_parts,
            growls=growls,
            level=column("level"),
            part_gain=column("gain"),
        )

    def _sounds(self, sounds: Sequence[NDArray[np.float32] | None]) -> tuple[Tensor, Tensor]:
        """Numbers of the parts that have a sound under them, and the sounds, (K, S) in half precision."""
        found = [(part, sound) for part, sound in enumerate(sounds) if sound is not None]
        silent = np.zeros((0, self.n_samples), np.float32)
        stacked = np.stack([sound for _, sound in found]) if found else silent
        return torch.tensor([part for part, _ in found], dtype=torch.long), torch.from_numpy(stacked).half()

    def _draw(self, rng: np.random.Generator) -> Mixture:
        is_song = self.songs and rng.random() < self.recipe.episodes.coherent
        parts = self._song(rng) if is_song else self._gathering(rng)
        doubled = [part for part in parts if self._family(part) in DOUBLED and _toss(self.recipe.episodes.doubled, rng)]
        parts += [self._again(part, rng) for part in doubled]
        gain = 10 ** (rng.uniform(-14, 4) / 20)
        master = draw_master(rng) if _toss(self.recipe.episodes.mastered, rng) else UNMASTERED
        chosen = self._choose(parts, rng)
        return Mixture(gain, master, parts, [self._ask(parts, family, rng) for family in chosen])

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
                parts.append(part._replace(gain=part.gain * reference / 10 ** (-23 / 20)))
            elif index == anchor or rng.random() > 0.12:
                gain = 10 ** (rng.normal(0, 2.5) / 20)
                parts.append(self._disguised(index, start, n_in, rng, 0.3, 0.1, 0.0, Level.RECORDED, gain))
        has_voice = any(self.bank.takes[index].family == "vocals" for index in indices)
        may_sing = "vocals" in self.families and not has_voice
        if may_sing and rng.random() < self.recipe.episodes.added_voice:
            part = self._solo("vocals", rng)
            parts.append(part._replace(level=Level.OVER_THE_REST, gain=part.gain / 10 ** (-21 / 20)))
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
        """One disguised take, its loudest half second near -24 dBFS."""
        index = draw_take(self.bank, self.families[family], rng)
        is_voice, often = family == "vocals", self.recipe.episodes.disguise
        semitones = rng.uniform(-5, 5) if is_voice else rng.uniform(-2, 2)
        ratio = 2 ** (semitones / 12) if rng.random() < 0.7 * often else 1.0
        n_in = self._length_at(ratio)
        start = draw_start(self.bank, index, n_in, rng)
        dry_voice = is_voice and not self.bank.takes[index].song
        room, drive = (0.6 if dry_voice else 0.2) * often, (0.3 if is_voice else 0.1) * often
        gain = 10 ** (rng.normal(-22 if is_voice else -24, 5) / 20)
        return self._disguised(index, start, n_in, rng, 0.6 * often, room, drive, Level.LOUDEST, gain)

    def _disguised(
        self, take: int, start: int, n_in: int, rng: np.random.Generator, colour: float, room: float, drive: float,
        level: Level, gain: float,
    ) -> Part:  # fmt: skip
        """A part with an equaliser, a room and a drive, each at its probability; some sounds growl.

        Without growls, everything low and noise-like would be taken for a drum.
        """
        recipe, rate = self.recipe.episodes, self.bank.sample_rate
        family = self.bank.takes[take].family
        may_growl = family in {"synth", "bass", "other"}
        has_room = rng.random() < room
        return Part(
            take,
            start,
            n_in,
            draw_equaliser(rng) if rng.random() < colour else PLAIN,
            draw_room(rng) if has_room else DRY,
            draw_formants(rng) if family == "vocals" and _toss(recipe.formants, rng) else 1.0,
            draw_compressor(rng) if _toss(recipe.compressed, rng) else UNCOMPRESSED,
            draw_drive(rng) if rng.random() < drive else 0.0,
            draw_side(2 if has_room else self.bank.takes[take].n_channels, rng),
            draw_sub_notes(self.n_samples, rate, rng) if may_growl and rng.random() < recipe.sub_notes else None,
            draw_growl(self.n_samples, rate, rng) if may_growl and rng.random() < recipe.growl else None,
            level,
            gain,
        )

    def _again(self, part: Part, rng: np.random.Generator) -> Part:
        """The same once more: some 30 ms apart at most, some cents higher or lower, on a side drawn anew, no louder."""
        apart = rng.uniform(-0.03, 0.03) * self.bank.sample_rate
        # Not of a length that the FFT likes: those are too far from each other.
        n_in = round(part.n_in * 2 ** (rng.normal(0, 8) / 1200))
        has_room = part.room != DRY
        return part._replace(
            start=part.start + round(apart - (n_in - part.n_in) / 2),
            n_in=n_in,
            sides=draw_side(2 if has_room else self.bank.takes[part.take].n_channels, rng),
            gain=part.gain * 10 ** (rng.uniform(-9, 0) / 20),
        )

    def _length_at(self, ratio: float) -> int:
        """Samples to crop for a playback speed: the nearest length that the FFT likes."""
        wanted = (self.n_samples + 2 * FADE) * ratio
        return int(SMOOTH[np.abs(SMOOTH - wanted).argmin()])

    def _choose(self, parts: list[Part], rng: np.random.Generator) -> list[str]:
        """Families to ask for: different ones of the mixture, some absent from it."""
        present = sorted({self._family(part) for part in parts} - {"other"})
        sounding = [f for f in present if any(self._sounds_in(part) for part in parts if self._family(part) == f)]
        hidden = {family for part in parts for family in HIDES.get(self.bank.takes[part.take].label, ())}
        absent = [f for f in self.families if f not in present and f != "other" and f not in hidden]
        chosen: list[str] = []
        for _ in range(self.recipe.episodes.n_targets):
            left = [family for family in sounding if family not in chosen]
            if not left or rng.random() < self.recipe.episodes.absent:
                left = [family for family in absent if family not in chosen] or left or chosen or present
            chosen.append(self._draw_family(left, rng))
        return chosen

    def _sounds_in(self, part: Part) -> bool:
        """Whether the take sounds where the part plays it."""
        half = self.bank.sample_rate // 2
        blocks = self.bank.active_blocks(part.take)
        first, last = (part.start + FADE) / half, (part.start + part.n_in - FADE) / half
        return bool(((blocks + 0.75 > first) & (blocks + 0.25 < last)).any())

    def _ask(self, parts: list[Part], family: str, rng: np.random.Generator) -> Target:
        """The wanted parts, mean positive and mean negative for one wanted family."""
        recipe = self.recipe.episodes
        others = [n for n, part in enumerate(parts) if self._family(part) != family]
        own = [n for n, part in enumerate(parts) if self._family(part) == family]
        # What plays twice has clips once.
        once = set({part.take: n for n, part in reversed(list(enumerate(parts)))}.values())
        toss = rng.random()
        nothing = np.zeros(self.embeddings[0].shape[1], np.float32)

        def clips(of: list[int], family: str) -> NDArray[np.float32]:
            return self._clips([parts[n] for n in of if n in once], family, rng)

        if toss < recipe.negatives_only and own and others:
            # "Everything except": either of one family, or of all but one.
            unwanted, wanted = (own, others) if rng.random() < 0.5 else (others, own)
            return Target(wanted, nothing, clips(unwanted, family if unwanted is own else ""))
        positive = clips(own, family)
        if toss < recipe.negatives_only + recipe.positives_only or not others:
            return Target(own, positive, nothing)
        others = [n for n in others if n in once]
        picked = [others[i] for i in rng.permutation(len(others))[: rng.integers(1, len(others) + 1)]]
        return Target(own, positive, clips(picked, ""))

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


def _toss(share: float, rng: np.random.Generator) -> bool:
    """Whether something of this share happens. What never does takes nothing of chance, so that the recipes that came
    before it draw what they drew.
    """
    return share > 0 and rng.random() < share


def _column(values: Sequence[Any]) -> Tensor:
    column = torch.tensor(values)
    return column.float() if column.is_floating_point() else column
