from __future__ import annotations

import numpy as np
import pytest

from rtmss.audio import Audio
from rtmss.evaluation.metrics import (
    block_levels,
    level_db,
    level_dbfs,
    measure,
    sdr_db,
    si_sdr_db,
    sounding_level,
)


@pytest.fixture
def target() -> Audio:
    return (
        np.random.default_rng(0)
        .normal(
            0,
            0.1,
            (2, 8000),
        )
        .astype(np.float32)
    )


@pytest.fixture
def rest() -> Audio:
    return (
        np.random.default_rng(1)
        .normal(
            0,
            0.1,
            (2, 8000),
        )
        .astype(np.float32)
    )


def test_sdr_follows_its_definition(target: Audio, rest: Audio) -> None:
    estimate = target + 0.3 * rest
    energies = [
        float((audio.astype(np.float64) ** 2).sum()) for audio in (target, target - estimate)
    ]
    assert sdr_db(target, estimate) == pytest.approx(
        10 * np.log10(energies[0] / energies[1]), abs=1e-9
    )


def test_an_error_of_a_tenth_of_the_target_is_20_db(target: Audio) -> None:
    assert sdr_db(target, 0.9 * target) == pytest.approx(20, abs=1e-4)


def test_sdr_of_silence_is_0_db(target: Audio) -> None:
    assert sdr_db(
        target,
        np.zeros_like(target),
    ) == pytest.approx(0, abs=1e-9)


def test_a_perfect_estimate_has_a_finite_sdr(target: Audio) -> None:
    assert 100 < sdr_db(target, target) < 1000


def test_sdr_of_a_silent_target_is_refused(target: Audio) -> None:
    with pytest.raises(ValueError, match="silent"):
        sdr_db(np.zeros_like(target), target)


def test_shapes_that_differ_are_refused_rather_than_broadcast(target: Audio) -> None:
    with pytest.raises(ValueError, match="shape"):
        sdr_db(target, target[:1])


def test_edge_over_a_quiet_rest_counts_from_the_mixture(target: Audio, rest: Audio) -> None:
    mixture = target + 0.1 * rest
    estimate = target + 0.01 * rest
    assert sdr_db(target, mixture) > 15
    assert measure(target, estimate, mixture).edge_db == pytest.approx(20, abs=1e-3)
    assert measure(target, mixture, mixture).edge_db == 0


def test_edge_under_a_loud_rest_counts_from_silence(target: Audio, rest: Audio) -> None:
    mixture = target + 10 * rest
    figures = measure(target, target + 0.1 * rest, mixture)
    assert sdr_db(target, mixture) < -15
    assert figures.edge_db == figures.sdr_db
    assert measure(
        target,
        np.zeros_like(target),
        mixture,
    ).edge_db == pytest.approx(0, abs=1e-9)


def test_level_is_relative_to_the_target(target: Audio, rest: Audio) -> None:
    assert measure(
        target,
        0.5 * target,
        target + rest,
    ).level_db == pytest.approx(-6.02, abs=0.01)


def test_level_of_silence_is_finite(target: Audio) -> None:
    assert -300 < level_db(np.zeros_like(target), target) < -60


def test_sounding_level_leaves_pauses_out(target: Audio) -> None:
    with_pause = np.concatenate(
        [target, np.zeros_like(target)],
        axis=-1,
    )
    assert sounding_level(with_pause, 8000) == pytest.approx(sounding_level(target, 8000))
    assert sounding_level(target, 8000) == pytest.approx(
        float(np.sqrt((target**2).mean())), rel=1e-5
    )


def test_a_piece_shorter_than_half_a_second_is_one_block(target: Audio) -> None:
    assert block_levels(target[:, :100], 8000).shape == (1,)


def test_si_sdr_is_the_sdr_at_the_best_scale(target: Audio, rest: Audio) -> None:
    estimate = 0.2 * target + 0.05 * rest
    # SDR of the estimate, scaled to where the error stands square on the target
    scale = np.float32(np.vdot(target, target) / np.vdot(target, estimate))
    found = si_sdr_db(target, estimate)
    assert found == pytest.approx(sdr_db(target, scale * estimate), abs=1e-3)
    assert found == pytest.approx(12, abs=0.5)


@pytest.mark.parametrize("gain", [0.01, 3.0, -1.0])
def test_si_sdr_ignores_the_scale(target: Audio, rest: Audio, gain: float) -> None:
    estimate = target + 0.1 * rest
    assert si_sdr_db(target, np.float32(gain) * estimate) == pytest.approx(
        si_sdr_db(target, estimate), abs=1e-3
    )


def test_si_sdr_has_one_scale_for_both_channels(target: Audio) -> None:
    one_side = target * np.array(
        [[1.0], [0.0]],
        np.float32,
    )
    assert si_sdr_db(target, one_side) == pytest.approx(0, abs=0.1)


def test_silence_has_no_si_sdr(target: Audio) -> None:
    assert si_sdr_db(target, np.zeros_like(target)) is None
    assert measure(target, np.zeros_like(target), target).si_sdr_db is None


def test_si_sdr_of_a_silent_target_is_refused(target: Audio) -> None:
    with pytest.raises(ValueError, match="silent"):
        si_sdr_db(np.zeros_like(target), target)


def test_full_scale_is_that_of_a_square_wave() -> None:
    square = np.where(
        np.arange(8000) % 20 < 10,
        1,
        -1,
    ).astype(np.float32)[None]
    sine = np.sin(
        2 * np.pi * np.arange(8000) / 20,
        dtype=np.float32,
    )[None]
    assert level_dbfs(square) == pytest.approx(0, abs=1e-6)
    assert level_dbfs(
        np.repeat(
            sine,
            2,
            axis=0,
        )
    ) == pytest.approx(-3.01, abs=0.01)
    assert -300 < level_dbfs(0 * square) < -100
