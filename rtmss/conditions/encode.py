"""Making conditions: example clips in, a condition vector out."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from rtmss.audio import Audio
from rtmss.conditions.clips import Clip, Excerpt, read_clip
from rtmss.conditions.condition import (
    ClipRecord,
    Condition,
    ConditionError,
    ConditionHeader,
    ConditionLimits,
    check_condition_name,
)
from rtmss.config import listed, shown
from rtmss.model.separator import N_CHANNELS, SeparatorModel

SHORTEST_SECONDS = 0.5
SILENCE_DBFS = -60.0
ABSURD_DBFS = 100.0
LISTENED_SECONDS = 10.0
"""Of a clip, where it is loudest, to see what its condition leaves of it."""
START_SECONDS = 0.5
"""In which the separator gets to know a clip; they are not counted."""
UNMIXED_SHARE = 0.8
"""Of what the embedding of a clip of a mixture has in common with the negative clips, so much is
taken out. Of 0.5, 0.8, 0.95 and 1.1, on clips out of rendered bands, this had the highest mean
edge."""
NORM_MARGIN = 4.0
"""A condition may be longer than any of clips, as when it is made by hand, but not absurdly."""


def check_clip(audio: Audio, sample_rate: int, name: str) -> None:
    """Refuse a clip that says nothing.

    Args:
        audio: (C, S).
        sample_rate: Hz.
        name: what to call the clip in the message.

    Raises:
        ConditionError: shorter than half a second, silent, absurdly loud, or not finite.
    """
    seconds = audio.shape[-1] / sample_rate
    if seconds < SHORTEST_SECONDS:
        raise ConditionError(
            f"{name}: {seconds:.2f} s is too short, give at least {SHORTEST_SECONDS} s"
        )
    if not np.isfinite(audio).all():
        raise ConditionError(f"{name}: holds NaN or infinite samples")
    level = 10 * np.log10(
        float(
            np.square(
                audio,
                dtype=np.float64,
            ).mean()
        )
        + 1e-12
    )
    if level < SILENCE_DBFS:
        raise ConditionError(
            f"{name}: silent ({level:.0f} dBFS), give a clip in which the sound is heard"
        )
    if level > ABSURD_DBFS:
        raise ConditionError(f"{name}: its samples ({level:.0f} dBFS) are none of a sound")


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
    positives = embed_clips(model, positive)
    negatives = embed_clips(model, negative)
    return combine(model, positives, negatives), positives, negatives


def embed_clips(
    model: SeparatorModel,
    clips: Sequence[Audio],
) -> NDArray[np.float32]:
    """Embed clips: (C, S) each, at the model's sample rate, to (number of clips, E)."""
    encoder = model.clip_encoder
    rows = [
        encoder.embed_clip(torch.from_numpy(np.ascontiguousarray(clip.mean(0)))).numpy()
        for clip in clips
    ]
    shape = len(rows), encoder.config.n_embedding
    return np.asarray(rows, np.float32).reshape(shape)


def similarity_to_clips(
    model: SeparatorModel,
    condition: Condition,
    audio: Audio,
    name: str,
) -> float:
    """How like the positive clips of a condition a sound is.

    Args:
        model: the weights.
        condition: has positive clips.
        audio: (C, S) at the model's sample rate.
        name: what to call the sound in messages.

    Returns:
        The cosine of its embedding with the mean of theirs.

    Raises:
        ConditionError: the sound is too short or silent, or there are no positive clips.
    """
    if not len(condition.positive):
        raise ConditionError(f"condition '{condition.name}' has no clips of a wanted sound")
    check_clip(audio, model.config.sample_rate, name)
    (embedding,) = embed_clips(model, [audio])
    mean = condition.positive.mean(0)
    return float(embedding @ mean / max(float(np.linalg.norm(mean)), 1e-9))


def unmixed(
    positive: NDArray[np.float32],
    negative: NDArray[np.float32],
) -> NDArray[np.float32]:
    """Take what else plays in clips out of their embeddings.

    A clip that was cut out of a mixture is partly like the other sounds in it. Where they are the
    negative clips, their direction is what is wrong with it.

    Args:
        positive: (K, E) of clips of mixtures, unit length.
        negative: (N, E) of what else plays in them.

    Returns:
        (K, E), unit length.
    """
    if not len(positive) or not len(negative):
        return positive
    mean = negative.mean(0)
    direction = mean / max(float(np.linalg.norm(mean)), 1e-9)
    common = np.maximum(positive @ direction, 0)[:, None] * direction
    rest = positive - UNMIXED_SHARE * common
    return np.asarray(rest / np.linalg.norm(rest, axis=1, keepdims=True), np.float32)


@torch.no_grad()
def combine(
    model: SeparatorModel,
    positive: NDArray[np.float32],
    negative: NDArray[np.float32],
    of_mixture: Sequence[bool] = (),
) -> NDArray[np.float32]:
    """Make the condition vector of embeddings.

    Args:
        model: the weights.
        positive: (K, E) of clips of the wanted sound.
        negative: (N, E) of unwanted sounds.
        of_mixture: which of the K positive clips were cut out of mixtures; none if it is empty.

    Returns:
        (n_condition,) vector.
    """
    if any(of_mixture):
        rows = np.flatnonzero(of_mixture)
        positive = positive.copy()
        positive[rows] = unmixed(positive[rows], negative)
    n_embedding = model.clip_encoder.config.n_embedding
    sides = [torch.from_numpy(side) for side in (positive, negative)]
    means = [side.mean(0) if len(side) else torch.zeros(n_embedding) for side in sides]
    vector: NDArray[np.float32] = model.condition_head(*means).numpy()
    return vector


@torch.no_grad()
def left_over_db(
    model: SeparatorModel,
    clip: Audio,
    vector: NDArray[np.float32],
) -> float:
    """What a condition leaves of a clip when it takes out what is wanted.

    Args:
        model: the weights.
        clip: (C, S), 1 or 2 channels, at the model's sample rate.
        vector: (n_condition,) of the condition.

    Returns:
        dB over the clip, at most 0 unless the separation is worse than none.
    """
    config = model.config
    heard = _loudest(clip, int(LISTENED_SECONDS * config.sample_rate))
    heard = (
        np.repeat(
            heard,
            N_CHANNELS,
            axis=0,
        )
        if heard.shape[0] == 1
        else heard
    )
    n_samples = heard.shape[1]
    hop = config.stft.hop_length
    n_padded = -(-(n_samples + config.delay) // hop) * hop
    sound = torch.from_numpy(
        np.pad(
            heard,
            ((0, 0), (0, n_padded - n_samples)),
        )
    )[None]
    condition = torch.from_numpy(vector)[None, None]
    targets, _ = model(sound, condition, model.init_state(1, 1))
    taken = targets[0, 0, :, config.delay : config.delay + n_samples].numpy()
    start = min(int(START_SECONDS * config.sample_rate), n_samples // 2)
    left = np.square(
        heard - taken,
        dtype=np.float64,
    )[:, start:].sum()
    whole = np.square(
        heard,
        dtype=np.float64,
    )[:, start:].sum()
    return float(10 * np.log10((left + 1e-12) / (whole + 1e-12)))


def _loudest(clip: Audio, n_samples: int) -> Audio:
    """(C, n_samples) of a clip where it is loudest; the clip itself if it is no longer."""
    if clip.shape[1] <= n_samples:
        return clip
    power = np.square(clip, dtype=np.float64).sum(0)
    total = np.concatenate([[0.0], np.cumsum(power)])
    start = int(np.argmax(total[n_samples:] - total[:-n_samples]))
    return clip[:, start : start + n_samples]


def _list_of(clips: Sequence[Clip]) -> list[Clip]:
    """The clips of one side.

    Raises:
        ConditionError: they are one path instead of a list, or one is no path.
    """
    if isinstance(clips, str | Path | Excerpt):
        raise ConditionError(
            f"expected a list of clips, got '{clips}'; put it into one: ['{clips}']"
        )
    given = listed(clips)
    if given is None or not all(
        isinstance(
            one,
            str | os.PathLike | Excerpt,
        )
        for one in given
    ):
        raise ConditionError(f"expected a list of paths of clips, got {shown(clips)}")
    return list(given)


def create_condition(
    model: SeparatorModel,
    model_id: str,
    name: str,
    positive: Sequence[Clip],
    negative: Sequence[Clip],
) -> Condition:
    """Make a condition from clips of any length from half a second, at any rate.

    Args:
        model: the weights.
        model_id: theirs.
        name: of the condition.
        positive: files of the wanted sound, or places in songs; see `read_clip`.
        negative: the same of unwanted sounds.

    Raises:
        AudioFileError: a clip cannot be read.
        ConditionError: a clip is too short or silent, or there are none.
    """
    check_condition_name(name)
    audios: list[list[Audio]] = []
    records: list[list[ClipRecord]] = []
    rate = model.config.sample_rate
    for side in (positive, negative):
        clips = _list_of(side)
        read = [read_clip(clip, rate) for clip in clips]
        for clip, (audio, _) in zip(clips, read, strict=True):
            check_clip(audio, rate, str(clip))
        audios.append([audio for audio, _ in read])
        records.append([record for _, record in read])
    if not audios[0] and not audios[1]:
        raise ConditionError("a condition needs at least one clip, positive or negative")
    positives, negatives = (embed_clips(model, side) for side in audios)
    of_mixture = [record.is_of_mixture for record in records[0]]
    vector = combine(model, positives, negatives, of_mixture)
    wanted = tuple(
        record.model_copy(
            update={
                "left_over_db": round(
                    left_over_db(model, audio, vector),
                    1,
                )
            }
        )
        for record, audio in zip(
            records[0],
            audios[0],
            strict=True,
        )
    )
    unwanted = tuple(records[1])
    header = ConditionHeader(name=name, model_id=model_id, positive=wanted, negative=unwanted)
    return Condition(header, vector, positives, negatives)
