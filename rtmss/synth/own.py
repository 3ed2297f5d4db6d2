"""Parts that no soundfont plays: patches drawn by chance for rtmss's oscillators, and its drum
machine.
"""

from __future__ import annotations

import numpy as np
from pedalboard import HighpassFilter

from rtmss.audio import Audio
from rtmss.synth.drum_machine import play_drums
from rtmss.synth.lines import RISE
from rtmss.synth.oscillators import Patch, sweep_filter, synthesize_notes
from rtmss.synth.score import Part, Rng


def play_own(part: Part, n_samples: int, sample_rate: int, rng: Rng) -> Audio:
    """(2, n_samples), dry, of a part whose instrument is one of `instruments.OWN`."""
    if part.instrument.stem == "drums":
        return play_drums(part.notes, n_samples, sample_rate, rng)
    if part.instrument.stem == "fx":
        return _play_risers(part, n_samples, sample_rate, rng)
    return synthesize_notes(
        part.notes, draw_patch(part.instrument.name, rng), n_samples, sample_rate, rng
    )


def draw_patch(name: str, rng: Rng) -> Patch:
    """A patch for an instrument of `instruments.OWN`."""
    u = rng.uniform
    wave = str(rng.choice(["saw", "saw", "square", "triangle"]))
    patches = {
        "sub bass": lambda: Patch(
            str(rng.choice(["sine", "sine", "triangle"])),
            1,
            0,
            0,
            0.004,
            u(0.3, 1.5),
            u(0.1, 0.9),
            u(0.05, 0.2),
            u(200, 1200),
            u(0, 2),
            u(0.03, 0.1),
            0.1,
            u(1.0, 3.5),
        ),
        "filter bass": lambda: Patch(
            wave,
            int(rng.choice([1, 1, 2, 3])),
            u(3, 15),
            u(0, 0.3),
            0.003,
            u(0.1, 0.6),
            u(0.2, 0.8),
            u(0.03, 0.1),
            u(80, 500),
            u(1, 4.5),
            u(0.04, 0.3),
            u(0.1, 0.75),
            u(1, 3),
            u(0, 1.2),
            u(0, 0.7),
        ),
        "pluck synth": lambda: Patch(
            wave,
            int(rng.choice([1, 2, 3])),
            u(4, 18),
            u(0, 1),
            0.002,
            u(0.06, 0.4),
            u(0, 0.2),
            u(0.05, 0.4),
            u(150, 900),
            u(2, 5),
            u(0.03, 0.2),
            u(0.05, 0.6),
            1,
            u(0, 1.5),
        ),
        "arp synth": lambda: Patch(
            wave,
            int(rng.choice([1, 1, 2])),
            u(3, 12),
            u(0, 0.8),
            0.002,
            u(0.1, 0.5),
            u(0, 0.6),
            u(0.03, 0.3),
            u(250, 2500),
            u(0.5, 4),
            u(0.04, 0.25),
            u(0.05, 0.75),
            u(0.9, 1.8),
            u(0, 2),
        ),
        "pad synth": lambda: Patch(
            wave,
            int(rng.choice([2, 3, 5])),
            u(6, 25),
            u(0.3, 1),
            u(0.05, 0.9),
            2.0,
            u(0.6, 1),
            u(0.3, 1.5),
            u(300, 3500),
            u(0, 0.8),
            u(0.5, 2),
            u(0, 0.4),
            1,
            u(0, 2.2),
        ),
        "supersaw": lambda: Patch(
            "saw",
            int(rng.choice([5, 7])),
            u(12, 35),
            u(0.5, 1),
            u(0.003, 0.05),
            u(0.3, 1),
            u(0.5, 1),
            u(0.08, 0.5),
            u(1500, 9000),
            u(0, 1.5),
            u(0.1, 0.5),
            u(0, 0.2),
            u(0.9, 1.5),
            u(0, 1.2),
            u(0, 0.3),
        ),
        "lead synth": lambda: Patch(
            wave,
            int(rng.choice([1, 2, 3])),
            u(3, 15),
            u(0, 0.6),
            u(0.003, 0.05),
            u(0.2, 1),
            u(0.5, 1),
            u(0.05, 0.3),
            u(800, 7000),
            u(0, 2),
            u(0.1, 0.4),
            u(0, 0.6),
            u(0.9, 2.5),
            u(0, 0.8),
        ),
    }
    return patches[name]()


def _play_risers(part: Part, n_samples: int, sample_rate: int, rng: Rng) -> Audio:
    """Noise through a filter that opens to the end of a note, or closes from its start."""
    out = np.zeros((2, n_samples), np.float32)
    resonance, top = float(rng.uniform(0.1, 0.7)), float(rng.uniform(3000, 14000))
    for note in part.notes:
        start, n = int(note.start * sample_rate), int(note.seconds * sample_rate)
        n = min(n, n_samples - start)
        if n < sample_rate // 20:
            continue
        shape = np.linspace(0, 1, n, dtype=np.float32) ** 2
        shape = shape if note.pitch == RISE else shape[::-1]
        noise = rng.standard_normal((2, n), dtype=np.float32) * np.float32(note.velocity / 127)
        swept = sweep_filter(noise, 200 * (top / 200) ** shape, resonance, sample_rate) * shape
        edge = np.minimum(1, np.arange(n, dtype=np.float32)[::-1] / (0.02 * sample_rate))
        out[:, start : start + n] += HighpassFilter(200)(swept * edge, sample_rate)
    return out
