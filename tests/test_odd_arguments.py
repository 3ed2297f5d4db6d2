"""Whatever a program hands over by mistake is refused in one line, and by every call alike."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from helpers.makers import MakeCondition, Noise, WriteAudio
from rtmss.conditions.condition import Condition, ConditionError, load_condition
from rtmss.conditions.preset import Preset
from rtmss.config import UserError, read_yaml, shown
from rtmss.engine.control import Scene, Stem
from rtmss.engine.session import Session
from rtmss.files import AudioArrayError, as_audio
from rtmss.model.separator import SeparatorModel
from rtmss.recording.log_reader import SessionLog
from rtmss.rendering import RenderPlan, render
from rtmss.separator import Separator

RATE = 8000


class Spoilt:
    """An object of which nothing can be had."""

    def __repr__(self) -> str:
        raise RuntimeError("two\nlines")

    def __array__(self, *_: object, **__: object) -> Any:
        raise RuntimeError("two\nlines")


class Uncountable(list[Any]):
    """A list that says nothing of itself."""

    def __len__(self) -> int:
        raise ValueError("two\nlines")

    def __repr__(self) -> str:
        raise ValueError("two\nlines")


def endless() -> list[Any]:
    inside: list[Any] = []
    inside.append(inside)
    return inside


ODD: dict[str, Any] = {
    "an array": np.linspace(0, 1, 200).reshape(2, 100),
    "complex numbers": np.ones((2, 3), np.complex64),
    "a tensor": torch.ones(2, 30),
    "a sparse tensor": torch.ones(2, 30).to_sparse(),
    "a tensor without memory": torch.ones(2, 3, device="meta"),
    "a view of memory": memoryview(bytes(6)).cast("B", (2, 3)),
    "bytes": bytearray(8),
    "a number": 5.5,
    "a table": {"a": 1},
    "a list in itself": endless(),
    "rows of two lengths": [[1.0], [1.0, 2.0]],
    "huge numbers": [10**400],
    "lines": ["two\nlines" * 30],
    "a class": np.ndarray,
    "dots": ...,
    "spoilt": Spoilt(),
    "an uncountable list": Uncountable([1]),
}
Call = Callable[[Separator, Condition, Any], object]
AUDIO = np.full((2, RATE), 0.1, np.float32)
CALLS: dict[str, Call] = {
    "conditions": lambda separator, _, odd: separator.separate_all(AUDIO, RATE, odd),
    "a condition": lambda separator, _, odd: separator.separate(AUDIO, RATE, odd),
    "a rate": lambda separator, condition, odd: separator.separate(AUDIO, [odd], condition),  # type: ignore[arg-type]
    "a name": lambda separator, _, odd: separator.condition([AUDIO], sample_rate=RATE, name=odd),
    "clips": lambda separator, _, odd: separator.condition([odd, 1], sample_rate=RATE),
    "files": lambda separator, _, odd: separator.condition_from_files("x", odd),
    "a file": lambda separator, _, odd: separator.condition_from_files("x", [odd]),
    "weights": lambda _, __, odd: Separator.load(odd),
    "a profile": lambda _, __, odd: Separator.load(None, odd),
    "a vector": lambda separator, _, odd: separator.separate(AUDIO, RATE, Condition.bare("x", odd)),
    "a scene": lambda separator, _, odd: Session(separator.model, odd),
    "outputs": lambda separator, _, odd: Session(separator.model, None, odd),
    "stems": lambda _, __, odd: Scene(odd),
    "a fade": lambda _, __, odd: Scene(fade_ms=[odd]),  # type: ignore[arg-type]
    "a fallback": lambda _, __, odd: Scene(fallback=odd),
    "a remainder": lambda _, __, odd: Scene(remainder=odd),
    "whose strip": lambda _, condition, odd: Scene((Stem("x", condition),)).with_strip(odd),
    "whose condition": lambda _, condition, odd: Scene().with_condition(odd, condition),
    "a stem's name": lambda _, condition, odd: Stem(odd, condition),
    "a stem's condition": lambda _, __, odd: Stem("x", odd),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
@pytest.mark.parametrize("odd", ODD.values(), ids=ODD.keys())
def test_what_is_no_argument_is_refused_in_one_line(
    tiny: SeparatorModel, make_condition: MakeCondition, odd: Any, call: Call
) -> None:
    with pytest.raises(UserError) as caught:
        call(Separator(tiny, ""), make_condition(), odd)
    text = str(caught.value)
    assert text
    assert len(text) < 600
    assert len(text.splitlines()) == 1


def test_stems_and_clips_may_come_one_by_one(
    tiny: SeparatorModel, make_condition: MakeCondition, noise: Noise
) -> None:
    stem = Stem("x", make_condition())
    stems: Any = (one for one in [stem])
    assert Scene(stems).stems == (stem,)
    clips: Any = (clip for clip in [noise(RATE)])
    assert Separator(tiny, "").condition(clips, sample_rate=RATE).vector.shape == (12,)


def test_samples_that_are_none_of_a_sound_make_no_condition(tiny: SeparatorModel) -> None:
    """Finite ones too, whose squares are not."""
    clip = np.full((2, RATE), 3e38, np.float32)
    with pytest.raises(ConditionError, match="are none of a sound"):
        Separator(tiny, "").condition([clip], sample_rate=RATE)


def test_masked_samples_are_refused() -> None:
    masked = np.ma.masked_array(np.ones((2, 9)), mask=np.eye(2, 9, dtype=bool))
    with pytest.raises(AudioArrayError, match=r"some samples are masked; give audio\.filled"):
        as_audio(masked)


@pytest.mark.parametrize(
    ("value", "text"),
    [("two\nlines", "'two\\nlines'"), (np.zeros((2, 2)), "array([[0., 0.], [0., 0.]])")],
)
def test_a_value_is_shown_on_one_line(value: object, text: str) -> None:
    assert shown(value) == text
    assert len(shown([value] * 10_000_000)) <= 80


def test_a_message_of_others_stays_on_one_line() -> None:
    assert str(UserError("a\r\nb")) == "a\\r\\nb"


@pytest.mark.parametrize("name", ["x" * 300, "y/" * 3000, "nul\0"], ids=["long", "deep", "nul"])
def test_a_path_that_no_system_has_is_refused_by_all_readers_and_writers(
    tiny: SeparatorModel, noise: Noise, tmp_path: Path, write_audio: WriteAudio, name: str
) -> None:
    song = write_audio(tmp_path / "song.wav", noise(2000), RATE)
    tries: dict[str, Callable[[], object]] = {
        "a song": lambda: render(tmp_path / name, tmp_path / "out", tiny, RenderPlan(Scene())),
        "a folder": lambda: render(song, tmp_path / name, tiny, RenderPlan(Scene())),
        "weights": lambda: Separator.load(tmp_path / name),
        "a condition": lambda: load_condition(tmp_path / name),
        "a clip": lambda: Separator(tiny, "").condition_from_files("x", [name]),
        "a preset": lambda: read_yaml(tmp_path / name, Preset),
        "a log": lambda: SessionLog.load(tmp_path / name, ""),
    }
    for refused in tries.values():
        with pytest.raises(UserError, match=r"no such|cannot be read|cannot write there") as caught:
            refused()
        assert len(str(caught.value).splitlines()) == 1
