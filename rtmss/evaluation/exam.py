"""Separating a piece whose parts are known, and scoring what comes out.

Audio is (C, S).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from rtmss.conditions.condition import Condition, ConditionHeader
from rtmss.config import ConfigError
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
from rtmss.evaluation.report import BASELINES, BINARY, MIXTURE, ORACLE, OWN, RIVAL, ZERO, Absence, Score, Shots
from rtmss.evaluation.songs import TARGETS, Piece, master
from rtmss.files import Audio
from rtmss.separator import Separator
from rtmss.training.classify import class_embedding
from rtmss.training.datasets.taxonomy import FAMILY_OF

N_TOGETHER = 8
"""Targets that the separator takes at once."""


@dataclass(frozen=True)
class Examiner:
    """A separator, and how it is told what to separate."""

    separator: Separator
    clips: ClipLibrary
    shots: tuple[Shots, ...]
    same_song: bool = False
    """Positive clips are of the true stem itself, where it sounds: what a user has who can solo it somewhere."""
    solos: ClipLibrary | None = None
    """Recordings alone of unseen instruments, for positive clips of them; None where targets are seen."""
    bss: bool = False
    by_class: bool = False
    """Conditions are made of the target's family alone, for weights that were trained so."""
    references: bool = True
    """Score baselines and oracles too."""
    mastered: bool = False
    """Pieces are made as loud as records first, and clips of the same song with them."""

    @classmethod
    def open(
        cls, data: Path, weights: Path | None, shots: Sequence[Shots], seed: int, *,
        same_song: bool = False, unseen: bool = False, bss: bool = False, by_class: bool = False,
        references: bool = True, mastered: bool = False, profile: str | None = None,
    ) -> Examiner:  # fmt: skip
        """Load the weights and list the clips.

        Raises:
            CheckpointError: the weights cannot be used.
            ConfigError: there are no clips, or none are asked for, or there is no such profile.
        """
        asked = tuple(dict.fromkeys(Shots(*pair) for pair in shots if sum(pair)))
        if not asked or min(min(pair) for pair in asked) < 0:
            raise ConfigError("an evaluation needs clips: shots or negatives at least 1, none below 0")
        separator = Separator.load(weights, profile)
        rate = separator.model.config.sample_rate
        solos = ClipLibrary.open(data, rate, seed, "valid") if unseen else None
        library = ClipLibrary.open(data, rate, seed)
        return cls(separator, library, asked, same_song, solos, bss, by_class, references, mastered)

    def positives(self, piece: Piece, target: str) -> list[Audio]:
        """As many positive clips as are ever needed: of other songs (for a piece with an unknown voice, of other voices
        singing alone; for an unseen instrument, of recordings of it alone), or of the same song, as far as the target
        plays in it.
        """
        n, key = max(pair.positive for pair in self.shots), _key(piece, target)
        truth = piece.truth(target) if self.same_song else None
        clips = self.clips.excerpts(truth, n, key) if truth is not None else []
        if clips:
            return clips
        if self.solos:
            return self.solos.draw(target, n, key, solo=True, again=True)
        return self.clips.draw(target, n, key, avoid=piece.voice or piece.name, solo=bool(piece.voice))

    def condition(self, piece: Piece, target: str, positives: Sequence[Audio], shots: Shots) -> Condition:
        """The condition for a target of a piece: the first of its positive clips, and negatives of what else plays."""
        if self.by_class:
            return self._class_condition(FAMILY_OF[target])
        others = other_families(piece, target)
        negatives = self.clips.draw_others(others, shots.negative, _key(piece, target), avoid=piece.name)
        rate = self.clips.sample_rate
        return self.separator.condition(positives[: shots.positive], negatives, sample_rate=rate, name=target)

    def _class_condition(self, family: str) -> Condition:
        head = self.separator.model.condition_head
        embedding = class_embedding(family, self.separator.model.config.clip_encoder.n_embedding)
        with torch.no_grad():
            vector = head(torch.from_numpy(embedding[0]), torch.zeros(embedding.shape[1])).numpy()
        header = ConditionHeader(name=family, model_id=self.separator.model_id)
        return Condition(header, vector, np.zeros((0, 0), np.float32), np.zeros((0, 0), np.float32))

    def examine(self, piece: Piece, targets: Sequence[str]) -> tuple[list[Score], list[Absence]]:
        """Separate the targets out of a piece by all numbers of clips, and score them beside the baselines.

        Targets that are absent are scored by how much comes out; those that another stem may hide are passed over.
        """
        truths = {target: piece.truth(target) for target in targets}
        if self.mastered:
            piece = master(piece, self.clips.sample_rate)
            truths = {target: None if truth is None else piece.truth(target) for target, truth in truths.items()}
        truths = {target: truth for target, truth in truths.items() if truth is not None or not piece.may_hide(target)}
        clips = {target: self.positives(piece, target) for target in truths}
        asked = [(target, shots) for shots in self.shots for target in truths]
        scores: list[Score] = []
        absences: list[Absence] = []
        for i in range(0, len(asked), N_TOGETHER):
            batch = asked[i : i + N_TOGETHER]
            conditions = [self.condition(piece, target, clips[target], shots) for target, shots in batch]
            estimates = self.separator.separate_all(piece.mixture, self.clips.sample_rate, conditions)
            for (target, shots), estimate in zip(batch, estimates, strict=True):
                truth = truths[target]
                if truth is None:
                    levels = level_db(estimate, piece.mixture), level_dbfs(estimate)
                    absences.append(Absence(piece.name, target, *shots, *levels))
                else:
                    scores.append(self._score(piece, target, truth, OWN, estimate, *shots))
        for target, truth in truths.items():
            if truth is not None and self.references:
                for method, n_clips, estimate in self._references(piece, truth, target, clips[target]):
                    scores.append(self._score(piece, target, truth, method, estimate, n_clips))
        order = list(truths)
        return sorted(scores, key=lambda row: order.index(row.target)), absences

    def _references(
        self, piece: Piece, truth: Audio, target: str, clips: Sequence[Audio]
    ) -> Iterator[tuple[str, int | None, Audio]]:
        """Other methods' estimates of a target, and the number of clips for those that have any."""
        mixture, stft = piece.mixture, self.separator.model.config.stft
        yield ORACLE, None, ideal_ratio_mask(truth, mixture, stft)
        yield BINARY, None, ideal_binary_mask(truth, mixture, stft)
        for n in sorted({pair.positive for pair in self.shots if pair.positive}):
            yield RIVAL, n, learned_spectra(mixture, clips[:n])
        if target == "drums":
            yield BASELINES[target], None, percussive_part(mixture)
        if target == "vocals":
            yield BASELINES[target], None, centre_cut(mixture)
        yield MIXTURE, None, mixture
        yield ZERO, None, np.zeros_like(mixture)

    def _score(
        self, piece: Piece, target: str, truth: Audio, method: str, estimate: Audio,
        n_positive: int | None = None, n_negative: int | None = None,
    ) -> Score:  # fmt: skip
        figures = measure(truth, estimate, piece.mixture)
        if self.bss:
            more = measure_bss(truth, estimate, piece.mixture, self.clips.sample_rate)
            figures = figures._replace(**more._asdict())
        return Score(piece.name, piece.voice, target, method, n_positive, n_negative, **figures._asdict())


def other_families(piece: Piece, target: str) -> list[str]:
    """Families that a piece's negatives come from: those that play beside the target, or else the usual ones."""
    own = FAMILY_OF[target]
    playing = [family for family in piece.families() if family not in {own, "other"}]
    return playing or [name for name in TARGETS if name != own]


def _key(piece: Piece, target: str) -> str:
    """What a draw of clips is for."""
    return f"{piece.name}/{piece.voice}/{target}"
