"""Making conditions: example clips in, a condition vector out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from rtmss.audio import Audio
from rtmss.conditions.condition import (
    ClipRecord,
    Condition,
    ConditionError,
    ConditionHeader,
    ConditionLimits,
    describe_clip,
)
from rtmss.conditions.library import shipped
from rtmss.files import read_audio
from rtmss.model.separator import SeparatorModel

SHORTEST_SECONDS = 0.5
SILENCE_DBFS = -60.0
NORM_MARGIN = 4.0
"""A condition may be longer than any of clips, as when it is made by hand, but not absurdly."""


def check_clip(audio: Audio, sample_rate: int, name: str) -> None:
    """Refuse a clip that says nothing.

    Args:
        audio: (C, S).
        sample_rate: Hz.
        name: what to call the clip in the message.

    Raises:
        ConditionError: shorter than half a second, silent, or not finite.
    """
    seconds = audio.shape[-1] / sample_rate
    if seconds < SHORTEST_SECONDS:
        raise ConditionError(
            f"{name}: {seconds:.2f} s is too short, give at least {SHORTEST_SECONDS} s"
        )
    if not np.isfinite(audio).all():
        raise ConditionError(f"{name}: holds NaN or infinite samples")
    level = 10 * np.log10(float(np.square(audio, dtype=np.float64).mean()) + 1e-12)
    if level < SILENCE_DBFS:
        raise ConditionError(
            f"{name}: silent ({level:.0f} dBFS), give a clip in which the sound is heard"
        )


def limits_of(model: SeparatorModel) -> ConditionLimits:
    """What a model takes of a condition."""
    longest = NORM_MARGIN * model.condition_head.largest_norm
    return ConditionLimits(model.config.unet.n_condition, longest)


def encode_clips(
    model: SeparatorModel,
    positive: Sequence[Audio],
    negative: Sequence[Audio],
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Embed clips and make the condition vector.

    Args:
        model: the weights.
        positive: (C, S) clips of the wanted sound at the model's sample rate.
        negative: (C, S) clips of unwanted sounds; alone they mean "everything except this".

    Returns:
        (n_condition,) vector, (K, E) positive and (N, E) negative embeddings.

    Raises:
        ConditionError: no clips at all.
    """
    if not positive and not negative:
        raise ConditionError("a condition needs at least one clip, positive or negative")
    encoder = model.clip_encoder
    n_embedding = encoder.config.n_embedding
    sides = []
    for clips in (positive, negative):
        rows = [
            encoder.embed_clip(torch.from_numpy(np.ascontiguousarray(clip.mean(0))))
            for clip in clips
        ]
        sides.append(torch.stack(rows) if rows else torch.zeros(0, n_embedding))
    means = [side.mean(0) if len(side) else torch.zeros(n_embedding) for side in sides]
    with torch.no_grad():
        vector = model.condition_head(*means)
    return vector.numpy(), sides[0].numpy(), sides[1].numpy()


def _paths(clips: Sequence[str | Path]) -> list[Path]:
    """The paths of one side.

    Raises:
        ConditionError: they are one path instead of a list.
    """
    if isinstance(clips, str | Path):
        raise ConditionError(
            f"expected a list of clips, got '{clips}'; put it into one: ['{clips}']"
        )
    return [Path(clip) for clip in clips]


def _shipped_clip(path: Path) -> Path:
    return shipped() / path if (shipped() / path).exists() else path


def create_condition(
    model: SeparatorModel,
    model_id: str,
    name: str,
    positive: Sequence[str | Path],
    negative: Sequence[str | Path],
) -> Condition:
    """Make a condition from clip files of any length from half a second, at any rate.

    A relative path that leads nowhere from here is looked up among the clips that come with rtmss.

    Raises:
        AudioFileError: a clip cannot be read.
        ConditionError: a clip is too short or silent, or there are none.
    """
    audios: list[list[Audio]] = []
    records: list[tuple[ClipRecord, ...]] = []
    rate = model.config.sample_rate
    for given_paths in (positive, negative):
        paths = _paths(given_paths)
        found = [path if path.exists() else _shipped_clip(path) for path in paths]
        audios.append([read_audio(path, rate)[0] for path in found])
        for path, audio in zip(paths, audios[-1], strict=True):
            check_clip(audio, rate, str(path))
        rows = zip(paths, found, audios[-1], strict=True)
        records.append(
            tuple(describe_clip(given, file, audio.shape[-1] / rate) for given, file, audio in rows)
        )
    vector, positives, negatives = encode_clips(model, *audios)
    header = ConditionHeader(name=name, model_id=model_id, positive=records[0], negative=records[1])
    return Condition(header, vector, positives, negatives)
