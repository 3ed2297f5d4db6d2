"""Cues by time: at their hop, after jumps, in loops, and while somebody dies."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from helpers.cues import HOP, RATE, Songs, Stage, make_sheet
from helpers.makers import Noise
from rtmss.audio import Audio
from rtmss.config import UserError
from rtmss.live.shared.song_state import loop, play, seek
from rtmss.live.shared.state import SharedState
from rtmss.model.separator import SeparatorModel

N_HOPS = 400
TIMES = (0.4, 0.8, 1.2, 1.6, 2.0, 2.4)


@pytest.fixture
def stage(shared: SharedState, tiny: SeparatorModel, tmp_path: Path) -> Stage:
    return Stage(shared, tiny, tmp_path)


@pytest.fixture
def song(noise: Noise) -> Audio:
    return noise(N_HOPS * HOP)


def one_song(*times: float | None, preset: float = -2.0) -> Songs:
    """A song whose cues set the gain to -10, -11, ... dB."""
    cues = [
        {"name": f"c{i}", "gain": -10.0 - i, **({} if at is None else {"at": at})}
        for i, at in enumerate(times)
    ]
    return [{"name": "one", "preset": preset, "cues": cues}]


@pytest.mark.slow
def test_each_cue_by_time_is_heard_in_the_hop_that_holds_its_place(
    stage: Stage, song: Audio
) -> None:
    times = 0.1 + 0.07 * np.arange(40) + np.random.default_rng(0).uniform(0, 0.06, 40)
    stage.begin(make_sheet(one_song(*times), files=True), song)
    stage.run(N_HOPS)
    for i, at in enumerate(times):
        hop = stage.hop_of_gain(-10.0 - i)
        begins = stage.heard[hop][0] * RATE
        assert begins <= round(at * RATE) < begins + HOP, at
    assert stage.cues.name == "one/c39"
    assert stage.player.timeline.n_late == 0


@pytest.mark.parametrize("start", [0.0, 1.0, 1.2])
def test_a_song_begins_with_what_leads_to_its_place(
    stage: Stage, song: Audio, start: float
) -> None:
    stage.begin(make_sheet(one_song(*TIMES), files=True), song, start)
    stage.run(1)
    n_come = sum(at <= start for at in TIMES)
    assert stage.gain == (-9.0 - n_come if n_come else -2.0)
    assert stage.controller.preset == "at -2.0"


@pytest.mark.slow
def test_a_seek_past_cues_and_one_back_give_what_was_there(stage: Stage, song: Audio) -> None:
    stage.begin(make_sheet(one_song(*TIMES), files=True), song)
    stage.run(30)
    assert stage.gain == -2.0
    for place, name, gain in ((1.7, "c3", -13.0), (0.5, "c0", -10.0), (0.1, "", -2.0)):
        stage.shared.transport.change(seek(place))
        stage.run(2)
        assert stage.gain == gain
        assert stage.cues.name == f"one/{name}".rstrip("/")
        stage.run(20)
        assert stage.gain == gain
    stage.run(60)
    assert stage.cues.name == "one/c0", "cues are armed again"


@pytest.mark.slow
def test_a_seek_within_a_part_keeps_what_was_changed_by_hand(stage: Stage, song: Audio) -> None:
    stage.begin(make_sheet(one_song(*TIMES), files=True), song)
    stage.run(60)
    assert stage.cues.name == "one/c0"
    stage.controller.change(lambda scene: scene.with_strip("voice", gain_db=-3.0))
    stage.shared.transport.change(seek(0.41))
    stage.run(30)
    assert stage.gain == -3.0


@pytest.mark.slow
def test_a_loop_gives_the_cue_of_its_beginning_at_its_first_hop(stage: Stage, song: Audio) -> None:
    commands = {"is_looping": True, "a_seconds": 0.6, "b_seconds": 1.4}
    stage.begin(make_sheet(one_song(*TIMES), files=True), song, **commands)
    stage.run(500)
    places = np.array([place for place, _ in stage.heard])
    backs = [i for i in range(1, 500) if places[i] < places[i - 1] - 0.1]
    assert len(backs) >= 3
    for i in backs:
        assert stage.gains[i - 1 : i + 1] == [-12.0, -10.0], "c2 before B, c0 after A"
    for hop, (place, gain) in enumerate(zip(places, stage.gains, strict=True)):
        if hop > 10:
            ends = place * RATE + HOP
            n_come = sum(round(at * RATE) < ends for at in TIMES)
            is_late_loop = any(i <= hop < i + 2 for i in backs)
            assert gain == (-9.0 - n_come if n_come else -2.0) or is_late_loop, place
    assert stage.player.timeline.n_late == 0


def test_a_pause_holds_cues_back_and_they_come_to_the_hop_after_it(
    stage: Stage, song: Audio
) -> None:
    stage.begin(make_sheet(one_song(*TIMES), files=True), song)
    stage.run(45)
    stage.shared.transport.change(play(on=False))
    stage.run(100)
    assert stage.gain == -2.0
    stage.shared.transport.change(play(on=True))
    stage.run(20)
    hop = stage.hop_of_gain(-10.0)
    begins = stage.heard[hop][0] * RATE
    assert begins <= round(0.4 * RATE) < begins + HOP


def test_what_came_while_the_control_side_stood_still_comes_late_and_in_order(
    stage: Stage, song: Audio
) -> None:
    stage.begin(make_sheet(one_song(*TIMES), files=True), song)
    stage.run(10)
    stage.run(150, control=False)
    assert stage.gain == -2.0
    stage.run(2)
    assert stage.gain == -12.0
    assert stage.cues.name == "one/c2"


def test_a_control_side_that_comes_back_is_at_its_cue(stage: Stage, song: Audio) -> None:
    sheet = make_sheet(one_song(*TIMES), files=True)
    stage.begin(sheet, song)
    stage.run(60)
    stage.controller.change(lambda scene: scene.with_strip("voice", gain_db=-3.0))
    stage.run(1)
    stage.start_control(sheet)
    assert stage.cues.name == "one/c0"
    stage.run(10)
    assert stage.gain == -3.0, "nothing is chased: it is where it was"
    stage.run(60)
    hop = stage.hop_of_gain(-11.0)
    begins = stage.heard[hop][0] * RATE
    assert begins <= round(0.8 * RATE) < begins + HOP


def test_an_engine_that_comes_back_goes_on_with_the_cues(stage: Stage, song: Audio) -> None:
    stage.begin(make_sheet(one_song(*TIMES), files=True), song)
    stage.run(60)
    stage.start_engine()
    stage.run(60)
    assert stage.cues.name == "one/c1"
    assert stage.gain == -11.0


@pytest.mark.slow
@pytest.mark.parametrize("fade", [200.0, 0.0])
def test_a_fade_is_that_of_its_cue_alone(stage: Stage, song: Audio, fade: float) -> None:
    songs = one_song(0.4)
    songs[0]["cues"][0]["fade"] = fade
    stage.begin(make_sheet(songs, files=True), song)
    stage.run(52)
    assert stage.gain == -10.0
    assert stage.heard[-1][1].fade_ms == fade
    stage.run(40)
    assert stage.heard[-1][1].fade_ms == 30.0
    assert stage.shared.cues.read().settled_ms < 0


@pytest.mark.slow
def test_a_cue_in_the_fade_of_another_has_its_own_and_then_the_first_is_back(
    stage: Stage, song: Audio
) -> None:
    songs = one_song(0.4, 0.5)
    songs[0]["cues"][0]["fade"] = 500.0
    songs[0]["cues"][1]["fade"] = 300.0
    stage.begin(make_sheet(songs, files=True), song)
    stage.run(75)
    fades = [scene.fade_ms for _, scene in stage.heard]
    assert fades[stage.hop_of_gain(-10.0)] == 500.0
    assert fades[stage.hop_of_gain(-11.0)] == 300.0
    stage.run(60)
    assert stage.heard[-1][1].fade_ms == 30.0


@pytest.mark.slow
def test_a_fade_glides_in_a_straight_line_whatever_is_sent_meanwhile(
    stage: Stage, song: Audio
) -> None:
    songs = one_song(0.4, 0.9)
    songs[0]["cues"][0] |= {"fade": 400.0, "gain": -120.0}
    stage.begin(make_sheet(songs, files=True), song)
    faders = []
    for _ in range(105):
        stage.run(1)
        faders.append(stage.player.source.session._mixer.current[0, 0])
    first = stage.hop_of_gain(-120.0)
    steps = np.diff(faders[first : first + 48])
    assert steps.max() - steps.min() < 1e-4
    assert faders[first + 50] == 0.0


def test_after_a_crash_in_a_fade_the_fade_of_before_is_back(stage: Stage, song: Audio) -> None:
    songs = one_song(0.4)
    songs[0]["cues"][0]["fade"] = 2000.0
    sheet = make_sheet(songs, files=True)
    stage.begin(sheet, song)
    stage.run(60)
    assert stage.heard[-1][1].fade_ms == 2000.0
    stage.start_control(sheet)
    stage.run(2)
    assert stage.heard[-1][1].fade_ms == 30.0


def test_cues_that_are_asked_for_go_on_back_and_anywhere(stage: Stage, song: Audio) -> None:
    stage.begin(make_sheet(one_song(None, None, None), files=True), song)
    stage.run(5)
    names = []
    for step in (1, 1, -1, 1, 1):
        stage.cues.fire(stage.cues.neighbour(step))
        stage.run(2)
        names.append((stage.cues.name, stage.gain))
    assert names == [
        ("one/c0", -10.0),
        ("one/c1", -11.0),
        ("one/c0", -10.0),
        ("one/c1", -11.0),
        ("one/c2", -12.0),
    ]
    with pytest.raises(UserError, match="that was the last cue"):
        stage.cues.neighbour(1)
    stage.cues.fire(stage.cues.index("c1"))
    stage.run(2)
    assert stage.gain == -11.0
    with pytest.raises(UserError, match="no cue 'c9'; did you mean"):
        stage.cues.index("c9")


def test_a_cue_by_time_that_is_asked_for_takes_the_song_to_its_place(
    stage: Stage, song: Audio
) -> None:
    stage.begin(make_sheet(one_song(*TIMES), files=True), song)
    stage.run(10)
    stage.cues.fire(stage.cues.index("c3"))
    stage.run(30)
    assert stage.gain == -13.0
    assert 1.6 <= stage.heard[-1][0] < 1.8
    stage.cues.fire(stage.cues.index("one"))
    stage.run(10)
    assert stage.gain == -2.0
    assert stage.heard[-1][0] < 0.1
    assert not stage.cues.can_wait(stage.cues.index("c3"))


@pytest.mark.slow
def test_a_song_that_is_played_again_after_its_end_begins_with_its_beginning(
    stage: Stage, song: Audio
) -> None:
    stage.begin(make_sheet(one_song(*TIMES), files=True), song, start=2.9)
    stage.run(60)
    assert not stage.shared.transport.is_playing
    assert stage.gain == -15.0
    stage.shared.transport.change(play(on=True))
    stage.run(8)
    assert (stage.cues.name, stage.gain) == ("one", -2.0)
    stage.run(60)
    assert stage.gain == -10.0


@pytest.mark.slow
def test_a_loop_that_is_changed_late_still_ends_at_the_right_cue(stage: Stage, song: Audio) -> None:
    stage.begin(make_sheet(one_song(*TIMES), files=True), song)
    stage.run(155)
    assert stage.cues.name == "one/c2"
    change = loop(is_looping=True, a_seconds=0.6, b_seconds=stage.heard[-1][0] + 0.02)
    stage.shared.transport.change(change)
    stage.run(40)
    assert stage.cues.name == "one/c0"
    assert stage.gain == -10.0


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_whatever_is_done_to_the_song_what_is_heard_is_what_its_place_asks_for(
    stage: Stage, song: Audio, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    sheet = make_sheet(one_song(*TIMES), files=True)
    stage.begin(sheet, song)
    for _ in range(25):
        transport = stage.shared.transport
        match rng.integers(6):
            case 0 | 1:
                transport.change(seek(rng.uniform(0, 2.8)))
            case 2:
                transport.change(play(on=bool(rng.integers(2))))
            case 3:
                a = rng.uniform(0, 1.5)
                b = a + rng.uniform(0.6, 1.5)
                transport.change(loop(is_looping=True, a_seconds=a, b_seconds=b))
            case 4:
                transport.change(loop(is_looping=False))
            case 5 if rng.integers(2):
                stage.start_control(sheet)
            case _:
                stage.start_engine()
        stage.run(int(rng.integers(2, 90)))
        stage.run(30)
        place, scene = stage.heard[-1]
        if transport.is_playing and stage.shared.transport.playback.read().hop:
            expected = [-9.0 - n for n in n_come(place)]
            assert scene.stems[0].strip.gain_db in {gain if gain < -9 else -2 for gain in expected}


def n_come(place: float) -> set[int]:
    """Cues that have come by the end of a hop; just after a loop's A, also one more."""
    ends = place * RATE + HOP
    return {sum(round(at * RATE) < end for at in TIMES) for end in (ends, ends + 2 * HOP)}
