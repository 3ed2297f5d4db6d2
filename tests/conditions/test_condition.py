from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from helpers.makers import MakeCondition, Noise, WriteAudio
from rtmss.audio import Audio
from rtmss.conditions.condition import (
    ClipRecord,
    Condition,
    ConditionError,
    ConditionHeader,
    clip_similarities,
    load_condition,
    nearest,
    save_condition,
)
from rtmss.conditions.encode import check_clip, create_condition, encode_clips
from rtmss.model.separator import SeparatorModel


def test_loading_gives_back_what_was_saved(tmp_path: Path, make_condition: MakeCondition) -> None:
    condition = make_condition("lead-voice", 3)
    save_condition(tmp_path / "c.safetensors", condition)
    loaded = load_condition(tmp_path / "c.safetensors", condition.header.model_id)
    assert loaded.header == condition.header
    for field in ("vector", "positive", "negative"):
        assert np.array_equal(getattr(loaded, field), getattr(condition, field))


def test_a_vector_of_other_weights_is_refused_with_the_command_that_rebuilds_it(
    tmp_path: Path, make_condition: MakeCondition
) -> None:
    clips = {
        "positive": (ClipRecord(file="my voice.wav", seconds=2.0, sha256="00"),),
        "negative": (ClipRecord(file="kit.wav", seconds=2.0, sha256="11"),),
    }
    condition = make_condition("singer")
    header = condition.header.model_copy(update=clips)
    save_condition(tmp_path / "c.safetensors", replace(condition, header=header))
    with pytest.raises(ConditionError) as caught:
        load_condition(tmp_path / "c.safetensors", "ffffffffffff")
    assert "made for weights 0123456789ab, these are ffffffffffff" in str(caught.value)
    command = "rtmss condition create singer --positive 'my voice.wav' --negative kit.wav"
    assert str(caught.value).endswith(command)


def test_without_a_model_id_any_condition_is_read(
    tmp_path: Path, make_condition: MakeCondition
) -> None:
    save_condition(tmp_path / "c.safetensors", make_condition())
    assert load_condition(tmp_path / "c.safetensors").name == "vocals"


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConditionError, match=r"none\.safetensors: no such condition file"):
        load_condition(tmp_path / "none.safetensors")


def test_a_file_of_another_format_is_refused(tmp_path: Path) -> None:
    (tmp_path / "c.safetensors").write_bytes(b"fLaC" * 50)
    with pytest.raises(ConditionError, match="not a condition file"):
        load_condition(tmp_path / "c.safetensors")


def test_a_file_of_another_kind_says_what_it_is(tmp_path: Path) -> None:
    save_file(
        {"a": np.zeros(1)},
        tmp_path / "c.safetensors",
        metadata={"kind": "rtmss-separator"},
    )
    with pytest.raises(ConditionError, match="holds 'rtmss-separator', expected 'rtmss-condition'"):
        load_condition(tmp_path / "c.safetensors")


def test_a_file_without_its_vector_is_refused(
    tmp_path: Path, make_condition: MakeCondition
) -> None:
    path = tmp_path / "c.safetensors"
    save_condition(path, make_condition())
    with safe_open(path, framework="np") as file:
        header = file.metadata()
    tensors = load_file(path)
    del tensors["vector"]
    save_file(tensors, path, metadata=header)
    with pytest.raises(ConditionError, match="damaged: holds negative, positive"):
        load_condition(path)


def test_a_file_of_another_version_says_which(
    tmp_path: Path, make_condition: MakeCondition
) -> None:
    condition = make_condition()
    save_condition(
        tmp_path / "c.safetensors",
        replace(
            condition,
            header=condition.header.model_copy(update={"version": 9}),
        ),
    )
    with pytest.raises(ConditionError, match="version 9, this rtmss reads 1"):
        load_condition(tmp_path / "c.safetensors")


def test_the_outlier_among_clips_is_the_least_similar() -> None:
    clips = np.array(
        [
            [1, 0, 0],
            [0.9, 0.1, 0],
            [0.95, 0, 0.1],
            [0, 1, 0],
        ],
        np.float32,
    )
    clips /= np.linalg.norm(clips, axis=1, keepdims=True)
    scores = clip_similarities(clips)
    assert scores.argmin() == 3
    others = clips[:3].mean(0)
    assert scores[3] == pytest.approx(
        clips[3] @ others / np.linalg.norm(others),
        abs=1e-6,
    )


def test_a_clip_alone_is_like_itself() -> None:
    assert clip_similarities(
        np.ones(
            (1, 4),
            np.float32,
        )
    ).tolist() == [1]


def test_other_conditions_are_listed_nearest_first(make_condition: MakeCondition) -> None:
    mine = make_condition("mine", 1)
    twin = Condition(
        ConditionHeader(
            name="twin",
            model_id="x",
        ),
        mine.vector * 3,
        mine.positive,
        mine.negative,
    )
    far = Condition(
        ConditionHeader(
            name="far",
            model_id="x",
        ),
        -mine.vector,
        mine.positive,
        mine.negative,
    )
    assert [
        name
        for name, _ in nearest(
            mine,
            [far, twin],
        )
    ] == ["twin", "far"]
    assert nearest(mine, [twin])[0][1] == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize(
    ("audio", "problem"),
    [
        (
            np.full(
                (1, 3999),
                0.1,
                np.float32,
            ),
            r"voice: 0\.50 s is too short, give at least 0\.5 s",
        ),
        (np.zeros((2, 8000), np.float32), r"voice: silent \(-120 dBFS\)"),
        (
            np.full(
                (2, 8000),
                5e-4,
                np.float32,
            ),
            r"voice: silent \(-66 dBFS\)",
        ),
        (
            np.full(
                (2, 8000),
                np.nan,
                np.float32,
            ),
            "voice: holds NaN or infinite samples",
        ),
    ],
)
def test_a_clip_that_says_nothing_is_refused(audio: Audio, problem: str) -> None:
    with pytest.raises(ConditionError, match=problem):
        check_clip(audio, 8000, "voice")


def test_half_a_second_of_quiet_sound_is_enough() -> None:
    check_clip(
        np.full((1, 4000), 2e-3, np.float32),
        8000,
        "voice",
    )


def test_a_condition_from_files_is_that_of_their_audio(
    tmp_path: Path, tiny: SeparatorModel, noise: Noise, write_audio: WriteAudio
) -> None:
    clips = [
        write_audio(
            tmp_path / f"{i}.wav",
            noise(9000, 2, i),
            8000,
        )
        for i in range(2)
    ]
    condition = create_condition(
        tiny,
        "id",
        "two",
        clips[:1],
        clips[1:],
    )
    vector, _, _ = encode_clips(
        tiny,
        [noise(9000, 2, 0)],
        [noise(9000, 2, 1)],
    )
    assert np.abs(condition.vector - vector).max() < 1e-2
    assert torch.from_numpy(condition.vector).max() > 0.01


def test_a_condition_from_files_remembers_them(
    tmp_path: Path, tiny: SeparatorModel, noise: Noise, write_audio: WriteAudio
) -> None:
    clip = write_audio(tmp_path / "a.wav", noise(22050, 1), 11025)
    header = create_condition(tiny, "id", "one", [clip], []).header
    assert (header.name, header.model_id) == ("one", "id")
    assert header.positive[0].file == str(clip)
    assert header.positive[0].seconds == pytest.approx(2.0, abs=1e-3)
    assert len(header.positive[0].sha256) == 64


def test_a_short_file_is_named(
    tmp_path: Path, tiny: SeparatorModel, noise: Noise, write_audio: WriteAudio
) -> None:
    clip = write_audio(tmp_path / "blip.wav", noise(2000, 1), 8000)
    with pytest.raises(ConditionError, match=r"blip\.wav: 0\.25 s is too short"):
        create_condition(tiny, "id", "x", [clip], [])


def test_conditions_are_equal_by_name_and_vector(make_condition: MakeCondition) -> None:
    condition = make_condition("vocals")
    bare = Condition.bare("vocals", condition.vector.copy())
    assert bare == condition
    assert hash(bare) == hash(condition)
    assert Condition.bare("voice", condition.vector) != condition
    assert Condition.bare("vocals", condition.vector * 2) != condition
    assert condition != "vocals"
