"""From a seed to a whole song: style, key, form, band, and every note."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np

from rtmss.synth.harmony import Key, draw_progression
from rtmss.synth.instruments import KITS, LEFT_OUT, OWN, PERCUSSION, SOUNDS, Instrument
from rtmss.synth.perform import Chair, Section, Setting, perform
from rtmss.synth.score import Grid, Rng, Song
from rtmss.synth.styles import STYLES, Role, Style

Palette = Mapping[str, frozenset[tuple[int, int]]]
"""(bank, program) of every sound, by soundfont."""

FORM = (
    ("intro", 1, 0.3),
    ("verse", 2, 0.5),
    ("chorus", 2, 0.95),
    ("break", 1, 0.35),
    ("verse", 2, 0.6),
    ("chorus", 2, 1.0),
    ("outro", 1, 0.4),
)
"""(name, length, intensity) of the sections; a song may begin later and end sooner."""
MODES = [
    *["major", "minor"] * 2,
    *["dorian", "mixolydian", "phrygian", "harmonic minor"],
]
"""Of keys, as often as they are drawn."""
_ACTIVE = {
    "drums": 0.88,
    "bass": 0.9,
    "sub": 0.85,
    "rhythm guitar": 0.85,
    "keys": 0.75,
    "pad": 0.75,
    "riser": 0.6,
}
"""Chance that a role plays in a section; the others 0.65."""


def arrange(
    seed: int, palette: Palette, leave_out: Iterable[int] = LEFT_OUT, style: str | None = None
) -> Song:
    """Make up a song.

    Args:
        seed: with the palette, fixes everything.
        palette: the soundfonts' sounds.
        leave_out: General MIDI programs, counted from 0, that must not occur.
        style: of `STYLES`; drawn when None.
    """
    rng = np.random.default_rng([seed, 0])
    style = style or _draw_style(rng)
    kind = STYLES[style]
    bpm = round(float(rng.uniform(*kind.bpm)), 1)
    key = Key(int(rng.integers(12)), str(rng.choice(MODES)))
    grid = _grid(kind, bpm, rng)
    sections = _form(key, grid, rng)
    size = 4 if rng.random() < kind.sevenths else 3
    per_bar = int(rng.choice([1, 1, 1, 2])) if bpm < 110 else 1
    chairs = _band(kind, palette, frozenset(leave_out), rng)
    plan = _who_plays(chairs, sections, rng)
    setting = Setting(grid, key, size, per_bar, kind.is_electronic)
    parts = [
        part
        for i, chair in enumerate(chairs)
        for part in perform(chair, plan[i], sections, setting, rng)
    ]
    bar_seconds = grid.seconds(grid.n_steps)
    starts = np.cumsum([0, *(section.n_bars for section in sections)]) * bar_seconds
    return Song(
        seed,
        style,
        bpm,
        key,
        grid,
        round(float(starts[-1]) + 1.5, 2),
        tuple((round(float(t), 3), s.name) for t, s in zip(starts[:-1], sections, strict=True)),
        tuple(part for part in parts if part.notes),
        is_pumping=kind.is_electronic and rng.random() < 0.6,
    )


def _draw_style(rng: Rng) -> str:
    names = list(STYLES)
    weights = np.array([kind.weight for kind in STYLES.values()])
    return names[rng.choice(len(names), p=weights / weights.sum())]


def _grid(kind: Style, bpm: float, rng: Rng) -> Grid:
    odd = rng.random() < kind.odd_meter
    swing = float(rng.uniform(0.15, 0.34)) if rng.random() < kind.swing else 0.0
    eighths = 2 if bpm > 105 or "jazz" in kind.feels or "shuffle" in kind.feels else 1
    if odd and rng.random() < 0.5:
        return Grid(60 / bpm / 6, 12, 6)
    return Grid(
        60 / bpm / 4,
        12 if odd else 16,
        4,
        swing,
        eighths,
    )


def _form(
    key: Key,
    grid: Grid,
    rng: Rng,
) -> list[Section]:
    """Sections for 60 to 100 seconds, in units of 2, 4 or 8 bars."""
    bar_seconds = grid.seconds(grid.n_steps)
    n_bars = rng.uniform(60, 100) / bar_seconds
    unit = next(
        (u for u in (8, 4, 2) if u * 8 <= n_bars),
        2,
    )
    tunes = {name: tuple(draw_progression(key, rng)) for name in ("verse", "chorus", "break")}
    sections: list[Section] = []
    first = int(
        rng.choice(
            [
                0,
                0,
                0,
                1,
                2,
            ]
        )
    )
    while (left := n_bars - sum(s.n_bars for s in sections)) > 0:
        name, length, intensity = FORM[(first + len(sections)) % len(FORM)]
        degrees = tunes.get(name, tunes["verse" if name == "intro" else "chorus"])
        sections.append(
            Section(
                name,
                int(min(length * unit, max(2, left))),
                intensity,
                degrees,
            )
        )
    return sections


def _band(
    kind: Style,
    palette: Palette,
    leave_out: frozenset[int],
    rng: Rng,
) -> list[Chair]:
    """Four to eight chairs; drums first."""
    taken = [role for role in kind.roles if rng.random() < role.chance]
    others = [role for role in kind.roles if role not in taken]
    rng.shuffle(others)
    taken = [
        *taken,
        *others[
            : max(
                0,
                4 - len(taken),
            )
        ],
    ][:7]
    chairs = [] if rng.random() < kind.drumless else [_drums(kind, palette, rng)]
    return chairs + [
        chair
        for role in taken
        if (
            chair := _chair(
                role,
                palette,
                leave_out,
                rng,
            )
        )
    ]


def _drums(kind: Style, palette: Palette, rng: Rng) -> Chair:
    program = int(rng.choice(kind.kits))
    kit = OWN["drum machine"] if program < 0 else next(k for k in KITS if k.program == program)
    kit = (
        replace(
            kit,
            program=program
            + int(
                rng.choice(
                    [
                        0,
                        0,
                        1,
                        2,
                        3,
                    ]
                )
            ),
        )
        if program in (0, 8, 16, 32, 40)
        else kit
    )
    return Chair(
        "drums",
        *_settle(kit, palette, rng),
        (str(rng.choice(kind.feels)),),
    )


def _chair(
    role: Role,
    palette: Palette,
    leave_out: frozenset[int],
    rng: Rng,
) -> Chair | None:
    """Somebody for a role; nobody if all that could play it is left out."""
    known = {
        **SOUNDS,
        "percussion": (PERCUSSION,),
        **{name: (own,) for name, own in OWN.items()},
    }
    choices = [
        [x for x in known[sound] if x.is_own or x.bank == 128 or x.program not in leave_out]
        for sound in role.sounds
    ]
    choices = [choice for choice in choices if choice]
    if not choices:
        return None
    allowed = choices[rng.integers(len(choices))]
    instrument = allowed[rng.integers(len(allowed))]
    return Chair(
        role.name,
        *_settle(instrument, palette, rng),
        role.players,
    )


def _settle(
    instrument: Instrument,
    palette: Palette,
    rng: Rng,
) -> tuple[Instrument, str]:
    """A soundfont for the instrument; what none has falls back to bank 0, or for drums to the
    standard kit.
    """
    if instrument.is_own:
        return instrument, ""
    standard = 0 if instrument.bank == 128 else instrument.program
    plain = replace(
        instrument, bank=instrument.bank if instrument.bank == 128 else 0, program=standard
    )
    for one in (instrument, plain):
        having = [name for name, sounds in palette.items() if (one.bank, one.program) in sounds]
        if having:
            return one, having[rng.integers(len(having))]
    return plain, next(iter(palette), "")


def _who_plays(
    chairs: list[Chair],
    sections: list[Section],
    rng: Rng,
) -> list[list[bool]]:
    """For each chair, the sections in which it plays; two at least in every section, and every
    chair somewhere.
    """
    chance = np.array([_ACTIVE.get(chair.role, 0.65) for chair in chairs])[:, None]
    lively = np.array([section.intensity for section in sections])[None]
    plan = rng.random((len(chairs), len(sections))) < chance + 0.25 * (lively - 0.55)
    for column in range(len(sections)):
        plan[
            rng.permutation(len(chairs))[
                : max(
                    0,
                    2 - int(plan[:, column].sum()),
                )
            ],
            column,
        ] = True
    for row in range(len(chairs)):
        if plan[row].mean() < 0.3:
            plan[
                row,
                rng.permutation(len(sections))[
                    : max(
                        1,
                        len(sections) // 2,
                    )
                ],
            ] = True
    return plan.tolist()  # type: ignore[no-any-return]
