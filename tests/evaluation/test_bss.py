from __future__ import annotations

import sys

import numpy as np
import pytest
from numpy.typing import NDArray

from rtmss.audio import Audio
from rtmss.config import ConfigError
from rtmss.evaluation.bss import BssFigures, measure_bss

SAMPLE_RATE = 4000
N_TAPS = 512


def noise(seed: int, seconds: int = 4) -> Audio:
    return (
        np.random.default_rng(seed)
        .normal(
            0,
            0.1,
            (2, seconds * SAMPLE_RATE),
        )
        .astype(np.float32)
    )


@pytest.fixture
def target() -> Audio:
    return noise(0)


@pytest.fixture
def rest() -> Audio:
    return noise(1)


def project(
    sources: list[Audio],
    estimate: Audio,
) -> NDArray[np.float64]:
    """The nearest that filters of 512 taps can make of the sources, by least squares; (C, S +
    511).
    """
    n = estimate.shape[-1] + N_TAPS - 1
    delayed = np.zeros((n, 2 * len(sources), N_TAPS))
    for i, channel in enumerate(np.concatenate(sources)):
        for tap in range(N_TAPS):
            delayed[tap : tap + len(channel), i, tap] = channel
    basis = delayed.reshape(n, -1)
    wanted = np.pad(
        estimate,
        ((0, 0), (0, N_TAPS - 1)),
    ).T.astype(np.float64)
    return np.asarray(
        (
            basis
            @ np.linalg.solve(
                basis.T @ basis,
                basis.T @ wanted,
            )
        ).T
    )


@pytest.mark.slow
def test_figures_follow_their_definition_in_a_piece_of_one_frame() -> None:
    target, rest, grain = (noise(seed, 1) for seed in range(3))
    estimate = 0.8 * target + 0.3 * rest + 0.05 * grain
    true, mine, both, heard = (
        np.pad(
            audio,
            ((0, 0), (0, n)),
        ).astype(np.float64)
        for audio, n in (
            (target, N_TAPS - 1),
            (project([target], estimate), 0),
            (project([target, rest], estimate), 0),
            (estimate, N_TAPS - 1),
        )
    )

    def ratio(
        wanted: NDArray[np.float64],
        error: NDArray[np.float64],
    ) -> float:
        return float(10 * np.log10((wanted**2).sum() / (error**2).sum()))

    expected = (
        ratio(true, heard - true),
        ratio(true, mine - true),
        ratio(mine, both - mine),
        ratio(both, heard - both),
    )
    assert measure_bss(target, estimate, target + rest, SAMPLE_RATE) == pytest.approx(
        expected, abs=0.01
    )


@pytest.mark.slow
def test_figures_are_medians_of_frames_of_a_second(target: Audio, rest: Audio) -> None:
    estimate = target + 0.01 * rest
    estimate[:, :SAMPLE_RATE] = 10 * rest[:, :SAMPLE_RATE]
    found = measure_bss(target, estimate, target + rest, SAMPLE_RATE).bss_sdr_db
    assert found is not None
    assert found > 25, "one bad second of four is no median"


@pytest.mark.slow
def test_seconds_without_the_target_do_not_count(target: Audio, rest: Audio) -> None:
    target[:, : 3 * SAMPLE_RATE] = 0
    estimate = target + 0.1 * rest
    found = measure_bss(target, estimate, target + rest, SAMPLE_RATE)
    assert found.bss_sdr_db == pytest.approx(20, abs=0.5)


@pytest.mark.slow
def test_the_mixture_has_figures(target: Audio, rest: Audio) -> None:
    found = measure_bss(target, target + rest, target + rest, SAMPLE_RATE)
    assert found.bss_sdr_db == pytest.approx(0, abs=0.3)
    assert found.bss_sar_db is not None
    assert found.bss_sar_db > 40


@pytest.mark.slow
def test_the_same_on_both_sides_is_no_hindrance(target: Audio, rest: Audio) -> None:
    target, rest = (
        np.repeat(
            audio[:1],
            2,
            axis=0,
        )
        for audio in (target, rest)
    )
    found = measure_bss(target, target + 0.1 * rest, target + rest, SAMPLE_RATE)
    assert found.bss_sdr_db == pytest.approx(20, abs=0.3)


@pytest.mark.slow
def test_sources_without_treble_that_are_alike_on_both_sides_have_all_figures() -> None:
    spectra = [
        np.fft.rfft(noise(seed, 8)[0]) * (np.arange(8 * SAMPLE_RATE // 2 + 1) < 8 * 1000)
        for seed in (0, 1)
    ]
    target, rest = (
        np.repeat(
            np.fft.irfft(s)[None],
            2,
            axis=0,
        ).astype(np.float32)
        for s in spectra
    )
    found = measure_bss(target, 0.8 * target + 0.1 * rest, target + rest, SAMPLE_RATE)
    assert found.bss_sir_db == pytest.approx(
        20 * np.log10(0.8 / 0.1),
        abs=1,
    )
    assert found.bss_isr_db == pytest.approx(
        20 * np.log10(1 / 0.2),
        abs=1,
    )
    assert found.bss_sar_db is not None
    assert found.bss_sar_db > 30


def test_silence_and_a_piece_without_a_remainder_have_no_figures(
    target: Audio, rest: Audio
) -> None:
    assert (
        measure_bss(
            target,
            np.zeros_like(target),
            target + rest,
            SAMPLE_RATE,
        )
        == BssFigures()
    )
    assert measure_bss(target, 0.5 * target, target, SAMPLE_RATE) == BssFigures()


def test_a_missing_museval_is_named_with_its_extra(
    monkeypatch: pytest.MonkeyPatch, target: Audio, rest: Audio
) -> None:
    monkeypatch.setitem(sys.modules, "museval", None)
    with pytest.raises(ConfigError, match=r"rtmss\[train\]"):
        measure_bss(target, target, target + rest, SAMPLE_RATE)
