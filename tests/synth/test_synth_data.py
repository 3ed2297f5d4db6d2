"""Music made up for training: arrangement, oscillators, mixing, files. What needs fluidsynth is
skipped without it.
"""

from __future__ import annotations

import shlex
import shutil
import struct
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import mido
import numpy as np
import pytest
import yaml

from rtmss.audio import Audio
from rtmss.cli import main
from rtmss.config import UserError, read_yaml
from rtmss.datasets import find_tracks
from rtmss.datasets.taxonomy import FAMILY_OF
from rtmss.files import read_audio
from rtmss.synth import mixing, run, song, soundfonts
from rtmss.synth.arrange import arrange
from rtmss.synth.drum_machine import make_kit, play_drums
from rtmss.synth.harmony import MODES, Key, fretted, voicing
from rtmss.synth.instruments import KITS, LEFT_OUT, OWN, SOUNDS
from rtmss.synth.midi import write_midi
from rtmss.synth.mixing import CEILING, master, mix_stems
from rtmss.synth.oscillators import sweep_filter, synthesize_notes, tone
from rtmss.synth.own import play_own
from rtmss.synth.patches import draw_patch
from rtmss.synth.perform import _trim
from rtmss.synth.play import play_part
from rtmss.synth.score import Grid, Note, Part, Song
from rtmss.synth.song import Order, make_song
from rtmss.synth.soundfonts import Soundfont, find_soundfonts, read_soundfont
from rtmss.synth.styles import STYLES
from rtmss.training import run as training
from rtmss.training.recipe import EncoderRecipe, LoopRecipe

EXAMPLE = Path(__file__).parents[2] / "examples/train_small.sh"
COMMANDS = [
    line for line in EXAMPLE.read_text(encoding="utf-8").splitlines() if line.startswith("rtmss ")
]
RATE = 44100
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
PALETTE = {
    "big": EVERYTHING,
    "small": frozenset((0, program) for program in range(128)) | {(128, 0)},
}
BIG = Soundfont(Path("big.sf2"), "MIT", EVERYTHING)


@pytest.fixture(scope="module")
def songs() -> list[Song]:
    return [arrange(seed, PALETTE) for seed in range(80)]


@pytest.fixture
def tones_for_fluidsynth(monkeypatch: pytest.MonkeyPatch) -> None:
    """Decaying tones in place of fluidsynth."""

    def play(
        part: Part,
        soundfont: Path,
        n_samples: int,
        sample_rate: int,
    ) -> Audio:
        pluck = replace(
            draw_patch("pluck synth", np.random.default_rng(0)),
            n_unison=1,
        )
        return synthesize_notes(
            part.notes,
            pluck,
            n_samples,
            sample_rate,
            np.random.default_rng(0),
        )

    monkeypatch.setattr(song, "play_part", play)


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


# The arrangement


def test_a_seed_fixes_the_song() -> None:
    assert arrange(7, PALETTE) == arrange(7, PALETTE)
    assert arrange(7, PALETTE) != arrange(8, PALETTE)


def test_what_is_left_out_never_plays() -> None:
    guitars = tuple(range(24, 32))
    played = [
        part.instrument for seed in range(30) for part in arrange(seed, PALETTE, guitars).parts
    ]
    assert not [x.name for x in played if x.stem == "guitar" and not x.is_own]
    assert [x.name for x in played if x.stem == "strings"]


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


def test_every_note_lies_within_its_song_and_its_instrument(songs: list[Song]) -> None:
    for s in songs:
        for part in s.parts:
            for note in part.notes:
                assert 0 <= note.start < s.seconds
                assert note.seconds > 0
                assert part.instrument.low <= note.pitch <= part.instrument.high
                assert 1 <= note.velocity <= 127


def test_a_soundfont_plays_only_what_it_has(songs: list[Song]) -> None:
    for part in (part for s in songs for part in s.parts if not part.instrument.is_own):
        assert (part.instrument.bank, part.instrument.program) in PALETTE[part.library]


def test_most_songs_have_guitar_and_two_of_five_are_electronic(songs: list[Song]) -> None:
    with_guitar = np.mean(
        [any(part.instrument.stem == "guitar" for part in s.parts) for s in songs]
    )
    electronic = np.mean([STYLES[s.style].is_electronic for s in songs])
    assert with_guitar > 0.7
    assert 0.25 < electronic < 0.55


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


# Oscillators and the drum machine


def test_an_oscillator_sounds_at_its_pitch_without_aliases() -> None:
    spectrum = np.abs(
        np.fft.rfft(
            tone(
                "saw",
                1500.0,
                RATE,
                RATE,
            )
            * np.hanning(RATE)
        )
    )
    harmonics = np.arange(1500, RATE // 2, 1500)
    near = np.zeros(spectrum.size, bool)
    for hz in harmonics:
        near[hz - 3 : hz + 4] = True
    assert spectrum.argmax() == 1500
    assert spectrum[~near].max() < 2e-3 * spectrum.max()


def test_a_kick_falls_in_pitch() -> None:
    for seed in range(5):
        kick = make_kit(RATE, np.random.default_rng(seed))["kick"]
        crossings = np.flatnonzero(
            np.diff(
                np.signbit(
                    np.convolve(
                        kick,
                        np.ones(40) / 40,
                        "same",
                    )
                )
            )
        )
        gaps = np.diff(crossings)
        assert gaps[-1] > 1.3 * gaps[0]


def test_hats_are_bright_and_open_ones_longer() -> None:
    kit = make_kit(RATE, np.random.default_rng(1))
    for name in ("closed", "open"):
        power = np.abs(np.fft.rfft(kit[name])) ** 2
        hz = np.fft.rfftfreq(kit[name].size, 1 / RATE)
        assert power[hz > 3000].sum() > 0.9 * power.sum()
    assert kit["open"].size > 2 * kit["closed"].size


def test_a_drum_hit_starts_at_its_sample() -> None:
    out = play_drums(
        (Note(0.5, 0.1, 36, 127),),
        RATE,
        RATE,
        np.random.default_rng(0),
    )
    assert not out[:, : RATE // 2].any()
    assert np.abs(out[:, RATE // 2 : RATE // 2 + 200]).max() > 0.05


@pytest.mark.parametrize("name", OWN)
def test_every_instrument_of_ones_own_sounds_and_ends(name: str) -> None:
    pitch = {
        "drums": 36,
        "bass": 36,
        "fx": 72,
    }.get(OWN[name].stem, 60)
    part = Part(
        OWN[name],
        "lead",
        "",
        (Note(0.2, 0.4, pitch, 100),),
    )
    for seed in range(3):
        audio = play_own(
            part,
            4 * RATE,
            RATE,
            np.random.default_rng(seed),
        )
        assert audio.shape == (2, 4 * RATE)
        assert np.isfinite(audio).all()
        assert np.abs(audio).max() > 0.02
        assert not audio[:, : RATE // 5].any()
        assert np.abs(audio[:, -RATE // 2 :]).max() < 1e-3


def test_the_filter_closes_and_opens() -> None:
    hiss = np.random.default_rng(0).standard_normal(
        (2, RATE),
        dtype=np.float32,
    )
    cutoff = np.full(RATE, 200, np.float32)
    cutoff[RATE // 2 :] = 15000
    out = sweep_filter(hiss, cutoff, 0.0, RATE)
    assert out[:, : RATE // 2].std() < 0.25 * out[:, RATE // 2 :].std()


# The mix


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


def song_of(*stems: str, is_pumping: bool = False) -> Song:
    return Song(
        0,
        "house",
        120,
        Key(0, "major"),
        Grid(0.125, 16, 4),
        4.0,
        ((0.0, "verse"),),
        parts_of(*stems),
        is_pumping,
    )


def test_one_gain_acts_on_every_stem_alike_so_that_the_sum_stays_the_mix() -> None:
    rng = np.random.default_rng(0)
    stems = {
        name: rng.standard_normal((2, RATE), dtype=np.float32) * level
        for name, level in [("a", 1.0), ("b", 0.2)]
    }
    stems["a"][:, 1000:1100] *= 6
    out = master(stems, RATE, np.random.default_rng(3))
    gains = {
        name: out[name][np.abs(stems[name]) > 0.05] / stems[name][np.abs(stems[name]) > 0.05]
        for name in stems
    }
    both = (np.abs(stems["a"]) > 0.05) & (np.abs(stems["b"]) > 0.05)
    np.testing.assert_allclose(
        (out["a"] / stems["a"])[both], (out["b"] / stems["b"])[both], rtol=1e-4
    )
    assert np.ptp(gains["a"]) > 0.05, "the gain should have moved"
    assert np.abs(out["a"] + out["b"]).max() <= CEILING


@pytest.mark.parametrize("seed", range(6))
def test_the_mix_stays_below_the_ceiling_at_every_draw(seed: int) -> None:
    made = song_of("drums", "bass", "synth", is_pumping=True)
    played = [
        play_own(
            part,
            4 * RATE,
            RATE,
            np.random.default_rng(seed),
        )
        for part in made.parts
    ]
    stems = mix_stems(made, played, RATE, np.random.default_rng(seed))
    assert list(stems) == ["drums", "bass", "synth"]
    assert 0.05 < np.abs(sum(stems.values())).max() <= CEILING


def test_parts_of_one_stem_are_summed() -> None:
    made = song_of("synth", "synth")
    played = [
        play_own(
            part,
            4 * RATE,
            RATE,
            np.random.default_rng(1),
        )
        for part in made.parts
    ]
    played[0][:, 2 * RATE :] = 0
    played[1][:, : 2 * RATE] = 0
    (audio,) = mix_stems(
        made,
        played,
        RATE,
        np.random.default_rng(0),
    ).values()
    assert (
        min(
            np.abs(audio[:, :RATE]).max(),
            np.abs(audio[:, -RATE:]).max(),
        )
        > 0.02
    )


def test_the_kick_pushes_the_bass_down() -> None:
    pump = mixing._pump(
        song_of("drums", "bass"),
        2 * RATE,
        RATE,
        np.random.default_rng(0),
    )
    just_after, before_next = int(0.51 * RATE), int(0.995 * RATE)
    assert pump[just_after] < 0.75
    assert pump[before_next] > 0.95


# Soundfonts and MIDI


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


# Files


@pytest.fixture
def order(tmp_path: Path) -> Order:
    return Order(tmp_path / "songs/train/synth-1", 5, (BIG,), max_seconds=4.0)


@pytest.mark.usefixtures("tones_for_fluidsynth")
def test_a_song_is_a_folder_of_stems_that_the_bank_reads(order: Order) -> None:
    make_song(order)
    described = yaml.safe_load((order.folder / "song.yaml").read_text())
    tracks = find_tracks(order.folder.parents[2], "train")
    assert {track.stem for track in tracks} == set(described["stems"])
    for track in tracks:
        row = described["stems"][track.stem]
        assert (track.label, track.source, track.licence) == (
            row["instrument"],
            row["library"],
            row["licence"],
        )
    audio = [read_audio(path)[0] for path in order.folder.glob("*.ogg")]
    assert {a.shape for a in audio} == {(2, 4 * RATE)}
    assert 0.1 < np.abs(sum(audio)).max() < 0.98


def test_a_sum_that_lossy_coding_made_too_loud_is_written_softer(tmp_path: Path) -> None:
    noise = (
        np.random.default_rng(0)
        .uniform(
            -1,
            1,
            (2, RATE),
        )
        .astype(np.float32)
    )
    song._write_stems(tmp_path, {"bass": noise * 0.6, "drums": noise * 0.4})
    bass, drums = (read_audio(tmp_path / f"{name}.ogg")[0] for name in ("bass", "drums"))
    assert 0.8 < np.abs(bass + drums).max() < 0.98
    assert bass.std() / drums.std() == pytest.approx(1.5, rel=0.02)


@pytest.mark.usefixtures("tones_for_fluidsynth")
def test_the_same_order_writes_the_same_music(order: Order, tmp_path: Path) -> None:
    again = replace(order, folder=tmp_path / "other/songs/train/synth-1")
    make_song(order)
    make_song(again)
    for path in order.folder.glob("*.ogg"):
        np.testing.assert_array_equal(
            read_audio(path)[0],
            read_audio(again.folder / path.name)[0],
        )


@pytest.mark.usefixtures("tones_for_fluidsynth")
def test_an_interrupted_song_is_not_there(order: Order, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(song, "describe", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            make_song(order)
    assert not order.folder.exists()
    assert not list(order.folder.parents[1].rglob("*.ogg"))
    make_song(order)
    assert (order.folder / "song.yaml").exists()


def test_songs_that_are_there_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "big.sf2").write_bytes(soundfont_bytes((0, 0)))
    (tmp_path / "songs/train/synth-3-0001").mkdir(parents=True)
    made: list[Order] = []
    monkeypatch.setattr(run, "check_tools", lambda: None)
    monkeypatch.setattr(run, "make_song", made.append)
    run.synthesize(
        tmp_path,
        3,
        n_valid=1,
        seed=3,
        soundfonts=[tmp_path / "big.sf2"],
    )
    names = ["train/synth-3-0000", "train/synth-3-0002", "valid/synth-3-500000"]
    assert [str(x.folder.relative_to(tmp_path / "songs")) for x in made] == names
    assert len({x.seed for x in made}) == 3


# With fluidsynth

with_fluidsynth = pytest.mark.skipif(
    not shutil.which("fluidsynth")
    or not any(Path(f).glob("*.sf[23]") for f in map(Path, soundfonts.FOLDERS)),
    reason="fluidsynth and a soundfont are not installed",
)


def smallest_soundfont() -> Soundfont:
    return min(find_soundfonts(), key=lambda font: font.path.stat().st_size)


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


@pytest.mark.slow
@with_fluidsynth
def test_the_commands_of_the_example_make_songs_train_and_judge(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    short = song.make_song
    monkeypatch.setattr(run, "make_song", lambda order: short(replace(order, max_seconds=12.0)))
    brief = {
        "encoder": EncoderRecipe(n_steps=2, batch=4),
        "loop": LoopRecipe(n_steps=4, windows=2, batch=2),
    }
    monkeypatch.setattr(
        training,
        "read_yaml",
        lambda path, kind: read_yaml(path, kind).model_copy(update=brief | {"n_workers": 0}),
    )
    font = str(smallest_soundfont().path)
    where = str(tmp_path)
    synth, train, evaluate = (shlex.split(line.replace("$folder", where)) for line in COMMANDS)
    synth += ["--songs", "2", "--valid", "1", "--processes", "1", "--soundfont", font]
    for argv in (synth, train, evaluate):
        monkeypatch.setattr(sys, "argv", argv)
        with pytest.raises(SystemExit) as stop:
            main()
        assert not stop.value.code
    folders = sorted((tmp_path / "data/songs").glob("*/*"))
    assert [folder.parent.name for folder in folders] == ["train", "train", "valid"]
    for folder in folders:
        audio = [read_audio(path)[0] for path in folder.glob("*.ogg")]
        assert len(audio) > 1
        assert {a.shape for a in audio} == {(2, 12 * RATE)}
        assert min(float(np.abs(a).max()) for a in audio) > 1e-3
        assert np.abs(sum(audio)).max() < 0.98
    assert (
        "All methods: means" in capsys.readouterr().out
    )  # which instruments play in 12 s is up to chance
