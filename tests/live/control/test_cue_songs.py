"""Cues of several songs: with files, of which one gives way to the next, and over the input."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from helpers.cues import HOP, RATE, Songs, Stage, make_sheet
from helpers.makers import Noise
from helpers.song import publish_song
from rtmss.audio import Audio
from rtmss.live.shared.song_state import play
from rtmss.live.shared.state import SharedState
from rtmss.model.separator import SeparatorModel

SONGS: Songs = [
    {"name": "one", "preset": -2.0, "cues": [{"name": "solo", "gain": -5.0}]},
    {
        "name": "two",
        "preset": -3.0,
        "cues": [{"name": "solo", "at": 1.0, "gain": -6.0}, {"name": "end", "gain": -7.0}],
    },
    {"name": "three", "cues": [{"name": "mute", "gain": -120.0}]},
]


@pytest.fixture
def stage(shared: SharedState, tiny: SeparatorModel, tmp_path: Path) -> Stage:
    return Stage(shared, tiny, tmp_path)


@pytest.fixture
def song(noise: Noise) -> Audio:
    return noise(300 * HOP)


def load(stage: Stage, song: Audio, which: int) -> None:
    """The loader has decoded the song that is asked for."""
    publish_song(stage.shared, stage.folder / f"decoded-{which}.f32", song, which=which)


def test_the_next_song_begins_at_its_beginning_once_it_is_read(stage: Stage, song: Audio) -> None:
    stage.begin(make_sheet(SONGS, files=True), song)
    stage.run(40)
    stage.cues.fire(stage.cues.neighbour(1))
    stage.run(5)
    assert (stage.cues.name, stage.gain) == ("one/solo", -5.0)
    stage.cues.fire(stage.cues.neighbour(1))
    out = stage.run(30)
    assert not out[:, 3 * HOP :].any(), "silence until it is there"
    assert stage.shared.transport.seconds == 0
    load(stage, song, 1)
    assert stage.run(61).any()
    assert (stage.cues.name, stage.gain) == ("two", -3.0)
    assert 0.4 < stage.heard[-1][0] < 0.55
    assert stage.player.timeline.n_late == 0


def test_a_cue_of_another_song_is_found_at_its_place_there(stage: Stage, song: Audio) -> None:
    stage.begin(make_sheet(SONGS, files=True), song)
    stage.run(20)
    stage.cues.fire(stage.cues.index("two/solo"))
    load(stage, song, 1)
    stage.run(40)
    assert (stage.cues.name, stage.gain) == ("two/solo", -6.0)
    assert 1.0 < stage.heard[-1][0] < 1.4
    stage.cues.fire(stage.cues.index("end"))
    stage.run(2)
    assert (stage.cues.name, stage.gain) == ("two/end", -7.0)


def test_what_plays_is_the_other_song_and_a_killed_engine_stays_in_it(
    stage: Stage, song: Audio
) -> None:
    stage.begin(make_sheet(SONGS, files=True), song)
    stage.controller.change(lambda scene: replace(scene, bypass=True))
    stage.run(40)
    stage.cues.fire(stage.cues.index("two"))
    other = np.flip(song, 1).copy()
    stage.run(5)
    load(stage, other, 1)
    heard = stage.run(50)[:, -10 * HOP :]
    playback = stage.shared.transport.playback.read()
    position = round(playback.position_seconds * RATE)
    begins = position - 10 * HOP - stage.player.timeline.latency
    assert np.abs(heard - other[:, begins : begins + 10 * HOP]).max() < 1e-6
    assert 46 * HOP <= position <= 50 * HOP, "from its beginning"
    stage.start_engine()
    stage.run(30)
    after = stage.shared.transport.playback.read()
    assert after.song == 1
    assert after.position_seconds * RATE > position


def test_a_paused_song_gives_way_to_one_that_plays(stage: Stage, song: Audio) -> None:
    stage.begin(make_sheet(SONGS, files=True), song)
    stage.run(20)
    stage.shared.transport.change(play(on=False))
    stage.run(5)
    stage.cues.fire(stage.cues.index("two"))
    load(stage, song, 1)
    stage.run(30)
    assert stage.shared.transport.is_playing
    assert stage.heard[-1][0] > 0.1


def test_a_song_that_cannot_be_read_is_silent_and_the_one_before_can_be_asked_for_again(
    stage: Stage, song: Audio
) -> None:
    stage.begin(make_sheet(SONGS, files=True), song)
    stage.run(20)
    stage.cues.fire(stage.cues.index("two"))
    stage.run(20)
    stage.cues.fire(stage.cues.index("one"))
    stage.run(20)
    assert (stage.cues.name, stage.gain) == ("one", -2.0)
    assert 0.0 < stage.heard[-1][0] < 0.3
    assert stage.run(3).any()


@pytest.mark.slow
def test_over_the_input_a_song_begins_when_it_is_asked_for(stage: Stage) -> None:
    stage.begin(make_sheet(SONGS, files=False))
    stage.run(30)
    assert (stage.cues.name, stage.gain) == ("", -1.0)
    stage.cues.fire(stage.cues.index("two"))
    stage.run(1)
    begun = stage.hop_of_gain(-3.0)
    stage.run(200)
    assert stage.hop_of_gain(-6.0) - begun == RATE // HOP


@pytest.mark.slow
def test_over_the_input_a_cue_that_is_asked_for_sets_the_clock(stage: Stage) -> None:
    songs: Songs = [
        {
            "name": "one",
            "cues": [{"name": f"c{i}", "at": 0.8 * i, "gain": -10.0 - i} for i in range(1, 4)],
        }
    ]
    stage.begin(make_sheet(songs, files=False))
    stage.cues.fire(0)
    stage.run(20)
    stage.cues.fire(stage.cues.index("c2"))
    stage.run(1)
    assert stage.gain == -12.0
    hop = stage.hop_of_gain(-12.0)
    stage.run(150)
    assert -11.0 not in stage.gains
    assert stage.hop_of_gain(-13.0) - hop == 0.8 * RATE / HOP


@pytest.mark.slow
def test_over_the_input_the_clock_outlives_the_control_side(stage: Stage) -> None:
    sheet = make_sheet(SONGS, files=False)
    stage.begin(sheet)
    stage.cues.fire(stage.cues.index("two"))
    stage.run(60)
    stage.start_control(sheet)
    stage.run(100)
    assert stage.gains.index(-6.0) - stage.gains.index(-3.0) == RATE // HOP
    assert stage.cues.name == "two/solo"


@pytest.mark.slow
def test_over_the_input_the_clock_outlives_the_engine(stage: Stage) -> None:
    stage.begin(make_sheet(SONGS, files=False))
    stage.run(60)
    stage.cues.fire(stage.cues.index("two"))
    stage.run(60)
    began = stage.shared.cues.read()
    stage.start_engine()
    stage.run(2)
    again = stage.shared.cues.read()
    assert again.began_hop < 2 < began.began_hop, "it is as long ago as before"
    assert again.began_seconds == began.began_seconds
    stage.run(130)
    assert stage.gain == -6.0


def test_a_song_without_a_preset_goes_back_to_what_played_when_it_began(stage: Stage) -> None:
    stage.begin(make_sheet(SONGS, files=False))
    stage.cues.fire(stage.cues.index("three"))
    stage.run(2)
    assert stage.gain == -1.0
    stage.cues.fire(stage.cues.neighbour(1))
    stage.run(2)
    assert stage.gain == -120.0
    stage.cues.fire(stage.cues.neighbour(-1))
    stage.run(2)
    assert (stage.cues.name, stage.gain) == ("three", -1.0)


@pytest.mark.slow
def test_a_cue_of_another_song_begins_that_song(stage: Stage) -> None:
    songs: Songs = [
        {"name": "one", "cues": [{"name": "a", "at": 1.0, "gain": -20.0}]},
        {
            "name": "two",
            "cues": [{"name": "b", "gain": -5.0}, {"name": "c", "at": 0.8, "gain": -6.0}],
        },
    ]
    stage.begin(make_sheet(songs, files=False))
    stage.cues.fire(0)
    stage.run(40)
    stage.cues.fire(stage.cues.index("two/b"))
    stage.run(150)
    assert -20.0 not in stage.gains
    assert stage.hop_of_gain(-6.0) - stage.hop_of_gain(-5.0) == 0.8 * RATE / HOP


def test_a_list_that_has_become_shorter_begins_again(stage: Stage) -> None:
    stage.begin(make_sheet(SONGS, files=False))
    stage.cues.fire(5)
    stage.run(2)
    stage.start_control(make_sheet(SONGS[:1], files=False))
    stage.run(2)
    assert (stage.cues.name, stage.cues.upcoming) == ("", "one")


def test_a_cue_by_time_after_one_that_was_asked_for_has_no_fade_of_it(
    stage: Stage, song: Audio
) -> None:
    cues = [{"name": "a", "at": 0.5, "gain": -20.0}, {"name": "b", "gain": -5.0, "fade": 900.0}]
    stage.begin(make_sheet([{"name": "one", "cues": cues}], files=True), song)
    stage.run(45)
    stage.cues.fire(stage.cues.index("b"))
    stage.run(30)
    fades = [scene.fade_ms for _, scene in stage.heard]
    assert fades[stage.hop_of_gain(-5.0)] == 900.0
    assert fades[stage.hop_of_gain(-20.0)] == 30.0


def test_a_cue_put_off_comes_to_its_hop(stage: Stage) -> None:
    stage.begin(make_sheet(SONGS, files=False))
    stage.cues.fire(0)
    stage.run(10)
    stage.cues.fire(1, hop=47)
    stage.run(60)
    assert stage.hop_of_gain(-5.0) == 47
    assert stage.cues.name == "one/solo"


def test_a_cue_whose_stem_is_not_there_says_so_and_does_the_rest(stage: Stage) -> None:
    songs: Songs = [{"name": "one", "cues": [{"name": "a", "gain": -5.0, "mutes": ["kazoo"]}]}]
    stage.begin(make_sheet(songs, files=False))
    stage.cues.fire(1)
    stage.run(2)
    assert stage.gain == -5.0
    assert stage.cues.take_news() == ["cue one/a: no stem 'kazoo' plays"]
    assert stage.cues.take_news() == []
