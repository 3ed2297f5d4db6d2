"""A drum machine: every hit computed from oscillators and noise, with sounds of its own for every
song.

Axes: S samples.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from pedalboard import HighpassFilter, LowpassFilter

from rtmss.audio import Audio
from rtmss.synth.score import Note, Rng

Samples = NDArray[np.float32]
_METAL_HZ = (205.3, 304.4, 369.6, 522.7, 540.0, 800.0)
"""Ratios of six square waves that sound as cymbals do."""


def play_drums(
    notes: tuple[Note, ...],
    n_samples: int,
    sample_rate: int,
    rng: Rng,
) -> Audio:
    """(2, n_samples) of General MIDI drum notes; the right hand a little to one side."""
    kit = make_kit(sample_rate, rng)
    side = float(rng.uniform(-0.4, 0.4))
    out = np.zeros((2, n_samples), np.float32)
    for note in notes:
        hit = kit[_PIECE.get(note.pitch, "tom")]
        if note.pitch in _TOM_RATIO:
            hit = _resampled(hit, _TOM_RATIO[note.pitch])
        start = int(note.start * sample_rate)
        hit = hit[: max(0, n_samples - start)] * np.float32((note.velocity / 127) ** 1.5)
        pan = side if _PIECE.get(note.pitch) in ("closed", "open", "shaker") else 0.0
        out[0, start : start + hit.size] += hit * np.float32(1 - max(0.0, pan))
        out[1, start : start + hit.size] += hit * np.float32(1 + min(0.0, pan))
    return out


def make_kit(sample_rate: int, rng: Rng) -> dict[str, Samples]:
    """One hit of every piece, peak near 1; (S,) each."""
    makers: dict[str, Callable[[int, Rng], Samples]] = {
        "kick": _kick,
        "snare": _snare,
        "clap": _clap,
        "side": _side,
        "tom": _tom,
        "closed": lambda rate, rng: _hat(
            rate,
            rng,
            rng.uniform(0.02, 0.07),
        ),
        "open": lambda rate, rng: _hat(
            rate,
            rng,
            rng.uniform(0.15, 0.4),
        ),
        "crash": lambda rate, rng: _hat(
            rate,
            rng,
            rng.uniform(0.5, 1.1),
        ),
        "shaker": lambda rate, rng: _burst(
            rate,
            rng,
            0.012,
            rng.uniform(0.03, 0.08),
            5000,
        ),
    }
    kit = {name: make(sample_rate, rng) for name, make in makers.items()}
    level = {
        "kick": 1.0,
        "snare": 0.8,
        "clap": 0.7,
        "side": 0.5,
        "tom": 0.7,
        "closed": 0.35,
        "open": 0.35,
        "crash": 0.45,
        "shaker": 0.3,
    }
    tilt = {name: 10 ** (rng.normal(0, 2) / 20) for name in kit}
    return {
        name: (hit / np.abs(hit).max() * level[name] * tilt[name]).astype(np.float32)
        for name, hit in kit.items()
    }


def _kick(sample_rate: int, rng: Rng) -> Samples:
    """A sine whose pitch falls, a click, and a little drive; long ones as of an 808."""
    decay = float(rng.choice([rng.uniform(0.08, 0.2), rng.uniform(0.2, 0.6)]))
    t = _time(min(1.6, 6 * decay), sample_rate)
    low_hz, high_hz, fall = rng.uniform(38, 62), rng.uniform(120, 450), rng.uniform(0.008, 0.05)
    hz = low_hz + (high_hz - low_hz) * np.exp(-t / fall)
    body = np.sin(2 * np.pi * np.cumsum(hz) / sample_rate) * np.exp(-t / decay)
    click = rng.standard_normal(t.size) * np.exp(-t / 0.002) * rng.uniform(0, 0.4)
    return _faded(np.tanh((body + click) * rng.uniform(0.8, 4.0)))


def _snare(sample_rate: int, rng: Rng) -> Samples:
    t = _time(0.45, sample_rate)
    hz = rng.uniform(150, 260)
    shell = np.sin(
        2 * np.pi * np.cumsum(hz * (1 + 0.5 * np.exp(-t / 0.01))) / sample_rate
    ) * np.exp(-t / rng.uniform(0.04, 0.1))
    wires = _filtered(
        rng.standard_normal(t.size),
        rng.uniform(800, 2500),
        sample_rate,
    ) * np.exp(-t / rng.uniform(0.06, 0.18))
    return _faded(np.tanh(shell * rng.uniform(0.3, 1.0) + wires * rng.uniform(0.4, 0.9)))


def _clap(sample_rate: int, rng: Rng) -> Samples:
    """Three quick bursts of noise and their room."""
    t = _time(0.4, sample_rate)
    gap = rng.uniform(0.008, 0.014)
    bursts = sum(np.exp(-(t - i * gap) / 0.004) * (t >= i * gap) for i in range(3))
    tail = np.exp(-(t - 3 * gap) / rng.uniform(0.05, 0.14)) * (t >= 3 * gap)
    noise = _filtered(
        rng.standard_normal(t.size),
        rng.uniform(700, 1200),
        sample_rate,
    )
    return _faded(
        LowpassFilter(6000)(
            _float(noise * (bursts + tail)),
            sample_rate,
        )
    )


def _side(sample_rate: int, rng: Rng) -> Samples:
    t = _time(0.12, sample_rate)
    tones = np.sin(2 * np.pi * rng.uniform(400, 600) * t) + np.sin(
        2 * np.pi * rng.uniform(1500, 1900) * t
    )
    return _faded(tones * np.exp(-t / 0.015))


def _tom(sample_rate: int, rng: Rng) -> Samples:
    t = _time(0.7, sample_rate)
    hz = rng.uniform(90, 130) * (1 + rng.uniform(0.3, 1.0) * np.exp(-t / rng.uniform(0.02, 0.06)))
    return _faded(
        np.sin(2 * np.pi * np.cumsum(hz) / sample_rate) * np.exp(-t / rng.uniform(0.1, 0.25))
    )


def _hat(sample_rate: int, rng: Rng, decay: float) -> Samples:
    """Noise and metal, high-passed; the longer decays are open hats and cymbals."""
    t = _time(min(3.0, 6 * decay), sample_rate)
    tune = rng.uniform(0.8, 1.6)
    metal = (
        sum(np.sign(np.sin(2 * np.pi * hz * tune * t + rng.uniform(0, 6))) for hz in _METAL_HZ) / 3
    )
    mixed = metal * rng.uniform(0, 0.8) + rng.standard_normal(t.size) * rng.uniform(0.2, 0.8)
    return _faded(
        _filtered(
            mixed,
            rng.uniform(4500, 8500),
            sample_rate,
        )
        * np.exp(-t / decay)
    )


def _burst(
    sample_rate: int,
    rng: Rng,
    attack: float,
    decay: float,
    low_hz: float,
) -> Samples:
    t = _time(attack + 5 * decay, sample_rate)
    shape = np.minimum(1, t / attack) * np.exp(-np.maximum(0, t - attack) / decay)
    return _faded(
        _filtered(
            rng.standard_normal(t.size),
            low_hz,
            sample_rate,
        )
        * shape
    )


def _time(seconds: float, sample_rate: int) -> NDArray[np.float64]:
    return np.arange(int(seconds * sample_rate)) / sample_rate


def _float(x: NDArray[np.float64]) -> Samples:
    return x.astype(np.float32)


def _filtered(
    x: NDArray[np.float64],
    low_hz: float,
    sample_rate: int,
) -> Samples:
    once: Samples = HighpassFilter(float(low_hz))(_float(x), sample_rate)
    twice: Samples = HighpassFilter(float(low_hz))(once, sample_rate)
    return twice


def _faded(x: NDArray[np.floating]) -> Samples:
    n = x.size // 8
    faded: Samples = x.astype(np.float32)
    faded[-n:] *= np.linspace(
        1,
        0,
        n,
        dtype=np.float32,
    )
    return faded


def _resampled(hit: Samples, ratio: float) -> Samples:
    return np.asarray(
        np.interp(
            np.arange(0, hit.size - 1, ratio),
            np.arange(hit.size),
            hit,
        ),
        np.float32,
    )


_TOM_RATIO = {
    41: 0.75,
    43: 0.85,
    45: 1.0,
    47: 1.15,
    48: 1.3,
    50: 1.5,
}
_PIECE = {
    **dict.fromkeys((35, 36), "kick"),
    **dict.fromkeys((38, 40), "snare"),
    39: "clap",
    37: "side",
    **dict.fromkeys((42, 44, 53), "closed"),
    **dict.fromkeys((46, 51, 59), "open"),
    **dict.fromkeys((49, 52, 55, 57), "crash"),
    **dict.fromkeys((54, 69, 70, 82), "shaker"),
    **dict.fromkeys(_TOM_RATIO, "tom"),
}
