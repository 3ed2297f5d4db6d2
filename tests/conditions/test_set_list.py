"""Set lists as YAML: what is taken, what is refused, and when cues come."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import settings as settings_of_hypothesis
from hypothesis import strategies as st

from rtmss.conditions.set_list import MAX_TITLE, Move, SetList, load_set_list
from rtmss.conditions.strip import Strip, settings
from rtmss.config import ConfigError, validate


def read(text: str) -> SetList:
    return validate(yaml.safe_load(text), SetList, "list.yaml")


def cue(text: str) -> SetList:
    """A list with one song and one cue."""
    return read(f"songs: [{{name: a, tempo: 120, cues: [{text}]}}]")


@pytest.mark.parametrize(
    ("at", "seconds"),
    [
        ("41", 41),
        ("41.5", 41.5),
        ("0:41", 41),
        ("0:41.25", 41.25),
        ("3:05", 185),
        ("'3:05'", 185),
        ("03:05", 185),
        ("1:02.5", 62.5),
        ("1:02:03", 3723),
        ("'1:02:03.5'", 3723.5),
        ("75:00", 4500),
    ],
)
def test_a_time_is_seconds_or_as_a_clock_shows_it(at: str, seconds: float) -> None:
    """YAML itself takes some of them for numbers in base 60, which comes to the same."""
    song = cue(f"{{name: x, at: {at}}}").songs[0]
    assert song.seconds_of(song.cues[0]) == seconds


@settings_of_hypothesis(deadline=None)
@given(
    tempo=st.floats(10, 1000),
    beats=st.integers(1, 16),
    bar=st.integers(1, 999),
    beat=st.integers(1, 16),
    starts=st.floats(0, 60),
)
def test_bars_and_beats_count_from_one_at_a_steady_tempo(
    tempo: float, beats: int, bar: int, beat: int, starts: float
) -> None:
    cues = [{"name": "x", "bar": bar, "beat": beat}, {"name": "y", "bar": bar + 1, "beat": beat}]
    song = {"name": "a", "tempo": tempo, "beats_per_bar": beats, "starts": starts, "cues": cues}
    [made] = validate({"songs": [song]}, SetList, "list").songs
    here, later = (made.seconds_of(one) for one in made.cues)
    assert here is not None
    assert later is not None
    assert later - here == pytest.approx(beats * 60 / tempo)
    assert here == pytest.approx(starts + ((bar - 1) * beats + beat - 1) * 60 / tempo)


def test_bar_one_is_where_the_song_starts_and_a_cue_without_a_place_waits() -> None:
    [song] = read(
        "songs: [{name: a, tempo: 90, starts: 0:01.5, cues: [{name: x, bar: 1}, {name: y}]}]"
    ).songs
    assert [song.seconds_of(one) for one in song.cues] == [1.5, None]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{name: x, at: 0:75}", "'songs.0.cues.0.at': expected seconds, m:ss or h:mm:ss"),
        ("{name: x, at: soon}", "expected seconds, m:ss or h:mm:ss"),
        ("{name: x, at: -1}", "greater than or equal to 0"),
        ("{name: x, at: .nan}", "greater than or equal to 0"),
        ("{name: x, at: yes}", "Input should be a number, and is a switch"),
        ("{name: x, at: 1, bar: 2}", "at a time or at a bar, not at both"),
        ("{name: x, beat: 2}", "a beat is one of a bar; name the bar too"),
        ("{name: x, bar: 0}", "greater than or equal to 1"),
        ("{name: a/b}", "expected a name without '/'"),
        ("{name: ' x'}", "expected a name without '/'"),
        ("{name: ''}", "expected a name without '/'"),
        ('{name: "a\\nb"}', "expected a name without '/'"),
        (f"{{name: {'x' * (MAX_TITLE + 1)}}}", "at most 60 characters"),
        ("{at: 1}", "'songs.0.cues.0.name' is missing"),
        ("{name: x, fade_ms: 20000}", "less than or equal to 10000"),
        ("{name: x, when: 3}", "unknown key 'songs.0.cues.0.when'; known here: name, at, bar"),
        (
            "{name: x, mixer: {vocals: {gain: 3}}}",
            "unknown key 'songs.0.cues.0.mixer.vocals.gain'; known here: gain_db, mute, solo",
        ),
        ("{name: x, mixer: {vocals: {gain_db: 13}}}", "less than or equal to 12"),
        ("{name: x, mixer: {vocals: {pan: left}}}", "should be a valid number"),
        ("{name: x, mixer: {master: {pan: 1}}}", "the master has no pan, only gain_db, mute"),
        ("{name: x, mixer: {remainder: {condition: a}}}", "the remainder has no condition"),
    ],
)
def test_a_cue_that_cannot_be_is_refused_with_its_place(text: str, problem: str) -> None:
    with pytest.raises(ConfigError) as error:
        cue(text)
    assert problem in str(error.value)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("songs: []", "a set list has at least one song"),
        ("{}", "'songs' is missing"),
        ("songs: [{name: a, cues: [{name: x, bar: 2}]}]", "comes at a bar, and the song has no"),
        ("songs: [{name: a, tempo: 0}]", "greater than or equal to 10"),
        ("songs: [{name: a, titel: b}]", "unknown key 'songs.0.titel'"),
    ],
)
def test_a_list_that_cannot_be_is_refused(text: str, problem: str) -> None:
    with pytest.raises(ConfigError) as error:
        read(text)
    assert problem in str(error.value)


def test_a_move_changes_what_it_names_and_nothing_else() -> None:
    [song] = cue("{name: x, mixer: {a: {gain_db: -.inf, channels: [3, 4]}, b: {}}}").songs
    moves = song.cues[0].mixer
    assert moves["a"].strip == {"gain_db": -120, "channels": (3, 4)}
    assert moves["b"].strip == {}


def test_every_setting_of_a_strip_can_be_moved() -> None:
    assert {one.name for one in settings(Strip)} < set(Move.model_fields)


def test_files_and_presets_that_are_files_are_found_from_the_lists_folder(tmp_path: Path) -> None:
    (tmp_path / "list.yaml").write_text(
        "songs: [{name: a, file: songs/a.wav, preset: mine.yaml, cues: "
        "[{name: x, preset: karaoke}, {name: y, preset: b.yml}]}]"
    )
    [song] = load_set_list(tmp_path / "list.yaml").songs
    assert song.file == tmp_path / "songs/a.wav"
    assert [song.preset, *(one.preset for one in song.cues)] == [
        str(tmp_path / "mine.yaml"),
        "karaoke",
        str(tmp_path / "b.yml"),
    ]


def test_a_list_that_is_too_large_is_refused_before_it_is_read(tmp_path: Path) -> None:
    (tmp_path / "list.yaml").write_text("songs:\n" + "- {name: a}\n" * 8000)
    with pytest.raises(ConfigError, match="larger than"):
        load_set_list(tmp_path / "list.yaml")


WORDS = st.text("a1:/. \n\x00é", max_size=6) | st.sampled_from(["master", "remainder", "gain_db"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=8,
)
KEYS = ("name", "at", "bar", "beat", "preset", "mixer", "fade_ms")


@settings_of_hypothesis(deadline=None)
@given(st.dictionaries(st.sampled_from(KEYS), VALUES), st.none() | st.floats())
def test_whatever_a_cue_holds_it_is_taken_or_refused(
    values: dict[str, Any], tempo: float | None
) -> None:
    song = {"name": "a", "tempo": tempo, "cues": [values]}
    try:
        [made] = validate({"songs": [song]}, SetList, "list").songs
    except ConfigError as error:
        assert "\n" not in str(error)
        return
    seconds = made.seconds_of(made.cues[0])
    assert seconds is None or math.isfinite(seconds)
