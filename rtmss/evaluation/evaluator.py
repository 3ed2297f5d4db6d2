"""Separating a piece whose parts are known, and scoring what comes out.

Audio is (C, S).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from rtmss.audio import Audio
from rtmss.conditions.condition import Condition, ConditionHeader
from rtmss.datasets.taxonomy import FAMILY_OF
from rtmss.evaluation.baselines import (
    centre_cut,
    ideal_binary_mask,
    ideal_ratio_mask,
    learned_spectra,
    percussive_part,
)
from rtmss.evaluation.bss import measure_bss
from rtmss.evaluation.clips import ClipLibrary
from rtmss.evaluation.metrics import level_db, level_dbfs, measure
from rtmss.evaluation.report import (
    BASELINES,
    BINARY,
    MIXTURE,
    NMF,
    ORACLE,
    OWN,
    ZERO,
    Absence,
    Score,
    Shots,
)
from rtmss.evaluation.songs import Piece, master
from rtmss.evaluation.targets import ALONE, TARGETS, exactly, family_of, fits
from rtmss.separator import Separator
from rtmss.training.classify import class_embedding

N_TOGETHER = 8
"""Targets that the separator takes at once."""


Result = tuple[list[Score], list[Absence]]


@dataclass(frozen=True)
class Evaluator:
    """A separator, and how it is told what to separate."""

    separator: Separator
    clips: ClipLibrary
    shots: tuple[Shots, ...]
    solos: ClipLibrary | None = None
    """Recordings alone of unseen instruments, for positive clips of them; None where targets are
    seen.
    """
    bss: bool = False
    by_class: bool = False
    """Conditions are made of the target's family alone, for weights that were trained so."""
    references: bool = True
    """Score baselines and oracles too."""
    mastered: bool = False
    """Pieces are made as loud as records first, and clips of the same song with them."""

    @property
    def sample_rate(self) -> int:
        """Hz, of everything that is judged."""
        return self.clips.sample_rate

    def positives(
        self,
        piece: Piece,
        target: str,
        *,
        own: bool = False,
    ) -> list[Audio]:
        """As many positive clips as are ever needed of a target of a piece.

        They are of other songs; for a piece with an unknown voice, of other voices singing alone;
        for an unseen instrument, of recordings of it alone. `own` takes them from the judged stem
        instead, as far as the target plays in the piece: what a user has who can solo it somewhere.
        """
        n = max(shots.positive for shots in self.shots)
        key = key_of(piece, target)
        truth = piece.truth(target) if own else None
        clips = self.clips.excerpts(truth, n, key) if truth is not None else []
        if clips:
            return clips
        if self.solos:
            return self.solos.draw(
                target,
                n,
                key,
                solo=True,
                again=True,
            )
        return self.clips.draw(
            target, n, key, avoid=piece.voice or piece.name, solo=bool(piece.voice)
        )

    def condition(
        self, piece: Piece, target: str, positives: Sequence[Audio], shots: Shots
    ) -> Condition:
        """The condition for a target of a piece: the first of its positive clips, and negatives of
        what else plays.
        """
        if self.by_class:
            return self.class_condition(family_of(target))
        others = other_sounds(piece, target)
        negatives = self.clips.draw_others(
            others, shots.negative, key_of(piece, target), avoid=piece.name
        )
        return self.condition_of(target, positives[: shots.positive], negatives)

    def condition_of(
        self, target: str, positives: Sequence[Audio], negatives: Sequence[Audio]
    ) -> Condition:
        """The condition that clips make."""
        return self.separator.condition(
            positives, negatives, sample_rate=self.sample_rate, name=target
        )

    def class_condition(self, family: str) -> Condition:
        """The condition that a family's name makes, for weights that were trained so."""
        head = self.separator.model.condition_head
        embedding = class_embedding(family, self.separator.model.config.clip_encoder.n_embedding)
        with torch.no_grad():
            vector = head(
                torch.from_numpy(embedding[0]),
                torch.zeros(embedding.shape[1]),
            ).numpy()
        header = ConditionHeader(name=family, model_id=self.separator.model_id)
        return Condition(
            header,
            vector,
            np.zeros((0, 0), np.float32),
            np.zeros((0, 0), np.float32),
        )

    def separate(
        self,
        piece: Piece,
        conditions: Sequence[Condition],
    ) -> Iterator[Audio]:
        """(2, S) what comes out of a piece for each condition, in turn."""
        for i in range(0, len(conditions), N_TOGETHER):
            yield from self.separator.separate_all(
                piece.mixture, self.sample_rate, conditions[i : i + N_TOGETHER]
            )

    def evaluate(self, piece: Piece, targets: Sequence[str]) -> Result:
        """Separate the targets out of a piece by all numbers of clips, and score them beside the
        baselines.

        Targets that are absent are scored by how much comes out; those that another stem may hide
        are passed over, and an instrument alone where it has not a stem apart from the others of
        its family.
        """
        truths = self._truths(piece, targets)
        if self.mastered:
            piece = master(piece, self.sample_rate)
            truths = {
                target: None if truth is None else piece.truth(target)
                for target, truth in truths.items()
            }
        clips = {
            (target, own): self.positives(piece, target, own=own)
            for target in truths
            for own in {shots.own for shots in self.shots}
        }
        asked = [(target, shots) for shots in self.shots for target in truths]
        conditions = [
            self.condition(piece, target, clips[target, shots.own], shots)
            for target, shots in asked
        ]
        scores: list[Score] = []
        absences: list[Absence] = []
        for (target, shots), estimate in zip(
            asked,
            self.separate(piece, conditions),
            strict=True,
        ):
            truth = truths[target]
            if truth is None:
                absences.append(absence(piece, target, shots, estimate))
            else:
                scores.append(self.score(piece, target, truth, OWN, estimate, shots))
        for target, truth in truths.items():
            if truth is not None and self.references:
                for method, given, estimate in self._references(piece, truth, target, clips):
                    scores.append(self.score(piece, target, truth, method, estimate, given))
        order = list(truths)
        return sorted(scores, key=lambda row: order.index(row.target)), absences

    def _truths(
        self,
        piece: Piece,
        targets: Sequence[str],
    ) -> dict[str, Audio | None]:
        """The true targets that can be judged, None for those that are absent."""
        truths: dict[str, Audio | None] = {}
        for target in targets:
            truth = piece.truth(target)
            if target.endswith(ALONE) and not piece.tells_apart(target):
                continue
            if truth is not None or not piece.may_hide(target):
                truths[target] = truth
        return truths

    def _references(
        self,
        piece: Piece,
        truth: Audio,
        target: str,
        clips: Mapping[tuple[str, bool], Sequence[Audio]],
    ) -> Iterator[tuple[str, Shots | None, Audio]]:
        """Other methods' estimates of a target, and the clips for those that have any."""
        yield from self.oracles(piece, truth)
        for n, own in sorted(
            {(shots.positive, shots.own) for shots in self.shots if shots.positive}
        ):
            estimate = learned_spectra(piece.mixture, clips[target, own][:n])
            yield NMF, Shots(n, 0, own), estimate
        if target == "drums":
            yield BASELINES[target], None, percussive_part(piece.mixture)
        if target == "vocals":
            yield BASELINES[target], None, centre_cut(piece.mixture)
        yield from self.nothing(piece)

    def oracles(
        self,
        piece: Piece,
        truth: Audio,
    ) -> Iterator[tuple[str, None, Audio]]:
        """What masks that know the truth make of a piece."""
        stft = self.separator.model.config.stft
        yield ORACLE, None, ideal_ratio_mask(truth, piece.mixture, stft)
        yield BINARY, None, ideal_binary_mask(truth, piece.mixture, stft)

    def nothing(self, piece: Piece) -> Iterator[tuple[str, None, Audio]]:
        """What comes out where nothing is done."""
        yield MIXTURE, None, piece.mixture
        yield ZERO, None, np.zeros_like(piece.mixture)

    def score(
        self,
        piece: Piece,
        target: str,
        truth: Audio,
        method: str,
        estimate: Audio,
        shots: Shots | None = None,
    ) -> Score:
        """The figures of an estimate."""
        figures = measure(truth, estimate, piece.mixture)
        if self.bss:
            more = measure_bss(truth, estimate, piece.mixture, self.sample_rate)
            figures = figures._replace(**more._asdict())
        n_positive = None if shots is None else shots.positive
        # NMF takes no negatives.
        n_negative = None if shots is None or method != OWN else shots.negative
        own = shots is not None and shots.own
        return Score(
            piece.name,
            piece.voice,
            target,
            method,
            n_positive,
            n_negative,
            **figures._asdict(),
            on=piece.on,
            own_clips=own,
        )


def absence(
    piece: Piece,
    target: str,
    shots: Shots,
    estimate: Audio,
) -> Absence:
    """What came out for a target that is not in a piece."""
    levels = level_db(estimate, piece.mixture), level_dbfs(estimate)
    return Absence(
        piece.name,
        target,
        shots.positive,
        shots.negative,
        *levels,
        piece.on,
        shots.own,
    )


def other_sounds(piece: Piece, target: str) -> list[str]:
    """What a piece's negatives are of: the other instruments of the target's family and the other
    families that play beside it, or else the usual families.
    """
    own = family_of(target)
    labels = sorted({piece.label(stem) for stem in piece.stems})
    relatives = [
        exactly(label) for label in labels if FAMILY_OF[label] == own and not fits(target, label)
    ]
    playing = [family for family in piece.families() if family not in {own, "other"}]
    return [*relatives, *playing] or [name for name in TARGETS if name != own]


def key_of(piece: Piece, target: str) -> str:
    """What a draw of clips is for."""
    return f"{piece.name}/{piece.voice}/{target}"
