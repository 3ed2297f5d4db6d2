"""The separator for programs: load weights, make conditions, separate arrays.

Axes: C channels, S samples.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from rtmss.audio import Audio
from rtmss.conditions.clips import Clip
from rtmss.conditions.condition import (
    Condition,
    ConditionError,
    ConditionHeader,
    ConditionLimits,
    check_condition_name,
)
from rtmss.conditions.encode import check_clip, create_condition, encode_clips, limits_of
from rtmss.config import PROFILES, UserError, listed, shown
from rtmss.engine.control import Scene, Stem
from rtmss.engine.session import Output, Session
from rtmss.files import AudioArrayError, as_audio, check_rate, resample, silence_bad
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
    def load(
        cls,
        path: str | Path | None = None,
        profile: str | None = None,
    ) -> Separator:
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
        if not isinstance(path, str | os.PathLike | None):
            raise UserError(f"expected the path of weights, got {shown(path)}")
        return cls(
            *load_model(
                default_weights() if path is None else Path(path),
                stft,
            )
        )

    @property
    def limits(self) -> ConditionLimits:
        """What the model takes of a condition."""
        return limits_of(self.model)

    def condition(
        self,
        positive: Sequence[ArrayLike] = (),
        negative: Sequence[ArrayLike] = (),
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
            ConditionError: a clip is too short, silent or not finite, or there are none.
            AudioArrayError: a clip is no audio, or there is no such sample rate.
        """
        rate = check_rate(sample_rate)
        check_condition_name(name)
        sides: list[list[Audio]] = []
        for side, clips in (("positive", positive), ("negative", negative)):
            taken = _clips(clips, side)
            for number, clip in enumerate(taken, 1):
                check_clip(clip, rate, f"{side} clip {number}")
            sides.append(
                [
                    resample(
                        clip,
                        rate,
                        self.model.config.sample_rate,
                    )
                    for clip in taken
                ]
            )
        vector, positives, negatives = encode_clips(self.model, *sides)
        return Condition(
            ConditionHeader(name=name, model_id=self.model_id), vector, positives, negatives
        )

    def condition_from_files(
        self, name: str, positive: Sequence[Clip], negative: Sequence[Clip] = ()
    ) -> Condition:
        """Make a condition from clip files, or from places in songs, with their provenance.

        Raises:
            AudioFileError: a clip cannot be read.
            ConditionError: a clip is too short or silent, or there are none.
        """
        return create_condition(self.model, self.model_id, name, positive, negative)

    def separate(self, audio: ArrayLike, sample_rate: int, condition: Condition) -> Audio:
        """Separate one target out of a whole piece.

        Args:
            audio: (C, S), 1 or 2 channels; see `rtmss.files.arrays`.
            sample_rate: Hz; other rates than the model's are resampled there and back.
            condition: what to separate.

        Returns:
            (2, S) the target, aligned to `audio` to the sample; `audio` less it is the remainder.
        """
        return np.asarray(
            self.separate_all(
                audio,
                sample_rate,
                [condition],
            )[0]
        )

    def separate_all(
        self, audio: ArrayLike, sample_rate: int, conditions: Sequence[Condition]
    ) -> Audio:
        """Separate several targets out of a whole piece in one pass.

        Args:
            audio: (C, S), 1 or 2 channels; see `rtmss.files.arrays`.
            sample_rate: Hz; other rates than the model's are resampled there and back.
            conditions: what to separate, N of them, at most 8.

        Returns:
            (N, 2, S) the targets, each aligned to `audio` to the sample.

        Raises:
            AudioArrayError: it is no audio, or there is no such sample rate.
            ConditionError: a condition was made for other weights, or does not fit the model.
        """
        sound = silence_bad(as_audio(audio))
        scene = Scene(self._stems(conditions))
        session = Session(self.model, scene, sample_rate=check_rate(sample_rate))
        return play_whole(session, sound).stems

    def _stems(self, conditions: Sequence[Condition]) -> tuple[Stem, ...]:
        """A stem for each condition.

        Raises:
            ConditionError: one is none, or was made for other weights.
        """
        given = listed(conditions)
        if given is None:
            raise ConditionError(f"expected a list of conditions, got {shown(conditions)}")
        for condition in given:
            if not isinstance(condition, Condition):
                raise ConditionError(f"expected a condition, got {shown(condition)}")
            if condition.header.model_id and self.model_id:  # else nothing is known
                condition.header.check_model(self.model_id)
        return tuple(
            Stem(
                str(i),
                condition,
            )
            for i, condition in enumerate(given)
        )


def _clips(clips: Sequence[ArrayLike], side: str) -> list[Audio]:
    """The clips of one side as audio.

    Raises:
        AudioArrayError: one is none, or they are one array instead of a list.
    """
    given = listed(clips)
    if given is None:
        raise AudioArrayError(f"{side}: expected a list of clips, got {type(clips).__name__}")
    return [as_audio(clip, f"{side} clip {number}") for number, clip in enumerate(given, 1)]


def play_whole(session: Session, audio: ArrayLike) -> Output:
    """Play a whole piece through a session, in large blocks.

    Args:
        session: at the start of its stream.
        audio: (1 or 2, S) at the session's sample rate; see `rtmss.files.arrays`.

    Raises:
        AudioArrayError: it is no audio.

    Returns:
        Every field aligned to `audio` and as long as it.
    """
    sound = as_audio(audio)
    n, hop = sound.shape[-1], session.hop_length
    n_padded = -(-(n + session.delay) // hop) * hop
    padded = np.pad(
        sound,
        ((0, 0), (0, n_padded - n)),
    )
    steps = [
        session.step(padded[:, i : i + BLOCK_HOPS * hop])
        for i in range(0, n_padded, BLOCK_HOPS * hop)
    ]
    fields = (
        np.concatenate(
            pieces,
            axis=-1,
        )
        for pieces in zip(*steps, strict=True)
    )
    return Output(*(field[..., session.delay : session.delay + n] for field in fields))
