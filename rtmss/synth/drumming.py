"""Drummers: General MIDI drum notes, bar by bar, from written patterns that a seed varies."""

from __future__ import annotations

import numpy as np

from rtmss.synth.score import Bar, Grid, Hit, MakePlayer, Player, Rng

KICK, SIDE, SNARE, CLAP, CLOSED, PEDAL, OPEN, CRASH, RIDE, TAMBOURINE, SHAKER = (
    36,
    37,
    38,
    39,
    42,
    44,
    46,
    49,
    51,
    54,
    82,
)
TOMS = (50, 48, 47, 45, 43, 41)

# One character a sixteenth: X accent, x stroke, g ghost note. The first half bar, then the second.
_GROOVES: dict[str, dict[str, tuple[str, ...]]] = {
    "rock": {
        "kick": (
            "X.......X.x.....",
            "X.....x.X.......",
            "X.x.....X.x...x.",
            "X.....x...x.x...",
            "X...x...X...x...",
        ),
        "snare": ("....X.......X...", "....X.......X..g", "....X..g.g..X...", "....X.......X.x."),
        "hat": ("x.x.x.x.x.x.x.x.", "X.x.X.x.X.x.X.x.", "X...X...X...X..."),
    },
    "funk": {
        "kick": ("X.x...x...x..x..", "X..x..x..x......", "X.....x..x.x....", "X..x...x..x.x..."),
        "snare": ("....X..g.g..X..g", "....X..g.g.gX...", "..g.X..g.g..X.g.", "....X.....g.X.x."),
        "hat": ("xxxxxxxxxxxxxxxx", "XxxxXxxxXxxxXxxx", "X.xxX.xxX.xxX.xx", "X.x.X.x.X.x.X.x."),
    },
    "jazz": {
        "kick": ("x.......x.......", "g...g...g...g...", "x.........g.....", "......g...x....."),
        "snare": ("......g.......g.", "..........g.....", "....g.......x...", "......g...g....."),
        "hat": ("X...X..xX...X..x", "X...X.x.X...X.x.", "X...X..xX..xX..x"),
    },
    "four": {
        "kick": ("X...X...X...X...", "X...X...X...X..x", "X...X...X...X...", "X...X...X.x.X..."),
        "snare": ("....X.......X...", "................", "....X.......X..g", "....x.......x.x."),
        "hat": ("..X...X...X...X.", "x.X.x.X.x.X.x.X.", "xxXxxxXxxxXxxxXx", "..X...X...X..xX."),
    },
    "trap": {
        "kick": ("X......x..x.....", "X.....x.........", "X..x......x..x..", "X.........x....x"),
        "snare": ("........X.......", "........X......g", "........X.....x."),
        "hat": ("x.x.x.x.x.x.x.x.", "x.xxx.x.x.x.xxx.", "xxxxxxxxxxxxxxxx"),
    },
    "break": {
        "kick": ("X.x.......xx....", "X.x.......x.....", "X.....x...x.....", "X.x...x...x..x.."),
        "snare": ("....X..g.g..X..g", "....X..x.g....X.", "....X..g....X..x", "....X..x.x..X..x"),
        "hat": ("x.x.x.x.x.x.x.x.", "X.x.X.x.X.xxX.x.", "x.xxx.xxx.xxx.xx"),
    },
    "half": {
        "kick": ("X.....x.........", "X..x..........x.", "X.........x.....", "X..x..x........."),
        "snare": ("........X.......", "........X......g", "........X..g.g.."),
        "hat": ("x.x.x.x.x.x.x.x.", "X...X...X...X...", "x.xxx.x.x.xxx.x."),
    },
    "reggae": {
        "kick": ("........X.......", "X.......X.......", "........X.....x.", "X...X...X...X..."),
        "snare": ("........X.......", "........X..g....", "........x....x.."),
        "hat": ("x.x.x.x.x.x.x.x.", "..X...X...X...X.", "x.xxx.xxx.xxx.xx"),
    },
    "latin": {
        "kick": ("X..xX..xX..xX..x", "X...x..xX...x..x", "X..x..x.X..x..x."),
        "snare": ("x..x..x...x..x..", "X..X...X..X.X...", "...x..x....x.x.."),
        "hat": ("xxxxxxxxxxxxxxxx", "X.xxX.xxX.xxX.xx", "X.x.X.x.X.x.X.x."),
    },
    "shuffle": {
        "kick": ("X.......X.......", "X......xX.......", "X...x...X...x..x"),
        "snare": ("....X.......X...", "...gX..g...gX..g", "....X.......X..g"),
        "hat": ("X..xX..xX..xX..x", "x.x.x.x.x.x.x.x.", "X..xX..xX..xX..x"),
    },
    "train": {
        "kick": ("X...x...X...x...", "X.......X.......", "X...X...X...X..."),
        "snare": ("ggXgggXgggXgggXg", "..X...X...X...X.", "g.X.g.X.g.X.g.Xg"),
        "hat": ("x.x.x.x.x.x.x.x.", "X...X...X...X..."),
    },
    "waltz": {
        "kick": ("X...........", "X.......x...", "X.....x....."),
        "snare": ("....x...x...", "........X...", "....X...X..g"),
        "hat": ("x.x.x.x.x.x.", "X...x...x...", "X.xxx.x.x.x."),
    },
    "six": {
        "kick": ("X...........", "X.........x.", "X...x......."),
        "snare": ("......X.....", "......X...g.", "......X..g.."),
        "hat": ("X.x.x.X.x.x.", "x.x.x.x.x.x.", "X.....X....."),
    },
}
FEELS = tuple(_GROOVES)
_VELOCITY = {"X": 0.92, "x": 0.68, "g": 0.27}


def drummer(feel: str) -> MakePlayer:
    """The maker of a drummer of one of `FEELS`."""
    return lambda seat: _drummer(feel, seat.grid, seat.rng)


def _drummer(feel: str, grid: Grid, rng: Rng) -> Player:
    feel = feel if grid.n_steps == 16 else ("six" if grid.pulse == 6 else "waltz")
    groove = {name: str(rng.choice(choices)) for name, choices in _GROOVES[feel].items()}
    hands = [RIDE] if feel == "jazz" else [CLOSED, CLOSED, CLOSED, RIDE, OPEN, SHAKER, 41, 53]
    cymbal = int(rng.choice(hands))
    often = CLAP if feel in ("four", "trap", "half") else SNARE
    backbeat = int(rng.choice([SNARE, SNARE, 40, often, SIDE]))
    busy = rng.uniform(0, 0.25)
    rolls = rng.uniform(0.15, 0.5) if feel == "trap" else 0.0

    def play(bar: Bar) -> list[Hit]:
        hits = _strokes(
            groove["kick"],
            KICK,
        ) + _strokes(groove["snare"], backbeat)
        hits += _hands(groove["hat"], cymbal, rolls, bar.rng)
        if bar.rng.random() < busy:
            hits.append(Hit(float(bar.rng.integers(bar.n_steps)), 1, KICK, 0.5))
        if feel == "jazz" and grid.n_steps == 16:
            hits += [Hit(4, 1, PEDAL, 0.5), Hit(12, 1, PEDAL, 0.5)]
        if bar.index == 0 and bar.intensity > 0.5:
            hits.append(Hit(0, 8, int(bar.rng.choice([CRASH, 57, 55])), 0.9))
        if bar.is_last and bar.rng.random() < 0.75:
            hits = _fill(hits, bar, bar.rng)
        loud = 0.72 + 0.28 * bar.intensity
        return [hit._replace(velocity=hit.velocity * loud) for hit in hits]

    return play


def _strokes(pattern: str, pitch: int) -> list[Hit]:
    return [
        Hit(step, 1, pitch, _VELOCITY[mark])
        for step, mark in enumerate(pattern)
        if mark in _VELOCITY
    ]


def _hands(
    pattern: str,
    cymbal: int,
    rolls: float,
    rng: Rng,
) -> list[Hit]:
    """Hi-hat or another cymbal, sometimes opened, sometimes (trap) rolled in thirty-seconds or
    triplets.
    """
    hits = _strokes(pattern, cymbal)
    if cymbal == CLOSED and rng.random() < 0.4:
        place = int(
            rng.choice(
                [
                    2,
                    6,
                    10,
                    14,
                ]
            )
        ) % len(pattern)
        hits = [
            hit._replace(
                pitch=OPEN,
                length=2,
            )
            if hit.step == place
            else hit
            for hit in hits
        ]
    if rng.random() < rolls:
        start, n = (
            float(
                rng.choice(
                    [
                        4,
                        6,
                        10,
                        12,
                        14,
                    ]
                )
            ),
            int(rng.choice([3, 4, 6, 8])),
        )
        gap = float(rng.choice([0.5, 2 / 3, 0.25]))
        shape = np.linspace(
            rng.uniform(0.3, 0.8),
            rng.uniform(0.3, 0.8),
            n,
        )
        hits += [
            Hit(start + i * gap, 0.5, cymbal, float(v))
            for i, v in enumerate(shape)
            if start + i * gap < 16
        ]
    return hits


def _fill(
    hits: list[Hit],
    bar: Bar,
    rng: Rng,
) -> list[Hit]:
    """The last beat, half bar or whole bar goes to the toms or the snare."""
    start = bar.n_steps - int(
        rng.choice(
            [
                4,
                4,
                8,
                8,
                bar.n_steps,
            ]
        )
    )
    kept = [hit for hit in hits if hit.step < start or hit.pitch == KICK]
    steps = [s for s in range(start, bar.n_steps) if rng.random() < 0.85]
    on_snare = rng.random() < 0.35
    fill = []
    for step in steps:
        tom = TOMS[
            min(
                len(TOMS) - 1,
                (step - start) * len(TOMS) // (bar.n_steps - start),
            )
        ]
        pitch = SNARE if on_snare or rng.random() < 0.25 else tom
        fill.append(
            Hit(
                step,
                1,
                pitch,
                float(rng.uniform(0.5, 0.95)),
            )
        )
    return kept + fill
