"""The General MIDI instruments that arrangements draw from, by sound, and which stem and label each
becomes.
"""

from __future__ import annotations

from dataclasses import dataclass

from rtmss.datasets.taxonomy import FAMILY_OF

LEFT_OUT = (22, 60, 68, 105)
"""Programs left out unless asked for: harmonica, french horn, oboe, banjo, which evaluation keeps
as never heard.
"""


@dataclass(frozen=True)
class Instrument:
    """A sound and its place in the data folder. No General MIDI voices: nothing here counts as
    vocals.
    """

    name: str
    stem: str
    label: str
    program: int
    """Counted from 0."""
    low: int
    """Lowest pitch that it plays."""
    high: int
    bank: int = 0
    """0, or a variation bank that falls back to 0 where the soundfont lacks it; 128 is drums."""
    is_own: bool = False
    """Played by rtmss's oscillators, not by a soundfont."""


_TABLE = {
    "steel": """
        acoustic_guitar: nylon guitar 24 40 79, steel-string guitar 25 40 81, twelve-string
        guitar 25/8 40 79, mandolin 25/16 55 86, ukulele 24/8 55 84
        """,
    "clean": """
        electric_guitar: jazz guitar 26 40 81, clean electric guitar 27 40 84, funk guitar 28/8
        40 80, hawaiian guitar 26/8 45 84, clean electric guitar 27 40 84
        """,
    "muted": "electric_guitar: muted guitar 28 40 74, funk guitar 28/8 40 74",
    "driven": """
        electric_guitar: overdriven guitar 29 36 84, distorted guitar 30 36 84, feedback guitar
        30/8 36 84, amplified guitar 27 36 84, amplified hollow guitar 26 36 80
        """,
    "lead guitar": """
        electric_guitar: overdriven guitar 29 48 88, distorted guitar 30 48 88, clean electric
        guitar 27 50 86, jazz guitar 26 48 84; acoustic_guitar: nylon guitar 24 48 84,
        steel-string guitar 25 48 84
        """,
    "bass": """
        bass: fingered bass 33 28 55, picked bass 34 28 55, fretless bass 35 28 58, slap bass 36
        28 52, slap bass two 37 28 52; upright_bass: upright bass 32 28 52
        """,
    "upright": "upright_bass: upright bass 32 28 52; bass: fretless bass 35 28 58, fingered bass "
    "33 28 55",
    "synth bass": "synth_bass: synth bass one 38 26 50, synth bass two 39 26 50, synth bass three "
    "38/8 26 50",
    "piano": """
        piano: grand piano 0 28 96, bright piano 1 28 96, electric grand 2 28 96, honky-tonk
        piano 3 36 92, mellow piano 0/8 28 96, grand piano 0 28 96
        """,
    "electric piano": """
        electric_piano: electric piano one 4 33 91, electric piano two 5 33 91, detuned piano
        4/8 33 91; clavinet: clavinet 7 36 84; harpsichord: harpsichord 6 40 88
        """,
    "organ": """
        organ: drawbar organ 16 36 91, percussive organ 17 36 91, rock organ 18 36 91, church
        organ 19 36 88, reed organ 20 40 84; accordion: accordion 21 48 86, italian accordion
        21/8 48 86, bandoneon 23 48 84
        """,
    "mallets": """
        vibraphone: vibraphone 11 53 89; marimba: marimba 12 45 91; mallets: celesta 8 60 100,
        glockenspiel 9 72 100, music box 10 60 96, xylophone 13 60 96
        """,
    "section": "string_section: strings 48 36 91, slow strings 49 36 88, tremolo strings 44 40 88",
    "pizzicato": "string_section: pizzicato strings 45 40 88; harp: harp 46 36 96",
    "bowed": """
        violin: violin 40 55 93, slow violin 40/8 55 91, fiddle 110 55 93; viola: viola 41 48
        84; cello: cello 42 36 76
        """,
    "brass": "brass_section: brass section 61 43 82, brass section two 61/8 43 82; trumpet: muted "
    "trumpet 59 55 82",
    "horn": """
        trumpet: trumpet 56 55 84, muted trumpet 59 55 82; trombone: trombone 57 43 72; tuba:
        tuba 58 36 60; french_horn: french horn 60 41 77
        """,
    "reed": """
        saxophone: soprano sax 64 56 86, alto sax 65 49 80, tenor sax 66 44 76, baritone sax 67
        37 69; clarinet: clarinet 71 50 88; winds: english horn 69 52 81; bassoon: bassoon 70 36
        70; oboe: oboe 68 58 89; harmonica: harmonica 22 60 88
        """,
    "flute": "flute: flute 73 60 93; winds: piccolo 72 74 100, recorder 74 62 93, pan flute 75 60 "
    "90, whistle 78 64 94",
    "synth lead": """
        synth_lead: square lead 80 50 88, saw lead 81 50 88, calliope 82 55 88, charang 84 50
        84, fifths lead 86 50 81, bass and lead 87 48 84, sine wave 80/8 55 90, synth brass 62
        48 81
        """,
    "synth pad": """
        synth_pad: new age pad 88 40 84, warm pad 89 40 84, polysynth 90 40 84, bowed pad 92 40
        84, metallic pad 93 40 84, sweep pad 95 40 84, synth strings 50 40 86, synth strings two
        51 40 86, soundtrack 97 40 80, crystal 98 50 90, atmosphere 99 40 84, brightness 100 40
        84
        """,
    "synth pluck": "synth_lead: polysynth 90 48 88, crystal 98 55 92, square lead 80 48 88, saw "
    "lead 81 48 88",
    "banjo": "banjo: banjo 105 48 84",
}


def _row(label: str, entry: str) -> Instrument:
    *words, program, low, high = entry.split()
    number, _, bank = program.partition("/")
    stem = FAMILY_OF[label]
    return Instrument(
        " ".join(words), stem, label, int(number), int(low), int(high), int(bank or 0)
    )


def _group(text: str) -> tuple[Instrument, ...]:
    groups = [group.split(":") for group in text.split(";")]
    return tuple(
        _row(
            label.strip(),
            entry,
        )
        for label, entries in groups
        for entry in entries.split(",")
    )


SOUNDS = {name: _group(text) for name, text in _TABLE.items()}
"""Instruments by sound; one that stands twice is drawn twice as often."""

KITS = (
    *(
        Instrument(name, "drums", "drums", program, 27, 87, 128)
        for name, program in [
            ("standard kit", 0),
            ("room kit", 8),
            ("power kit", 16),
            ("electronic kit", 24),
            ("808 kit", 25),
            ("jazz kit", 32),
            ("brush kit", 40),
            ("orchestra kit", 48),
        ]
    ),
)
PERCUSSION = Instrument("hand percussion", "percussion", "percussion", 0, 27, 87, 128)
OWN = {
    name: Instrument(name, stem, label, 0, low, high, is_own=True)
    for name, stem, label, low, high in [
        ("drum machine", "drums", "drums", 27, 87),
        ("sub bass", "bass", "synth_bass", 24, 48),
        ("filter bass", "bass", "synth_bass", 26, 52),
        ("pluck synth", "synth", "synth_lead", 48, 91),
        ("arp synth", "synth", "synth_lead", 45, 91),
        ("pad synth", "synth", "synth_pad", 40, 84),
        ("supersaw", "synth", "synth_lead", 45, 84),
        ("lead synth", "synth", "synth_lead", 50, 88),
        ("riser", "fx", "fx", 40, 88),
    ]
}
"""What the oscillators play."""
