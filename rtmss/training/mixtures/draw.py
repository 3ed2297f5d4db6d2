"""Few-shot episodes: a mixture, conditions by example, and what each condition should bring out.

They are planned here, in numbers; `mixdown` makes them sound.

Axes: B batch, N targets, P parts of all mixtures, C channels, S samples, E embedding.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Dataset

from rtmss.signal.dynamics import UNMASTERED
from rtmss.training.mixtures.augment import draw_master
from rtmss.training.mixtures.bank import Bank, Urn, choose_share, draw_start
from rtmss.training.mixtures.columns import plan_of
from rtmss.training.mixtures.parts import PartDrawer, toss
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
        self.drawer = PartDrawer(bank, recipe.episodes, self.n_samples)
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
        return plan_of(mixtures, self.bank, self.n_samples, int(rng.integers(2**62)))

    def _draw(self, rng: np.random.Generator) -> Mixture:
        recipe = self.recipe.episodes
        parts = self._parts(rng)
        shared = self._share_family(parts, rng) if toss(recipe.same_family, rng) else ""
        doubled = [
            part for part in parts if self._family(part) in DOUBLED and toss(recipe.doubled, rng)
        ]
        parts += [self.drawer.again(part, rng) for part in doubled]
        gain = 10 ** (rng.uniform(-14, 4) / 20)
        master = draw_master(rng) if toss(recipe.mastered, rng) else UNMASTERED
        voice_level = 10 ** (rng.normal(-6, 4) / 20) if toss(recipe.record_level, rng) else 0.0
        targets = (
            self.questions.ask_which(parts, shared, rng)
            if shared
            else self.questions.ask(parts, rng)
        )
        return Mixture(gain, master, voice_level, parts, targets)

    def _parts(self, rng: np.random.Generator) -> list[Part]:
        """What sounds: a record's accompaniment, a song, or a random mix."""
        recipe = self.recipe.episodes
        if self.backings and "vocals" in self.families and toss(recipe.over_backing, rng):
            return self._over_backing(rng)
        # Without the field there is no such draw, and random mixes have as many parts as chance
        # wants.
        is_crowded = toss(recipe.crowded, rng) if recipe.crowded else None
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
        n_in = self.drawer.song_length(rng)
        start = draw_start(self.bank, index, n_in, rng)
        backing = self.drawer.recorded(index, start, n_in, rng)
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
        level = float(np.mean([self.drawer.recorded_level(part.track) for part in parts])) / 10 ** (
            -23 / 20
        )
        solos = (self._solo(family, rng) for family in families)
        crowd = parts + [solo._replace(gain=solo.gain * level) for solo in solos]
        return self._answerable(crowd, rng)

    @property
    def _n_most(self) -> int:
        return max(CROWD, self.recipe.episodes.max_parts)

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
        n_in = part.n_in if part.level == Level.RECORDED else self.drawer.length_at(1.0)
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
            level=Level.LOUDEST, gain=gain * self.drawer.recorded_level(part.track)
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
        n_in = self.drawer.song_length(rng)
        start = draw_start(self.bank, anchor, n_in, rng)
        parts = []
        for index in indices:
            if (
                self.bank.tracks[index].family == "vocals"
                and rng.random() < self.recipe.episodes.replaced_voice
            ):
                part = self._solo("vocals", rng)
                parts.append(
                    part._replace(
                        gain=part.gain * self.drawer.recorded_level(index) / 10 ** (-23 / 20)
                    )
                )
            elif index == anchor or rng.random() > 0.12:
                parts.append(self.drawer.recorded(index, start, n_in, rng))
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
            if families and rng.random() < self.recipe.episodes.distractors:
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
        """One track, of the family or of some of it."""
        return self.drawer.solo(urn or self.urns[family], rng)
