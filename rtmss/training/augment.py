"""Disguises: how one take becomes many. Everything is drawn from a numpy generator, so a seed fixes it.

Axes: C channels, S samples.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

FADE = 2048
"""Samples at either end of a crop that the circular transforms below may smear; callers crop longer by this."""


def speed_and_colour(
    audio: Tensor, n_out: int, sample_rate: int, rng: np.random.Generator, *, colour: float, room: float
) -> Tensor:
    """Play (C, S) in `n_out` samples (pitch and formants move together), with a random equaliser and room.

    Args:
        audio: (C, S) float32.
        n_out: length of the result; the speed is S / n_out.
        sample_rate: Hz.
        rng: source of chance.
        colour: probability of an equaliser.
        room: probability of a room; it makes mono stereo.
    """
    spectrum = torch.fft.rfft(audio)
    n_bins = n_out // 2 + 1
    if spectrum.shape[-1] >= n_bins:
        spectrum = spectrum[..., :n_bins]
    else:
        spectrum = torch.nn.functional.pad(spectrum, (0, n_bins - spectrum.shape[-1]))
    spectrum = spectrum * (n_out / audio.shape[-1])
    if rng.random() < colour:
        spectrum = spectrum * random_equaliser(n_bins, sample_rate, rng)
    if rng.random() < room:
        impulse = random_room(n_out, sample_rate, rng)
        spectrum = spectrum * torch.fft.rfft(impulse)
    played: Tensor = torch.fft.irfft(spectrum, n=n_out)
    return played


def random_equaliser(n_bins: int, sample_rate: int, rng: np.random.Generator) -> Tensor:
    """(n_bins,) gains: a smooth curve over log frequency, a few dB either way, sometimes a steep cut at an end."""
    frequency = np.linspace(0, sample_rate / 2, n_bins).clip(20)
    knots = np.geomspace(40, 18000, 7)
    gain_db = np.interp(np.log(frequency), np.log(knots), rng.normal(0, 4, knots.size))
    if rng.random() < 0.25:
        gain_db = gain_db - 12 * np.log2((rng.uniform(80, 300) / frequency).clip(1))
    if rng.random() < 0.25:
        gain_db = gain_db - 12 * np.log2((frequency / rng.uniform(3000, 12000)).clip(1))
    return torch.from_numpy((10 ** (gain_db / 20)).astype(np.float32))


def random_room(n: int, sample_rate: int, rng: np.random.Generator) -> Tensor:
    """(2, n) impulse response: the direct sound, and a different decaying noise on either side."""
    decay_seconds = rng.uniform(0.15, 1.3)
    n_tail = min(n - 1, int(decay_seconds * sample_rate))
    t = np.arange(n_tail, dtype=np.float32) / sample_rate
    tail = rng.standard_normal((2, n_tail), dtype=np.float32) * np.exp(-6.9 * t / decay_seconds).astype(np.float32)
    tail *= np.float32(10 ** (rng.uniform(-22, -6) / 20)) / np.sqrt(np.square(tail).sum(1, keepdims=True) + 1e-9)
    impulse = np.zeros((2, n), np.float32)
    delay = min(n - n_tail, int(rng.uniform(0, 0.03) * sample_rate) + 1)
    impulse[:, 0] = 1
    impulse[:, delay : delay + n_tail] += tail
    return torch.from_numpy(impulse)


def saturate(audio: Tensor, rng: np.random.Generator) -> Tensor:
    """Soft clipping at a random drive, level kept."""
    peak = audio.abs().max().clamp_min(1e-5)
    drive = float(rng.uniform(0.7, 4.0))
    driven = torch.tanh(audio * (drive / peak))
    level = audio.square().mean().sqrt() / driven.square().mean().sqrt().clamp_min(1e-6)
    return driven * level


def growl(audio: Tensor, sample_rate: int, rng: np.random.Generator) -> Tensor:
    """Add to (C, S) what distorted and detuned synthesizers have below a bass: dense, noise-like, at times very loud.

    It is heard where the sound is, in pulses of its own.
    """
    n = audio.shape[-1]
    lowest, highest = rng.uniform(20, 50), rng.uniform(60, 160)
    frequency = np.fft.rfftfreq(n, 1 / sample_rate)
    inside = (frequency > lowest) & (frequency < highest)
    spectrum = np.where(inside, rng.standard_normal(frequency.size) + 1j * rng.standard_normal(frequency.size), 0)
    noise = torch.from_numpy(np.fft.irfft(spectrum, n).astype(np.float32))
    n_pulses = int(rng.integers(1, 9))
    heights = np.repeat(rng.random(n_pulses) < 0.75, -(-n // n_pulses))[:n].astype(np.float32)
    smooth = int(sample_rate * 10 ** rng.uniform(-2, -0.5))
    summed = np.cumsum(np.pad(heights, (smooth, 0), mode="edge"), dtype=np.float64)
    heights = ((summed[smooth:] - summed[:-smooth]) / smooth).astype(np.float32)
    noise = noise * torch.from_numpy(heights)
    level = audio.square().mean().sqrt() * 10 ** (rng.uniform(-12, 16) / 20)
    return audio + noise * (level / noise.square().mean().sqrt().clamp_min(1e-9))


def sub_notes(audio: Tensor, sample_rate: int, rng: np.random.Generator) -> Tensor:
    """Add to (C, S) a sub bass under a synthesizer: tuned notes below 100 Hz, many of which begin as a kick does.

    It tells a drum from a note by whether the pitch stays, not by where it lies.
    """
    n = audio.shape[-1]
    lowest = rng.uniform(28, 60)
    n_notes = int(rng.integers(1, 9))
    edges = np.sort(rng.integers(0, n, n_notes))
    glide, settling = (rng.uniform(0.3, 3), rng.uniform(0.008, 0.04)) if rng.random() < 0.6 else (0.0, 1.0)
    attack, release, fall = rng.uniform(0.001, 0.02), rng.uniform(0.01, 0.06), rng.uniform(0.15, 2)
    sub = np.zeros(n)
    for start, end in zip(edges, [*edges[1:], n], strict=True):
        length = int((end - start) * rng.uniform(0.4, 1))
        t = np.arange(length) / sample_rate
        pitch = lowest * rng.choice([1, 6 / 5, 4 / 3, 3 / 2, 2])
        phase = 2 * np.pi * pitch * (t + glide * settling * (1 - np.exp(-t / settling)))
        gate = np.minimum(1, t / attack) * np.minimum(1, t[::-1] / release)
        sub[start : start + length] = np.sin(phase + rng.uniform(0, 6.3)) * gate * np.exp(-t / fall)
    drive = 10 ** rng.uniform(-1, 0.6)
    sub = np.tanh(drive * sub)
    level = audio.square().mean().sqrt() * 10 ** (rng.uniform(-12, 16) / 20)
    return audio + torch.from_numpy((sub / (np.sqrt(np.square(sub).mean()) + 1e-6)).astype(np.float32)) * level


def to_stereo(audio: Tensor, rng: np.random.Generator) -> Tensor:
    """(C, S) -> (2, S): mono is panned (constant power), stereo sometimes changes sides; polarity is tossed."""
    if audio.shape[0] == 1:
        angle = np.pi / 4 + rng.uniform(-0.6, 0.6) * (rng.random() < 0.7)
        gains = torch.tensor([[np.cos(angle)], [np.sin(angle)]], dtype=torch.float32) * 2**0.5
        audio = audio * gains
    elif rng.random() < 0.5:
        audio = audio.flip(0)
    return audio if rng.random() < 0.5 else -audio
