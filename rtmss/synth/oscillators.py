"""Subtractive synthesis in numpy: tables of harmonics, envelopes, and a filter that moves.

Axes: S samples; stereo is (2, S).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from pedalboard import LadderFilter

from rtmss.audio import Audio
from rtmss.synth.score import Note, Rng

_TABLE = 4096
_CUTOFFS_HZ = np.geomspace(60, 15000, 9)
Curve = NDArray[np.float32]


@dataclass(frozen=True)
class Patch:
    """The settings of a synthesizer. Times in seconds."""

    wave: str
    """saw, square, triangle or sine."""
    n_unison: int
    detune_cents: float
    width: float
    """0 mono to 1 wide."""
    attack: float
    decay: float
    """Time constant of the fall from the peak to `sustain`."""
    sustain: float
    """0 to 1."""
    release: float
    cutoff_hz: float
    opening: float
    """Octaves by which a note opens the filter."""
    closing: float
    """Time constant with which it closes again."""
    resonance: float
    drive: float
    sweep: float = 0.0
    """Octaves by which the filter wanders up and down, slowly."""
    sub: float = 0.0
    """Level of a sine an octave below."""


@lru_cache(maxsize=256)
def _table(wave: str, n_harmonics: int) -> Curve:
    """One period with only as many harmonics as fit below half the sample rate."""
    k = np.arange(1, n_harmonics + 1)
    level = {
        "saw": 1 / k,
        "square": (k % 2) / k,
        "triangle": (k % 2)
        / k**2
        * np.where(
            k % 4 == 1,
            1,
            -1,
        ),
        "sine": (k == 1) * 1.0,
    }[wave]
    spectrum = np.zeros(_TABLE // 2 + 1, complex)
    spectrum[1 : n_harmonics + 1] = -0.5j * level * _TABLE
    table = np.fft.irfft(spectrum)
    return np.asarray(
        table / np.abs(table).max(),
        np.float32,
    )


def tone(
    wave: str,
    hz: float,
    n_samples: int,
    sample_rate: int,
    phase: float = 0.0,
) -> Curve:
    """(S,) of a steady band-limited wave; phase in periods."""
    n_harmonics = int(
        np.clip(
            0.45 * sample_rate / hz,
            1,
            _TABLE // 2 - 1,
        )
    )
    rounded = 1 << (n_harmonics.bit_length() - 1)  # few tables serve all pitches
    rounded += rounded // 2 if rounded * 3 // 2 <= n_harmonics else 0
    increment = round(hz / sample_rate * 2**32)
    place = np.arange(
        n_samples,
        dtype=np.uint64,
    ) * np.uint64(increment) + np.uint64(int(phase * 2**32) % 2**32)
    samples: Curve = _table(wave, rounded)[(place >> np.uint64(20)) & np.uint64(_TABLE - 1)]
    return samples


def envelope(
    patch: Patch,
    n_held: int,
    n_samples: int,
    sample_rate: int,
) -> Curve:
    """(S,) loudness of one note that is held for `n_held` samples."""
    t = np.arange(
        n_samples,
        dtype=np.float32,
    ) / np.float32(sample_rate)
    fall = patch.sustain + (1 - patch.sustain) * np.exp(
        -np.maximum(0, t - patch.attack) / patch.decay
    )
    rise = np.minimum(1, t / max(patch.attack, 0.002))
    curve: Curve = (rise * fall).astype(np.float32)
    curve[n_held:] *= (
        np.linspace(
            1,
            0,
            n_samples - n_held,
            dtype=np.float32,
        )
        ** 2
    )
    return curve


def synthesize_notes(
    notes: tuple[Note, ...], patch: Patch, n_samples: int, sample_rate: int, rng: Rng
) -> Audio:
    """Play notes with a patch: oscillators, loudness, one filter for all notes, drive.

    Returns:
        (2, n_samples).
    """
    out = np.zeros((2, n_samples), np.float32)
    spread = np.linspace(-1, 1, patch.n_unison) if patch.n_unison > 1 else np.zeros(1)
    angles = np.pi / 4 * (1 + patch.width * spread)
    for note in notes:
        start = int(note.start * sample_rate)
        n_held = int(note.seconds * sample_rate)
        n = min(n_held + int(patch.release * sample_rate), n_samples - start)
        if n <= 16:
            continue
        hz = 440 * 2 ** ((note.pitch - 69) / 12)
        gain = np.float32(note.velocity / 127 / patch.n_unison**0.5)
        loud = envelope(patch, min(n_held, n), n, sample_rate) * gain
        for place, angle in zip(spread, angles, strict=True):
            detuned_hz = hz * 2 ** (place * patch.detune_cents / 1200)
            voice = tone(patch.wave, detuned_hz, n, sample_rate, rng.random()) * loud
            out[0, start : start + n] += voice * np.float32(np.cos(angle))
            out[1, start : start + n] += voice * np.float32(np.sin(angle))
        if patch.sub:
            below = tone("sine", hz / 2, n, sample_rate) * loud
            out[:, start : start + n] += below * np.float32(patch.sub)
    out = out if patch.n_unison > 1 else out[:1]  # both sides are equal: one will do until the end
    filtered = sweep_filter(
        out, cutoff_curve(notes, patch, n_samples, sample_rate, rng), patch.resonance, sample_rate
    )
    driven = np.tanh(filtered * np.float32(patch.drive)) if patch.drive > 1 else filtered
    return np.repeat(driven, 2 // len(driven), axis=0)


def cutoff_curve(
    notes: tuple[Note, ...], patch: Patch, n_samples: int, sample_rate: int, rng: Rng
) -> Curve:
    """(S,) cutoff in Hz: every note opens the filter, which closes again; the whole wanders
    slowly.
    """
    step = 64
    t = np.arange(-(-n_samples // step)) * step / sample_rate
    octaves = patch.sweep * np.sin(2 * np.pi * (t * rng.uniform(0.01, 0.12) + rng.random()))
    if patch.opening and notes:
        starts = np.unique([note.start for note in notes])
        since = (
            t
            - np.concatenate([[-1e9], starts])[
                np.searchsorted(
                    starts,
                    t,
                    side="right",
                )
            ]
        )
        octaves = octaves + patch.opening * np.exp(-since / patch.closing) * np.minimum(
            1, since / 0.004
        )
    cutoff = np.repeat(patch.cutoff_hz * 2**octaves, step)[:n_samples]
    return np.clip(cutoff, 40, 16000).astype(np.float32)


def sweep_filter(
    audio: Audio,
    cutoff_hz: Curve,
    resonance: float,
    sample_rate: int,
) -> Audio:
    """Low-pass (C, S) with a moving cutoff (S,): a crossfade between fixed filters, exact to the
    sample and quick.
    """
    place = np.interp(
        np.log(cutoff_hz),
        np.log(_CUTOFFS_HZ),
        np.arange(len(_CUTOFFS_HZ)),
    ).astype(np.float32)
    out = np.zeros_like(audio)
    for i, cutoff in enumerate(_CUTOFFS_HZ):
        weight = np.maximum(
            0,
            1 - np.abs(place - np.float32(i)),
        )
        if weight.any():
            filtered = LadderFilter(LadderFilter.Mode.LPF24, float(cutoff), resonance)(
                audio, sample_rate
            )
            out += filtered * weight
    return out
