"""The arrays that a session takes and gives."""

from __future__ import annotations

import numpy as np
import pytest

from helpers.makers import Noise
from helpers.session import joined, play
from rtmss.engine.control import Scene
from rtmss.engine.session import LOUDEST, Session
from rtmss.model.separator import SeparatorModel

HOP = 64
N_HOPS = 32


def test_bad_samples_are_counted_and_replaced(
    tiny: SeparatorModel, noise: Noise, scenes: list[Scene]
) -> None:
    clean = noise(N_HOPS * HOP)
    bad = clean.copy()
    for at, value, instead in [
        (100, np.nan, 0),
        (900, np.inf, 0),
        (901, -np.inf, 0),
        (1500, 1e30, LOUDEST),
    ]:
        bad[1, at], clean[1, at] = value, instead
    session, reference = (
        Session(
            tiny,
            scenes[0],
        ),
        Session(tiny, scenes[0]),
    )
    outputs, expected = play(session, bad), play(reference, clean)
    assert session.n_bad_samples == 4
    assert reference.n_bad_samples == 0
    for field in ("mix", "stems", "remainder", "dry"):
        assert np.array_equal(joined(outputs, field), joined(expected, field))


@pytest.mark.parametrize(
    "shape",
    [
        (2, 63),
        (3, 64),
        (64,),
        (1, 2, 64),
        (2, 0),
        (0, 64),
    ],
)
def test_a_wrong_shape_is_refused(
    tiny: SeparatorModel, scenes: list[Scene], shape: tuple[int, ...]
) -> None:
    with pytest.raises(ValueError, match=r"expected \(1 or 2, k \* 64\) samples, got"):
        Session(
            tiny,
            scenes[0],
        ).step(np.zeros(shape, np.float32))


def test_a_refused_block_leaves_the_stream_as_it_was(
    tiny: SeparatorModel, noise: Noise, scenes: list[Scene]
) -> None:
    audio = noise(8 * HOP)
    plain, disturbed = (
        Session(
            tiny,
            scenes[0],
        ),
        Session(tiny, scenes[0]),
    )
    play(disturbed, audio, (4,))
    with pytest.raises(ValueError, match="expected"):
        disturbed.step(audio[:, :10])
    play(plain, audio, (4,))
    rest = audio[:, 4 * HOP :]
    assert np.array_equal(
        plain.step(rest).mix,
        disturbed.step(rest).mix,
    )


def test_one_output_is_refused(tiny: SeparatorModel) -> None:
    with pytest.raises(ValueError, match="at least 2 outputs, got 1"):
        Session(tiny, n_outputs=1)


def test_a_step_leaves_its_input_alone(
    tiny: SeparatorModel, noise: Noise, scenes: list[Scene]
) -> None:
    audio = noise(4 * HOP)
    audio[0, 3] = 99.0
    copy = audio.copy()
    Session(tiny, scenes[0]).step(audio)
    assert np.array_equal(audio, copy)


def test_a_caller_may_write_into_what_a_step_gave(
    tiny: SeparatorModel, noise: Noise, scenes: list[Scene]
) -> None:
    audio = noise(8 * HOP)
    plain, touched = (
        Session(
            tiny,
            scenes[0],
        ),
        Session(tiny, scenes[0]),
    )
    plain.step(audio)
    for array in touched.step(audio):
        array[...] = 7.0
    assert np.array_equal(
        plain.step(audio).mix,
        touched.step(audio).mix,
    )


def test_a_read_only_or_reversed_block_is_fine(
    tiny: SeparatorModel, noise: Noise, scenes: list[Scene]
) -> None:
    audio = noise(4 * HOP)
    expected = (
        Session(
            tiny,
            scenes[0],
        )
        .step(audio[::-1].copy())
        .mix
    )
    audio.flags.writeable = False
    assert np.array_equal(
        Session(
            tiny,
            scenes[0],
        )
        .step(audio[::-1])
        .mix,
        expected,
    )
