from __future__ import annotations

import pytest
import torch

from rtmss.training.losses import (
    Planes,
    spectral_errors,
    tamed,
    waveform_errors,
)


def waves(batch: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    target, rest = torch.randn(batch, 2, 400), torch.randn(batch, 2, 400)
    return target, target + rest


def test_silence_has_an_error_of_one() -> None:
    target, mixture = waves()
    error, _ = waveform_errors(torch.zeros_like(target), target, mixture)
    assert error.tolist() == pytest.approx(
        [1, 1, 1],
        abs=0.01,
    )


def test_the_mixture_itself_leaves_the_whole_remainder_wrong() -> None:
    target, mixture = waves()
    _, remainder = waveform_errors(mixture, target, mixture)
    assert remainder.tolist() == pytest.approx(
        [1, 1, 1],
        abs=0.01,
    )


def test_the_truth_has_no_error() -> None:
    target, mixture = waves()
    errors = waveform_errors(target, target, mixture)
    assert all((error < 1e-5).all() for error in errors)


def test_the_error_does_not_depend_on_the_level_of_the_target() -> None:
    target, mixture = waves()
    quiet, _ = waveform_errors(0.5 * 0.1 * target, 0.1 * target, mixture)
    loud, _ = waveform_errors(0.5 * target, target, mixture)
    assert quiet.tolist() == pytest.approx(
        [0.25] * 3,
        rel=0.25,
    )
    assert loud.tolist() == pytest.approx(
        [0.25] * 3,
        rel=0.01,
    )


def test_where_nothing_is_wanted_the_error_is_relative_to_the_mixture() -> None:
    _, mixture = waves()
    error, _ = waveform_errors(0.1 * mixture, torch.zeros_like(mixture), mixture)
    assert error.tolist() == pytest.approx(
        [0.01] * 3,
        rel=1e-3,
    )


def test_silence_in_and_out_is_finite() -> None:
    nothing = torch.zeros(1, 2, 400)
    errors = waveform_errors(nothing, nothing, nothing)
    assert all(torch.isfinite(error).all() for error in errors)


@pytest.mark.parametrize("log_weight", [0.0, 0.5, 1.0])
def test_a_smaller_error_is_always_better(log_weight: float) -> None:
    assert (
        tamed(
            torch.logspace(-3, 3, 200),
            log_weight,
        ).diff()
        > 0
    ).all()


def test_root_compression_halves_the_decibels_and_keeps_the_phase() -> None:
    planes = torch.randn(2, 2, 1, 5, 6)
    compressed = Planes.of(planes).root_compressed()
    frames = torch.complex(planes[:, 0], planes[:, 1])
    roots = torch.complex(compressed.re, compressed.im)
    assert torch.allclose(
        roots.abs(),
        frames.abs().sqrt(),
        atol=1e-3,
    )
    assert torch.allclose(
        roots.angle(),
        frames.angle(),
        atol=1e-4,
    )


def test_spectral_errors_vanish_at_the_truth_and_are_one_at_silence() -> None:
    torch.manual_seed(0)
    target, rest = (
        torch.randn(
            3,
            2,
            2,
            10,
            20,
        ),
        torch.randn(3, 2, 2, 10, 20),
    )
    truth = spectral_errors(target, target, target + rest)
    silence = spectral_errors(torch.zeros_like(target), target, target + rest)
    assert all((error < 1e-4).all() for error in truth)
    assert all((error > 0.95).all() and (error < 1.05).all() for error in silence[:2])
    assert (silence[2] > 0.1).all()


def test_a_wrong_phase_is_no_error_of_the_magnitude() -> None:
    torch.manual_seed(0)
    target, rest = (
        torch.randn(
            3,
            2,
            2,
            10,
            20,
        ),
        torch.randn(3, 2, 2, 10, 20),
    )
    complex_error, magnitude_error, _ = spectral_errors(-target, target, target + rest)
    assert (complex_error > 3).all()
    assert (magnitude_error < 1e-4).all()


def test_spectral_errors_are_those_of_the_written_formula() -> None:
    torch.manual_seed(0)
    shape = (2, 2, 5, 6)
    target, rest, error = (
        torch.randn(
            shape,
            dtype=torch.complex64,
        )
        for _ in range(3)
    )
    mixture = target + rest
    estimate = target + 0.3 * error

    def planes(x: torch.Tensor) -> torch.Tensor:
        return torch.stack([x.real, x.imag], dim=1)

    def root(x: torch.Tensor) -> torch.Tensor:
        return torch.polar(
            x.abs().sqrt(),
            x.angle(),
        )

    def energy(x: torch.Tensor) -> torch.Tensor:
        return x.abs().square().flatten(1).sum(1)

    complex_error, magnitude_error, remainder_error = spectral_errors(
        *map(planes, (estimate, target, mixture))
    )
    wanted = energy(root(target))
    assert torch.allclose(
        complex_error,
        energy(root(estimate) - root(target)) / wanted,
        rtol=5e-3,
    )
    magnitudes = root(estimate).abs() - root(target).abs()
    assert torch.allclose(magnitude_error, energy(magnitudes) / wanted, rtol=5e-3)
    left = energy(root(mixture - estimate) - root(mixture - target)) / energy(root(rest))
    assert torch.allclose(remainder_error, left, rtol=5e-3)
