"""Effect chains drawn by chance: guitar amplifiers and their cabinets, equalisers, modulation,
echo, worn media.
"""

from __future__ import annotations

import numpy as np
from pedalboard import (
    Bitcrush,
    Chorus,
    Clipping,
    Compressor,
    Delay,
    Distortion,
    HighpassFilter,
    HighShelfFilter,
    LowpassFilter,
    LowShelfFilter,
    PeakFilter,
    Phaser,
    Plugin,
    Resample,
)

from rtmss.synth.score import Part, Rng

_DRIVEN = (29, 30)
"""Programs that are distorted before they meet an amplifier."""


def draw_rig(
    part: Part,
    step_seconds: float,
    rng: Rng,
) -> list[Plugin]:
    """Effects for a part whose sounding level is near -18 dBFS.

    Args:
        part: whose stem and role decide what is likely.
        step_seconds: a sixteenth, to which echoes keep.
        rng: source of chance.
    """
    stem, label = part.instrument.stem, part.instrument.label
    chain: list[Plugin] = []
    if stem == "guitar" and label == "electric_guitar":
        chain += _amplifier(part, rng)
    elif (stem == "bass" or label == "organ") and rng.random() < 0.35:
        chain += [
            _driver(float(rng.uniform(3, 16)), rng),
            LowpassFilter(float(rng.uniform(2500, 8000))),
        ]
    elif stem == "synth" and rng.random() < 0.15:
        chain += _worn(rng)
    chain += _equaliser(stem, rng)
    if rng.random() < {
        "drums": 0.5,
        "bass": 0.7,
        "guitar": 0.4,
    }.get(stem, 0.3):
        chain.append(
            Compressor(
                float(rng.uniform(-28, -16)),
                float(rng.uniform(1.8, 5)),
                float(rng.uniform(3, 30)),
                float(rng.uniform(60, 250)),
            )
        )
    if stem not in ("drums", "bass", "percussion", "fx"):
        chain += _modulation(stem, rng)
        if rng.random() < (
            0.35
            if part.role
            in (
                "lead",
                "lead guitar",
                "arp",
                "pluck",
            )
            else 0.12
        ):
            beats = float(rng.choice([2, 3, 4, 6]))
            feedback, mix = float(rng.uniform(0.1, 0.5)), float(rng.uniform(0.1, 0.35))
            chain.append(Delay(min(1.5, beats * step_seconds), feedback, mix))
    return chain


def _amplifier(part: Part, rng: Rng) -> list[Plugin]:
    """Tight lows, drive, tone, and the band of a loudspeaker in its cabinet."""
    is_driven = part.instrument.program in _DRIVEN
    if is_driven:
        drive_db = float(rng.uniform(0, 14)) if rng.random() < 0.5 else 0.0
    elif part.instrument.name.startswith("amplified"):
        drive_db = float(rng.uniform(14, 40))
    else:
        drive_db = float(rng.uniform(10, 28) if rng.random() < 0.2 else rng.uniform(0, 9))
    chain: list[Plugin] = [HighpassFilter(float(rng.uniform(60, 160)))]
    if drive_db > 2:
        pre = Compressor(
            -24,
            float(rng.uniform(2, 6)),
            5,
            120,
        )
        chain += [
            pre,
            PeakFilter(
                float(rng.uniform(500, 1500)),
                float(rng.uniform(0, 6)),
                0.7,
            ),
            _driver(drive_db, rng),
        ]
    if is_driven and rng.random() < 0.5:
        return chain
    top_hz = float(rng.uniform(3500, 5800) if drive_db > 10 else rng.uniform(4500, 10000))
    body = PeakFilter(
        float(rng.uniform(90, 220)),
        float(rng.uniform(-2, 5)),
        0.9,
    )
    bite = PeakFilter(
        float(rng.uniform(1600, 3500)), float(rng.uniform(-2, 6)), float(rng.uniform(0.7, 1.5))
    )
    scoop = PeakFilter(
        float(rng.uniform(400, 900)),
        float(rng.uniform(-7, 2)),
        0.8,
    )
    return [
        *chain,
        body,
        scoop,
        bite,
        LowpassFilter(top_hz),
        LowpassFilter(top_hz),
    ]


def _driver(drive_db: float, rng: Rng) -> Plugin:
    """Soft saturation; from a strong drive on, hard clipping now and then. Loudness is evened out
    later.
    """
    if drive_db > 12 and rng.random() < 0.3:
        return Clipping(float(-6 - drive_db))
    return Distortion(float(drive_db))


def _equaliser(stem: str, rng: Rng) -> list[Plugin]:
    is_low = stem in ("drums", "bass", "percussion")
    chain: list[Plugin] = [HighpassFilter(20.0 if is_low else float(rng.uniform(30, 160)))]
    if rng.random() < 0.6:
        chain.append(
            PeakFilter(
                float(
                    np.exp(
                        rng.uniform(
                            np.log(150),
                            np.log(6000),
                        )
                    )
                ),
                float(rng.normal(0, 3)),
                float(rng.uniform(0.5, 1.6)),
            )
        )
    if rng.random() < 0.4:
        chain.append(
            HighShelfFilter(
                float(rng.uniform(3500, 9000)),
                float(rng.normal(0, 3)),
            )
        )
    if rng.random() < 0.3:
        chain.append(
            LowShelfFilter(
                float(rng.uniform(90, 250)),
                float(rng.normal(0, 2.5)),
            )
        )
    if stem in ("synth", "keys") and rng.random() < 0.2:
        chain.append(LowpassFilter(float(rng.uniform(700, 5000))))
    return chain


def _modulation(stem: str, rng: Rng) -> list[Plugin]:
    chance = {
        "guitar": 0.22,
        "keys": 0.25,
        "synth": 0.3,
    }.get(stem, 0.05)
    if rng.random() >= chance:
        return []
    if rng.random() < 0.7:
        return [
            Chorus(
                float(rng.uniform(0.2, 2.0)),
                float(rng.uniform(0.05, 0.3)),
                float(rng.uniform(5, 12)),
                0.0,
                float(rng.uniform(0.2, 0.5)),
            )
        ]
    return [
        Phaser(
            float(rng.uniform(0.1, 1.2)),
            float(rng.uniform(0.2, 0.6)),
            float(rng.uniform(600, 2000)),
            float(rng.uniform(0, 0.4)),
            float(rng.uniform(0.3, 0.5)),
        )
    ]


def _worn(rng: Rng) -> list[Plugin]:
    """As from a cheap sampler: few samples a second, or few bits."""
    if rng.random() < 0.6:
        return [
            Resample(
                float(rng.uniform(7000, 20000)),
                Resample.Quality.Linear,
            )
        ]
    return [Bitcrush(float(rng.uniform(7, 11)))]
