"""Relative squared errors, so that a quiet target is not simply muted.

Squared errors settle at the mean of what is possible, absolute errors at its median, which for an
uncertain bin is silence. Every term is an error energy over the energy of what is asked, per item.

Axes: B items, C channels or planes, T frames, F bins, S samples.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


def relative_error(error: Tensor, wanted: Tensor, mixture: Tensor) -> Tensor:
    """(B,) energy of `error` over that of `wanted`; over the mixture's where nothing is wanted.

    The denominator never falls below -30 dB of the mixture's energy.

    Args:
        error: (B,) mean energies, and so are the others.
        wanted: of what is asked.
        mixture: of what it is asked from.
    """
    is_absent = wanted < 1e-5 * mixture
    floor = 1e-3 * mixture + 1e-10
    asked = torch.where(is_absent, mixture + 1e-10, wanted + floor)
    return (error + 1e-3 * floor) / asked


def tamed(ratio: Tensor, log_weight: float) -> Tensor:
    """Between the logarithm, which rewards items that are already easy, and the ratio, which keeps
    hard ones heavy.

    The ratio grows like its square root above 1, so that a hopeless item does not drown the others.
    """
    return log_weight * torch.log(ratio + 1e-2) + (1 - log_weight) * torch.minimum(
        ratio, (ratio + 1e-8).sqrt()
    )


class Planes(NamedTuple):
    """Real and imaginary parts of spectra, each (B, C, T, F).

    Apart, all that follows is one loop over their numbers. A sum over an axis of two would be a
    loop of its own, and everything before it would be written to memory and read again.
    """

    re: Tensor
    im: Tensor

    @classmethod
    def of(cls, planes: Tensor) -> Planes:
        """Those of (B, 2, C, T, F)."""
        return cls(*planes.unbind(1))

    def minus(self, other: Planes) -> Planes:
        """The difference."""
        return Planes(self.re - other.re, self.im - other.im)

    def power(self) -> Tensor:
        """(B, C, T, F) squared magnitudes."""
        return self.re * self.re + self.im * self.im

    def magnitude(self) -> Tensor:
        """(B, C, T, F), never 0, where a root has no slope."""
        return (self.power() + 1e-9).sqrt()

    def root_compressed(self) -> Planes:
        """The same angles with the square roots of the magnitudes."""
        # The fourth root of the energy by two square roots: a general power would cost more than
        # all the rest.
        gain = (self.power() + 1e-9).rsqrt().sqrt()
        return Planes(self.re * gain, self.im * gain)


def _mean(values: Tensor) -> Tensor:
    return values.flatten(1).mean(1)


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
    given, wanted, whole = map(Planes.of, (estimate, target, mixture))
    rest_given = whole.minus(given).root_compressed()
    rest_wanted = whole.minus(wanted).root_compressed()
    given = given.root_compressed()
    wanted = wanted.root_compressed()
    whole = whole.root_compressed()
    energy = _mean(whole.power())
    complex_error = relative_error(
        _mean(given.minus(wanted).power()), _mean(wanted.power()), energy
    )
    magnitudes = [planes.magnitude() for planes in (given, wanted, whole)]
    magnitude_error = relative_error(
        _mean((magnitudes[0] - magnitudes[1]).square()),
        _mean(magnitudes[1].square()),
        _mean(magnitudes[2].square()),
    )
    remainder_error = relative_error(
        _mean(rest_given.minus(rest_wanted).power()), _mean(rest_wanted.power()), energy
    )
    return complex_error, magnitude_error, remainder_error


def waveform_errors(
    estimate: Tensor,
    target: Tensor,
    mixture: Tensor,
) -> tuple[Tensor, Tensor]:
    """Relative errors of the target and of the remainder on (B, C, S) waveforms, each (B,)."""
    error = _mean((estimate - target).square())
    whole = _mean(mixture.square())
    rest = _mean((mixture - target).square())
    return relative_error(
        error,
        _mean(target.square()),
        whole,
    ), relative_error(error, rest, whole)
