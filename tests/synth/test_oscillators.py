"""Instruments of our own."""

from __future__ import annotations

import numpy as np
import pytest

from rtmss.synth.drum_machine import make_kit, play_drums
from rtmss.synth.instruments import OWN
from rtmss.synth.oscillators import sweep_filter, tone
from rtmss.synth.own import play_own
from rtmss.synth.score import Note, Part

RATE = 44100


def test_an_oscillator_sounds_at_its_pitch_without_aliases() -> None:
    spectrum = np.abs(
        np.fft.rfft(
            tone(
                "saw",
                1500.0,
                RATE,
                RATE,
            )
            * np.hanning(RATE)
        )
    )
    harmonics = np.arange(1500, RATE // 2, 1500)
    near = np.zeros(spectrum.size, bool)
    for hz in harmonics:
        near[hz - 3 : hz + 4] = True
    assert spectrum.argmax() == 1500
    assert spectrum[~near].max() < 2e-3 * spectrum.max()


def test_a_kick_falls_in_pitch() -> None:
    for seed in range(5):
        kick = make_kit(RATE, np.random.default_rng(seed))["kick"]
        crossings = np.flatnonzero(
            np.diff(
                np.signbit(
                    np.convolve(
                        kick,
                        np.ones(40) / 40,
                        "same",
                    )
                )
            )
        )
        gaps = np.diff(crossings)
        assert gaps[-1] > 1.3 * gaps[0]


def test_hats_are_bright_and_open_ones_longer() -> None:
    kit = make_kit(RATE, np.random.default_rng(1))
    for name in ("closed", "open"):
        power = np.abs(np.fft.rfft(kit[name])) ** 2
        hz = np.fft.rfftfreq(kit[name].size, 1 / RATE)
        assert power[hz > 3000].sum() > 0.9 * power.sum()
    assert kit["open"].size > 2 * kit["closed"].size


def test_a_drum_hit_starts_at_its_sample() -> None:
    out = play_drums(
        (Note(0.5, 0.1, 36, 127),),
        RATE,
        RATE,
        np.random.default_rng(0),
    )
    assert not out[:, : RATE // 2].any()
    assert np.abs(out[:, RATE // 2 : RATE // 2 + 200]).max() > 0.05


@pytest.mark.slow
@pytest.mark.parametrize("name", OWN)
def test_every_instrument_of_ones_own_sounds_and_ends(name: str) -> None:
    pitch = {
        "drums": 36,
        "bass": 36,
        "fx": 72,
    }.get(OWN[name].stem, 60)
    part = Part(
        OWN[name],
        "lead",
        "",
        (Note(0.2, 0.4, pitch, 100),),
    )
    for seed in range(3):
        audio = play_own(
            part,
            4 * RATE,
            RATE,
            np.random.default_rng(seed),
        )
        assert audio.shape == (2, 4 * RATE)
        assert np.isfinite(audio).all()
        assert np.abs(audio).max() > 0.02
        assert not audio[:, : RATE // 5].any()
        assert np.abs(audio[:, -RATE // 2 :]).max() < 1e-3


def test_the_filter_closes_and_opens() -> None:
    hiss = np.random.default_rng(0).standard_normal(
        (2, RATE),
        dtype=np.float32,
    )
    cutoff = np.full(RATE, 200, np.float32)
    cutoff[RATE // 2 :] = 15000
    out = sweep_filter(hiss, cutoff, 0.0, RATE)
    assert out[:, : RATE // 2].std() < 0.25 * out[:, RATE // 2 :].std()
