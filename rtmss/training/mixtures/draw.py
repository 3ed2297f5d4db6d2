"""Few-shot episodes: a mixture, conditions by example, and what each condition should bring out.

They are planned here, in numbers; `mixdown` makes them sound.

Axes: B batch, N targets, P parts of all mixtures, C channels, S samples, E embedding.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from rtmss.signal.dynamics import UNCOMPRESSED, UNMASTERED
from rtmss.training.mixtures.augment import (
    DRY,
    FADE,
    PLAIN,
    draw_compressor,
    draw_drive,
    draw_equaliser,
    draw_formants,
    draw_master,
    draw_noise_bass,
    draw_room,
    draw_side,
    draw_sub_bass,
    smooth_length,
)
from rtmss.training.mixtures.bank import Bank, Urn, choose_share, draw_start
from rtmss.training.mixtures.plan import Episode, Level, Mixture, Part, Plan
from rtmss.training.mixtures.questions import Questions
from rtmss.training.recipe import Recipe

__all__ = ["Episode", "Episodes", "Level", "Mixture", "Part", "Plan"]

DOUBLED = {"vocals", "guitar"}
"""Families that are often recorded twice."""

SHARED = ["vocals", "guitar", "synth", "keys", "strings", "winds", "brass"]
"""Families of which records often have several sources."""

CROWD = 5
"""Parts that make a mixture as full as records are."""


class Episodes(Dataset[Plan]):
    """Endless batches of episodes by number, planned, fixed by the recipe's seed and the stream."""

    def __init__(
        self, bank: Bank, embeddings: list[NDArray[np.float32]], recipe: Recipe, stream: int = 0
    ) -> None:
        self.bank = bank
        self.recipe = recipe
        self.stream = stream
        unit = recipe.model.stft.hop_length * recipe.loop.windows
        self.n_samples = int(recipe.episodes.seconds * recipe.model.sample_rate) // unit * unit
        self.families: dict[str, list[int]] = {}
        self.songs: dict[str, list[int]] = {}
        sounding = [index for index in range(len(bank.tracks)) if len(bank.active_blocks(index))]
        for index in choose_share(
            bank.tracks,
            sounding,
            recipe.episodes.data_share,
            recipe.seed,
        ):
            track = bank.tracks[index]
            self.families.setdefault(track.family, []).append(index)
            if track.song:
                self.songs.setdefault(track.song, []).append(index)
        self.songs = {song: tracks for song, tracks in self.songs.items() if len(tracks) > 1}
        # By the square root of their length, as the tracks of a source.
        lengths = np.sqrt(
            [max(bank.tracks[i].n_samples for i in tracks) for tracks in self.songs.values()]
        )
        self.song_weights = lengths / lengths.sum()
        self.questions = Questions(
            bank,
            embeddings,
            recipe.episodes,
            dict(self.families),
        )
        self.backings = [
            i for i in self.families.get("other", []) if bank.tracks[i].label == "backing"
        ]
        self.distractors: dict[tuple[str, str], Urn] = {}
        if recipe.episodes.over_backing:
            # Those that have a share of their own play in no random mix, where they would leave
            # little to ask for.
            others = sorted(set(self.families.pop("other", [])) - set(self.backings))
            self.families |= {"other": others} if others else {}
        self.urns = {family: Urn(bank, tracks) for family, tracks in self.families.items()}
        self.backing_urn = Urn(bank, self.backings)

    def __getitem__(self, number: int) -> Plan:
        rng = np.random.default_rng(
            [
                self.recipe.seed,
                self.stream,
                number,
            ]
        )
        mixtures = [self._draw(rng) for _ in range(self.recipe.loop.batch)]
        first = np.cumsum([0, *(len(mixture.parts) for mixture in mixtures)])
        n_targets = self.recipe.episodes.n_targets
        wanted = [
            (b * n_targets + n, first[b] + part)
            for b, mixture in enumerate(mixtures)
            for n, target in enumerate(mixture.targets)
            for part in target.parts
        ]
        by, of = (
            torch.tensor(
                wanted,
                dtype=torch.long,
            )
            .reshape(-1, 2)
            .unbind(1)
        )
        parts = [part for mixture in mixtures for part in mixture.parts]

        def clips(side: str) -> Tensor:
            vectors = [
                np.stack([getattr(target, side) for target in mixture.targets])
                for mixture in mixtures
            ]
            return torch.from_numpy(np.stack(vectors))

        def column(name: str) -> Tensor:
            return _column([getattr(part, name) for part in parts])

        sub_parts, subs = self._sounds([part.sub for part in parts])
        noise_bass_parts, noise_basses = self._sounds([part.noise_bass for part in parts])
        return Plan(
            seed=torch.tensor(int(rng.integers(2**62))),
            gain=_column([mixture.gain for mixture in mixtures]),
            master=_column([mixture.master for mixture in mixtures]),
            voice_level=_column([mixture.voice_level for mixture in mixtures]),
            positive=clips("positive"),
            negative=clips("negative"),
            wanted_by=by,
            wanted_parts=of,
            mixture_of=torch.from_numpy(
                np.repeat(
                    np.arange(len(mixtures)),
                    np.diff(first),
                )
            ),
            is_voice=torch.tensor([self.questions.family(part) == "vocals" for part in parts]),
            track=column("track"),
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
            noise_bass_parts=noise_bass_parts,
            noise_basses=noise_basses,
            level=column("level"),
            part_gain=column("gain"),
        )

    def _sounds(
        self,
        sounds: Sequence[NDArray[np.float32] | None],
    ) -> tuple[Tensor, Tensor]:
        """Numbers of the parts that have a sound under them, and the sounds, (K, S) in half
        precision.
        """
        found = [(part, sound) for part, sound in enumerate(sounds) if sound is not None]
        silent = np.zeros((0, self.n_samples), np.float32)
        stacked = np.stack([sound for _, sound in found]) if found else silent
        return torch.tensor(
            [part for part, _ in found],
            dtype=torch.long,
        ), torch.from_numpy(stacked).half()

    def _draw(self, rng: np.random.Generator) -> Mixture:
        recipe = self.recipe.episodes
        parts = self._parts(rng)
        shared = self._share_family(parts, rng) if _toss(recipe.same_family, rng) else ""
        doubled = [
            part for part in parts if self._family(part) in DOUBLED and _toss(recipe.doubled, rng)
        ]
        parts += [self._again(part, rng) for part in doubled]
        gain = 10 ** (rng.uniform(-14, 4) / 20)
        master = draw_master(rng) if _toss(recipe.mastered, rng) else UNMASTERED
        voice_level = 10 ** (rng.normal(-6, 4) / 20) if _toss(recipe.record_level, rng) else 0.0
        targets = (
            self.questions.ask_which(parts, shared, rng)
            if shared
            else self.questions.ask(parts, rng)
        )
        return Mixture(gain, master, voice_level, parts, targets)

    def _parts(self, rng: np.random.Generator) -> list[Part]:
        """What sounds: a record's accompaniment, a song, or a random mix."""
        recipe = self.recipe.episodes
        if self.backings and "vocals" in self.families and _toss(recipe.over_backing, rng):
            return self._over_backing(rng)
        # Without the field there is no such draw, and random mixes have as many parts as chance
        # wants.
        is_crowded = _toss(recipe.crowded, rng) if recipe.crowded else None
        if not self.songs or rng.random() >= recipe.coherent:
            return self._answerable(self._random_mix(rng, is_crowded), rng)
        parts = self._answerable(self._song(rng), rng)
        return self._crowd(parts, rng) if is_crowded else parts

    def _answerable(
        self,
        parts: list[Part],
        rng: np.random.Generator,
    ) -> list[Part]:
        """The parts without mixes, where these leave nothing that could be asked for."""
        if self.questions.answerable(parts) or not any(
            map(
                self.questions.is_mix,
                parts,
            )
        ):
            return parts
        kept = [part for part in parts if not self.questions.is_mix(part)]
        return kept or [
            self._solo(
                self._draw_family(
                    [f for f in self.families if f != "other"],
                    rng,
                ),
                rng,
            )
        ]

    def _over_backing(self, rng: np.random.Generator) -> list[Part]:
        """A record's accompaniment, and a voice from anywhere."""
        index = self.backing_urn.draw(rng)
        n_in = self._length_at(2 ** (rng.uniform(-2, 2) / 12) if rng.random() < 0.5 else 1.0)
        start = draw_start(self.bank, index, n_in, rng)
        gain = 10 ** (rng.normal(0, 2.5) / 20)
        backing = self._augmented(
            index,
            start,
            n_in,
            rng,
            0.3,
            0.1,
            0.0,
            Level.RECORDED,
            gain,
        )
        return [backing, self._singer_over_the_rest(rng)]

    def _singer_over_the_rest(self, rng: np.random.Generator) -> Part:
        voice = self._solo("vocals", rng)
        return voice._replace(
            level=Level.OVER_THE_REST,
            gain=voice.gain / 10 ** (-21 / 20),
        )

    def _crowd(
        self,
        parts: list[Part],
        rng: np.random.Generator,
    ) -> list[Part]:
        """A song with as many further parts from anywhere as make a crowd; a mix is one by
        itself.
        """
        if any(map(self.questions.is_mix, parts)):
            return parts
        present = list(dict.fromkeys(map(self._family, parts)))
        n_families = (
            len(present)
            + int(
                rng.integers(
                    CROWD,
                    self._n_most + 1,
                )
            )
            - len(parts)
        )
        families = self._more_families(present, n_families, rng)[len(present) :]
        level = float(np.mean([self._recorded_level(part.track) for part in parts])) / 10 ** (
            -23 / 20
        )
        solos = (self._solo(family, rng) for family in families)
        crowd = parts + [solo._replace(gain=solo.gain * level) for solo in solos]
        return self._answerable(crowd, rng)

    @property
    def _n_most(self) -> int:
        return max(CROWD, self.recipe.episodes.max_parts)

    def _recorded_level(self, track: int) -> float:
        """RMS of a track where it sounds."""
        return float(np.sqrt(np.mean(self.bank.levels[track][self.bank.active_blocks(track)] ** 2)))

    def _share_family(
        self,
        parts: list[Part],
        rng: np.random.Generator,
    ) -> str:
        """A family of which several sources play, where need be by one more that is added; empty if
        there is none.
        """
        answerable = self.questions.answerable(parts)
        families = [
            f
            for f in SHARED
            if f in answerable and len({self._player(i) for i in self.families[f]}) > 1
        ]
        if not families:
            return ""
        family = self._draw_family(families, rng)
        for number, part in enumerate(parts):
            if self._family(part) == family:
                parts[number] = self._recognizable(part)
        own = [part for part in parts if self._family(part) == family]
        if len(own) == 1:
            parts.append(self._distractor(own[0], rng))
        are_known = family in self.questions.answerable(parts) and self.questions.tells_apart(
            parts, family
        )
        return family if are_known else ""

    def _player(self, track: int) -> tuple[str, str]:
        return self.bank.tracks[track].source, self.bank.tracks[track].label

    def _recognizable(self, part: Part) -> Part:
        """A part that sounds as its clips do: at the pitch of its track, unless its song is at
        another.
        """
        n_in = part.n_in if part.level == Level.RECORDED else self._length_at(1.0)
        return part._replace(n_in=n_in, formants=1.0)

    def _distractor(self, part: Part, rng: np.random.Generator) -> Part:
        """Another source of the same family, some decibels softer or louder."""
        family = self._family(part)
        player = self._player(part.track)
        if player not in self.distractors:
            others = [i for i in self.families[family] if self._player(i) != player]
            self.distractors[player] = Urn(self.bank, others)
        distractor = self._recognizable(
            self._solo(
                family,
                rng,
                self.distractors[player],
            )
        )
        gain = part.gain * 10 ** (rng.normal(0, 4) / 20)
        if part.level != Level.RECORDED:
            return distractor._replace(level=part.level, gain=gain)
        return distractor._replace(
            level=Level.LOUDEST, gain=gain * self._recorded_level(part.track)
        )

    def _family(self, part: Part) -> str:
        return self.questions.family(part)

    def _draw_family(
        self,
        among: list[str],
        rng: np.random.Generator,
    ) -> str:
        return self.questions.draw_family(among, rng)

    def _song(self, rng: np.random.Generator) -> list[Part]:
        """The stems of a song at one place, some left out, the singer sometimes another."""
        song = list(self.songs)[
            rng.choice(
                len(self.songs),
                p=self.song_weights,
            )
        ]
        indices = self.songs[song]
        anchor = indices[rng.integers(len(indices))]
        ratio = 2 ** (rng.uniform(-2, 2) / 12) if rng.random() < 0.5 else 1.0
        n_in = self._length_at(ratio)
        start = draw_start(self.bank, anchor, n_in, rng)
        parts = []
        for index in indices:
            if (
                self.bank.tracks[index].family == "vocals"
                and rng.random() < self.recipe.episodes.replaced_voice
            ):
                part = self._solo("vocals", rng)
                parts.append(
                    part._replace(gain=part.gain * self._recorded_level(index) / 10 ** (-23 / 20))
                )
            elif index == anchor or rng.random() > 0.12:
                gain = 10 ** (rng.normal(0, 2.5) / 20)
                parts.append(
                    self._augmented(
                        index,
                        start,
                        n_in,
                        rng,
                        0.3,
                        0.1,
                        0.0,
                        Level.RECORDED,
                        gain,
                    )
                )
        has_voice = any(self.bank.tracks[index].family == "vocals" for index in indices)
        may_sing = "vocals" in self.families and not has_voice
        must_sing = any(
            map(
                self.questions.is_mix,
                parts,
            )
        ) and not self.questions.answerable(parts)
        if may_sing and (must_sing or rng.random() < self.recipe.episodes.added_voice):
            parts.append(self._singer_over_the_rest(rng))
        return parts

    def _random_mix(
        self,
        rng: np.random.Generator,
        is_crowded: bool | None = None,
    ) -> list[Part]:
        """Tracks of different families from anywhere, levelled and mixed."""
        fewest, most = 2, self.recipe.episodes.max_parts
        if is_crowded is not None:
            fewest, most = (CROWD, self._n_most) if is_crowded else (2, CROWD - 1)
        families = self._more_families(
            [],
            int(rng.integers(fewest, most + 1)),
            rng,
        )
        return [self._solo(family, rng) for family in families]

    def _more_families(
        self, first: list[str], n_families: int, rng: np.random.Generator
    ) -> list[str]:
        """Families of a random mix, as many as are wanted and there are, beginning with the
        `first`.
        """
        families = list(first)
        while len(families) < min(len(self.families), n_families):
            left = [family for family in self.families if family not in families]
            # Records have drums and bass more often than a draw by weight would give.
            usual: list[str] = [family for family in ("drums", "bass", "guitar") if family in left]
            if families and rng.random() < self.recipe.episodes.rivals:
                families.append(left[rng.integers(len(left))])
                continue
            pick = usual if usual and len(families) >= 2 and rng.random() < 0.5 else left
            families.append(self._draw_family(pick, rng))
        return families

    def _solo(
        self,
        family: str,
        rng: np.random.Generator,
        urn: Urn | None = None,
    ) -> Part:
        """One augmented track, of the family or of some of it, its loudest half second near -24
        dBFS.
        """
        index = (urn or self.urns[family]).draw(rng)
        is_voice, often = family == "vocals", self.recipe.episodes.disguise
        semitones = rng.uniform(-5, 5) if is_voice else rng.uniform(-2, 2)
        ratio = 2 ** (semitones / 12) if rng.random() < 0.7 * often else 1.0
        n_in = self._length_at(ratio)
        start = draw_start(self.bank, index, n_in, rng)
        dry_voice = is_voice and not self.bank.tracks[index].song
        room, drive = (0.6 if dry_voice else 0.2) * often, (0.3 if is_voice else 0.1) * often
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
        recipe, rate = self.recipe.episodes, self.bank.sample_rate
        family = self.bank.tracks[track].family
        may_have_noise_bass = family in {"synth", "bass", "other"}
        has_room = rng.random() < room
        return Part(
            track,
            start,
            n_in,
            draw_equaliser(rng) if rng.random() < colour else PLAIN,
            draw_room(rng) if has_room else DRY,
            draw_formants(rng) if family == "vocals" and _toss(recipe.formants, rng) else 1.0,
            draw_compressor(rng) if _toss(recipe.compressed, rng) else UNCOMPRESSED,
            draw_drive(rng) if rng.random() < drive else 0.0,
            draw_side(2 if has_room else self.bank.tracks[track].n_channels, rng),
            draw_sub_bass(self.n_samples, rate, rng)
            if may_have_noise_bass and rng.random() < recipe.sub_notes
            else None,
            draw_noise_bass(self.n_samples, rate, rng)
            if may_have_noise_bass and rng.random() < recipe.growl
            else None,
            level,
            gain,
        )

    def _again(self, part: Part, rng: np.random.Generator) -> Part:
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

    def _length_at(self, ratio: float) -> int:
        """Samples to crop for a playback speed: the nearest length that the FFT likes."""
        return smooth_length((self.n_samples + 2 * FADE) * ratio)


def _toss(share: float, rng: np.random.Generator) -> bool:
    """Whether something of this share happens. What never does takes nothing of chance, so that the
    recipes that came before it draw what they drew.
    """
    return share > 0 and rng.random() < share


def _column(values: Sequence[Any]) -> Tensor:
    column = torch.tensor(values)
    return column.float() if column.is_floating_point() else column
