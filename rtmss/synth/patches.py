"""Patches drawn by chance for rtmss's oscillators, of the kinds that electronic music has.

Settings are drawn in the order in which they stand.
"""

from __future__ import annotations

from collections.abc import Callable

from rtmss.synth.oscillators import Patch
from rtmss.synth.score import Rng


def draw_patch(name: str, rng: Rng) -> Patch:
    """A patch for an instrument of `instruments.OWN`."""
    wave = str(rng.choice(["saw", "saw", "square", "triangle"]))
    return _PATCHES[name](wave, rng)


def _sub_bass(_: str, rng: Rng) -> Patch:
    return Patch(
        wave=str(rng.choice(["sine", "sine", "triangle"])),
        n_unison=1,
        detune_cents=0,
        width=0,
        attack=0.004,
        decay=rng.uniform(0.3, 1.5),
        sustain=rng.uniform(0.1, 0.9),
        release=rng.uniform(0.05, 0.2),
        cutoff_hz=rng.uniform(200, 1200),
        opening=rng.uniform(0, 2),
        closing=rng.uniform(0.03, 0.1),
        resonance=0.1,
        drive=rng.uniform(1.0, 3.5),
    )


def _filter_bass(wave: str, rng: Rng) -> Patch:
    return Patch(
        wave=wave,
        n_unison=int(rng.choice([1, 1, 2, 3])),
        detune_cents=rng.uniform(3, 15),
        width=rng.uniform(0, 0.3),
        attack=0.003,
        decay=rng.uniform(0.1, 0.6),
        sustain=rng.uniform(0.2, 0.8),
        release=rng.uniform(0.03, 0.1),
        cutoff_hz=rng.uniform(80, 500),
        opening=rng.uniform(1, 4.5),
        closing=rng.uniform(0.04, 0.3),
        resonance=rng.uniform(0.1, 0.75),
        drive=rng.uniform(1, 3),
        sweep=rng.uniform(0, 1.2),
        sub=rng.uniform(0, 0.7),
    )


def _pluck_synth(wave: str, rng: Rng) -> Patch:
    return Patch(
        wave=wave,
        n_unison=int(rng.choice([1, 2, 3])),
        detune_cents=rng.uniform(4, 18),
        width=rng.uniform(0, 1),
        attack=0.002,
        decay=rng.uniform(0.06, 0.4),
        sustain=rng.uniform(0, 0.2),
        release=rng.uniform(0.05, 0.4),
        cutoff_hz=rng.uniform(150, 900),
        opening=rng.uniform(2, 5),
        closing=rng.uniform(0.03, 0.2),
        resonance=rng.uniform(0.05, 0.6),
        drive=1,
        sweep=rng.uniform(0, 1.5),
    )


def _arp_synth(wave: str, rng: Rng) -> Patch:
    return Patch(
        wave=wave,
        n_unison=int(rng.choice([1, 1, 2])),
        detune_cents=rng.uniform(3, 12),
        width=rng.uniform(0, 0.8),
        attack=0.002,
        decay=rng.uniform(0.1, 0.5),
        sustain=rng.uniform(0, 0.6),
        release=rng.uniform(0.03, 0.3),
        cutoff_hz=rng.uniform(250, 2500),
        opening=rng.uniform(0.5, 4),
        closing=rng.uniform(0.04, 0.25),
        resonance=rng.uniform(0.05, 0.75),
        drive=rng.uniform(0.9, 1.8),
        sweep=rng.uniform(0, 2),
    )


def _pad_synth(wave: str, rng: Rng) -> Patch:
    return Patch(
        wave=wave,
        n_unison=int(rng.choice([2, 3, 5])),
        detune_cents=rng.uniform(6, 25),
        width=rng.uniform(0.3, 1),
        attack=rng.uniform(0.05, 0.9),
        decay=2.0,
        sustain=rng.uniform(0.6, 1),
        release=rng.uniform(0.3, 1.5),
        cutoff_hz=rng.uniform(300, 3500),
        opening=rng.uniform(0, 0.8),
        closing=rng.uniform(0.5, 2),
        resonance=rng.uniform(0, 0.4),
        drive=1,
        sweep=rng.uniform(0, 2.2),
    )


def _supersaw(_: str, rng: Rng) -> Patch:
    return Patch(
        wave="saw",
        n_unison=int(rng.choice([5, 7])),
        detune_cents=rng.uniform(12, 35),
        width=rng.uniform(0.5, 1),
        attack=rng.uniform(0.003, 0.05),
        decay=rng.uniform(0.3, 1),
        sustain=rng.uniform(0.5, 1),
        release=rng.uniform(0.08, 0.5),
        cutoff_hz=rng.uniform(1500, 9000),
        opening=rng.uniform(0, 1.5),
        closing=rng.uniform(0.1, 0.5),
        resonance=rng.uniform(0, 0.2),
        drive=rng.uniform(0.9, 1.5),
        sweep=rng.uniform(0, 1.2),
        sub=rng.uniform(0, 0.3),
    )


def _lead_synth(wave: str, rng: Rng) -> Patch:
    return Patch(
        wave=wave,
        n_unison=int(rng.choice([1, 2, 3])),
        detune_cents=rng.uniform(3, 15),
        width=rng.uniform(0, 0.6),
        attack=rng.uniform(0.003, 0.05),
        decay=rng.uniform(0.2, 1),
        sustain=rng.uniform(0.5, 1),
        release=rng.uniform(0.05, 0.3),
        cutoff_hz=rng.uniform(800, 7000),
        opening=rng.uniform(0, 2),
        closing=rng.uniform(0.1, 0.4),
        resonance=rng.uniform(0, 0.6),
        drive=rng.uniform(0.9, 2.5),
        sweep=rng.uniform(0, 0.8),
    )


_PATCHES: dict[str, Callable[[str, Rng], Patch]] = {
    "sub bass": _sub_bass,
    "filter bass": _filter_bass,
    "pluck synth": _pluck_synth,
    "arp synth": _arp_synth,
    "pad synth": _pad_synth,
    "supersaw": _supersaw,
    "lead synth": _lead_synth,
}
