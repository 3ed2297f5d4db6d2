"""Parts that no soundfont plays: those of rtmss's oscillators, and of its drum machine."""

from __future__ import annotations

import numpy as np
from pedalboard import HighpassFilter

from rtmss.audio import Audio
from rtmss.synth.drum_machine import play_drums
from rtmss.synth.lines import RISE
from rtmss.synth.oscillators import sweep_filter, synthesize_notes
from rtmss.synth.patches import draw_patch
from rtmss.synth.score import Part, Rng


def play_own(
    part: Part,
    n_samples: int,
    sample_rate: int,
    rng: Rng,
) -> Audio:
    """(2, n_samples), dry, of a part whose instrument is one of `instruments.OWN`."""
    if part.instrument.stem == "drums":
        return play_drums(part.notes, n_samples, sample_rate, rng)
    if part.instrument.stem == "fx":
        return _play_risers(part, n_samples, sample_rate, rng)
    return synthesize_notes(
        part.notes, draw_patch(part.instrument.name, rng), n_samples, sample_rate, rng
    )


def _play_risers(
    part: Part,
    n_samples: int,
    sample_rate: int,
    rng: Rng,
) -> Audio:
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
        noise = rng.standard_normal(
            (2, n),
            dtype=np.float32,
        ) * np.float32(note.velocity / 127)
        swept = (
            sweep_filter(
                noise,
                200 * (top / 200) ** shape,
                resonance,
                sample_rate,
            )
            * shape
        )
        edge = np.minimum(
            1,
            np.arange(
                n,
                dtype=np.float32,
            )[::-1]
            / (0.02 * sample_rate),
        )
        out[:, start : start + n] += HighpassFilter(200)(swept * edge, sample_rate)
    return out
