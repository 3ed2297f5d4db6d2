"""Judging as results are published: all stems of a song together, the last of them what is left of
the mixture.

MUSDB18 is judged by the protocol of its campaigns: the song's own mixture, four stems, `museval` on
all of them at once, medians over frames of one second and then over songs. For the other datasets
the figure is the SDR of whole songs.

Source: Stöter, Liutkus, Ito, "The 2018 Signal Separation Evaluation Campaign", LVA/ICA 2018;
Pereira et al., "MoisesDB: a dataset for source separation beyond 4-stems", ISMIR 2023; Manilow et
al., "Cutting music source separation some Slakh", WASPAA 2019.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from rtmss.audio import Audio
from rtmss.datasets import recognize
from rtmss.datasets.moisesdb import MOISESDB
from rtmss.datasets.musdb import MUSDB18, MUSDB18_HQ
from rtmss.datasets.slakh import SLAKH
from rtmss.evaluation.bss import BssFigures, measure_stems
from rtmss.evaluation.evaluator import Evaluator, Result, absence
from rtmss.evaluation.metrics import measure
from rtmss.evaluation.report import OWN, Absence, Score, Shots
from rtmss.evaluation.songs import Excerpt, Piece, Song, add, master, read_song
from rtmss.evaluation.targets import JUDGED, fits
from rtmss.evaluation.tasks import Material, Task
from rtmss.lookup import find

REMAINDER = "other"
"""What is left when all other stems are taken out of the mixture."""


@dataclass(frozen=True)
class StemSet:
    """The stems that a dataset is judged by."""

    clips: Mapping[str, str]
    """What the clips of each stem are of, by the stem's name, in the order of publications."""
    split: str = "valid"
    is_named: bool = False
    """Whether the dataset names its stems so, and a stem is what it says; else it is the recordings
    that fit.
    """
    has_museval: bool = False
    """Whether results are published by museval, on the dataset's own mixtures."""

    def belongs(self, stem: str, piece: Piece, part: str) -> bool:
        """Whether a part of a piece belongs to a stem."""
        if self.is_named:
            return part.partition("/")[0] == stem
        return fits(self.clips[stem], piece.label(part))


_BAND = {name: name for name in ("vocals", "drums", "bass")}
_MUSDB = StemSet(_BAND, "test", is_named=True, has_museval=True)
_MOISES = {
    "vocals": "vocals",
    "drums": "drums",
    "bass": "bass",
    "guitar": "guitar",
    "piano": "piano",
    "percussion": "percussion",
    "bowed_strings": "strings",
    "wind": "winds",
    "other_keys": "keys",
    "other_plucked": "plucked",
}
STEM_SETS = {
    MUSDB18.name: _MUSDB,
    MUSDB18_HQ.name: _MUSDB,
    MOISESDB.name: StemSet(_MOISES, is_named=True),
    SLAKH.name: StemSet(
        {name: name for name in ("bass", "drums", "guitar", "piano")},
        "test",
    ),
}
"""By dataset. Any other is judged by vocals, drums, bass and the rest."""
USUAL = StemSet(_BAND)


@dataclass(frozen=True)
class StemsTask:
    """All stems of a song."""

    song: Song
    stems: StemSet
    on: str
    excerpt: Excerpt
    place: str = ""

    def __str__(self) -> str:
        return self.song.name

    def run(self, evaluator: Evaluator) -> Result:
        """Ask for every stem that the song could have, and judge those that it has."""
        given = self.stems.has_museval
        piece = read_song(self.song, evaluator.sample_rate, self.excerpt, as_given=given)
        piece = replace(piece, on=self.on)
        if evaluator.mastered:
            piece = master(piece, evaluator.sample_rate)
        truths = self._truths(piece)
        clips = {
            (stem, own): evaluator.positives(
                piece,
                self.stems.clips[stem],
                own=own,
            )
            for stem in truths
            for own in {shots.own for shots in evaluator.shots}
        }
        rest = piece.sum_of(lambda part: self._stem_of(piece, part) == REMAINDER)
        scores: list[Score] = []
        absences: list[Absence] = []
        for shots in evaluator.shots:
            conditions = [
                evaluator.condition(
                    piece,
                    self.stems.clips[stem],
                    clips[stem, shots.own],
                    shots,
                )
                for stem in truths
            ]
            estimates = dict(
                zip(
                    truths,
                    evaluator.separate(piece, conditions),
                    strict=True,
                )
            )
            estimates[REMAINDER] = np.asarray(
                piece.mixture - add(estimates.values()),
                np.float32,
            )
            absences += [
                absence(piece, stem, shots, estimates[stem])
                for stem, truth in truths.items()
                if truth is None
            ]
            present = {
                stem: truth
                for stem, truth in {**truths, REMAINDER: rest}.items()
                if truth is not None
            }
            scores += self._scores(evaluator, piece, present, estimates, shots)
        # Where a stem may be hidden in it, what is left is not what the dataset calls so.
        return [
            row for row in scores if row.target != REMAINDER or len(truths) == len(self.stems.clips)
        ], absences

    def _stem_of(self, piece: Piece, part: str) -> str:
        """The stem that a part of a piece belongs to."""
        return next(
            (stem for stem in self.stems.clips if self.stems.belongs(stem, piece, part)), REMAINDER
        )

    def _truths(self, piece: Piece) -> dict[str, Audio | None]:
        """The true stems, None for those that are absent; without those that another may hide, and
        the remainder.

        Where the dataset names the stems, what it has no stem of is absent.
        """
        truths: dict[str, Audio | None] = {}
        for stem, target in self.stems.clips.items():
            truth = piece.sum_of(lambda part, stem=stem: self._stem_of(piece, part) == stem)  # type: ignore[misc]
            if truth is not None or self.stems.is_named or not piece.may_hide(target):
                truths[stem] = truth
        return truths

    def _scores(
        self,
        evaluator: Evaluator,
        piece: Piece,
        truths: Mapping[str, Audio],
        estimates: Mapping[str, Audio],
        shots: Shots,
    ) -> Iterator[Score]:
        """The figures of the stems that play."""
        figures = [BssFigures()] * len(truths)
        if len(truths) > 1 and (self.stems.has_museval or evaluator.bss):
            figures = measure_stems(
                list(truths.values()), [estimates[stem] for stem in truths], evaluator.sample_rate
            )
        for (stem, truth), together in zip(
            truths.items(),
            figures,
            strict=True,
        ):
            found = measure(
                truth,
                estimates[stem],
                piece.mixture,
            )._replace(**together._asdict())
            yield Score(
                piece.name,
                "",
                stem,
                OWN,
                shots.positive,
                shots.negative,
                **found._asdict(),
                on=piece.on,
                own_clips=shots.own,
            )


def stem_set(
    folder: Path,
    targets: Sequence[str] | None = None,
) -> StemSet:
    """The stems of the dataset that lies in a folder, or those that are asked for, and the rest.

    Raises:
        ConfigError: a target is unknown.
    """
    own = STEM_SETS.get(recognize(folder).name, USUAL)
    if targets is None:
        return own
    wanted = {
        name: find(
            name,
            {**JUDGED, **own.clips},
            "stem",
        )
        for name in targets
        if name != REMAINDER
    }
    is_named = own.is_named and set(wanted) <= set(own.clips)
    return replace(own, clips=wanted, is_named=is_named)


def find_stems_tasks(
    materials: Sequence[Material], targets: Sequence[str] | None, split: str, excerpt: Excerpt
) -> list[Task]:
    """All songs of all folders, each judged by the stems of its dataset.

    Args:
        materials: of each folder.
        targets: the stems beside the remainder; None for those of the dataset.
        split: that is judged, for the tables.
        excerpt: how much of each song is heard.

    Raises:
        ConfigError: a target is unknown.
    """
    tasks: list[Task] = []
    for material in materials:
        stems = stem_set(material.folder, targets)
        on = f"{recognize(material.folder).name}, {split}"
        tasks += [
            StemsTask(
                song,
                stems,
                on,
                excerpt,
                material.place,
            )
            for song in material.songs
        ]
    return tasks
