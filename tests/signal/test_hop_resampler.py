"""From one rate to another: as a plain sum says, at the same delay however the sound is cut."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from helpers.makers import Noise
from rtmss.audio import Audio
from rtmss.signal.hop_resampler import BETA, CUTOFF, SIDE, HopResampler, resampling_delay

RATIOS = [
    (372, 512),
    (557, 512),
    (1024, 512),
    (1115, 512),
    (2229, 512),
    (93, 512),
    (139, 128),
]
"""Hops at another rate, and of the model: 32, 48, 88.2, 96, 192 and 8 kHz, and shorter hops."""


def there_and_back(
    outer: int,
    inner: int,
) -> tuple[HopResampler, HopResampler, int]:
    """To an inner rate and back, and the delay of both together, in samples of the outer one."""
    delay = resampling_delay(outer, inner)
    down = HopResampler(outer, inner, Fraction(delay))
    return (
        down,
        HopResampler(
            inner,
            outer,
            Fraction(delay * inner, outer),
        ),
        2 * delay,
    )


def resample(resampler: HopResampler, audio: Audio) -> Audio:
    return resampler(audio, resampler.init_state(len(audio)))[0]


def tone(frequency: float, n: int) -> Audio:
    """(1, n) a sine, in cycles per sample, that begins and ends softly."""
    samples = np.sin(2 * np.pi * frequency * np.arange(n)) * np.hanning(n)
    return np.asarray(samples[None], np.float32)


def level_db(
    audio: NDArray[np.floating],
    reference: NDArray[np.floating],
) -> float:
    power = np.square(audio).sum() / np.square(reference).sum()
    return float(10 * np.log10(power + 1e-30))


@settings(deadline=None, max_examples=60)
@given(
    st.integers(1, 300),
    st.integers(1, 300),
    st.data(),
)
def test_cutting_into_other_hops_changes_no_bit(n_in: int, n_out: int, data: st.DataObject) -> None:
    resampler = HopResampler(n_in, n_out, Fraction(resampling_delay(n_in, n_out)))
    hops = data.draw(
        st.lists(
            st.integers(1, 5),
            min_size=2,
            max_size=5,
        )
    )
    rng = np.random.default_rng(data.draw(st.integers(0, 9)))
    audio = rng.standard_normal(
        (3, sum(hops) * n_in),
        np.float32,
    )
    whole = resample(resampler, audio)
    past, pieces, start = resampler.init_state(3), [], 0
    for n in hops:
        piece, past = resampler(
            audio[:, start : start + n * n_in],
            past,
        )
        pieces.append(piece)
        start += n * n_in
    assert whole.shape == (3, sum(hops) * n_out)
    assert np.array_equal(np.concatenate(pieces, axis=-1), whole)


@pytest.mark.slow
@settings(deadline=None, max_examples=60)
@given(
    st.integers(1, 300),
    st.integers(1, 300),
    st.fractions(0, 3, max_denominator=7),
)
@example(95, 294, Fraction(1, 2))  # a sample lies just at the edge of the window
def test_every_sample_is_the_sum_that_the_method_says(
    n_in: int, n_out: int, longer: Fraction
) -> None:
    half = SIDE * max(1.0, n_in / n_out)
    delay = resampling_delay(n_in, n_out) + longer
    n_hops = 2 + round(float(delay + Fraction(half)) / n_in)
    audio = np.random.default_rng(0).standard_normal(
        (1, n_hops * n_in),
        np.float32,
    )
    out = resample(HopResampler(n_in, n_out, delay), audio)[0]
    cutoff = CUTOFF * min(1.0, n_out / n_in)
    for m in {
        0,
        n_out // 2,
        len(out) // 2,
        len(out) - 1,
    }:
        samples = np.arange(
            -4 * int(half + 9),
            audio.shape[1],
        )
        distance = m * n_in / n_out - float(delay) - samples
        window = np.i0(
            BETA
            * np.sqrt(
                np.clip(
                    1 - (distance / half) ** 2,
                    0,
                    None,
                )
            )
        )
        weights = np.where(
            np.abs(distance) < half - 1e-6,
            np.sinc(cutoff * distance) * window,
            0.0,
        )
        heard = np.where(
            samples < 0,
            0.0,
            audio[0, np.maximum(samples, 0)],
        )
        assert out[m] == pytest.approx(
            weights @ heard / weights.sum(),
            abs=1e-5,
        )


@pytest.mark.parametrize(("outer", "inner"), RATIOS)
def test_an_impulse_comes_back_after_exactly_the_delay(outer: int, inner: int) -> None:
    down, up, delay = there_and_back(outer, inner)
    n_hops = 4 + 4 * delay // outer
    for place in (delay, delay + 1, delay + outer // 3):
        audio = np.zeros((1, n_hops * outer), np.float32)
        audio[0, place] = 1.0
        back = resample(up, resample(down, audio))[0]
        centre = place + delay
        assert np.argmax(np.abs(back)) == centre
        before, after = back[centre - delay : centre][::-1], back[centre + 1 : centre + 1 + delay]
        assert np.abs(before - after).max() < 0.01 * back[centre] + 1e-4


@pytest.mark.parametrize(("outer", "inner"), RATIOS)
def test_what_comes_back_is_what_went_in(noise: Noise, outer: int, inner: int) -> None:
    """Up to 0.43 of the lower rate."""
    down, up, delay = there_and_back(outer, inner)
    audio = noise(40 * outer)
    frequencies = np.fft.rfftfreq(audio.shape[1]) * max(1.0, outer / inner)
    audio = np.fft.irfft(np.fft.rfft(audio) * (frequencies < 0.43)).astype(np.float32)
    back = resample(up, resample(down, audio))
    inside = slice(3 * delay, -3 * delay)
    error = back[:, delay:][:, inside] - audio[:, :-delay][:, inside]
    assert level_db(error, audio[:, inside]) < -75


@pytest.mark.parametrize(
    ("n_in", "n_out"),
    RATIOS + [(b, a) for a, b in RATIOS],
)
def test_the_pass_band_is_flat(n_in: int, n_out: int) -> None:
    resampler = HopResampler(n_in, n_out, Fraction(resampling_delay(n_in, n_out)))
    for share, ripple_db in {
        0.01: 0.001,
        0.2: 0.001,
        0.44: 0.001,
        0.4535: 0.03,
    }.items():
        audio = tone(
            share * min(1.0, n_out / n_in),
            -(-20000 // n_in) * n_in,
        )
        out = resample(resampler, audio)
        change_db = level_db(out, audio) - 10 * np.log10(n_out / n_in)
        assert abs(change_db) < ripple_db, share


@pytest.mark.parametrize(
    ("n_in", "n_out"),
    [(a, b) for a, b in RATIOS if a > b],
)
def test_what_would_be_an_alias_below_the_pass_bands_end_is_stopped(n_in: int, n_out: int) -> None:
    resampler = HopResampler(n_in, n_out, Fraction(resampling_delay(n_in, n_out)))
    for share in (0.5465, 0.6, 0.75, 1.3):
        frequency = share * n_out / n_in
        if frequency < 0.5:
            audio = tone(frequency, -(-20000 // n_in) * n_in)
            out = resample(resampler, audio)
            assert level_db(out, audio) < -80 + 10 * np.log10(n_out / n_in), share


@pytest.mark.parametrize(
    ("n_in", "n_out"),
    [(b, a) for a, b in RATIOS if a > b],
)
def test_what_would_be_an_image_of_the_pass_band_is_stopped(n_in: int, n_out: int) -> None:
    resampler = HopResampler(n_in, n_out, Fraction(resampling_delay(n_in, n_out)))
    for share in (0.05, 0.3, 0.4535):
        audio = tone(share, -(-20000 // n_in) * n_in)
        out = resample(resampler, audio)
        spectrum = np.abs(np.fft.rfft(out[0]))
        frequencies = np.fft.rfftfreq(out.shape[1]) * n_out / n_in
        is_image = np.abs(frequencies - share) > 0.02
        assert level_db(spectrum[is_image], spectrum[~is_image]) < -80, share


def test_a_call_leaves_its_past_alone(noise: Noise) -> None:
    resampler = HopResampler(557, 512, Fraction(40))
    past = noise(resampler.n_past)
    before = past.copy()
    resampler(noise(557), past)
    assert np.array_equal(past, before)


def test_a_delay_that_needs_the_future_is_refused() -> None:
    with pytest.raises(ValueError, match="a delay of 32 samples, the filter needs"):
        HopResampler(557, 512, Fraction(32))
