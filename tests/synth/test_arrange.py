"""Music as data: keys, chords, notes and who plays."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from helpers.synth import EVERYTHING
from rtmss.datasets.taxonomy import FAMILY_OF
from rtmss.synth.arrange import arrange
from rtmss.synth.harmony import MODES, Key, fretted, voicing
from rtmss.synth.instruments import KITS, LEFT_OUT, OWN, SOUNDS
from rtmss.synth.perform import _trim
from rtmss.synth.score import Grid, Note, Song
from rtmss.synth.styles import STYLES

PALETTE = {
    "big": EVERYTHING,
    "small": frozenset((0, program) for program in range(128)) | {(128, 0)},
}


@pytest.fixture(scope="module")
def songs() -> list[Song]:
    return [arrange(seed, PALETTE) for seed in range(80)]


def test_a_seed_fixes_the_song() -> None:
    assert arrange(7, PALETTE) == arrange(7, PALETTE)
    assert arrange(7, PALETTE) != arrange(8, PALETTE)


@pytest.mark.slow
def test_what_is_left_out_never_plays() -> None:
    guitars = tuple(range(24, 32))
    played = [
        part.instrument for seed in range(30) for part in arrange(seed, PALETTE, guitars).parts
    ]
    assert not [x.name for x in played if x.stem == "guitar" and not x.is_own]
    assert [x.name for x in played if x.stem == "strings"]


@pytest.mark.slow
def test_by_default_the_four_kept_instruments_never_play(songs: list[Song]) -> None:
    programs = {
        part.instrument.program for s in songs for part in s.parts if part.instrument.bank != 128
    }
    assert not programs & set(LEFT_OUT)
    assert set(LEFT_OUT) <= {
        instrument.program for group in SOUNDS.values() for instrument in group
    }


def test_no_instrument_is_a_voice() -> None:
    assert not {52, 53, 54, 85, 91} & {
        instrument.program for group in SOUNDS.values() for instrument in group
    }


def test_every_instrument_belongs_to_the_family_of_its_stem() -> None:
    for instrument in [
        *OWN.values(),
        *KITS,
        *(x for group in SOUNDS.values() for x in group),
    ]:
        assert FAMILY_OF[instrument.label] == FAMILY_OF[instrument.stem]


@pytest.mark.slow
def test_every_note_lies_within_its_song_and_its_instrument(songs: list[Song]) -> None:
    for s in songs:
        for part in s.parts:
            for note in part.notes:
                assert 0 <= note.start < s.seconds
                assert note.seconds > 0
                assert part.instrument.low <= note.pitch <= part.instrument.high
                assert 1 <= note.velocity <= 127


@pytest.mark.slow
def test_a_soundfont_plays_only_what_it_has(songs: list[Song]) -> None:
    for part in (part for s in songs for part in s.parts if not part.instrument.is_own):
        assert (part.instrument.bank, part.instrument.program) in PALETTE[part.library]


@pytest.mark.slow
def test_most_songs_have_guitar_and_two_of_five_are_electronic(songs: list[Song]) -> None:
    with_guitar = np.mean(
        [any(part.instrument.stem == "guitar" for part in s.parts) for s in songs]
    )
    electronic = np.mean([STYLES[s.style].is_electronic for s in songs])
    assert with_guitar > 0.7
    assert 0.25 < electronic < 0.55


@pytest.mark.slow
def test_every_section_sounds_and_parts_pause(songs: list[Song]) -> None:
    pauses = 0
    for s in songs:
        starts = [start for start, _ in s.sections] + [s.seconds]
        plays = np.array(
            [
                [any(a - 0.1 <= note.start < b for note in part.notes) for a, b in pairwise(starts)]
                for part in s.parts
            ]
        )
        assert plays.any(0).all(), f"{s.seed}: a section of silence"
        pauses += int((~plays).sum())
    assert pauses > len(songs)


def test_swing_delays_every_second_step_and_keeps_the_beat() -> None:
    straight, swung = (
        Grid(0.1, 16, 4),
        Grid(
            0.1,
            16,
            4,
            swing=0.3,
        ),
    )
    assert swung.seconds(1) == pytest.approx(straight.seconds(1) + 0.03)
    assert swung.seconds(8) == pytest.approx(straight.seconds(8))
    times = [swung.seconds(step / 8) for step in range(128)]
    assert times == sorted(times)


def test_a_note_ends_before_its_pitch_is_struck_again() -> None:
    first, second = _trim(
        [
            Note(
                0.0,
                5.0,
                60,
                90,
            ),
            Note(1.0, 0.5, 60, 90),
        ]
    )
    assert first.start + first.seconds < second.start
    other, _ = _trim(
        [
            Note(
                0.0,
                5.0,
                61,
                90,
            ),
            Note(1.0, 0.5, 60, 90),
        ]
    )
    assert other.seconds == 5.0


@pytest.mark.parametrize("mode", MODES)
def test_chords_hold_only_notes_of_their_key(mode: str) -> None:
    key = Key(4, mode)
    for degree in range(1, 8):
        chord = key.chord(degree, 4)
        assert set(chord.classes) <= set(key.classes)
        assert {pitch % 12 for pitch in [*fretted(chord, 3), *voicing(chord, 60, 4)]} <= set(
            chord.classes
        )


def test_a_guitarist_puts_the_root_lowest() -> None:
    chord = Key(0, "major").chord(1)
    assert fretted(chord, 0) == [
        48,
        52,
        55,
        60,
        64,
    ], "C major as everyone learns it"
