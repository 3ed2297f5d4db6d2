"""What the API for programs takes of arrays, and what it refuses in one line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from helpers.makers import MakeCondition
from rtmss.audio import Audio
from rtmss.config import UserError
from rtmss.engine.control import Scene, Stem
from rtmss.engine.session import Session
from rtmss.files import BadSamplesWarning, as_audio, check_rate
from rtmss.model.separator import SeparatorModel
from rtmss.separator import Separator, play_whole

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


def read_only(audio: Audio) -> Audio:
    audio = audio.copy()
    audio.flags.writeable = False
    return audio


def every_second_row(audio: Audio) -> Audio:
    wide = np.zeros(
        (4, audio.shape[1]),
        np.float32,
    )
    wide[::2] = audio
    return wide[::2]


SAME: dict[str, Callable[[Audio], Any]] = {
    "float64": lambda audio: audio.astype(np.float64),
    "big-endian": lambda audio: audio.astype(">f4"),
    "a list": lambda audio: audio.tolist(),
    "a tuple of rows": tuple,
    "read-only": read_only,
    "columns first": np.asfortranarray,
    "a transposed view": lambda audio: np.ascontiguousarray(audio.T).T,
    "rows of a larger array": every_second_row,
    "a tensor": torch.from_numpy,
    "a tensor with a gradient": lambda audio: torch.tensor(audio, requires_grad=True),
}


@pytest.mark.parametrize(
    "make",
    SAME.values(),
    ids=SAME.keys(),
)
def test_the_same_numbers_in_another_form_give_the_same_samples(
    separator: Separator, audio: Audio, make_condition: MakeCondition, make: Callable[[Audio], Any]
) -> None:
    condition = make_condition()
    expected = separator.separate(audio, RATE, condition)
    assert np.abs(expected).max() > 0.001
    assert np.array_equal(
        separator.separate(make(audio), RATE, condition),
        expected,
    )


@pytest.mark.parametrize(
    "make",
    SAME.values(),
    ids=SAME.keys(),
)
def test_a_step_takes_the_same_forms(
    tiny: SeparatorModel, audio: Audio, make_condition: MakeCondition, make: Callable[[Audio], Any]
) -> None:
    scene = Scene((Stem("x", make_condition()),))
    expected = Session(tiny, scene).step(audio)
    assert np.array_equal(
        Session(tiny, scene).step(make(audio)).mix,
        expected.mix,
    )


WHOLE = {
    "int8": (np.int8, 0, 128),
    "uint8": (np.uint8, 128, 128),
    "int16": (np.int16, 0, 32768),
    "uint16": (np.uint16, 32768, 32768),
    "int32": (np.int32, 0, 2**31),
    "int64": (np.int64, 0, 2**63),
}


@pytest.mark.parametrize(
    ("kind", "middle", "full"),
    WHOLE.values(),
    ids=WHOLE.keys(),
)
def test_whole_numbers_are_scaled_to_full_scale(
    tiny: SeparatorModel,
    audio: Audio,
    make_condition: MakeCondition,
    kind: type,
    middle: int,
    full: int,
) -> None:
    whole: Any = (audio.astype(np.float64) * full + middle).astype(kind)
    taken = as_audio(whole)
    assert np.abs(taken - audio).max() <= 1.01 / min(full, 2**22)
    scene = Scene((Stem("x", make_condition()),))
    expected = Session(tiny, scene).step(taken).mix
    assert np.array_equal(
        Session(tiny, scene).step(whole).mix,
        expected,
    )


def test_a_flat_array_is_mono(
    separator: Separator, audio: Audio, make_condition: MakeCondition
) -> None:
    condition = make_condition()
    flat, row = (separator.separate(given, RATE, condition) for given in (audio[0], audio[:1]))
    assert np.array_equal(flat, row)


REFUSED: dict[str, tuple[Any, str]] = {
    "(samples, channels)": (
        np.zeros(
            (5000, 2),
            np.float32,
        ),
        r"give its transpose, audio\.T",
    ),
    "(samples, 1)": (
        np.zeros(
            (5000, 1),
            np.float32,
        ),
        r"give its transpose, audio\.T",
    ),
    "three channels": (
        np.zeros(
            (3, 5000),
            np.float32,
        ),
        r"expected \(1 or 2, S\) samples, got",
    ),
    "three axes": (
        np.zeros(
            (1, 2, 5000),
            np.float32,
        ),
        r"got \(1, 2, 5000\)",
    ),
    "no axis": (np.float32(0.5), r"expected \(1 or 2, S\)"),
    "no samples": (
        np.zeros(
            (2, 0),
            np.float32,
        ),
        "holds no samples",
    ),
    "no channels": (
        np.zeros(
            (0, 500),
            np.float32,
        ),
        r"expected \(1 or 2, S\)",
    ),
    "an empty list": ([], "holds no samples"),
    "a path": ("song.wav", "expected an array of audio, got 'song.wav'; read files with"),
    "a Path": (Path("song.wav"), "read files with rtmss.files.read_audio"),
    "bytes": (b"RIFF", "expected an array"),
    "nothing": (None, "expected an array of audio, got None"),
    "a number": (1.0, "expected an array"),
    "truths": (
        np.zeros(
            (2, 500),
            np.bool_,
        ),
        "expected numbers, got an array of bool",
    ),
    "complex numbers": (
        np.zeros(
            (2, 500),
            np.complex64,
        ),
        "expected numbers",
    ),
    "objects": (np.full((2, 500), None), "expected numbers, got an array of object"),
    "texts": (np.full((2, 500), "a"), "expected numbers"),
    "times": (np.zeros((2, 500), "m8[s]"), "expected numbers"),
    "rows of two lengths": ([[0.0, 1.0], [0.0]], "expected rows of one length"),
    "a list of texts": (["a.wav", "b.wav"], "expected numbers"),
}


@pytest.mark.parametrize(
    ("given_audio", "problem"),
    REFUSED.values(),
    ids=REFUSED.keys(),
)
def test_what_is_no_audio_is_refused_in_one_line(
    separator: Separator, make_condition: MakeCondition, given_audio: Any, problem: str
) -> None:
    with pytest.raises(UserError, match=problem) as caught:
        separator.separate(given_audio, RATE, make_condition())
    assert "\n" not in str(caught.value)
    with pytest.raises(UserError):
        separator.condition([given_audio], sample_rate=RATE)
    with pytest.raises(UserError):
        play_whole(Session(separator.model), given_audio)
    with pytest.raises(UserError):
        Session(separator.model).step(given_audio)


def test_a_song_the_wrong_way_round_is_refused_before_it_takes_memory(
    separator: Separator, make_condition: MakeCondition
) -> None:
    song = np.broadcast_to(np.float32(0), (10_584_000, 2))
    with pytest.raises(UserError, match=r"got \(10584000, 2\); channels come first"):
        separator.separate(song, 48000, make_condition())


@pytest.mark.parametrize("rate", [RATE, 6000])
def test_samples_that_are_no_numbers_are_silence_and_counted(
    separator: Separator, audio: Audio, make_condition: MakeCondition, rate: int
) -> None:
    bad, silent = audio.copy(), audio.copy()
    bad[0, 100], bad[1, 200], bad[1, 300] = np.nan, np.inf, -np.inf
    silent[0, 100], silent[1, 200], silent[1, 300] = 0, 0, 0
    with pytest.warns(BadSamplesWarning, match="3 samples are not finite"):
        target = separator.separate(bad, rate, make_condition())
    assert np.array_equal(target, separator.separate(silent, rate, make_condition()))


@pytest.mark.parametrize(
    "rate",
    [
        "44100",
        0,
        -8000,
        np.nan,
        np.inf,
        8000.5,
        None,
        10,
        10**9,
        True,
    ],
)
def test_what_is_no_sample_rate_is_refused_in_one_line(
    separator: Separator, audio: Audio, make_condition: MakeCondition, rate: Any
) -> None:
    with pytest.raises(UserError, match="expected a sample rate from 1000 to 2097152 Hz, got"):
        separator.separate(audio, rate, make_condition())
    with pytest.raises(UserError, match="expected a sample rate"):
        separator.condition([audio], sample_rate=rate)


def test_a_sample_rate_may_be_any_whole_number() -> None:
    assert [
        check_rate(rate)
        for rate in (
            8000,
            8000.0,
            np.int64(8000),
            np.float32(8000),
        )
    ] == ([8000] * 4)


ANY_ARRAY = arrays.arrays(
    dtype=arrays.scalar_dtypes() | arrays.complex_number_dtypes(),
    shape=arrays.array_shapes(
        min_dims=0,
        max_dims=3,
        min_side=0,
        max_side=70,
    ),
)

ANYTHING = (
    ANY_ARRAY
    | st.none()
    | st.text(max_size=5)
    | st.binary(max_size=5)
    | st.floats()
    | st.recursive(
        st.floats() | st.integers() | st.text(max_size=2),
        st.lists,
        max_leaves=8,
    )
)


@pytest.mark.slow
@settings(deadline=None)  # a machine may be busy with other things
@given(ANYTHING)
def test_anything_is_taken_as_audio_or_refused_in_one_line(thing: Any) -> None:
    try:
        audio = as_audio(thing)
    except UserError as error:
        assert "\n" not in str(error)
        assert len(str(error)) < 500
        return
    assert audio.dtype == np.float32
    assert audio.ndim == 2
    assert audio.shape[0] in {1, 2}
    assert audio.size
