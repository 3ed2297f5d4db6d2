from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from helpers.makers import Noise
from rtmss.conditions.condition import ConditionError
from rtmss.conditions.encode import UNMIXED_SHARE, combine, encode_clips, unmixed
from rtmss.model.clip_encoder import mel_filterbank, segment_clip
from rtmss.model.separator import SeparatorModel


@pytest.mark.parametrize(
    "seconds",
    [0.5, 0.73, 1.0, 1.01, 2.7],
)
def test_a_clip_of_any_length_gives_a_vector_of_length_one(
    tiny: SeparatorModel, noise: Noise, seconds: float
) -> None:
    audio = torch.from_numpy(
        noise(
            round(seconds * 8000),
            1,
        )[0]
    )
    embedding = tiny.clip_encoder.embed_clip(audio)
    assert embedding.shape == (16,)
    assert embedding.norm().item() == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("gain", [0.01, 5.0])
def test_the_level_of_a_clip_does_not_matter(
    tiny: SeparatorModel, noise: Noise, gain: float
) -> None:
    audio = torch.from_numpy(noise(20000, 1)[0])
    a, b = tiny.clip_encoder.embed_clip(audio), tiny.clip_encoder.embed_clip(audio * gain)
    assert (a - b).abs().max() < 1e-4


def test_different_sounds_have_different_embeddings(tiny: SeparatorModel, noise: Noise) -> None:
    audio = torch.from_numpy(noise(8000, 1)[0])
    tone = torch.sin(torch.arange(8000) * 0.3)
    a, b = tiny.clip_encoder.embed_clip(audio), tiny.clip_encoder.embed_clip(tone)
    assert (a - b).abs().max() > 0.01


def test_segments_overlap_by_half_and_reach_both_ends() -> None:
    segments = segment_clip(torch.arange(1.0, 301.0), 100)
    assert segments[:, 0].tolist() == [
        1,
        51,
        101,
        151,
        201,
    ]
    assert segments[-1, -1] == 300


def test_silent_passages_of_a_clip_are_left_out() -> None:
    audio = torch.cat([torch.ones(100), torch.zeros(300)])
    assert len(segment_clip(audio, 100)) == 2


@pytest.mark.parametrize("n_mels", [24, 96])
def test_every_mel_band_is_a_mean_over_bins(n_mels: int) -> None:
    bank = mel_filterbank(1025, n_mels, 44100)
    assert bank.min() >= 0
    assert torch.allclose(
        bank.sum(1),
        torch.ones(n_mels),
        atol=1e-5,
    )


def test_the_condition_is_a_rectified_linear_map_of_both_means(
    tiny: SeparatorModel, noise: Noise
) -> None:
    clips = [noise(8000, 2, seed) for seed in range(3)]
    vector, positive, negative = encode_clips(
        tiny,
        clips[:2],
        clips[2:],
    )
    head = tiny.condition_head.project
    means = 4 * np.concatenate(
        [positive.mean(0), negative.mean(0)]
    )  # 4: the root of the embedding's length
    expected = (head.weight.numpy() @ means + head.bias.numpy()).clip(0)
    assert (len(positive), len(negative)) == (2, 1)
    assert np.abs(vector - expected).max() < 1e-4
    assert vector.max() > 0.01


def test_a_side_without_clips_counts_as_zeros(tiny: SeparatorModel, noise: Noise) -> None:
    clip = noise(8000)
    only_positive, embeddings, none = encode_clips(tiny, [clip], [])
    only_negative, _, _ = encode_clips(tiny, [], [clip])
    head = tiny.condition_head.project
    expected = (head.weight.numpy()[:, :16] @ (4 * embeddings[0]) + head.bias.numpy()).clip(0)
    assert none.shape == (0, 16)
    assert np.abs(only_positive - expected).max() < 1e-4
    assert np.abs(only_positive - only_negative).max() > 0.01


def test_the_same_clip_twice_is_the_same_condition(tiny: SeparatorModel, noise: Noise) -> None:
    clip = noise(8000)
    assert np.allclose(
        encode_clips(tiny, [clip], [])[0],
        encode_clips(
            tiny,
            [clip, clip],
            [],
        )[0],
        atol=1e-6,
    )


def test_a_condition_of_no_clips_is_refused(tiny: SeparatorModel) -> None:
    with pytest.raises(ConditionError, match="at least one clip"):
        encode_clips(tiny, [], [])


def _unit(*rows: tuple[float, ...]) -> NDArray[np.float32]:
    array = np.array(rows, np.float32).reshape(len(rows), -1)
    return np.asarray(array / np.linalg.norm(array, axis=1, keepdims=True), np.float32)


def test_what_negatives_share_with_a_clip_of_a_mixture_is_taken_out() -> None:
    wanted, other = _unit((1, 0, 0)), _unit((0, 1, 0))
    mixed = _unit((1, 1, 0))
    (rest,) = unmixed(mixed, other)
    before, after = float(mixed[0] @ wanted[0]), float(rest @ wanted[0])
    assert after > before + 0.2
    assert float(rest @ other[0]) == pytest.approx((1 - UNMIXED_SHARE) * after, rel=1e-5)
    assert np.linalg.norm(rest) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("other", [(0.0, 0.0, 1.0), (-1.0, 0.0, 0.0)])
def test_negatives_that_are_unlike_a_clip_change_nothing(other: tuple[float, ...]) -> None:
    mixed = _unit((1, 1, 0))
    assert np.allclose(unmixed(mixed, _unit(other)), mixed)


def test_without_negatives_a_clip_of_a_mixture_is_as_any() -> None:
    mixed = _unit((1, 1, 0))
    assert unmixed(mixed, np.zeros((0, 3), np.float32)) is mixed


def test_only_clips_of_mixtures_are_changed(tiny: SeparatorModel) -> None:
    rng = np.random.default_rng(0)
    n_embedding = tiny.clip_encoder.config.n_embedding
    positive, negative = (_unit(*rng.uniform(0, 1, (2, n_embedding)).tolist()) for _ in range(2))
    plain = combine(tiny, positive, negative)
    assert np.array_equal(combine(tiny, positive, negative, [False, False]), plain)
    second = np.stack([positive[0], unmixed(positive[1:], negative)[0]])
    expected = combine(tiny, second, negative)
    assert np.array_equal(combine(tiny, positive, negative, [False, True]), expected)
    assert not np.allclose(expected, plain)
