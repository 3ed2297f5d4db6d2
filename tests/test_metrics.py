from __future__ import annotations

import numpy as np
import pytest

from rtmss.evaluation.metrics import block_levels, level_db, measure, sdr_db, sounding_level
from rtmss.files import Audio


@pytest.fixture
def target() -> Audio:
    return np.random.default_rng(0).normal(0, 0.1, (2, 8000)).astype(np.float32)


@pytest.fixture
def rest() -> Audio:
    return np.random.default_rng(1).normal(0, 0.1, (2, 8000)).astype(np.float32)


def test_sdr_follows_its_definition(target: Audio, rest: Audio) -> None:
    estimate = target + 0.3 * rest
    energies = [float((audio.astype(np.float64) ** 2).sum()) for audio in (target, target - estimate)]
    assert sdr_db(target, estimate) == pytest.approx(10 * np.log10(energies[0] / energies[1]), abs=1e-9)


def test_an_error_of_a_tenth_of_the_target_is_20_db(target: Audio) -> None:
    assert sdr_db(target, 0.9 * target) == pytest.approx(20, abs=1e-4)


def test_sdr_of_silence_is_0_db(target: Audio) -> None:
    assert sdr_db(target, np.zeros_like(target)) == pytest.approx(0, abs=1e-9)


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
    assert measure(target, np.zeros_like(target), mixture).edge_db == pytest.approx(0, abs=1e-9)


def test_level_is_relative_to_the_target(target: Audio, rest: Audio) -> None:
    assert measure(target, 0.5 * target, target + rest).level_db == pytest.approx(-6.02, abs=0.01)


def test_level_of_silence_is_finite(target: Audio) -> None:
    assert -300 < level_db(np.zeros_like(target), target) < -60


def test_sounding_level_leaves_pauses_out(target: Audio) -> None:
    with_pause = np.concatenate([target, np.zeros_like(target)], axis=-1)
    assert sounding_level(with_pause, 8000) == pytest.approx(sounding_level(target, 8000))
    assert sounding_level(target, 8000) == pytest.approx(float(np.sqrt((target**2).mean())), rel=1e-5)


def test_a_piece_shorter_than_half_a_second_is_one_block(target: Audio) -> None:
    assert block_levels(target[:, :100], 8000).shape == (1,)
