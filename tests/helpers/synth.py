"""Songs of tones, and soundfonts that hold nothing."""

from __future__ import annotations

import shutil
import struct
from pathlib import Path

import pytest

from rtmss.synth import soundfonts
from rtmss.synth.instruments import OWN
from rtmss.synth.score import Note, Part
from rtmss.synth.soundfonts import Soundfont, find_soundfonts

EVERYTHING = frozenset(
    (bank, program)
    for bank in (
        0,
        8,
        16,
        128,
    )
    for program in range(128)
)


def soundfont_bytes(*presets: tuple[int, int]) -> bytes:
    """A soundfont of (bank, program) presets and nothing else."""
    rows = [
        struct.pack("<20sHHHIII", b"x", program, bank, 0, 0, 0, 0)
        for bank, program in (*presets, (0, 0))
    ]
    phdr = (
        b"phdr"
        + struct.pack(
            "<I",
            38 * len(rows),
        )
        + b"".join(rows)
    )
    samples = b"smpl" + struct.pack("<I", 4) + b"abcd"
    named = [
        (b"INFO", b""),
        (b"sdta", samples),
        (b"pdta", phdr),
    ]
    lists = [
        b"LIST"
        + struct.pack(
            "<I",
            4 + len(body),
        )
        + name
        + body
        for name, body in named
    ]
    return (
        b"RIFF"
        + struct.pack(
            "<I",
            4 + sum(map(len, lists)),
        )
        + b"sfbk"
        + b"".join(lists)
    )


def parts_of(*stems: str) -> tuple[Part, ...]:
    of_stem = {instrument.stem: instrument for instrument in OWN.values()}
    beats = tuple(
        Note(
            i / 2,
            0.3,
            36,
            100,
        )
        for i in range(8)
    )
    return tuple(
        Part(
            of_stem[stem],
            "bass" if stem == "bass" else stem,
            "",
            beats,
        )
        for stem in stems
    )


with_fluidsynth = pytest.mark.skipif(
    not shutil.which("fluidsynth")
    or not any(Path(f).glob("*.sf[23]") for f in map(Path, soundfonts.FOLDERS)),
    reason="fluidsynth and a soundfont are not installed",
)


def smallest_soundfont() -> Soundfont:
    return min(find_soundfonts(), key=lambda font: font.path.stat().st_size)
