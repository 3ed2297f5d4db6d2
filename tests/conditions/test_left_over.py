"""What a condition leaves of its own clips, and what is said of clips that hold other sounds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from rtmss.audio import Audio
from rtmss.conditions.condition import ClipRecord, Condition, ConditionHeader
from rtmss.conditions.doubts import MIXED_DB, clip_warnings
from rtmss.conditions.encode import left_over_db
from rtmss.conditions.library import shipped
from rtmss.files import read_audio
from rtmss.model.separator import SeparatorModel
from rtmss.separator import Separator

RATE = 44100


def test_it_is_what_the_masks_leave(open_model: SeparatorModel) -> None:
    clip = 0.1 * np.random.default_rng(0).standard_normal((1, 60_000)).astype(np.float32)
    vector = np.zeros(open_model.config.unet.n_condition, np.float32)
    # Its masks are 1.1 everywhere: a tenth too much is taken.
    assert left_over_db(open_model, clip, vector) == pytest.approx(
        -20,
        abs=0.2,
    )


def test_of_a_long_clip_the_loudest_part_counts(
    open_model: SeparatorModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rtmss.conditions.encode.LISTENED_SECONDS", 1.0)
    heard: list[torch.Tensor] = []
    forward = open_model.forward

    def listen(audio: torch.Tensor, *others: Any) -> Any:
        heard.append(audio)
        return forward(audio, *others)

    monkeypatch.setattr(open_model, "forward", listen)
    clip = np.full((2, 3 * RATE), 1e-3, np.float32)
    clip[:, RATE : 2 * RATE] = 0.5
    left_over_db(
        open_model,
        clip,
        np.zeros(open_model.config.unet.n_condition, np.float32),
    )
    assert (heard[0][..., :RATE] == 0.5).all()


@pytest.fixture(scope="module")
def clips() -> dict[str, Audio]:
    """One clip of each of three families, equally loud, and a mixture of them."""
    files = {name: next((shipped() / "clips").glob(f"{name}-*.ogg")) for name in FAMILIES}
    sounds = {name: read_audio(path, RATE)[0] for name, path in files.items()}
    n_samples = min(sound.shape[1] for sound in sounds.values())
    cut = [sound.mean(0, keepdims=True)[:, :n_samples] for sound in sounds.values()]
    level = [0.1 * sound / np.sqrt(np.square(sound).mean()) for sound in cut]
    return dict(
        zip(
            FAMILIES,
            level,
            strict=True,
        )
    ) | {"mixture": np.sum(level, axis=0)}


FAMILIES = ("vocals", "drums", "bass")


@pytest.mark.slow
@pytest.mark.parametrize("name", [*FAMILIES, "mixture"])
def test_a_clip_of_one_sound_is_taken_out_and_a_mixture_is_not(
    clips: dict[str, Audio], name: str
) -> None:
    separator = Separator.load()
    condition = separator.condition([clips[name]], sample_rate=RATE)
    left = left_over_db(separator.model, clips[name], condition.vector)
    assert (left > MIXED_DB) == (name == "mixture")


def _condition(
    left_over: list[float | None],
    embeddings: list[list[float]],
) -> Condition:
    records = [
        ClipRecord(file=f"clip-{number}.wav", seconds=2.0, sha256="", left_over_db=left)
        for number, left in enumerate(left_over)
    ]
    header = ConditionHeader(name="lead", model_id="x", positive=tuple(records))
    rows = np.array(embeddings, np.float32)
    return Condition(
        header,
        np.zeros(2, np.float32),
        rows,
        np.zeros((0, 2), np.float32),
    )


def test_a_clip_that_holds_other_sounds_is_named() -> None:
    condition = _condition(
        [-18.0, -1.4],
        [[1, 0], [1, 0.1]],
    )
    (warning,) = clip_warnings(condition)
    assert warning.startswith("clip-1.wav: the condition leaves -1 dB of it")


def test_a_clip_unlike_the_others_is_named() -> None:
    condition = _condition(
        [-18.0] * 3,
        [
            [1, 0],
            [1, 0.1],
            [-1, 1],
        ],
    )
    assert clip_warnings(condition) == ["clip-2.wav: unlike the other positive clips"]


def test_of_clips_that_were_never_measured_nothing_is_said() -> None:
    assert (
        clip_warnings(
            _condition(
                [None, None],
                [[1, 0], [1, 0.1]],
            )
        )
        == []
    )
