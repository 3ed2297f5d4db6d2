"""The figures of the signal separation campaigns, by the package that they are published with."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from rtmss.config import ConfigError
from rtmss.evaluation.metrics import FLOOR, energy
from rtmss.files import Audio

DITHER_DB = -90.0
"""RMS of the noise under the true sources, in dB of full scale: about what 16 bits have."""


class BssFigures(NamedTuple):
    """BSSEval v4 of one estimate, in dB: medians of frames of one second; None where no frame has a figure."""

    bss_sdr_db: float | None = None
    bss_isr_db: float | None = None
    bss_sir_db: float | None = None
    bss_sar_db: float | None = None


def measure_bss(target: Audio, estimate: Audio, mixture: Audio, sample_rate: int) -> BssFigures:
    """BSSEval v4 of a target, with all else in the mixture as the other source, (C, S) each.

    Frames in which a source or its estimate is silent have no figures; a piece without a remainder, or a silent
    estimate, has none at all. A little fixed noise lies under the true sources: where both sides are alike, or a lossy
    codec has cut the treble, the filters are else not determined, and ISR, SIR and SAR come out as anything; SDR stays.
    It takes some 0.15 s of processor time for a second of stereo.

    Source: Stöter, Liutkus, Ito, "The 2018 Signal Separation Evaluation Campaign", LVA/ICA 2018, and `museval`:
    distortion filters of 512 taps for the whole piece, windows and hops of one second.

    Raises:
        ConfigError: museval is not installed; it comes with the extra `train`.
    """
    try:
        from museval.metrics import bss_eval
    except ImportError as error:
        raise ConfigError("BSSEval needs museval: pip install 'rtmss[train]'") from error
    rest, other = mixture - target, mixture - estimate
    if min(energy(audio) for audio in (target, rest, estimate)) <= FLOOR:
        return BssFigures()
    # The other source's estimate only has to sound: its own figures are not asked for.
    estimates = [estimate, other if energy(other) > FLOOR else mixture]
    sources, heard = (np.stack([audio.T for audio in pair]).astype(np.float64) for pair in ([target, rest], estimates))
    dither = np.random.default_rng(0).normal(0, 10 ** (DITHER_DB / 20), sources.shape)
    sources += dither * sources.any(axis=2, keepdims=True)  # what is silent stays so, for it has no figures
    try:
        *ratios, _ = bss_eval(sources, heard, window=sample_rate, hop=sample_rate)
    except AttributeError:  # museval 0.4.1 looks for an exception of a singular system where numpy 2.4 has none
        return BssFigures()
    return BssFigures(*(_median(ratio[0]) for ratio in ratios))


def _median(frames: Audio) -> float | None:
    known = frames[np.isfinite(frames)]
    return float(np.median(known)) if len(known) else None
