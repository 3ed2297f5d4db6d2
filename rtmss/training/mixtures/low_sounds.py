"""What synthesizers have below their notes: noise and sub basses, put under parts.

Axes: P parts, C channels, S samples, K sounds.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from rtmss.signal.dynamics import rms


def draw_noise_bass(
    n: int,
    sample_rate: int,
    rng: np.random.Generator,
) -> NDArray[np.float32]:
    """(S,) what distorted and detuned synthesizers have below a bass: dense, noise-like, in pulses
    of its own.

    Its level is that over the sound it is put under: at times very loud.
    """
    lowest, highest = rng.uniform(20, 50), rng.uniform(60, 160)
    frequency = np.fft.rfftfreq(n, 1 / sample_rate)
    inside = (frequency > lowest) & (frequency < highest)
    spectrum = np.where(
        inside, rng.standard_normal(frequency.size) + 1j * rng.standard_normal(frequency.size), 0
    )
    noise = np.fft.irfft(spectrum, n)
    n_pulses = int(rng.integers(1, 9))
    heights = np.repeat(
        rng.random(n_pulses) < 0.75,
        -(-n // n_pulses),
    )[:n].astype(np.float32)
    smooth = int(sample_rate * 10 ** rng.uniform(-2, -0.5))
    summed = np.cumsum(
        np.pad(heights, (smooth, 0), mode="edge"),
        dtype=np.float64,
    )
    return _levelled(
        noise * ((summed[smooth:] - summed[:-smooth]) / smooth),
        rng,
    )


def draw_sub_bass(
    n: int,
    sample_rate: int,
    rng: np.random.Generator,
) -> NDArray[np.float32]:
    """(S,) a sub bass under a synthesizer: tuned notes below 100 Hz, many of which begin as a kick
    does.

    It tells a drum from a note by whether the pitch stays, not by where it lies. Its level is as
    for `draw_noise_bass`.
    """
    lowest = rng.uniform(28, 60)
    n_notes = int(rng.integers(1, 9))
    edges = np.sort(rng.integers(0, n, n_notes))
    glide, settling = (
        (rng.uniform(0.3, 3), rng.uniform(0.008, 0.04)) if rng.random() < 0.6 else (0.0, 1.0)
    )
    attack, release, fall = rng.uniform(0.001, 0.02), rng.uniform(0.01, 0.06), rng.uniform(0.15, 2)
    sub = np.zeros(n)
    for start, end in zip(
        edges,
        [*edges[1:], n],
        strict=True,
    ):
        length = int((end - start) * rng.uniform(0.4, 1))
        t = np.arange(length) / sample_rate
        pitch = lowest * rng.choice(
            [
                1,
                6 / 5,
                4 / 3,
                3 / 2,
                2,
            ]
        )
        phase = 2 * np.pi * pitch * (t + glide * settling * (1 - np.exp(-t / settling)))
        gate = np.minimum(1, t / attack) * np.minimum(
            1,
            t[::-1] / release,
        )
        sub[start : start + length] = np.sin(phase + rng.uniform(0, 6.3)) * gate * np.exp(-t / fall)
    return _levelled(
        np.tanh(10 ** rng.uniform(-1, 0.6) * sub),
        rng,
    )


def put_under(audio: Tensor, parts: Tensor, sounds: Tensor) -> Tensor:
    """Add (K, S) sounds to the `parts` (K,) of (P, C, S) audio, at their level over each part's
    own.
    """
    if not len(parts):
        return audio
    return audio.index_add(
        0,
        parts,
        sounds[:, None].expand(
            -1,
            audio.shape[1],
            -1,
        )
        * rms(audio[parts]),
    )


def _levelled(
    sound: NDArray[np.float64],
    rng: np.random.Generator,
) -> NDArray[np.float32]:
    gain = 10 ** (rng.uniform(-12, 16) / 20)
    levelled = sound * (gain / (np.sqrt(np.square(sound).mean()) + 1e-6))
    return np.asarray(levelled, np.float32)
