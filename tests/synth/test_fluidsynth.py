"""Soundfonts, MIDI files, and fluidsynth itself."""

from __future__ import annotations

from pathlib import Path

import mido
import numpy as np
import pytest

from helpers.synth import parts_of, smallest_soundfont, soundfont_bytes, with_fluidsynth
from rtmss.config import UserError
from rtmss.synth import run, soundfonts
from rtmss.synth.instruments import KITS, SOUNDS
from rtmss.synth.midi import write_midi
from rtmss.synth.play import play_part
from rtmss.synth.score import Note, Part
from rtmss.synth.soundfonts import find_soundfonts, read_soundfont

RATE = 44100


def test_a_soundfont_says_what_it_holds(tmp_path: Path) -> None:
    (tmp_path / "tiny.sf2").write_bytes(
        soundfont_bytes(
            (0, 0),
            (8, 28),
            (128, 25),
        )
    )
    assert read_soundfont(tmp_path / "tiny.sf2").sounds == {
        (0, 0),
        (8, 28),
        (128, 25),
    }


@pytest.mark.parametrize(
    "content",
    [b"", b"RIFFxxxxWAVE", soundfont_bytes((0, 0))[:40]],
)
def test_what_is_no_soundfont_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "bad.sf2").write_bytes(content)
    with pytest.raises(UserError, match=r"bad\.sf2: not a readable soundfont"):
        find_soundfonts([tmp_path / "bad.sf2"])


def test_without_soundfonts_the_user_learns_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(soundfonts, "FOLDERS", (str(tmp_path),))
    monkeypatch.delenv("SOUNDFONT", raising=False)
    with pytest.raises(UserError, match="apt install fluidsynth"):
        find_soundfonts()


def test_without_fluidsynth_the_user_learns_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match=r"fluidsynth is missing.*apt install"):
        run.synthesize(tmp_path, 1)


def test_links_to_one_soundfont_count_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "one.sf2").write_bytes(soundfont_bytes((0, 0)))
    (tmp_path / "default.sf2").symlink_to("one.sf2")
    monkeypatch.setattr(soundfonts, "FOLDERS", (str(tmp_path),))
    monkeypatch.delenv("SOUNDFONT", raising=False)
    assert [font.name for font in find_soundfonts()] == ["one"]


def test_a_midi_file_plays_the_notes_at_their_time(tmp_path: Path) -> None:
    guitar = next(x for x in SOUNDS["clean"] if x.bank == 8)
    write_midi(
        Part(
            guitar,
            "lead",
            "",
            (Note(0.5, 1.0, 64, 99),),
            vibrato=0.3,
        ),
        3.0,
        tmp_path / "a.mid",
    )
    now = 0.0
    seen: dict[str, tuple[float, mido.Message]] = {}
    for message in mido.MidiFile(tmp_path / "a.mid"):
        now += message.time
        seen.setdefault(message.type, (now, message))
    assert seen["note_on"][0] == pytest.approx(0.5, abs=1e-3)
    assert (seen["note_on"][1].note, seen["note_on"][1].velocity) == (64, 99)
    assert seen["note_off"][0] == pytest.approx(1.5, abs=1e-3)
    assert seen["control_change"][1].value == 8
    assert seen["program_change"][1].program == guitar.program
    assert seen["pitchwheel"]
    assert now == pytest.approx(3.0, abs=1e-3)


def test_drums_go_to_channel_ten(tmp_path: Path) -> None:
    write_midi(
        Part(
            KITS[1],
            "drums",
            "",
            (Note(0.5, 0.1, 36, 99),),
        ),
        1.0,
        tmp_path / "a.mid",
    )
    assert {
        message.channel for message in mido.MidiFile(tmp_path / "a.mid") if not message.is_meta
    } == {9}


@pytest.mark.slow
@with_fluidsynth
def test_fluidsynth_plays_a_note_when_it_should() -> None:
    part = Part(
        next(x for x in SOUNDS["piano"] if x.program == 0),
        "keys",
        "",
        (
            Note(
                0.5,
                0.5,
                60,
                110,
            ),
        ),
    )
    audio = play_part(part, smallest_soundfont().path, 2 * RATE, RATE)
    assert audio.shape == (2, 2 * RATE)
    onset = np.flatnonzero(np.abs(audio).max(0) > 0.01)[0] / RATE
    assert onset == pytest.approx(0.5, abs=0.012)


@pytest.mark.slow
@with_fluidsynth
def test_what_fluidsynth_cannot_play_is_told(tmp_path: Path) -> None:
    (tmp_path / "empty.sf2").write_bytes(b"")
    with pytest.raises(UserError, match=r"fluidsynth cannot play .*empty\.sf2"):
        play_part(parts_of("synth")[0], tmp_path / "empty.sf2", RATE, RATE)
