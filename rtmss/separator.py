"""The separator for programs: load weights, make conditions, separate arrays.

Axes: C channels, S samples.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import numpy as np

from rtmss.audio import Audio
from rtmss.conditions.condition import Condition, ConditionHeader
from rtmss.conditions.encode import check_clip, create_condition, encode_clips
from rtmss.config import PROFILES
from rtmss.engine.control import Scene, Stem
from rtmss.engine.session import Output, Session
from rtmss.files import resample
from rtmss.lookup import find
from rtmss.model.checkpoint import load_model
from rtmss.model.separator import SeparatorModel

BLOCK_HOPS = 64
"""Hops per step when nothing waits for the sound: larger blocks use the processor better and change
no sample.
"""


def default_weights() -> Path:
    """The weights that come with rtmss."""
    return Path(str(files("rtmss"))) / "weights" / "default.safetensors"


@dataclass(frozen=True)
class Separator:
    """Weights, ready to use."""

    model: SeparatorModel
    model_id: str

    @classmethod
    def load(cls, path: Path | None = None, profile: str | None = None) -> Separator:
        """Load weights; without a path those that come with rtmss.

        Args:
            path: the file.
            profile: a latency profile of `rtmss.config.PROFILES`, which the weights need not have
                been trained for; None for that of their training. Conditions go with the weights,
                whatever the profile.

        Raises:
            CheckpointError: the file is missing, of another kind or version, or damaged.
            ConfigError: there is no profile of this name, or the weights cannot play it.
        """
        stft = None if profile is None else find(profile, PROFILES, "profile")
        return cls(*load_model(path or default_weights(), stft))

    def condition(
        self,
        positive: Sequence[Audio] = (),
        negative: Sequence[Audio] = (),
        *,
        sample_rate: int,
        name: str = "target",
    ) -> Condition:
        """Make a condition from example clips.

        Args:
            positive: (C, S) clips of the wanted sound, at least half a second each.
            negative: (C, S) clips of unwanted sounds; alone they mean "everything except this".
            sample_rate: Hz, of all clips.
            name: what to call it.

        Raises:
            ConditionError: a clip is too short or silent, or there are none.
        """
        sides: list[list[Audio]] = []
        for side, clips in (("positive", positive), ("negative", negative)):
            for number, clip in enumerate(clips, 1):
                check_clip(clip, sample_rate, f"{side} clip {number}")
            sides.append(
                [
                    resample(np.atleast_2d(clip), sample_rate, self.model.config.sample_rate)
                    for clip in clips
                ]
            )
        vector, positives, negatives = encode_clips(self.model, *sides)
        return Condition(
            ConditionHeader(name=name, model_id=self.model_id), vector, positives, negatives
        )

    def condition_from_files(
        self, name: str, positive: Sequence[Path], negative: Sequence[Path] = ()
    ) -> Condition:
        """Make a condition from clip files, with their provenance.

        Raises:
            AudioFileError: a clip cannot be read.
            ConditionError: a clip is too short or silent, or there are none.
        """
        return create_condition(self.model, self.model_id, name, positive, negative)

    def separate(self, audio: Audio, sample_rate: int, condition: Condition) -> Audio:
        """Separate one target out of a whole piece.

        Args:
            audio: (C, S), 1 or 2 channels.
            sample_rate: Hz; other rates than the model's are resampled there and back.
            condition: what to separate.

        Returns:
            (2, S) the target, aligned to `audio` to the sample; `audio` less it is the remainder.
        """
        return np.asarray(self.separate_all(audio, sample_rate, [condition])[0])

    def separate_all(
        self, audio: Audio, sample_rate: int, conditions: Sequence[Condition]
    ) -> Audio:
        """Separate several targets out of a whole piece in one pass.

        Args:
            audio: (C, S), 1 or 2 channels.
            sample_rate: Hz; other rates than the model's are resampled there and back.
            conditions: what to separate, N of them, at most 8.

        Returns:
            (N, 2, S) the targets, each aligned to `audio` to the sample.

        Raises:
            ValueError: the samples are not floating point.
        """
        model_rate = self.model.config.sample_rate
        session = Session(
            self.model, Scene(tuple(Stem(str(i), c) for i, c in enumerate(conditions)))
        )
        targets = play_whole(session, resample(_checked(audio), sample_rate, model_rate)).stems
        if sample_rate != model_rate:
            targets = np.stack([resample(target, model_rate, sample_rate) for target in targets])
        targets = targets[..., : audio.shape[-1]]
        return np.pad(targets, ((0, 0), (0, 0), (0, audio.shape[-1] - targets.shape[-1])))


def play_whole(session: Session, audio: Audio) -> Output:
    """Play a whole piece through a session, in large blocks.

    Args:
        session: at the start of its stream.
        audio: (1 or 2, S) at the session's sample rate.

    Returns:
        Every field aligned to `audio` and as long as it.
    """
    n, hop = audio.shape[-1], session.hop_length
    n_padded = -(-(n + session.delay) // hop) * hop
    padded = np.pad(audio, ((0, 0), (0, n_padded - n)))
    steps = [
        session.step(padded[:, i : i + BLOCK_HOPS * hop])
        for i in range(0, n_padded, BLOCK_HOPS * hop)
    ]
    fields = (np.concatenate(pieces, axis=-1) for pieces in zip(*steps, strict=True))
    return Output(*(field[..., session.delay : session.delay + n] for field in fields))


def _checked(audio: Audio) -> Audio:
    audio = np.atleast_2d(audio)
    if not np.issubdtype(audio.dtype, np.floating):
        raise ValueError(f"expected floating point audio, full scale 1, got {audio.dtype}")
    return audio.astype(np.float32)
