"""`rtmss setlist check`: whatever is missing is named, each on a line of its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from helpers.makers import MakeCondition, Noise, WriteAudio
from rtmss.conditions.condition import ConditionLimits, save_condition
from rtmss.conditions.library import Library
from rtmss.conditions.set_list import load_set_list
from rtmss.config import UserError
from rtmss.live.control.cues.check import SetListCheck
from rtmss.live.control.cues.sheet import load_sheet

Check = Callable[..., list[str]]
MODEL = "0123456789ab"


@pytest.fixture
def check(
    tmp_path: Path, make_condition: MakeCondition, write_audio: WriteAudio, noise: Noise
) -> Check:
    """check(yaml) with a library of some presets, and a song of two seconds beside the list."""
    folder = tmp_path / "library"
    for seed, name in enumerate(("vocals", "drums")):
        condition = make_condition(name, seed, model_id=MODEL)
        save_condition(folder / "conditions" / f"{name}.safetensors", condition)
    other = make_condition("old", 5, model_id="ba9876543210")
    save_condition(folder / "conditions" / "old.safetensors", other)
    presets = {
        "solo": "stems: {vocals: {condition: vocals}}",
        "both": "stems: {vocals: {condition: vocals}, kit: {condition: drums}}",
        "broken": "stems: {vocals: {condition: nobody}}",
        "older": "stems: {vocals: {condition: old}}",
    }
    for name, text in presets.items():
        (folder / f"{name}.yaml").write_text(text)
    write_audio(tmp_path / "a.wav", noise(16000), 8000)

    def run(text: str, *, listens: bool = True, first: str = "solo") -> list[str]:
        path = tmp_path / "list.yaml"
        path.write_text(text)
        limits = ConditionLimits(12)
        set_list = load_set_list(path)
        made = SetListCheck(set_list, Library([folder]), MODEL, limits)
        return [line.replace(f"{tmp_path}/", "") for line in made.run(first, listens=listens)]

    return run


GOOD = """
songs:
- name: opener
  file: a.wav
  tempo: 240
  preset: solo
  cues:
  - {name: verse, bar: 2, mixer: {vocals: {gain_db: -6}, master: {mute: true}}}
  - {name: chorus, at: 1.9, preset: both, mixer: {kit: {condition: vocals, mute: true}}}
  - {name: end, mixer: {kit: {gain_db: 0}, remainder: {mute: true}}}
- {name: closer, file: a.wav, cues: [{name: kit, mixer: {kit: {mute: true}}}]}
"""


def test_a_list_with_everything_has_no_problem(check: Check) -> None:
    assert check(GOOD) == []


def one(cue: str, song: str = "") -> str:
    return f"songs: [{{name: s, file: a.wav, {song} cues: [{cue}]}}]"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("songs: [{name: s, file: b.wav}]", "s: b.wav: no such file"),
        ("songs: [{name: s, file: library}]", "s: library: is a directory, expected an audio file"),
        ("songs: [{name: s, file: list.yaml}]", "s: list.yaml: not a readable audio file"),
        (
            "songs: [{name: s, file: a.wav}, {name: t}]",
            "t: has no file, and others have; one run plays files or the input",
        ),
        ("songs: [{name: s}, {name: s}]", "song 's' is there twice"),
        (one("{name: x}, {name: x}"), "s: cue 'x' is there twice"),
        (one("{name: x, at: 2.5}"), "s/x: comes at 2.5 s, and the song has 2.00 s"),
        (
            one("{name: x, at: 1}, {name: y, at: 0.5}"),
            "s/y: comes at 0.5 s, before the cue above it at 1 s",
        ),
        (one("{name: x, bar: 1, beat: 5}", "tempo: 240,"), "s/x: beat 5 of a bar that has 4"),
        (one("", "preset: sola,"), "s: no preset 'sola'; did you mean 'solo'"),
        (one("{name: x, preset: bothh}"), "s/x: no preset 'bothh'; did you mean 'both'"),
        (one("{name: x, preset: mine.yaml}"), "s/x: mine.yaml: cannot be read"),
        (one("{name: x, preset: broken}"), "s/x: no condition 'nobody'; "),
        (one("{name: x, preset: older}"), "s/x: condition 'old' was made for weights ba9876543210"),
        (
            one("{name: x, mixer: {vocals: {condition: vocal}}}"),
            "s/x: no condition 'vocal'; did you mean 'vocals'",
        ),
        (one("{name: x, mixer: {vocals: {condition: ''}}}"), "s/x: no condition ''; known"),
        (
            one("{name: x, mixer: {vocals: {condition: old}}}"),
            "s/x: condition 'old' was made for weights ba9876543210",
        ),
        (
            one("{name: x, mixer: {kit: {mute: true}}}"),
            "s/x: no stem 'kit' in preset 'solo'; it has vocals",
        ),
        (
            one("{name: x, at: 1, mixer: {kit: {mute: true}}}", "preset: solo,"),
            "s/x: no stem 'kit' in preset 'solo'; it has vocals",
        ),
        (
            one("{name: t, preset: both}, {name: x, at: 1, mixer: {kit: {mute: true}}}"),
            "s/x: no stem 'kit' in preset 'solo'; it has vocals",
        ),
    ],
)
def test_each_problem_is_one_line_that_says_where(check: Check, text: str, line: str) -> None:
    [told] = check(text)
    assert told.startswith(line)


def test_a_damaged_file_is_named_with_the_place(check: Check, tmp_path: Path) -> None:
    check(GOOD)
    whole = (tmp_path / "a.wav").read_bytes()
    (tmp_path / "b.wav").write_bytes(whole[: len(whole) // 2])
    [told] = check("songs: [{name: s, file: b.wav}]")
    assert told.startswith("s: b.wav: damaged from 1.0")


def test_a_preset_that_is_not_there_at_first_is_a_problem_of_the_option(check: Check) -> None:
    assert check("songs: [{name: s}]", first="nix")[0].startswith("--preset: no preset 'nix'")


def test_several_problems_are_several_lines_in_the_order_of_the_list(check: Check) -> None:
    text = GOOD.replace("a.wav", "b.wav").replace("vocals: {gain", "horns: {gain")
    assert [line.partition(":")[0] for line in check(text)] == ["opener", "opener/verse", "closer"]


def test_what_a_check_lets_pass_can_be_loaded_and_what_not_cannot(
    check: Check, tmp_path: Path
) -> None:
    assert check(GOOD) == []
    library = Library([tmp_path / "library"])
    sheet = load_sheet(load_set_list(tmp_path / "list.yaml"), library, MODEL, ConditionLimits(12))
    names = ["opener", "opener/verse", "opener/chorus", "opener/end", "closer", "closer/kit"]
    assert [cue.name for cue in sheet.cues] == names
    assert [cue.seconds for cue in sheet.cues] == [0, 1.0, 1.9, None, 0, None]
    check(one("{name: x, preset: older}"))
    with pytest.raises(UserError, match="made for weights"):
        load_sheet(load_set_list(tmp_path / "list.yaml"), library, MODEL, ConditionLimits(12))


def test_damaged_sound_is_found_by_listening_alone(
    check: Check, tmp_path: Path, write_audio: WriteAudio, noise: Noise
) -> None:
    write_audio(tmp_path / "spoilt.flac", noise(80000), 8000)
    sound = bytearray((tmp_path / "spoilt.flac").read_bytes())
    middle = slice(len(sound) // 2, len(sound) // 2 + 4000)
    sound[middle] = bytes(4000)
    (tmp_path / "spoilt.flac").write_bytes(sound)
    (problem,) = check("songs: [{name: s, file: spoilt.flac}]")
    assert problem.startswith("s: ") and "spoilt.flac" in problem
    assert check("songs: [{name: s, file: spoilt.flac}]", listens=False) == []
