"""Relative squared errors, so that a quiet target is not simply muted.

Squared errors settle at the mean of what is possible, absolute errors at its median, which for an
uncertain bin is silence. Every term is an error energy over the energy of what is asked, per item.

Axes: B items, C channels or planes, T frames, F bins, S samples.
"""

from __future__ import annotations

import torch
from torch import Tensor


def relative_error(error: Tensor, wanted: Tensor, mixture: Tensor) -> Tensor:
    """(B,) energy of `error` over that of `wanted`; over the mixture's where nothing is wanted.

    The denominator never falls below -30 dB of the mixture's energy.
    """
    error_energy, wanted_energy, mixture_energy = (
        x.square().flatten(1).mean(1) for x in (error, wanted, mixture)
    )
    is_absent = wanted_energy < 1e-5 * mixture_energy
    floor = 1e-3 * mixture_energy + 1e-10
    return (error_energy + 1e-3 * floor) / torch.where(
        is_absent, mixture_energy + 1e-10, wanted_energy + floor
    )


def tamed(ratio: Tensor, log_weight: float) -> Tensor:
    """Between the logarithm, which rewards items that are already easy, and the ratio, which keeps
    hard ones heavy.

    The ratio grows like its square root above 1, so that a hopeless item does not drown the others.
    """
    return log_weight * torch.log(ratio + 1e-2) + (1 - log_weight) * torch.minimum(
        ratio, (ratio + 1e-8).sqrt()
    )


def root_compress(planes: Tensor) -> Tensor:
    """(B, 2, C, T, F) real and imaginary parts -> the same with the square roots of the
    magnitudes.
    """
    # The fourth root of the energy by two square roots: a general power would cost more than all
    # the rest.
    return planes * (planes.square().sum(1, keepdim=True) + 1e-9).rsqrt().sqrt()


def spectral_errors(
    estimate: Tensor, target: Tensor, mixture: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Relative errors on square-root-compressed spectra, each (B,).

    Args:
        estimate: (B, 2, C, T, F) real and imaginary parts.
        target: likewise.
        mixture: likewise.

    Returns:
        The complex error of the target, the magnitude error of the target, the complex error of the
        remainder.
    """
    wanted, heard, whole = (root_compress(x) for x in (target, estimate, mixture))
    complex_error = relative_error(heard - wanted, wanted, whole)
    magnitudes = [(x.square().sum(1) + 1e-9).sqrt() for x in (heard, wanted, whole)]
    magnitude_error = relative_error(magnitudes[0] - magnitudes[1], magnitudes[1], magnitudes[2])
    left_wanted, left_heard = root_compress(mixture - target), root_compress(mixture - estimate)
    return (
        complex_error,
        magnitude_error,
        relative_error(left_heard - left_wanted, left_wanted, whole),
    )


def waveform_errors(estimate: Tensor, target: Tensor, mixture: Tensor) -> tuple[Tensor, Tensor]:
    """Relative errors of the target and of the remainder on (B, C, S) waveforms, each (B,)."""
    error = estimate - target
    return relative_error(error, target, mixture), relative_error(error, mixture - target, mixture)
