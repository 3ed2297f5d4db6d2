from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from helpers.makers import MakeCondition, Noise
from rtmss.conditions.condition import ConditionError
from rtmss.engine.control import Scene, Stem
from rtmss.engine.session import Session
from rtmss.model.checkpoint import CheckpointError, save_model
from rtmss.model.separator import SeparatorModel
from rtmss.separator import Separator


@pytest.fixture
def separator(profiles: dict[str, SeparatorModel]) -> Separator:
    return Separator(profiles["default"], "0123456789ab")


@pytest.mark.parametrize("rate", [44100, 48000, 22050])
@pytest.mark.parametrize("n_samples", [1, 511, 30001])
def test_the_target_has_the_length_of_the_input(
    separator: Separator, noise: Noise, make_condition: MakeCondition, rate: int, n_samples: int
) -> None:
    target = separator.separate(noise(n_samples), rate, make_condition())
    assert target.shape == (2, n_samples)
    assert target.dtype == np.float32


@pytest.mark.parametrize("rate", [44100, 48000])
def test_the_target_is_aligned_to_the_input(
    open_model: SeparatorModel, make_condition: MakeCondition, rate: int
) -> None:
    t = np.arange(20000) / rate
    audio = np.stack([0.2 * np.sin(2 * np.pi * f * t) for f in (440, 3000)]).astype(np.float32)
    target = Separator(open_model, "").separate(audio, rate, make_condition())
    inner = slice(1000, -1000)
    assert np.abs(target[:, inner] - 1.1 * audio[:, inner]).max() < 2e-3


def test_an_array_is_separated_as_the_session_would(
    separator: Separator, noise: Noise, make_condition: MakeCondition
) -> None:
    audio, condition = noise(50 * 512), make_condition()
    session = Session(
        separator.model,
        Scene((Stem("x", condition),)),
    )
    stems = np.concatenate(
        [
            session.step(audio[:, i : i + 512]).stems[0]
            for i in range(
                0,
                50 * 512,
                512,
            )
        ],
        axis=-1,
    )
    target = separator.separate(audio, 44100, condition)
    assert np.abs(stems).max() > 0.01
    assert np.abs(target[:, : -session.delay] - stems[:, session.delay :]).max() <= 1e-5


def test_mono_comes_out_in_stereo(
    separator: Separator, noise: Noise, make_condition: MakeCondition
) -> None:
    mono = noise(5000, 1)
    target = separator.separate(mono, 44100, make_condition())
    both = separator.separate(
        np.repeat(mono, 2, axis=0),
        44100,
        make_condition(),
    )
    assert np.array_equal(target, both)


def test_separating_leaves_the_input_alone(
    separator: Separator, noise: Noise, make_condition: MakeCondition
) -> None:
    audio = noise(5000)
    copy = audio.copy()
    separator.separate(audio, 44100, make_condition())
    assert np.array_equal(audio, copy)


def test_three_channels_are_refused(
    separator: Separator, noise: Noise, make_condition: MakeCondition
) -> None:
    with pytest.raises(ValueError, match=r"expected \(1 or 2, "):
        separator.separate(noise(5000, 3), 44100, make_condition())


def test_a_condition_of_arrays_is_ready_to_use(separator: Separator, noise: Noise) -> None:
    condition = separator.condition(
        [noise(30000), noise(24000, 1)], [noise(48000, 2, 1)], sample_rate=48000, name="v"
    )
    assert (condition.name, condition.header.model_id) == ("v", separator.model_id)
    assert condition.vector.shape == (12,)
    assert (len(condition.positive), len(condition.negative)) == (2, 1)
    assert separator.separate(noise(5000), 44100, condition).any()


def test_the_rate_of_the_clips_hardly_matters(separator: Separator) -> None:
    clips = [
        np.sin(2 * np.pi * 440 * np.arange(rate) / rate)[None].astype(np.float32) * 0.3
        for rate in (44100, 48000)
    ]
    a = separator.condition(clips[:1], sample_rate=44100)
    b = separator.condition(clips[1:], sample_rate=48000)
    assert float((a.positive[0] * b.positive[0]).sum()) > 0.98


def test_a_clip_that_cannot_be_used_is_counted_off(separator: Separator, noise: Noise) -> None:
    with pytest.raises(ConditionError, match="negative clip 2: silent"):
        separator.condition(
            [],
            [
                noise(30000),
                np.zeros(
                    (2, 30000),
                    np.float32,
                ),
            ],
            sample_rate=44100,
        )


def test_weights_are_loaded_from_a_file(tmp_path: Path, tiny: SeparatorModel) -> None:
    model_id = save_model(tmp_path / "w.safetensors", tiny)
    assert Separator.load(tmp_path / "w.safetensors").model_id == model_id


def test_missing_weights_are_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no such weights file"):
        Separator.load(tmp_path / "none.safetensors")


def test_a_clip_without_a_channel_axis_is_mono(separator: Separator, noise: Noise) -> None:
    clip = noise(30000, 1)
    a, b = (
        separator.condition(
            [array],
            sample_rate=44100,
        )
        for array in (clip, clip[0])
    )
    assert np.array_equal(a.vector, b.vector)


def test_several_targets_in_one_pass_are_those_of_single_passes(
    separator: Separator, noise: Noise, make_condition: MakeCondition
) -> None:
    audio, conditions = (
        noise(20000),
        [make_condition(name, seed) for seed, name in enumerate("abc")],
    )
    together = separator.separate_all(audio, 48000, conditions)
    assert together.shape == (3, 2, 20000)
    for target, condition in zip(together, conditions, strict=True):
        assert np.abs(target - separator.separate(audio, 48000, condition)).max() <= 1e-5


def test_integer_samples_are_scaled(
    separator: Separator, noise: Noise, make_condition: MakeCondition
) -> None:
    whole = (noise(1000) * 32767).astype(np.int16)
    target = separator.separate(whole, 44100, make_condition())
    expected = separator.separate(
        whole / np.float32(32768),
        44100,
        make_condition(),
    )
    assert np.array_equal(target, expected)
