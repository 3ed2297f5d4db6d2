"""Playing a chair's part: figures by section, bar by bar, then the small unevenness of hands."""

from __future__ import annotations

from dataclasses import dataclass, replace

from rtmss.synth import comping, guitars, lines
from rtmss.synth.drumming import FEELS, drummer
from rtmss.synth.harmony import Key
from rtmss.synth.instruments import Instrument
from rtmss.synth.percussion import percussionist
from rtmss.synth.score import Bar, Grid, Hit, MakePlayer, Note, Part, Player, Rng, Seat

PLAYERS: dict[str, MakePlayer] = {
    **{kind: lines.bass(kind) for kind in lines.BASS_KINDS},
    **{feel: drummer(feel) for feel in FEELS},
    "strum": guitars.strum,
    "arpeggio": guitars.arpeggio,
    "power": guitars.power,
    "scratch": guitars.scratch,
    "riff": guitars.riff,
    "sustain": guitars.sustain,
    "melody": lines.melody,
    "arp": lines.arp,
    "riser": lines.riser,
    "chords": comping.chords,
    "stabs": comping.stabs,
    "broken": comping.broken,
    "pad": comping.pad,
    "ostinato": comping.ostinato,
    "harmony": comping.harmony,
    "percussionist": percussionist,
}
_DISTORTED = (29, 30)
_WIDTH = {
    "rhythm guitar": 0.7,
    "second guitar": 0.8,
    "keys": 0.4,
    "arp": 0.5,
    "pluck": 0.5,
    "percussion": 0.6,
    "lead": 0.3,
    "second lead": 0.5,
    "lead guitar": 0.35,
    "brass": 0.4,
    "section": 0.3,
}
"""How far from the middle a role may stand; the others stay in it."""
_BENDS = ("guitar", "strings", "winds", "brass", "synth")


@dataclass(frozen=True)
class Chair:
    """A part to be: who plays what on which sound."""

    role: str
    instrument: Instrument
    library: str
    """A soundfont's name; empty for rtmss's own oscillators."""
    players: tuple[str, ...]
    """Of `PLAYERS`; one is drawn for each section."""


@dataclass(frozen=True)
class Section:
    """Some bars over one progression."""

    name: str
    n_bars: int
    intensity: float
    """0 to 1."""
    degrees: tuple[int, ...]


@dataclass(frozen=True)
class Setting:
    """What a whole song has in common."""

    grid: Grid
    key: Key
    chord_size: int
    chords_per_bar: int
    is_electronic: bool


def perform(
    chair: Chair, plays: list[bool], sections: list[Section], setting: Setting, rng: Rng
) -> list[Part]:
    """Play a chair through the song: one part, or two where a guitar is recorded twice.

    Args:
        chair: who plays.
        plays: for each section, whether the chair plays in it.
        sections: of the song.
        setting: of the song.
        rng: source of chance.
    """
    kinds: dict[str, str] = {}
    players: dict[str, Player] = {}
    hits: list[Hit] = []
    start = 0
    seat = Seat(chair.instrument, setting.grid, rng)
    for section, active in zip(sections, plays, strict=True):
        if section.name not in players:
            again = players and rng.random() < 0.35
            kind = next(iter(kinds.values())) if again else str(rng.choice(chair.players))
            kinds[section.name] = kind
            figure = next(iter(players.values())) if again else PLAYERS[kind](seat)
            players[section.name] = figure
        if active:
            is_power = chair.instrument.program in _DISTORTED and kinds[section.name] in (
                "strum",
                "sustain",
            )
            for bar in _bars(section, setting, is_power, rng):
                offset = start + bar.index * setting.grid.n_steps
                hits += [hit._replace(step=hit.step + offset) for hit in players[section.name](bar)]
        start += section.n_bars * setting.grid.n_steps
    return _record(chair, hits, kinds, setting, rng)


def _bars(
    section: Section,
    setting: Setting,
    is_power: bool,
    rng: Rng,
) -> list[Bar]:
    bars = []
    n, half = setting.chords_per_bar, setting.grid.n_steps // 2
    for index in range(section.n_bars):
        chords = []
        for place in range(n):
            degree = section.degrees[(index * n + place) % len(section.degrees)]
            chord = setting.key.chord(degree, setting.chord_size)
            chords.append((place * half, guitars.powered(chord) if is_power else chord))
        is_last = index == section.n_bars - 1
        bars.append(
            Bar(
                index,
                setting.grid,
                setting.key,
                tuple(chords),
                section.intensity,
                is_last,
                rng,
            )
        )
    return bars


def _record(
    chair: Chair, hits: list[Hit], kinds: dict[str, str], setting: Setting, rng: Rng
) -> list[Part]:
    reach = _WIDTH.get(chair.role, 0.0)
    pan = float(rng.uniform(-reach, reach))
    is_lead = set(kinds.values()) == {"melody"} and chair.instrument.stem in _BENDS
    vibrato = float(rng.uniform(0.05, 0.4)) if is_lead else 0.0
    part = Part(
        chair.instrument,
        chair.role,
        chair.library,
        (),
        pan,
        vibrato,
    )
    doubled = (
        chair.role == "rhythm guitar"
        and chair.instrument.label == "electric_guitar"
        and rng.random() < 0.4
    )
    sides = [(-1, rng.uniform(0.5, 1)), (1, rng.uniform(0.5, 1))] if doubled else [(1, pan)]
    is_machine = chair.instrument.is_own or (setting.is_electronic and rng.random() < 0.6)
    hits = [
        hit._replace(
            pitch=_folded(
                hit.pitch,
                chair.instrument,
            )
        )
        for hit in hits
    ]
    return [
        replace(
            part,
            pan=float(side * far),
            notes=_hands(hits, setting.grid, is_machine, rng),
        )
        for side, far in sides
    ]


def _folded(pitch: int, instrument: Instrument) -> int:
    """The pitch moved by octaves into the instrument's range."""
    above = max(0, -(-(instrument.low - pitch) // 12))
    below = max(0, -(-(pitch - instrument.high) // 12))
    return pitch + 12 * (above - below)


def _hands(
    hits: list[Hit],
    grid: Grid,
    is_machine: bool,
    rng: Rng,
) -> tuple[Note, ...]:
    """Hits as notes in seconds, each a little early or late, loud or soft."""
    late = 0.0 if is_machine else float(rng.normal(0, 0.006))
    jitter = 0.0 if is_machine else float(rng.uniform(0.003, 0.012))
    uneven = 0.02 if is_machine else float(rng.uniform(0.04, 0.1))
    notes = []
    for hit in hits:
        start = max(
            0.0,
            grid.seconds(hit.step)
            + hit.delay_seconds
            + late
            + jitter * float(rng.standard_normal()),
        )
        end = grid.seconds(hit.step + hit.length)
        velocity = int(
            min(
                127,
                max(
                    1,
                    127 * (hit.velocity + uneven * float(rng.standard_normal())),
                ),
            )
        )
        notes.append(
            Note(
                start,
                max(0.03, end - start),
                int(hit.pitch),
                velocity,
            )
        )
    return _trim(sorted(notes))


def _trim(notes: list[Note]) -> tuple[Note, ...]:
    """End every note before its own pitch is struck again, which would silence the later one."""
    kept: list[Note] = []
    following: dict[int, float] = {}
    for note in reversed(notes):
        room = (
            following.get(
                note.pitch,
                note.start + note.seconds + 1,
            )
            - note.start
            - 0.005
        )
        if room > 0.015:
            kept.append(note._replace(seconds=min(note.seconds, room)))
            following[note.pitch] = note.start
    return tuple(reversed(kept))
