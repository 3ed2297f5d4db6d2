"""Separating a piece whose parts are known, and scoring what comes out.

Audio is (C, S).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rtmss.conditions.condition import Condition
from rtmss.config import ConfigError
from rtmss.evaluation.baselines import centre_cut, ideal_ratio_mask, learned_spectra, percussive_part
from rtmss.evaluation.clips import ClipLibrary
from rtmss.evaluation.metrics import level_db, measure
from rtmss.evaluation.report import BASELINES, ORACLE, OWN, RIVAL, Absence, Score
from rtmss.evaluation.songs import TARGETS, Piece
from rtmss.files import Audio
from rtmss.separator import Separator


@dataclass(frozen=True)
class Examiner:
    """A separator, and how it is told what to separate."""

    separator: Separator
    clips: ClipLibrary
    n_clips: int
    n_negatives: int
    same_song: bool = False
    """Positive clips are of the true stem itself, where it sounds: what a user has who can solo it somewhere."""

    @classmethod
    def open(
        cls, data: Path, weights: Path | None, n_clips: int, n_negatives: int, seed: int, *, same_song: bool = False
    ) -> Examiner:
        """Load the weights and list the clips.

        Raises:
            CheckpointError: the weights cannot be used.
            ConfigError: there are no clips, or none are asked for.
        """
        if n_clips + n_negatives < 1:
            raise ConfigError("an evaluation needs clips: n_clips or n_negatives at least 1")
        separator = Separator.load(weights)
        clips = ClipLibrary.open(data, separator.model.config.sample_rate, seed)
        return cls(separator, clips, n_clips, n_negatives, same_song)

    def condition(self, piece: Piece, target: str) -> Condition:
        """The condition for a target of a piece, from `examples`."""
        positive, negative = self.examples(piece, target)
        return self.separator.condition(positive, negative, sample_rate=self.clips.sample_rate, name=target)

    def examples(self, piece: Piece, target: str) -> tuple[list[Audio], list[Audio]]:
        """Positive and negative clips: of other songs (for a piece with an unknown voice, of other voices singing
        alone), or the positives of the same song, as far as the target plays in it.
        """
        key = f"{piece.name}/{piece.voice}/{target}"
        avoid, solo = piece.voice or piece.name, bool(piece.voice)
        truth = piece.truth(target) if self.same_song else None
        positive = self.clips.excerpts(truth, self.n_clips, key) if truth is not None else []
        positive = positive or self.clips.draw(target, self.n_clips, key, avoid=avoid, solo=solo)
        negative = self.clips.draw_others(other_families(piece, target), self.n_negatives, key, avoid=piece.name)
        return positive, negative

    def examine(self, piece: Piece, targets: Sequence[str]) -> tuple[list[Score], list[Absence]]:
        """Separate the targets out of a piece, all in one pass, and score them beside the baselines.

        Targets that are absent are scored by how much comes out; those that another stem may hide are passed over.
        """
        asked = [t for t in targets if piece.truth(t) is not None or not piece.may_hide(t)]
        conditions = [self.condition(piece, target) for target in asked]
        estimates = self.separator.separate_all(piece.mixture, self.clips.sample_rate, conditions)
        scores, absences = [], []
        for target, estimate in zip(asked, estimates, strict=True):
            truth = piece.truth(target)
            if truth is None:
                absences.append(Absence(piece.name, target, level_db(estimate, piece.mixture)))
            else:
                methods = {OWN: estimate, **self._references(piece, truth, target)}
                scores += score(piece, target, truth, methods)
        return scores, absences

    def _references(self, piece: Piece, truth: Audio, target: str) -> dict[str, Audio]:
        mixture, (positive, _) = piece.mixture, self.examples(piece, target)
        found = {ORACLE: ideal_ratio_mask(truth, mixture, self.separator.model.config.stft)}
        if positive:
            found[RIVAL] = learned_spectra(mixture, positive)
        if target == "drums":
            found[BASELINES[target]] = percussive_part(mixture)
        if target == "vocals":
            found[BASELINES[target]] = centre_cut(mixture)
        return found


def score(piece: Piece, target: str, truth: Audio, estimates: Mapping[str, Audio]) -> list[Score]:
    """Score (2, S) estimates of one target, by method."""
    rows = []
    for method, estimate in estimates.items():
        figures = measure(truth, estimate, piece.mixture)
        rows.append(Score(piece.name, piece.voice, target, method, *figures))
    return rows


def other_families(piece: Piece, target: str) -> list[str]:
    """Families that a piece's negatives come from: those that play beside the target, or else the usual ones."""
    playing = [family for family in piece.families() if family not in {target, "other"}]
    return playing or [name for name in TARGETS if name != target]
