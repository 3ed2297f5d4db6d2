"""Music as data: hits on a grid of sixteenths while it is arranged, notes in seconds once it is
played.

A *step* is a sixteenth note (in 6/8 a bar has twelve). Pitches are MIDI numbers, 60 is middle C.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from rtmss.synth.harmony import Chord, Key
from rtmss.synth.instruments import Instrument

Rng = np.random.Generator


class Hit(NamedTuple):
    """One note of a bar."""

    step: float
    """From the start of the bar."""
    length: float
    """Steps."""
    pitch: int
    velocity: float
    """0 to 1."""
    delay_seconds: float = 0.0
    """Off the grid, as the strings of a strummed chord are."""


class Note(NamedTuple):
    """One note of a part, as it is played."""

    start: float
    """Seconds from the start of the song."""
    seconds: float
    pitch: int
    velocity: int
    """1 to 127."""


@dataclass(frozen=True)
class Grid:
    """Where the steps are in time."""

    step_seconds: float
    n_steps: int
    """Steps of a bar."""
    pulse: int
    """Steps of a beat."""
    swing: float = 0.0
    """How late the second of two steps comes, as a part of a step."""
    swing_steps: int = 1
    """1 swings sixteenths, 2 swings eighths."""

    def seconds(self, step: float) -> float:
        """Time of a step, counted from the start of the song."""
        pair = 2 * self.swing_steps
        place = step % pair
        middle = self.swing_steps * (1 + self.swing)
        if place < self.swing_steps:
            warped = place / self.swing_steps * middle
        else:
            warped = middle + (place - self.swing_steps) / self.swing_steps * (pair - middle)
        return (step - place + warped) * self.step_seconds


@dataclass(frozen=True)
class Bar:
    """What a player sees of one bar."""

    index: int
    """Within its section."""
    grid: Grid
    key: Key
    chords: tuple[tuple[int, Chord], ...]
    """Each with the step at which it begins."""
    intensity: float
    """0 to 1."""
    is_last: bool
    """Of its section."""
    rng: Rng
    """For what differs from bar to bar."""

    @property
    def n_steps(self) -> int:
        """Steps of the bar."""
        return self.grid.n_steps

    def chord_at(self, step: float) -> Chord:
        """The chord that sounds at a step."""
        return [chord for start, chord in self.chords if start <= step][-1]

    def spans(self) -> list[tuple[int, int, Chord]]:
        """(first step, steps, chord) of each chord."""
        ends = [start for start, _ in self.chords[1:]] + [self.n_steps]
        return [
            (start, end - start, chord)
            for (start, chord), end in zip(
                self.chords,
                ends,
                strict=True,
            )
        ]


@dataclass(frozen=True)
class Seat:
    """What a player is made from."""

    instrument: Instrument
    grid: Grid
    rng: Rng


Player = Callable[[Bar], list[Hit]]
"""Plays one bar."""
MakePlayer = Callable[[Seat], Player]
"""Makes up a figure that the player it returns repeats and varies."""


@dataclass(frozen=True)
class Part:
    """One instrument through the whole song."""

    instrument: Instrument
    role: str
    library: str
    """The soundfont's name; empty for rtmss's own oscillators."""
    notes: tuple[Note, ...]
    pan: float = 0.0
    """-1 left to 1 right."""
    vibrato: float = 0.0
    """Depth in semitones on long notes of a melody; 0 bends nothing, so that chords stay in
    tune.
    """


@dataclass(frozen=True)
class Song:
    """A whole arrangement."""

    seed: int
    style: str
    bpm: float
    key: Key
    grid: Grid
    seconds: float
    sections: tuple[tuple[float, str], ...]
    """(start in seconds, name) of each section."""
    parts: tuple[Part, ...]
    is_pumping: bool = False
    """The kick drum ducks bass and synths."""
