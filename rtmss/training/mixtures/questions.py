"""What is asked of a mixture: conditions by example, and the parts that each should bring out.

Axes: E embedding.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rtmss.datasets.taxonomy import HIDES, MIXES
from rtmss.training.mixtures.augment import FADE
from rtmss.training.mixtures.bank import Bank, Track, Urn
from rtmss.training.mixtures.plan import Part, Target
from rtmss.training.recipe import EpisodeRecipe


class Questions:
    """Draws what is asked of mixtures."""

    def __init__(
        self,
        bank: Bank,
        embeddings: Sequence[NDArray[np.float32]],
        recipe: EpisodeRecipe,
        families: dict[str, list[int]],
    ) -> None:
        """`families` are the tracks of each, of which clips are cut."""
        self.bank = bank
        self.embeddings = embeddings
        self.recipe = recipe
        self.families = families
        self.nothing = np.zeros(
            embeddings[0].shape[1],
            np.float32,
        )
        groups: dict[tuple[str, ...], list[int]] = {}
        for index in sorted(index for tracks in families.values() for index in tracks):
            family, label, source = self._kinds(index)
            for kind in (
                (family,),
                (family, label),
                (family, label, source),
            ):
                groups.setdefault(kind, []).append(index)
        self.urns = {kind: Urn(bank, tracks) for kind, tracks in groups.items()}
        """The tracks of each family, of its instruments, and of their sources."""

    def family(self, part: Part) -> str:
        """The family of a part's track."""
        return self.bank.tracks[part.track].family

    def draw_family(
        self,
        among: Sequence[str],
        rng: np.random.Generator,
    ) -> str:
        """One of them, by the recipe's weights."""
        weights = np.array([self.recipe.target_weights.get(family, 0.01) for family in among])
        return among[
            rng.choice(
                len(among),
                p=weights / weights.sum(),
            )
        ]

    def answerable(self, parts: list[Part]) -> list[str]:
        """Families that sound in a mixture, as far as it is known of all that sounds whether it
        belongs to them.
        """
        unknown = self._hidden(parts, only_mixes=True)
        audible = {self.family(part) for part in parts if self._sounds_in(part)}
        return sorted(audible - {"other"} - unknown)

    def is_mix(self, part: Part) -> bool:
        """Whether a part holds several families without telling them apart."""
        return self.bank.tracks[part.track].label in MIXES

    def ask(
        self,
        parts: list[Part],
        rng: np.random.Generator,
    ) -> list[Target]:
        """What each condition asks for: different families of the mixture, some absent from it."""
        return [
            self.about(parts, family, rng)
            for family in self._choose(parts, self.recipe.n_targets, [], rng)
        ]

    def ask_which(
        self,
        parts: list[Part],
        family: str,
        rng: np.random.Generator,
    ) -> list[Target]:
        """The same of a mixture in which several sources of `family` play: for one of them, for all
        of them, and for other families where there are further conditions.
        """
        targets = [self.about_one(parts, family, rng), self.about(parts, family, rng)][
            : self.recipe.n_targets
        ]
        others = self._choose(
            parts,
            self.recipe.n_targets - len(targets),
            [family],
            rng,
        )
        return targets + [self.about(parts, other, rng) for other in others]

    def tells_apart(self, parts: list[Part], family: str) -> bool:
        """Whether several tracks of `family` play, no two of which a clip could mean alike."""
        tracks = [
            self.bank.tracks[index]
            for index in {part.track for part in parts if self.family(part) == family}
        ]
        pairs = [(one, other) for number, one in enumerate(tracks) for other in tracks[:number]]
        return bool(pairs) and all(_differ(one, other) for one, other in pairs)

    def _choose(
        self, parts: list[Part], n_families: int, asked: list[str], rng: np.random.Generator
    ) -> list[str]:
        """Families to ask for, beside those that are `asked` for already."""
        sounding = self.answerable(parts)
        present = {self.family(part) for part in parts}
        unknown = self._hidden(parts)
        absent = [
            f for f in self.families if f not in present and f != "other" and f not in unknown
        ]
        chosen = list(asked)
        for _ in range(n_families):
            left = [family for family in sounding if family not in chosen]
            if not left or rng.random() < self.recipe.absent:
                left = [family for family in absent if family not in chosen] or left or chosen
                # Else parts that are silent where they play.
                left = left or sorted(present - {"other"} - self._hidden(parts, only_mixes=True))
            chosen.append(self.draw_family(left, rng))
        return chosen[len(asked) :]

    def _hidden(
        self,
        parts: list[Part],
        *,
        only_mixes: bool = False,
    ) -> set[str]:
        """Families that may sound in parts without being named, ..."""
        labels = {self.bank.tracks[part.track].label for part in parts}
        return {
            family
            for label in labels
            if label in MIXES or not only_mixes
            for family in HIDES.get(label, ())
        }

    def _sounds_in(self, part: Part) -> bool:
        """Whether the track sounds where the part plays it."""
        half = self.bank.sample_rate // 2
        blocks = self.bank.active_blocks(part.track)
        first, last = (part.start + FADE) / half, (part.start + part.n_in - FADE) / half
        return bool(((blocks + 0.75 > first) & (blocks + 0.25 < last)).any())

    def about(
        self,
        parts: list[Part],
        family: str,
        rng: np.random.Generator,
    ) -> Target:
        """The wanted parts, mean positive and mean negative for all of one family."""
        recipe = self.recipe
        others = [n for n, part in enumerate(parts) if self.family(part) != family]
        own = [n for n, part in enumerate(parts) if self.family(part) == family]
        # What plays twice has clips once.
        once = _once(parts)
        toss = rng.random()

        def clips(
            of: list[int],
            family: str,
        ) -> NDArray[np.float32]:
            return self._clips(
                [parts[n] for n in of if n in once],
                family,
                rng,
            )

        if toss < recipe.negatives_only and own and others:
            # "Everything except": either of one family, or of all but one.
            unwanted, wanted = (own, others) if rng.random() < 0.5 else (others, own)
            return Target(
                wanted,
                self.nothing,
                clips(unwanted, family if unwanted is own else ""),
            )
        positive = clips(own, family)
        if toss < recipe.negatives_only + recipe.positives_only or not others:
            return Target(own, positive, self.nothing)
        others = [n for n in others if n in once]
        picked = [
            others[i]
            for i in rng.permutation(len(others))[
                : rng.integers(
                    1,
                    len(others) + 1,
                )
            ]
        ]
        return Target(own, positive, clips(picked, ""))

    def about_one(
        self,
        parts: list[Part],
        family: str,
        rng: np.random.Generator,
    ) -> Target:
        """The same for one of several sources of a family, known by clips of nothing but itself; in
        half of the cases with the others as negatives.
        """
        own = [n for n, part in enumerate(parts) if self.family(part) == family]
        sounding = sorted({parts[n].track for n in own if self._sounds_in(parts[n])})
        track = sounding[rng.integers(len(sounding))]
        one = [n for n in own if parts[n].track == track]
        rest = [n for n in range(len(parts)) if n not in one]
        mean = self._clips_of_one(parts, track, rng)
        if rng.random() < self.recipe.negatives_only:
            return Target(rest, self.nothing, mean)
        if rng.random() < 0.5:
            return Target(one, mean, self.nothing)
        distractors = sorted({parts[n].track for n in own} - {track})
        return Target(
            one,
            mean,
            np.mean(
                [self._clips_of_one(parts, distractor, rng) for distractor in distractors], axis=0
            ),
        )

    def _clips_of_one(
        self, parts: list[Part], track: int, rng: np.random.Generator
    ) -> NDArray[np.float32]:
        """Mean embedding of 1 to `max_clips` clips of one track in a mixture, and of others of the
        same source, as far as none of those plays in it too.
        """
        urn = self.urns[self._kinds(track)]
        is_alone = not {part.track for part in parts} & (set(urn.indices) - {track})
        clips = []
        for _ in range(
            int(
                rng.integers(
                    1,
                    self.recipe.max_clips + 1,
                )
            )
        ):
            is_elsewhere = is_alone and rng.random() < 0.4
            clips.append(
                self._clip(
                    urn.draw(rng) if is_elsewhere else track,
                    rng,
                )
            )
        return np.asarray(np.mean(clips, axis=0), np.float32)

    def _clips(
        self, parts: list[Part], family: str, rng: np.random.Generator
    ) -> NDArray[np.float32]:
        """Mean embedding of 1 to `max_clips` clips: of the parts' own tracks, sources or
        instruments.

        With `family`, clips may also be of any instrument of it; without parts they must be. Every
        part gets a clip.
        """
        clips = []
        wide = rng.random() < 0.5
        n_clips = max(
            len(parts),
            int(rng.integers(1, self.recipe.max_clips + 1)),
        )
        for number in range(n_clips):
            toss = rng.random()
            if not parts or (wide and family and toss < 0.8):
                index = self.urns[family,].draw(rng)
            else:
                own = parts[number % len(parts)].track
                kinds = self._kinds(own)
                index = (
                    own if toss < 0.35 else self.urns[kinds[:2] if toss > 0.7 else kinds].draw(rng)
                )
            clips.append(self._clip(index, rng))
        return np.asarray(np.mean(clips, axis=0), np.float32)

    def _kinds(self, index: int) -> tuple[str, str, str]:
        track = self.bank.tracks[index]
        return track.family, track.label, track.source

    def _clip(
        self,
        track: int,
        rng: np.random.Generator,
    ) -> NDArray[np.float32]:
        """(E,) embedding of a clip of a few of the track's segments."""
        segments = self.embeddings[track]
        first = rng.integers(len(segments))
        clip = segments[first : first + rng.integers(1, 5)].mean(0)
        return np.asarray(clip / np.linalg.norm(clip), np.float32)


def _once(parts: list[Part]) -> set[int]:
    """Numbers of the parts, one for each track."""
    return set({part.track: n for n, part in reversed(list(enumerate(parts)))}.values())


def _differ(one: Track, other: Track) -> bool:
    """Whether two tracks are of different sources; stems of one song are."""
    is_one_song = one.song != "" and one.song == other.song
    return is_one_song or (one.source, one.label) != (other.source, other.label)
