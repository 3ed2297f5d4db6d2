"""The figures of the signal separation campaigns, by the package that they are published with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rtmss.audio import Audio
from rtmss.config import ConfigError
from rtmss.evaluation.metrics import FLOOR, energy

DITHER_DB = -90.0
"""RMS of the noise under the true sources, in dB of full scale: about what 16 bits have."""

Frames = NDArray[np.float64]


class BssFigures(NamedTuple):
    """BSSEval v4 of one estimate, in dB: medians of frames of one second; None where no frame has a
    figure.
    """

    bss_sdr_db: float | None = None
    bss_isr_db: float | None = None
    bss_sir_db: float | None = None
    bss_sar_db: float | None = None


def measure_bss(
    target: Audio,
    estimate: Audio,
    mixture: Audio,
    sample_rate: int,
) -> BssFigures:
    """BSSEval v4 of a target, with all else in the mixture as the other source, (C, S) each.

    Frames in which a source or its estimate is silent have no figures; a piece without a remainder,
    or a silent estimate, has none at all. A little fixed noise lies under the true sources: where
    both sides are alike, or a lossy codec has cut the treble, the filters are else not determined,
    and ISR, SIR and SAR come out as anything; SDR stays. It takes some 0.15 s of processor time for
    a second of stereo.

    Source: Stöter, Liutkus, Ito, "The 2018 Signal Separation Evaluation Campaign", LVA/ICA 2018,
        and `museval`:
    distortion filters of 512 taps for the whole piece, windows and hops of one second.

    Raises:
        ConfigError: museval is not installed; it comes with the extra `train`.
    """
    bss_eval = _load_bss_eval()
    rest = mixture - target
    other = mixture - estimate
    if min(energy(audio) for audio in (target, rest, estimate)) <= FLOOR:
        return BssFigures()
    # The other source's estimate only has to sound: its own figures are not asked for.
    estimates = [estimate, other if energy(other) > FLOOR else mixture]
    sources = _stacked([target, rest])
    dither = np.random.default_rng(0).normal(
        0,
        10 ** (DITHER_DB / 20),
        sources.shape,
    )
    sources += dither * sources.any(
        axis=2, keepdims=True
    )  # what is silent stays so, for it has no figures
    return _judge(bss_eval, sources, _stacked(estimates), sample_rate)[0]


def measure_stems(
    truths: Sequence[Audio], estimates: Sequence[Audio], sample_rate: int
) -> list[BssFigures]:
    """BSSEval v4 of all stems of a piece together, as museval's own `evaluate` judges a track of
    MUSDB18.

    Each estimate is projected on all true stems at once, and a frame counts where every stem and
    every estimate sounds. Nothing is added to the stems, so that the figures are museval's to the
    last digit.

    Args:
        truths: (C, S) of each stem, none of them silent.
        estimates: (C, S) of each stem, in the same order; a silent one has no figures.
        sample_rate: Hz; windows and hops are of one second.

    Raises:
        ConfigError: museval is not installed; it comes with the extra `train`.
    """
    sounding = [energy(estimate) > FLOOR for estimate in estimates]
    # museval refuses silence; what stands in for it has only to sound.
    estimated = [
        estimate if sounds else truth
        for truth, estimate, sounds in zip(truths, estimates, sounding, strict=True)
    ]
    figures = _judge(_load_bss_eval(), _stacked(truths), _stacked(estimated), sample_rate)
    return [
        found if sounds else BssFigures()
        for found, sounds in zip(
            figures,
            sounding,
            strict=True,
        )
    ]


def _judge(
    bss_eval: Callable[..., Any], sources: Frames, estimates: Frames, sample_rate: int
) -> list[BssFigures]:
    """Medians over frames of every source, of (N, S, C) sources and estimates."""
    *ratios, _ = bss_eval(sources, estimates, window=sample_rate, hop=sample_rate)
    return [BssFigures(*(_median(ratio[n]) for ratio in ratios)) for n in range(len(sources))]


def _median(frames: Frames) -> float | None:
    known = frames[np.isfinite(frames)]
    return float(np.median(known)) if len(known) else None


def _stacked(parts: Sequence[Audio]) -> Frames:
    """N times (C, S) -> (N, S, C), as museval has it."""
    return np.stack([part.T for part in parts]).astype(np.float64)


def _load_bss_eval() -> Callable[..., Any]:
    """The function `museval.metrics.bss_eval`, without the rest of its package.

    The package imports `musdb`, which refuses to be imported where the program `ffmpeg` is not
    installed; the metrics need neither.

    Raises:
        ConfigError: museval is not installed.
    """
    package = find_spec("museval")
    if package is None or package.origin is None:
        raise ConfigError("BSSEval needs museval: pip install 'rtmss[train]'")
    spec = spec_from_file_location("museval_metrics", Path(package.origin).with_name("metrics.py"))
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    # museval 0.4.1 looks for LinAlgError in numpy.linalg.linalg, which numpy 2.4 has no more. With
    # it a singular system, as of stems that are alike on both sides, is solved by least squares.
    linalg = SimpleNamespace(
        **{
            **vars(np.linalg),
            "linalg": np.linalg,
        }
    )
    vars(module)["np"] = SimpleNamespace(
        **{
            **vars(np),
            "linalg": linalg,
        }
    )
    function: Callable[..., Any] = module.bss_eval
    return function
