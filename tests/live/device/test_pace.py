"""A device that brings other blocks than at first is noticed, and no other trouble is taken for
it.
"""

from __future__ import annotations

import random

import pytest

from rtmss.live.device.pace import Pace

BLOCK = 256 / 44100


def play(pace: Pace, seconds: float, n_at_once: int = 1, jitter: float = 0.0) -> bool:
    """Let so many blocks come at once, for a while; whether it is noticed."""
    rng = random.Random(0)
    now = pace._last
    for number in range(round(seconds / BLOCK)):
        if number % n_at_once == 0:
            now += BLOCK * n_at_once
        pace.came(now + jitter * rng.random() + 2e-5 * (number % n_at_once))
    return pace.has_changed


@pytest.mark.parametrize("n_at_once", [2, 4, 8, 16])
def test_longer_blocks_are_noticed_within_some_seconds(n_at_once: int) -> None:
    pace = Pace(BLOCK)
    assert not play(pace, 5)
    assert play(pace, 7, n_at_once)


def test_who_brought_several_at_once_from_the_beginning_is_left_alone() -> None:
    assert not play(Pace(BLOCK), 30, 4)


@pytest.mark.parametrize("jitter", [0.3, 0.9])
def test_blocks_that_come_unevenly_are_no_others(jitter: float) -> None:
    assert not play(Pace(BLOCK), 30, jitter=jitter * BLOCK)


def test_a_device_that_stands_still_and_catches_up_is_no_other() -> None:
    pace = Pace(BLOCK)
    play(pace, 5)
    for _ in range(20):
        play(pace, 0.2, 32)
        assert not play(pace, 1.5)
