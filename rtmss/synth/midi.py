"""A part as a MIDI file."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

from rtmss.synth.score import Note, Part

TICKS_PER_SECOND = 1920
"""960 ticks a beat at mido's tempo of 120."""
_DRUMS = 9
_BEND_RANGE = 2.0
"""Semitones, the range that every synthesizer starts with."""


def write_midi(part: Part, seconds: float, path: Path) -> None:
    """Write a part as a file of one track that ends after `seconds`."""
    import mido

    instrument = part.instrument
    channel = _DRUMS if instrument.bank == 128 else 0
    track = mido.MidiTrack()
    if instrument.bank != 128:
        track.append(
            mido.Message("control_change", channel=channel, control=0, value=instrument.bank)
        )
    track.append(
        mido.Message(
            "program_change",
            channel=channel,
            program=instrument.program,
        )
    )
    now = 0
    for at, _, kind, values in sorted(_events(part), key=lambda event: event[:2]):
        ticks = round(at * TICKS_PER_SECOND)
        track.append(
            mido.Message(
                kind,
                channel=channel,
                time=ticks - now,
                **values,
            )
        )
        now = ticks
    track.append(
        mido.MetaMessage(
            "end_of_track",
            time=max(0, round(seconds * TICKS_PER_SECOND) - now),
        )
    )
    file = mido.MidiFile(ticks_per_beat=960)
    file.tracks.append(track)
    file.save(path)


def _events(part: Part) -> Iterator[tuple[float, int, str, dict[str, int]]]:
    """(seconds, order among the simultaneous, kind, values): what ends comes before what begins."""
    for note in part.notes:
        yield (
            note.start,
            2,
            "note_on",
            {
                "note": note.pitch,
                "velocity": note.velocity,
            },
        )
        yield note.start + note.seconds, 0, "note_off", {"note": note.pitch}
        if part.vibrato:
            for at, bend in _vibrato(note, part.vibrato):
                yield at, 1, "pitchwheel", {"pitch": bend}


def _vibrato(
    note: Note,
    depth: float,
) -> list[tuple[float, int]]:
    """(seconds, bend) through a note: straight at first, then a swing of 5.5 Hz that opens."""
    bends = [(note.start, 0)]
    for i in range(int((note.seconds - 0.25) * 50)):
        opening = min(1.0, i / 20)
        semitones = depth * opening * math.sin(2 * math.pi * 5.5 * i / 50)
        bends.append((note.start + 0.2 + i / 50, round(8191 * semitones / _BEND_RANGE)))
    return bends
