"""Conditions and clips that programs hand over."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from helpers.makers import MakeCondition, Noise
from rtmss.audio import Audio
from rtmss.conditions.condition import Condition
from rtmss.config import UserError
from rtmss.model.separator import SeparatorModel
from rtmss.separator import Separator

RATE = 8000
HOP = 64


@pytest.fixture(scope="module")
def separator(tiny: SeparatorModel) -> Separator:
    return Separator(tiny, "0123456789ab")


@pytest.fixture(scope="module")
def audio() -> Audio:
    rng = np.random.default_rng(3)
    return np.asarray(
        0.2 * rng.standard_normal((2, 20 * HOP)),
        np.float32,
    ).clip(-0.9, 0.9)


@pytest.mark.parametrize(
    "thing",
    [
        "vocals",
        None,
        np.ones(12, np.float32),
        ["vocals"],
    ],
)
def test_what_is_no_condition_is_refused(separator: Separator, audio: Audio, thing: Any) -> None:
    with pytest.raises(UserError, match="expected a"):
        separator.separate(audio, RATE, thing)


def test_one_condition_in_the_place_of_a_list_is_refused(
    separator: Separator, audio: Audio, make_condition: MakeCondition
) -> None:
    one: Any = make_condition()
    with pytest.raises(UserError, match="expected a list of conditions"):
        separator.separate_all(audio, RATE, one)


def test_a_condition_of_other_weights_is_refused(
    tiny: SeparatorModel, audio: Audio, make_condition: MakeCondition
) -> None:
    with pytest.raises(UserError, match="was made for weights 0123456789ab, these are ba98"):
        Separator(tiny, "ba9876543210").separate(audio, RATE, make_condition())


@pytest.mark.parametrize(
    "kind",
    [np.float64, np.float16, np.int64],
)
def test_a_vector_of_other_numbers_is_taken(separator: Separator, audio: Audio, kind: type) -> None:
    vector = np.arange(12) % 3
    target = separator.separate(
        audio,
        RATE,
        Condition.bare("x", vector.astype(kind)),
    )
    expected = separator.separate(
        audio,
        RATE,
        Condition.bare("x", vector.astype(np.float32)),
    )
    assert np.array_equal(target, expected)


def test_a_read_only_vector_is_taken_without_a_warning(separator: Separator, audio: Audio) -> None:
    vector = np.ones(12, np.float32)
    vector.flags.writeable = False
    separator.separate(audio, RATE, Condition.bare("x", vector))


def test_clips_in_the_place_of_a_list_are_refused(separator: Separator, audio: Audio) -> None:
    clips: Any = audio
    with pytest.raises(UserError, match="positive: expected a list of clips"):
        separator.condition(clips, sample_rate=RATE)
    path: Any = "voice.wav"
    with pytest.raises(UserError, match="expected a list of clips"):
        separator.condition_from_files("x", path)


def test_clips_of_whole_numbers_give_the_condition_of_their_floats(
    separator: Separator, noise: Noise
) -> None:
    clip = noise(RATE, 1)
    whole = (clip * 32768).astype(np.int16)
    taken = separator.condition([whole], sample_rate=RATE).vector
    expected = separator.condition(
        [whole / np.float32(32768)],
        sample_rate=RATE,
    ).vector
    assert np.array_equal(taken, expected)


def test_paths_may_be_texts(
    separator: Separator,
    noise: Noise,
    tmp_path: Path,
    write_audio: Callable[[Path, Audio, int], Path],
) -> None:
    clip = write_audio(tmp_path / "clip.wav", noise(RATE), RATE)
    told = separator.condition_from_files("x", [str(clip)])
    assert told.header == separator.condition_from_files("x", [clip]).header
