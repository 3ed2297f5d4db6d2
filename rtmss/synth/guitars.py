"""Guitarists: chords as hands hold them, plucked, strummed, muted, and riffs."""

from __future__ import annotations

from rtmss.synth.harmony import Chord, fretted, nearest, pitches
from rtmss.synth.instruments import Instrument
from rtmss.synth.score import Bar, Hit, Player, Seat

_STRUMS = (
    "D...D...D...D...",
    "D...D.DU..DU..D.",
    "D.D.D.DUD.D.D.DU",
    "D..UD.DU..DUD.DU",
    "D.......D.......",
    "D..D..D.D..D..D.",
    "D.DUD.DUD.DUD.DU",
    "..D...D...D...D.",
    "D...............",
    "D.DU.UDUD.DU.UDU",
    "DUDUDUDUDUDUDUDU",
    "....D.......D...",
)
_SCRATCHES = (
    "x.xxX.xxx.xxX.xx",
    "..X..xX...X..x..",
    "X.x.x.X..xX.x...",
    "xxXxx.XxxxXx.xXx",
    "X..X..X...X.X...",
)
_CHUGS = (
    "X.x.x.x.X.x.x.x.",
    "XxxxXxxxXxxxXxxx",
    "X.xxX.xxX.xxX.xx",
    "X..X..X.X..X..X.",
    "XXX.XXX.XX.X.XX.",
    "X...............",
    "X.......X.......",
    "X...X...X...X...",
    "X.xxx.xxX.x.X.x.",
    "X..x..x.X..x..x.",
)


def strum(seat: Seat) -> Player:
    """Chords across the strings, down and up, each string a little after the one before."""
    pattern = str(seat.rng.choice(_STRUMS))
    position = int(
        seat.rng.choice(
            [
                0,
                0,
                0,
                2,
                3,
                5,
                7,
            ]
        )
    )
    spread = seat.rng.uniform(0.006, 0.024)
    ring = seat.rng.choice([1.0, 0.6, 1.0])

    def play(bar: Bar) -> list[Hit]:
        hits = []
        strokes = [s for s in range(bar.n_steps) if pattern[s] != "."]
        for i, step in enumerate(strokes):
            until = strokes[i + 1] if i + 1 < len(strokes) else bar.n_steps
            held = _in_range(fretted(bar.chord_at(step), position), seat.instrument)
            if pattern[step] == "U":
                held = held[::-1][: int(bar.rng.integers(3, 5))]
            accent = 0.8 if step % seat.grid.pulse == 0 else 0.62
            hits += _sweep(
                held, step, (until - step) * ring, accent, spread * bar.rng.uniform(0.6, 1.3)
            )
        return hits

    return play


def arpeggio(seat: Seat) -> Player:
    """One string after the other, ringing."""
    every = int(
        seat.rng.choice(
            [
                1,
                2,
                2,
                2,
            ]
        )
    )
    position = int(
        seat.rng.choice(
            [
                0,
                0,
                2,
                5,
                7,
            ]
        )
    )
    order = seat.rng.permutation(8)
    rises = seat.rng.random() < 0.5

    def play(bar: Bar) -> list[Hit]:
        hits = []
        for start, n_steps, chord in bar.spans():
            held = _in_range(fretted(chord, position), seat.instrument)
            upper = held[1:] or held
            for i, step in enumerate(range(start, start + n_steps, every)):
                turn = (
                    min(
                        i,
                        2 * len(upper) - i,
                    )
                    % len(upper)
                    if rises
                    else order[i % 8] % len(upper)
                )
                pitch = held[0] if i == 0 else upper[turn]
                length = min(6 * every, start + n_steps - step)
                hits.append(
                    Hit(
                        step,
                        length,
                        pitch,
                        0.75 if i == 0 else float(bar.rng.uniform(0.5, 0.7)),
                    )
                )
        return hits

    return play


def power(seat: Seat) -> Player:
    """Roots and fifths, accents open and the rest short, as with the palm on the strings."""
    pattern = str(seat.rng.choice(_CHUGS))
    drop = int(
        seat.rng.choice(
            [
                0,
                0,
                0,
                -2,
                -4,
            ]
        )
    )
    with_octave = seat.rng.random() < 0.6

    def play(bar: Bar) -> list[Hit]:
        hits = []
        for step in range(bar.n_steps):
            if pattern[step] == ".":
                continue
            chord = bar.chord_at(step)
            root = pitches(
                (chord.root,),
                40 + drop,
                51 + drop,
            )[0]
            is_open = pattern[step] == "X" or bar.rng.random() < 0.1
            shape = (
                (root, root + 7, root + 12)
                if is_open and with_octave
                else (root, root + 7)
                if is_open
                else (root,)
            )
            rest = pattern[step + 1 : bar.n_steps]
            length = 1 + len(rest) - len(rest.lstrip(".")) if is_open else 0.7
            hits += _sweep(
                list(shape),
                step,
                length,
                0.85 if is_open else 0.6,
                0.004,
            )
        return hits

    return play


def scratch(seat: Seat) -> Player:
    """Short chords high on the neck, as in funk and reggae; the weak strokes shorter still."""
    pattern = "..X...X...X...X." if seat.rng.random() < 0.3 else str(seat.rng.choice(_SCRATCHES))
    position = int(seat.rng.integers(4, 9))

    def play(bar: Bar) -> list[Hit]:
        hits = []
        for step in range(bar.n_steps):
            if pattern[step] != ".":
                held = _in_range(
                    fretted(bar.chord_at(step), position),
                    seat.instrument,
                )[-int(bar.rng.integers(3, 5)) :]
                strong = pattern[step] == "X"
                hits += _sweep(
                    held,
                    step,
                    1.2 if strong else 0.5,
                    0.8 if strong else 0.5,
                    0.005,
                )
        return hits

    return play


def riff(seat: Seat) -> Player:
    """A figure of single low notes that follows the roots."""
    steps = list(range(0, seat.grid.n_steps, 2))
    if seat.rng.random() < 0.5:
        steps = sorted(
            seat.rng.choice(
                seat.grid.n_steps,
                int(seat.rng.integers(4, 9)),
                replace=False,
            ).tolist()
        )
    offsets = seat.rng.choice(
        [0, 0, 0, 1, 2, 3, 4, -1],
        len(steps),
    )
    low = int(
        seat.rng.choice(
            [
                40,
                40,
                45,
                52,
            ]
        )
    )

    def play(bar: Bar) -> list[Hit]:
        scale = pitches(bar.key.pentatonic, low, low + 24)
        hits = []
        for i, step in enumerate(steps):
            root = nearest((bar.chord_at(step).root,), low + 6)
            near = min(range(len(scale)), key=lambda k: abs(scale[k] - root))
            pitch = (
                root
                if offsets[i] == 0
                else scale[
                    max(
                        0,
                        min(len(scale) - 1, near + offsets[i]),
                    )
                ]
            )
            until = steps[i + 1] if i + 1 < len(steps) else bar.n_steps
            hits.append(
                Hit(
                    step,
                    (until - step) * 0.9,
                    pitch,
                    0.82 if i == 0 else float(bar.rng.uniform(0.6, 0.8)),
                )
            )
        return hits

    return play


def sustain(seat: Seat) -> Player:
    """One long chord for each harmony."""
    position = int(
        seat.rng.choice(
            [
                0,
                3,
                5,
                7,
            ]
        )
    )

    def play(bar: Bar) -> list[Hit]:
        hits = []
        for start, n_steps, chord in bar.spans():
            hits += _sweep(
                _in_range(fretted(chord, position), seat.instrument),
                start,
                n_steps,
                0.7,
                bar.rng.uniform(0.01, 0.05),
            )
        return hits

    return play


def _sweep(
    held: list[int], step: float, length: float, velocity: float, spread_seconds: float
) -> list[Hit]:
    return [
        Hit(
            step,
            length,
            pitch,
            velocity * (1 - 0.02 * i),
            i * spread_seconds,
        )
        for i, pitch in enumerate(held)
    ]


def _in_range(held: list[int], instrument: Instrument) -> list[int]:
    """The chord moved by octaves into what the instrument can play."""
    moved = {p + 12 if p < instrument.low else p - 12 if p > instrument.high else p for p in held}
    return sorted(p for p in moved if instrument.low <= p <= instrument.high) or held


def powered(chord: Chord) -> Chord:
    """Root and fifth alone, which stay clean under distortion."""
    return Chord(
        chord.root,
        (chord.root, (chord.root + 7) % 12),
    )
