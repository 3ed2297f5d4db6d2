"""Kinds of bands: tempo, groove, and who may play what."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Role:
    """A chair in a band."""

    name: str
    chance: float
    """That it is taken."""
    sounds: tuple[str, ...]
    """Of `instruments.SOUNDS`, or of `instruments.OWN`."""
    players: tuple[str, ...]
    """Of `perform.PLAYERS`."""


@dataclass(frozen=True)
class Style:
    """What a band of one kind is drawn from."""

    weight: float
    bpm: tuple[float, float]
    feels: tuple[str, ...]
    """Of `drumming.FEELS`."""
    kits: tuple[int, ...]
    """Programs of the drum bank; -1 is rtmss's own drum machine."""
    roles: tuple[Role, ...]
    swing: float = 0.0
    """Chance that the style swings."""
    odd_meter: float = 0.0
    """Chance of 3/4 or 6/8."""
    drumless: float = 0.0
    """Chance of no drums at all."""
    sevenths: float = 0.1
    """Chance of four-note chords."""
    is_electronic: bool = False


_ELECTRONIC = """
    sub | .9 | sub bass, filter bass, synth bass | offbeat, sixteenths, octaves, roots, eighths
    pad | .75 | pad synth, synth pad, section | pad
    arp | .7 | arp synth, pluck synth, synth pluck | arp
    pluck | .5 | pluck synth, supersaw, synth pluck, electric piano, piano | chords, stabs, arp
    lead | .5 | lead synth, supersaw, synth lead | melody
    riser | .5 | riser | riser
    rhythm guitar | .6 | clean, muted, steel, driven | scratch, arpeggio, riff, power
    percussion | .3 | percussion | percussionist
"""

_ROLES = {
    "rock": """
    bass | 1 | bass | eighths, roots, fifths, funky
    rhythm guitar | 1 | driven, clean | power, strum, riff, power
    second guitar | .75 | driven, clean, steel, muted | strum, arpeggio, riff, sustain
    lead guitar | .6 | lead guitar | melody
    keys | .4 | organ, piano, electric piano | chords, pad
    lead | .35 | synth lead, reed, horn | melody
    section | .15 | section | pad, ostinato
    """,
    "metal": """
    bass | 1 | bass | eighths, sixteenths, roots
    rhythm guitar | 1 | driven | power
    second guitar | .6 | driven | power, riff, sustain
    lead guitar | .7 | lead guitar | melody, arp
    pad | .25 | section, synth pad | pad
    keys | .15 | piano, organ | pad, broken
    """,
    "pop": """
    bass | 1 | bass, synth bass, filter bass | roots, eighths, fifths, octaves
    rhythm guitar | .85 | clean, steel, muted | strum, arpeggio, scratch, sustain
    second guitar | .45 | clean, muted, steel, driven | arpeggio, riff, strum
    keys | .75 | piano, electric piano, organ | chords, broken
    pad | .5 | section, synth pad, pad synth | pad
    lead | .5 | flute, reed, bowed, horn, synth lead, lead guitar, mallets | melody
    percussion | .35 | percussion | percussionist
    pluck | .25 | pluck synth, pizzicato, mallets | arp, ostinato
    """,
    "funk": """
    bass | 1 | bass, synth bass | funky, octaves, sixteenths
    rhythm guitar | 1 | clean, muted | scratch, riff
    second guitar | .4 | clean, driven, muted | riff, scratch
    keys | .8 | electric piano, organ, electric piano | chords, stabs
    brass | .6 | brass | stabs
    lead | .5 | reed, horn, flute, synth lead | melody
    percussion | .6 | percussion | percussionist
    section | .2 | section | pad, ostinato
    """,
    "jazz": """
    bass | 1 | upright | walking, fifths, roots
    keys | .7 | piano, electric piano, organ, mallets | chords, stabs
    rhythm guitar | .7 | clean, steel | strum, sustain, scratch
    lead | .85 | reed, horn, flute, mallets, bowed | melody
    lead guitar | .35 | lead guitar | melody
    brass | .3 | brass | stabs, pad
    percussion | .15 | percussion | percussionist
    """,
    "folk": """
    bass | .75 | upright, bass | roots, fifths
    rhythm guitar | 1 | steel | strum, arpeggio
    second guitar | .6 | steel, clean | arpeggio, strum, melody
    lead | .6 | bowed, flute, reed, mallets | melody
    keys | .4 | organ, piano | pad, broken, chords
    section | .35 | section, pizzicato | pad, ostinato
    percussion | .4 | percussion | percussionist
    """,
    "ballad": """
    bass | .9 | bass, upright | roots, fifths
    keys | .85 | piano, electric piano | broken, chords
    rhythm guitar | .8 | steel, clean | arpeggio, strum, sustain
    section | .6 | section | pad
    lead | .55 | reed, bowed, flute, horn | melody
    lead guitar | .35 | lead guitar | melody
    pad | .3 | synth pad | pad
    """,
    "latin": """
    bass | 1 | upright, bass | latin, fifths
    rhythm guitar | .95 | steel, clean | scratch, strum, arpeggio
    second guitar | .3 | steel, lead guitar | melody, arpeggio
    keys | .7 | piano, electric piano, organ | chords, stabs, broken
    brass | .5 | brass | stabs, pad
    lead | .6 | flute, horn, reed, mallets | melody
    percussion | .95 | percussion | percussionist
    """,
    "reggae": """
    bass | 1 | bass, synth bass | roots, funky, fifths
    rhythm guitar | 1 | clean, muted | scratch
    second guitar | .45 | muted, clean | riff, arpeggio
    keys | .9 | organ, piano | chords, stabs
    brass | .4 | brass | stabs, pad
    lead | .5 | horn, reed, synth lead, flute | melody
    percussion | .4 | percussion | percussionist
    """,
    "blues": """
    bass | 1 | bass, upright | walking, eighths, fifths
    rhythm guitar | 1 | clean, driven, steel | strum, scratch, riff
    lead guitar | .8 | lead guitar | melody
    keys | .65 | piano, organ | chords, stabs, pad
    lead | .4 | reed, horn | melody
    brass | .25 | brass | stabs
    """,
    "cinematic": """
    bass | .6 | upright, synth bass, sub bass | roots
    section | 1 | section, pizzicato | pad, ostinato
    lead | .8 | bowed, flute, reed, horn | melody
    second lead | .5 | bowed, reed, flute | harmony, melody
    brass | .6 | brass, horn | pad, harmony, stabs
    keys | .5 | piano, mallets | broken, ostinato
    rhythm guitar | .45 | steel, clean | arpeggio, sustain
    percussion | .3 | percussion | percussionist
    """,
    "house": _ELECTRONIC,
    "trance": _ELECTRONIC,
    "breaks": _ELECTRONIC,
    "trap": """
    sub | 1 | sub bass, synth bass | roots, funky
    pluck | .8 | pluck synth, mallets, electric piano, piano, synth pluck | arp, chords, broken
    pad | .6 | pad synth, synth pad, section | pad
    lead | .5 | lead synth, flute, synth lead, bowed | melody
    rhythm guitar | .6 | steel, clean | arpeggio, riff
    riser | .35 | riser | riser
    brass | .2 | brass | stabs
    """,
    "synthwave": """
    sub | 1 | filter bass, synth bass | sixteenths, octaves, eighths
    pad | .85 | pad synth, synth pad | pad
    arp | .8 | arp synth, synth pluck | arp
    lead | .6 | lead synth, synth lead, supersaw | melody
    rhythm guitar | .55 | driven, clean, muted | power, riff, scratch
    lead guitar | .3 | lead guitar | melody
    riser | .3 | riser | riser
    """,
    "ambient": """
    pad | 1 | pad synth, synth pad | pad
    second pad | .6 | synth pad, section, pad synth | pad, harmony
    arp | .6 | arp synth, pluck synth, mallets | arp
    sub | .7 | sub bass, filter bass | roots
    rhythm guitar | .6 | clean, steel | arpeggio, sustain
    lead | .4 | lead synth, piano, flute, synth lead | melody, broken
    keys | .35 | piano, electric piano | broken
    riser | .5 | riser | riser
    """,
}


def _role(line: str) -> Role:
    name, chance, sounds, players = (cell.strip() for cell in line.split("|"))
    return Role(
        name,
        float(chance),
        *(tuple(word.strip() for word in cell.split(",")) for cell in (sounds, players)),
    )


def _roles(name: str) -> tuple[Role, ...]:
    return tuple(_role(line) for line in _ROLES[name].strip().splitlines())


_ROOMS = (0, 0, 8, 16)
_MACHINES = (24, 25, -1, -1, -1)

STYLES = {
    "rock": Style(
        13,
        (95, 165),
        ("rock", "rock", "half"),
        _ROOMS,
        _roles("rock"),
        odd_meter=0.08,
    ),
    "metal": Style(
        6,
        (90, 180),
        ("rock", "half", "four"),
        (16, 0, 8),
        _roles("metal"),
    ),
    "pop": Style(
        13,
        (80, 130),
        ("rock", "four", "half", "funk"),
        (*_ROOMS, 24, -1),
        _roles("pop"),
        odd_meter=0.06,
    ),
    "funk": Style(
        8, (88, 122), ("funk", "funk", "break"), _ROOMS, _roles("funk"), swing=0.3, sevenths=0.7
    ),
    "jazz": Style(
        6,
        (80, 180),
        ("jazz",),
        (32, 32, 40, 0),
        _roles("jazz"),
        1.0,
        0.15,
        0.15,
        0.9,
    ),
    "folk": Style(
        7, (72, 140), ("train", "waltz", "rock"), (40, 0, 8), _roles("folk"), 0.2, 0.4, 0.5, 0.05
    ),
    "ballad": Style(
        6,
        (60, 84),
        ("rock", "half"),
        (
            0,
            8,
            40,
            32,
        ),
        _roles("ballad"),
        0.05,
        0.3,
        0.2,
        0.3,
    ),
    "latin": Style(
        5, (80, 130), ("latin",), (0, 8, 32), _roles("latin"), sevenths=0.6, drumless=0.1
    ),
    "reggae": Style(
        4,
        (66, 92),
        ("reggae",),
        _ROOMS,
        _roles("reggae"),
        swing=0.5,
    ),
    "blues": Style(
        4,
        (66, 140),
        ("shuffle", "rock"),
        (
            0,
            8,
            40,
            32,
        ),
        _roles("blues"),
        0.7,
        0.2,
        0.05,
        0.4,
    ),
    "cinematic": Style(
        4, (60, 120), ("half", "rock"), (48, 0, 16), _roles("cinematic"), 0.0, 0.35, 0.6, 0.15
    ),
    "house": Style(
        9,
        (116, 130),
        ("four",),
        _MACHINES,
        _roles("house"),
        0.2,
        0.0,
        0.0,
        0.35,
        True,
    ),
    "trance": Style(
        6, (128, 145), ("four",), _MACHINES, _roles("trance"), 0.0, 0.0, 0.0, 0.1, True
    ),
    "breaks": Style(
        6,
        (125, 176),
        ("break", "half"),
        (*_MACHINES, 0),
        _roles("breaks"),
        0.1,
        0.0,
        0.0,
        0.2,
        True,
    ),
    "trap": Style(
        8,
        (65, 85),
        ("trap",),
        _MACHINES,
        _roles("trap"),
        0.0,
        0.0,
        0.05,
        0.2,
        True,
    ),
    "synthwave": Style(
        6,
        (84, 122),
        ("rock", "four"),
        (
            24,
            -1,
            -1,
            16,
        ),
        _roles("synthwave"),
        0,
        0,
        0,
        0.15,
        True,
    ),
    "ambient": Style(
        5, (60, 104), ("half", "four"), (25, -1), _roles("ambient"), 0.0, 0.1, 0.5, 0.4, True
    ),
}
