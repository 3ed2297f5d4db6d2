"""Hand percussion: General MIDI notes from 54 to 82, in patterns that go round."""

from __future__ import annotations

from rtmss.synth.score import Bar, Hit, Player, Seat

_HAND_PATTERNS: dict[str, tuple[str, dict[str, int]]] = {
    "congas": ("x.o.x.oox.o.x.oo", {"x": 62, "o": 64}),
    "congas two": ("xxo.xxoox.o.xxo.", {"x": 63, "o": 64}),
    "bongos": ("x.xxo.xxx.xxo.xo", {"x": 60, "o": 61}),
    "shaker": ("xoxoxoxoxoxoxoxo", {"x": 70, "o": 82}),
    "tambourine": ("..x...x...x...x.", {"x": 54}),
    "tambourine two": ("x.xox.xox.xox.xo", {"x": 54, "o": 54}),
    "claves": ("x..x..x...x.x...", {"x": 75}),
    "cowbell": ("x...x...x.x.x...", {"x": 56}),
    "woodblock": ("x.oox.o.x.oox.o.", {"x": 76, "o": 77}),
    "agogo": ("x.x.o.oox.x.o.o.", {"x": 67, "o": 68}),
    "timbales": ("x..xx..xx.x.x.xo", {"x": 65, "o": 66}),
    "cabasa": ("x.xxx.xxx.xxx.xx", {"x": 69}),
}


def percussionist(seat: Seat) -> Player:
    """One to three hand percussion instruments, each with a pattern."""
    names = seat.rng.choice(
        list(_HAND_PATTERNS),
        int(seat.rng.integers(1, 4)),
        replace=False,
    )
    shift = int(
        seat.rng.choice(
            [
                0,
                0,
                2,
                4,
            ]
        )
    )

    def play(bar: Bar) -> list[Hit]:
        hits = []
        for name in names:
            pattern, pitches = _HAND_PATTERNS[name]
            for step in range(bar.n_steps):
                mark = pattern[(step + shift) % 16]
                if mark in pitches and bar.rng.random() < 0.93:
                    accent = 0.8 if step % seat.grid.pulse == 0 else 0.55
                    hits.append(
                        Hit(
                            step,
                            1,
                            pitches[mark],
                            accent * float(bar.rng.uniform(0.8, 1.1)),
                        )
                    )
        return hits

    return play
