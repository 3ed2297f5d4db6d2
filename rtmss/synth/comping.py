"""Several notes at once: keys, organs, strings, brass and pads that carry the harmony."""

from __future__ import annotations

from rtmss.synth.harmony import nearest, pitches, voicing
from rtmss.synth.score import Bar, Hit, Player, Seat

_RHYTHMS = (
    "X...............",
    "X.......X.......",
    "X...X...X...X...",
    "X..X..X.X..X..X.",
    "X.....X...X.....",
    "..X...X...X...X.",
    "X.x.X.x.X.x.X.x.",
    "X..x..X...x.X...",
    "....X.......X...",
    "X..X..X...X.X...",
)
_STABS = (
    "X.....x.........",
    "......X.X.......",
    "X..X............",
    "..X..X....X..x..",
    "............X.X.",
    "X...........x.x.",
)


def chords(seat: Seat) -> Player:
    """Chords in rhythm, sometimes with the root below."""
    return _rhythm(
        _RHYTHMS,
        float(seat.rng.choice([0.45, 0.95])),
        seat,
    )


def stabs(seat: Seat) -> Player:
    """A few short chords, as of a brass section or a rave."""
    return _rhythm(
        _STABS,
        float(seat.rng.uniform(0.3, 0.8)),
        seat,
    )


def _rhythm(
    patterns: tuple[str, ...],
    touch: float,
    seat: Seat,
) -> Player:
    pattern = str(seat.rng.choice(patterns))
    centre = _centre(seat)
    n_notes = int(seat.rng.choice([3, 3, 4]))
    with_bass = seat.rng.random() < 0.5 and seat.instrument.low <= 36

    def play(bar: Bar) -> list[Hit]:
        hits = []
        steps = [s for s in range(bar.n_steps) if pattern[s] != "."]
        for i, step in enumerate(steps):
            until = steps[i + 1] if i + 1 < len(steps) else bar.n_steps
            velocity = (0.75 if pattern[step] == "X" else 0.55) * float(bar.rng.uniform(0.9, 1.1))
            notes = voicing(bar.chord_at(step), centre, n_notes)
            notes = (
                [
                    nearest(
                        (bar.chord_at(step).root,),
                        42,
                    ),
                    *notes,
                ]
                if with_bass
                else notes
            )
            hits += [
                Hit(
                    step,
                    (until - step) * touch,
                    p,
                    velocity,
                    float(bar.rng.uniform(0, 0.008)),
                )
                for p in notes
            ]
        return hits

    return play


def broken(seat: Seat) -> Player:
    """A bass note, then the chord in pieces, with the pedal down."""
    centre = _centre(seat)
    every = int(
        seat.rng.choice(
            [
                2,
                2,
                4,
                1,
            ]
        )
    )
    order = seat.rng.permutation(6)

    def play(bar: Bar) -> list[Hit]:
        hits = []
        for start, n_steps, chord in bar.spans():
            notes = voicing(chord, centre, 4)
            root = pitches(
                (chord.root,),
                max(seat.instrument.low, 36),
                seat.instrument.high,
            )[0]
            hits.append(Hit(start, n_steps, root, 0.7))
            for i, step in enumerate(range(start, start + n_steps, every)):
                hits.append(
                    Hit(
                        step,
                        min(8, start + n_steps - step),
                        notes[order[i % 6] % len(notes)],
                        float(bar.rng.uniform(0.45, 0.65)),
                    )
                )
        return hits

    return play


def pad(seat: Seat) -> Player:
    """Held chords, smoothly led."""
    centre = _centre(seat)
    n_notes = int(seat.rng.choice([2, 3, 4]))
    overlap = seat.rng.choice([0.0, 0.0, 1.0])

    def play(bar: Bar) -> list[Hit]:
        loud = 0.55 + 0.2 * bar.intensity
        return [
            Hit(start, n_steps + overlap, pitch, loud)
            for start, n_steps, chord in bar.spans()
            for pitch in voicing(chord, centre, n_notes)
        ]

    return play


def ostinato(seat: Seat) -> Player:
    """Repeated eighths on one or two chord notes, as of strings or pizzicato."""
    centre = _centre(seat)
    every = int(seat.rng.choice([2, 2, 1]))
    turn = seat.rng.integers(0, 3, 16)
    touch = seat.rng.uniform(0.4, 0.9)

    def play(bar: Bar) -> list[Hit]:
        hits = []
        for i, step in enumerate(range(0, bar.n_steps, every)):
            notes = voicing(bar.chord_at(step), centre, 3)
            velocity = 0.75 if step % seat.grid.pulse == 0 else 0.55
            hits.append(
                Hit(
                    step,
                    every * touch,
                    notes[turn[i % 16] % len(notes)],
                    velocity,
                )
            )
        return hits

    return play


def harmony(seat: Seat) -> Player:
    """Long single notes that follow the chords."""
    centre = _centre(seat)

    def play(bar: Bar) -> list[Hit]:
        return [
            Hit(
                start,
                n_steps * 0.97,
                nearest(
                    chord.classes,
                    centre + bar.rng.integers(-3, 4),
                ),
                0.65,
            )
            for start, n_steps, chord in bar.spans()
        ]

    return play


def _centre(seat: Seat) -> float:
    low, high = (
        max(
            seat.instrument.low + 9,
            52,
        ),
        min(seat.instrument.high - 8, 76),
    )
    return float(
        seat.rng.uniform(
            low,
            max(low + 1, high),
        )
    )
