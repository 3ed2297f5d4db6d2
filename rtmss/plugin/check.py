"""Whether bundles load, pass sound on as they should, and find an engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from rtmss.audio import Audio
from rtmss.config import UserError
from rtmss.plugin.build import Bundles
from rtmss.plugin.hosts import Played, play_clap, play_lv2, play_vst3

RATE, BLOCK, SECONDS = 44100, 512, 0.5
NULL = 1e-4
"""How far stems and remainder may be from the mix of a preset that changes nothing."""


class Finding(NamedTuple):
    """What was tried, and what came of it."""

    what: str
    is_good: bool
    text: str


def check(bundles: Bundles) -> Iterator[Finding]:
    """Try everything, one after the other."""
    chance = np.random.default_rng(0)
    noise = np.asarray(chance.standard_normal((2, int(SECONDS * RATE))) / 8, np.float32)
    ways: dict[str, Callable[[Audio], Played]] = {
        "VST3": lambda audio: play_vst3(bundles, audio, RATE, BLOCK, bypass=True),
        "CLAP": lambda audio: play_clap(
            bundles, audio, mode="rush", event="0:0=1", rates=RATE, blocks=BLOCK
        ),
        "LV2": lambda audio: play_lv2(bundles, audio, RATE, BLOCK, ["0=0"]),
    }
    for name, play in ways.items():
        yield _check_bypass(name, play, noise)
    yield _check_engine(bundles, noise)


def _check_bypass(name: str, play: Callable[[Audio], Played], noise: Audio) -> Finding:
    """In bypass, main is the input, late by what is reported, with or without an engine."""
    try:
        played = play(noise)
    except UserError as error:
        return Finding(name, False, str(error))
    n_left = noise.shape[1] - played.latency
    is_same = np.array_equal(played.audio[:2, played.latency :], noise[:, :n_left])
    late = f"{played.latency} samples late" if played.latency else "its latency taken off"
    text = f"loads, and in bypass gives its input, {late}"
    return Finding(name, is_same, text if is_same else "loads, but bypass changes the sound")


def _check_engine(bundles: Bundles, noise: Audio) -> Finding:
    """The outputs of stems and of the remainder add up to the input."""
    try:
        played = play_clap(bundles, noise, mode="offline", rates=RATE, blocks=BLOCK)
    except UserError as error:
        return Finding("engine", False, str(error))
    n_late = int(played.report["parameters"]["Late hops"]["value"])
    if n_late:
        text = (
            "none plays: `rtmss plugin install` says how one is started, `rtmss serve` starts one"
        )
        return Finding("engine", False, text)
    buses = played.audio[2:].reshape(-1, 2, played.audio.shape[1]).sum(0)
    n_left = noise.shape[1] - played.latency
    off = float(np.abs(buses[:, played.latency :] - noise[:, :n_left]).max())
    seconds = played.report["wall_seconds"]
    text = f"plays; stems and remainder are the input within {off:.0e}, after {seconds:.1f} s"
    return Finding("engine", off < NULL, text)
