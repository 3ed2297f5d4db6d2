"""Single notes: bass lines, melodies in the register of voices, and arpeggios."""

from __future__ import annotations

import numpy as np

from rtmss.synth.harmony import nearest, pitches
from rtmss.synth.instruments import Instrument
from rtmss.synth.score import Bar, Grid, Hit, MakePlayer, Player, Rng, Seat

_BASSES = {
    "roots": ("R...............", "R.......R.......", "R.....R.R.......", "R..R....R..R...."),
    "eighths": ("R.R.R.R.R.R.R.R.", "R.R.R.R.R.R.5.O."),
    "fifths": ("R.......5.......", "R...5...R...5...", "R.....5.R.....5."),
    "octaves": ("R.O.R.O.R.O.R.O.", "R..OR..OR..OR..O", "..O...O...O...O."),
    "funky": ("R..R..O.5..R.O..", "RR.O..R..5O.R...", "R...O.R.7.5.R..O", "R..O.R..5.7.O..5"),
    "offbeat": ("..R...R...R...R.", ".RRR.RRR.RRR.RRR", "..RR..RR..RR..RR"),
    "sixteenths": ("RRRRRRRRRRRRRRRR", "RRORRRORRRORRROR", "R.RRO.RRR.RRO.R5"),
    "latin": ("R..5..O.R..5..O.", "R.....5.....O...", "R..R..5.5..5..R."),
}


def bass(kind: str) -> MakePlayer:
    """The maker of a bass player of one kind; see `BASS_KINDS`."""

    def make(seat: Seat) -> Player:
        return (
            _walk(seat.instrument)
            if kind == "walking"
            else _bass(
                kind,
                seat.instrument,
                seat.rng,
            )
        )

    return make


BASS_KINDS = (*_BASSES, "walking")


def _bass(kind: str, instrument: Instrument, rng: Rng) -> Player:
    pattern = str(rng.choice(_BASSES[kind]))
    touch = rng.uniform(0.55, 1.0)
    centre = instrument.low + int(rng.integers(5, 11))

    def play(bar: Bar) -> list[Hit]:
        hits = []
        steps = [s for s in range(bar.n_steps) if pattern[s] != "."]
        for i, step in enumerate(steps):
            chord = bar.chord_at(step)
            root = nearest((chord.root,), centre)
            pitch = (
                root
                + {
                    "R": 0,
                    "5": 7,
                    "O": 12,
                    "7": 10,
                }[pattern[step]]
            )
            if bar.is_last and i == len(steps) - 1 and bar.rng.random() < 0.5:
                pitch = nearest(
                    bar.key.classes,
                    root
                    + bar.rng.choice(
                        [
                            -3,
                            -2,
                            2,
                            4,
                        ]
                    ),
                )
            until = steps[i + 1] if i + 1 < len(steps) else bar.n_steps
            while pitch > instrument.high:
                pitch -= 12
            hits.append(
                Hit(
                    step,
                    max(
                        0.6,
                        (until - step) * touch,
                    ),
                    pitch,
                    float(bar.rng.uniform(0.68, 0.9)),
                )
            )
        return hits

    return play


def _walk(instrument: Instrument) -> Player:
    """A note a beat, by step towards the next root."""

    def play(bar: Bar) -> list[Hit]:
        hits = []
        pitch = nearest(
            (bar.chord_at(0).root,),
            instrument.low + 10,
        )
        for step in range(0, bar.n_steps, 4):
            chord = bar.chord_at(step)
            starts = step in {start for start, _ in bar.chords}
            among = (
                (chord.root,)
                if starts
                else chord.classes
                if bar.rng.random() < 0.5
                else bar.key.classes
            )
            pitch = nearest(
                among,
                pitch
                + bar.rng.choice(
                    [
                        -4,
                        -2,
                        2,
                        4,
                    ]
                ),
            )
            pitch += 12 * (pitch < instrument.low) - 12 * (pitch > instrument.high)
            hits.append(
                Hit(
                    step,
                    3.7,
                    pitch,
                    float(bar.rng.uniform(0.65, 0.85)),
                )
            )
        return hits

    return play


def melody(seat: Seat) -> Player:
    """A motif with answers and rests, as a singer would phrase."""
    lowest, highest = seat.instrument.low, seat.instrument.high
    low = int(
        np.clip(
            seat.rng.integers(52, 68),
            lowest,
            max(lowest, highest - 14),
        )
    )
    centre = low + int(seat.rng.integers(4, 9))
    motifs = [
        _motif(
            seat.grid,
            seat.rng,
        )
        for _ in range(2)
    ]
    order = seat.rng.choice([0, 1], 4)
    rests = seat.rng.uniform(0.0, 0.3)
    pentatonic = seat.rng.random() < 0.5

    def play(bar: Bar) -> list[Hit]:
        if bar.rng.random() < rests:
            return []
        scale = pitches(
            bar.key.pentatonic if pentatonic else bar.key.classes, low - 3, min(low + 19, highest)
        )
        hits = []
        for step, length, offset in motifs[order[bar.index % 4]]:
            near = min(range(len(scale)), key=lambda k: abs(scale[k] - centre)) + offset
            pitch = scale[
                max(
                    0,
                    min(len(scale) - 1, near),
                )
            ]
            if step % seat.grid.pulse == 0 or length >= 4:
                pitch = nearest(bar.chord_at(step).classes, pitch)
            last = bar.index % 4 == 3 and step + length >= bar.n_steps - 2
            hits.append(
                Hit(
                    step,
                    bar.n_steps - step if last else length * 0.95,
                    pitch,
                    float(bar.rng.uniform(0.6, 0.9)),
                )
            )
        return [hit for hit in hits if lowest <= hit.pitch <= highest]

    return play


def _motif(
    grid: Grid,
    rng: Rng,
) -> list[tuple[int, int, int]]:
    """(step, steps, scale degrees from the centre) of each note of a bar."""
    notes = []
    step = int(rng.choice([0, 0, 2, 4]))
    offset = int(rng.integers(-2, 3))
    is_calm = rng.random() < 0.7
    lengths = rng.choice([2, 2, 2, 3, 4, 4, 6, 8, 1] if is_calm else [1, 1, 2, 2, 3], 16)
    for length in lengths:
        if step >= grid.n_steps:
            break
        length = min(int(length), grid.n_steps - step)  # noqa: PLW2901
        if rng.random() < 0.85:
            notes.append((step, length, offset))
        step += length
        offset = int(np.clip(offset + rng.choice([-2, -1, -1, 0, 1, 1, 2, 3, -3]), -5, 6))
    return notes


def arp(seat: Seat) -> Player:
    """Chord notes up, down or by chance, mostly in sixteenths."""
    every = int(seat.rng.choice([1, 1, 1, 2]))
    highest_start = max(seat.instrument.low + 1, min(68, seat.instrument.high - 16))
    low = int(seat.rng.integers(seat.instrument.low, highest_start))
    reach = int(seat.rng.choice([12, 19, 24]))
    order = str(seat.rng.choice(["up", "down", "both", "any"]))
    gate = seat.rng.uniform(0.3, 1.2)
    rhythm = seat.rng.random(16) < seat.rng.choice([1.0, 1.0, 0.75, 0.6])

    def play(bar: Bar) -> list[Hit]:
        hits = []
        for i, step in enumerate(range(0, bar.n_steps, every)):
            notes = pitches(
                bar.chord_at(step).classes,
                low,
                min(low + reach, seat.instrument.high),
            )
            turn = {
                "up": i,
                "down": -1 - i,
                "both": min(
                    i % (2 * len(notes)),
                    -1 - i % (2 * len(notes)),
                ),
                "any": int(bar.rng.integers(99)),
            }[order]
            if rhythm[i % 16]:
                velocity = 0.8 if step % seat.grid.pulse == 0 else 0.6
                hits.append(
                    Hit(
                        step,
                        every * gate,
                        notes[turn % len(notes)],
                        velocity,
                    )
                )
        return hits

    return play


RISE, FALL = 72, 48
"""Pitches by which a riser knows what to play."""


def riser(seat: Seat) -> Player:
    """Noise that climbs to the end of a section, and falls from the start of the next."""
    falls = seat.rng.random() < 0.6

    def play(bar: Bar) -> list[Hit]:
        hits = (
            [
                Hit(
                    0,
                    bar.n_steps,
                    RISE,
                    float(bar.rng.uniform(0.5, 0.9)),
                )
            ]
            if bar.is_last
            else []
        )
        if falls and bar.index == 0:
            hits.append(
                Hit(
                    0,
                    bar.n_steps,
                    FALL,
                    float(bar.rng.uniform(0.4, 0.8)),
                )
            )
        return hits

    return play
