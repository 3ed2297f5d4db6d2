"""Keys, chords and voicings. Pitch classes are 0 to 11 from C; pitches are MIDI numbers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

MODES = {
    "major": (0, 2, 4, 5, 7, 9, 11),
    "minor": (0, 2, 3, 5, 7, 8, 10),
    "dorian": (0, 2, 3, 5, 7, 9, 10),
    "mixolydian": (0, 2, 4, 5, 7, 9, 10),
    "phrygian": (0, 1, 3, 5, 7, 8, 10),
    "harmonic minor": (0, 2, 3, 5, 7, 8, 11),
}
"""Semitones above the tonic."""

PROGRESSIONS = {
    "major": (
        "1 5 6 4",
        "1 4 5 4",
        "6 4 1 5",
        "1 6 4 5",
        "1 6 2 5",
        "4 1 5 6",
        "1 3 4 5",
        "2 5 1 1",
        "1 1 4 5",
        "1 4 1 5",
        "1 4 2 5",
        "1 5 6 3 4 1 4 5",
        "1 1 1 1 4 4 1 1 5 4 1 5",
        "3 6 2 5",
        "4 4 1 1",
    ),
    "minor": (
        "1 6 3 7",
        "1 7 6 7",
        "1 4 5 1",
        "1 4 7 3",
        "6 7 1 1",
        "1 3 7 4",
        "1 1 6 7",
        "1 6 4 5",
        "2 5 1 1",
        "1 1 1 1 4 4 1 1 5 4 1 1",
        "1 1 1 1",
        "4 1 5 1",
        "1 5 6 4",
    ),
}
"""Degrees, one a chord; minor-like modes take the second row."""

NAMES = (
    "C",
    "Db",
    "D",
    "Eb",
    "E",
    "F",
    "F#",
    "G",
    "Ab",
    "A",
    "Bb",
    "B",
)
STRINGS = (40, 45, 50, 55, 59, 64)
"""Open strings of a guitar."""


@dataclass(frozen=True)
class Chord:
    """A root and the pitch classes that sound, root first."""

    root: int
    classes: tuple[int, ...]


@dataclass(frozen=True)
class Key:
    """A tonic and a scale on it."""

    tonic: int
    mode: str

    @property
    def classes(self) -> tuple[int, ...]:
        """Pitch classes of the scale, tonic first."""
        return tuple((self.tonic + step) % 12 for step in MODES[self.mode])

    @property
    def is_minor(self) -> bool:
        """Whether the third above the tonic is small."""
        return MODES[self.mode][2] == 3

    @property
    def pentatonic(self) -> tuple[int, ...]:
        """The five notes of the scale that go with every chord."""
        degrees = (
            (
                0,
                2,
                3,
                4,
                6,
            )
            if self.is_minor
            else (0, 1, 2, 4, 5)
        )
        return tuple(self.classes[i] for i in degrees)

    def chord(self, degree: int, size: int = 3) -> Chord:
        """Stacked thirds on a degree (1 to 7)."""
        classes = tuple(self.classes[(degree - 1 + 2 * i) % 7] for i in range(size))
        return Chord(classes[0], classes)

    def __str__(self) -> str:
        return f"{NAMES[self.tonic]} {self.mode}"


def pitches(
    classes: tuple[int, ...],
    low: int,
    high: int,
) -> list[int]:
    """All pitches of these classes from `low` to `high`, at least one."""
    found = [pitch for pitch in range(low, high + 1) if pitch % 12 in classes]
    return found or [low + (classes[0] - low) % 12]


def nearest(classes: tuple[int, ...], pitch: float) -> int:
    """The pitch of one of these classes that is nearest."""
    return min(
        pitches(
            classes,
            int(pitch) - 12,
            int(pitch) + 12,
        ),
        key=lambda p: (abs(p - pitch), p),
    )


def voicing(
    chord: Chord,
    centre: float,
    n_notes: int = 3,
) -> list[int]:
    """Chord notes around a pitch, low to high; the nearest ones, so that successive chords lead
    smoothly.
    """
    among = sorted(
        pitches(
            chord.classes,
            int(centre) - 11,
            int(centre) + 12,
        ),
        key=lambda p: abs(p - centre),
    )
    kept: list[int] = []
    for pitch in among:
        if len(kept) < n_notes and (
            pitch % 12 not in {p % 12 for p in kept} or len(kept) >= len(chord.classes)
        ):
            kept.append(pitch)
    return sorted(kept)


def fretted(chord: Chord, position: int) -> list[int]:
    """How a guitarist would hold a chord: on each string the first chord note from a fret on, the
    root lowest.
    """
    held = [
        open_ + next(f for f in range(position, position + 12) if (open_ + f) % 12 in chord.classes)
        for open_ in STRINGS
    ]
    start = next(
        (i for i, pitch in enumerate(held[:4]) if pitch % 12 == chord.root),
        0,
    )
    return sorted(set(held[start:]))


def draw_progression(
    key: Key,
    rng: np.random.Generator,
) -> list[int]:
    """Degrees of a progression that suits the key."""
    rows = PROGRESSIONS["minor" if key.is_minor else "major"]
    return [int(degree) for degree in rows[rng.integers(len(rows))].split()]
