"""Figures of merit, all in dB, each over a whole piece.

Audio is (C, S); energies are summed over channels and samples.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from rtmss.audio import Audio

FLOOR = 1e-10
"""Energies below this count as this: silence has a level of some -100 to -200 dB, not of minus
infinity.
"""


class Figures(NamedTuple):
    """What one estimate of one target scores. None is what does not exist, or was not asked for."""

    sdr_db: float
    """Of the whole piece, also called utterance SDR."""
    edge_db: float
    """SDR less the better of the mixture's own SDR and 0 dB, the score of silence."""
    level_db: float
    """Level of the estimate relative to the target."""
    si_sdr_db: float | None = None
    bss_sdr_db: float | None = None
    """This and the rest by BSSEval v4: medians of frames of one second."""
    bss_isr_db: float | None = None
    bss_sir_db: float | None = None
    bss_sar_db: float | None = None


def energy(audio: Audio) -> float:
    """Sum of squares of (C, S) audio."""
    return float(np.square(audio, dtype=np.float64).sum())


def level_db(audio: Audio, reference: Audio) -> float:
    """Level of `audio` relative to `reference`."""
    return float(
        10
        * np.log10(
            max(
                energy(audio),
                FLOOR,
            )
            / max(energy(reference), FLOOR)
        )
    )


def level_dbfs(audio: Audio) -> float:
    """RMS of (C, S) audio in dB of full scale; a square wave that fills it has 0, a sine -3."""
    return float(
        10
        * np.log10(
            max(
                energy(audio),
                FLOOR,
            )
            / audio.size
        )
    )


def sdr_db(target: Audio, estimate: Audio) -> float:
    """Signal to distortion ratio: 10 log10(sum s^2 / sum (s - e)^2), without any scaling or
    filtering.

    Source: "utterance SDR" of Mitsufuji et al., "Music Demixing Challenge 2021", Frontiers in
        Signal Processing 2022.

    Raises:
        ValueError: the shapes differ, or the target is silent, for which no SDR exists.
    """
    if target.shape != estimate.shape:
        raise ValueError(
            f"a target of shape {target.shape} cannot be compared with {estimate.shape}"
        )
    if energy(target) <= FLOOR:
        raise ValueError(
            "the target is silent: it has no SDR, use level_db relative to the mixture"
        )
    return level_db(target, target - estimate)


def si_sdr_db(target: Audio, estimate: Audio) -> float | None:
    """Scale-invariant SDR: that of the target scaled to where it explains most of the estimate, one
    scale for all channels; None for a silent estimate, of which no scale explains anything.

    Source: Le Roux, Wisdom, Erdogan, Hershey, "SDR – half-baked or well done?", ICASSP 2019.

    Raises:
        ValueError: the shapes differ, or the target is silent.
    """
    sdr_db(target, estimate)
    if energy(estimate) <= FLOOR:
        return None
    wide = target.astype(np.float64)
    scaled = wide * (np.vdot(wide, estimate) / energy(target))
    return level_db(scaled, scaled - estimate)


def measure(target: Audio, estimate: Audio, mixture: Audio) -> Figures:
    """Score an estimate of a target within a mixture, without BSSEval, which takes long: see
    `bss.measure_bss`.

    Raises:
        ValueError: the shapes differ, or the target is silent.
    """
    sdr = sdr_db(target, estimate)
    edge = sdr - max(sdr_db(target, mixture), 0.0)
    return Figures(
        sdr,
        edge,
        level_db(estimate, target),
        si_sdr_db(target, estimate),
    )


def sounding_level(audio: Audio, sample_rate: int) -> float:
    """RMS of (C, S) audio over the half seconds that sound: those within 30 dB of the loudest."""
    levels = block_levels(audio, sample_rate)
    sounding = levels[levels >= levels.max(initial=0) * 10 ** (-30 / 20)]
    return float(np.sqrt(np.mean(sounding**2))) if len(sounding) else 0.0


def block_levels(audio: Audio, sample_rate: int) -> Audio:
    """(n,) RMS of each whole half second of (C, S) audio; a shorter piece is one block."""
    half = min(
        sample_rate // 2,
        max(audio.shape[-1], 1),
    )
    blocks = audio[:, : audio.shape[-1] // half * half].reshape(
        audio.shape[0],
        -1,
        half,
    )
    return np.asarray(
        np.sqrt(np.square(blocks).mean((0, 2))),
        np.float32,
    )
