"""What a backend keeps from step to step, and what it does not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from helpers.makers import MakeCondition, Noise
from rtmss.engine.backends.onnx import OnnxBackend
from rtmss.engine.backends.protocol import Backend
from rtmss.engine.backends.torch import TorchBackend
from rtmss.engine.control import Scene, Stem
from rtmss.engine.session import Session
from rtmss.model.separator import SeparatorModel

HOP = 64


@pytest.fixture
def onnx(tiny: SeparatorModel, tiny_graph: Path) -> OnnxBackend:
    return OnnxBackend(tiny, tiny_graph)


@pytest.fixture
def both(tiny: SeparatorModel, onnx: OnnxBackend) -> tuple[Backend, Backend]:
    return TorchBackend(tiny), onnx


@pytest.fixture(scope="module")
def stems(make_condition: MakeCondition) -> list[Stem]:
    return [
        Stem(
            f"s{i}",
            make_condition(f"s{i}", i),
        )
        for i in range(16)
    ]


def test_holding_changes_nothing(
    tiny: SeparatorModel, tiny_graph: Path, noise: Noise, stems: list[Stem]
) -> None:
    plain, held = OnnxBackend(tiny, tiny_graph), OnnxBackend(tiny, tiny_graph)
    for number in range(4):
        block = noise(HOP, seed=number)
        for backend in (plain, held):
            if number == 0:
                backend.arrange([None], stems[:1])
        held.hold(block)
        assert np.array_equal(held.step(block), plain.step(block))


def test_both_have_the_same_tails(
    both: tuple[Backend, Backend], noise: Noise, stems: list[Stem]
) -> None:
    tails = []
    for backend in both:
        backend.arrange([None, None], stems[:2])
        backend.step(noise(5 * HOP))
        tails.append(np.stack([backend.tail(0), backend.tail(1)]))
    assert tails[1].shape == (2, 2, HOP)
    assert np.abs(tails[0]).max() > 0.01
    assert np.abs(tails[0][0] - tails[0][1]).max() > 0.001
    assert np.abs(tails[1] - tails[0]).max() <= 1e-5


def test_a_tail_outlives_the_next_step(
    onnx: OnnxBackend,
    noise: Noise,
    stems: list[Stem],
) -> None:
    onnx.arrange([None], stems[:1])
    onnx.step(noise(3 * HOP))
    tail = onnx.tail(0)
    copy = tail.copy()
    onnx.step(noise(3 * HOP, seed=1))
    assert np.array_equal(tail, copy)


def test_after_a_reset_it_plays_like_a_new_one(
    tiny: SeparatorModel, tiny_graph: Path, onnx: OnnxBackend, noise: Noise, stems: list[Stem]
) -> None:
    used = Session(
        tiny,
        Scene(tuple(stems[:2])),
        backend=onnx,
    )
    used.step(noise(11 * HOP, seed=1))
    used.reset()
    new = Session(
        tiny,
        Scene(tuple(stems[:2])),
        backend=OnnxBackend(tiny, tiny_graph),
    )
    audio = noise(6 * HOP)
    assert np.array_equal(
        used.step(audio).stems,
        new.step(audio).stems,
    )


def test_without_stems_it_goes_on_listening(
    both: tuple[Backend, Backend], noise: Noise, stems: list[Stem]
) -> None:
    heard = []
    for backend in both:
        assert backend.step(noise(20 * HOP)).shape == (
            0,
            2,
            20 * HOP,
        )
        assert backend.hold(noise(HOP)).shape == (0, 2, HOP)
        backend.arrange([None], stems[:1])
        heard.append(backend.step(noise(2 * HOP, seed=1)))
    assert np.abs(heard[0]).max() > 0.01
    assert np.abs(heard[1] - heard[0]).max() <= 1e-5


def test_both_say_the_same_after_silence(
    both: tuple[Backend, Backend], noise: Noise, stems: list[Stem]
) -> None:
    heard = []
    for backend in both:
        backend.arrange([None], stems[:1])
        backend.step(
            np.zeros(
                (2, 20 * HOP),
                np.float32,
            )
        )
        heard.append(backend.step(noise(4 * HOP)))
    assert np.abs(heard[0]).max() > 0.01
    assert np.abs(heard[1] - heard[0]).max() <= 1e-5


def test_streams_do_not_hear_each_other(
    tiny: SeparatorModel, tiny_graph: Path, noise: Noise, stems: list[Stem]
) -> None:
    alone, one, other = (OnnxBackend(tiny, tiny_graph) for _ in range(3))
    for backend in (alone, one, other):
        backend.arrange([None], stems[:1])
    for number in range(4):
        block = noise(HOP, seed=number)
        other.step(block * 3)
        assert np.array_equal(one.step(block), alone.step(block))


def test_what_a_step_gave_stays_as_it_is(
    onnx: OnnxBackend, noise: Noise, stems: list[Stem]
) -> None:
    onnx.arrange([None], stems[:1])
    given = onnx.step(noise(3 * HOP))
    copy = given.copy()
    onnx.step(noise(3 * HOP, seed=1))
    assert np.array_equal(given, copy)
