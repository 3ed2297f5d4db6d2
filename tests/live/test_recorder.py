"""From the player through the ring to the disk, and back: played again, a recording is the same to
the bit.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from helpers.makers import MakeCondition, Noise
from helpers.recording import take_events
from helpers.studio import HOP, MODEL_ID, Studio, assert_same_again, read_take
from rtmss.engine.control import Scene, Stem, Strip
from rtmss.live.buffers.timeline import MOST_WAITING
from rtmss.live.realtime.player import DeviceState
from rtmss.live.shared.song_state import seek
from rtmss.recording.log_reader import SessionLog
from rtmss.recording.wav import WavFile

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["torch", "onnx"])
def test_a_replayed_log_gives_what_was_recorded_to_the_bit(
    request: pytest.FixtureRequest,
    recording_studio: Studio,
    recorded_scene: Scene,
    make_condition: MakeCondition,
    tmp_path: Path,
    backend: str,
) -> None:
    recording_studio.graph = request.getfixturevalue("tiny_graph") if backend == "onnx" else None
    recording_studio.start_engine()
    shared = recording_studio.shared
    recording_studio.play(20)
    shared.send(
        recorded_scene.with_strip("voice", gain_db=-7.3, pan=-0.6),
        "",
    )
    recording_studio.play(3)
    shared.send(
        replace(
            recorded_scene.with_strip("voice", mute=True),
            master_db=-1.0,
            fade_ms=5.0,
        ),
        "",
    )  # while it glides
    recording_studio.play(20, work=False)
    recording_studio.play(1)  # 8 of these hops at once
    drums = recorded_scene.with_condition("voice", make_condition("drums", seed=1))
    shared.send(drums, "")
    recording_studio.play(20)
    kit = Stem(
        "kit",
        make_condition("kit", seed=2),
        Strip(solo=True, channels=(3, 4)),
    )
    shared.send(
        Scene(
            (kit, *drums.stems),
            fallback="hold",
        ),
        "second",
        [(70, replace(drums, bypass=True))],
    )
    recording_studio.play(10)
    recording_studio.play(MOST_WAITING // HOP + 50, work=False)  # and most of these are given up
    recording_studio.play(30)
    shared.send(Scene((kit,)), "third")
    recording_studio.play(20)
    take = recording_studio.end()
    assert json.loads((take / "session.jsonl").read_text().splitlines()[0])["backend"] == backend
    assert len(take_events(take, "scene")) >= 6
    assert {event["hops"] for event in take_events(take, "step")} >= {8}
    assert [event["hops"] > 20 for event in take_events(take, "gave_up")] == [True]
    assert_same_again(take, tmp_path / "again", recording_studio.model, recording_studio.graph)


@pytest.mark.slow
def test_a_song_that_was_played_straight_through_is_the_same_again(
    recording_studio: Studio, recorded_scene: Scene, noise: Noise, tmp_path: Path
) -> None:
    recording_studio.start_song_engine(noise(300 * HOP))
    recording_studio.play(30)
    recording_studio.shared.send(recorded_scene.with_strip("voice", gain_db=-9.0), "")
    recording_studio.play(30)
    take = recording_studio.end()
    assert SessionLog.load(take / "session.jsonl", MODEL_ID).n_moves == 0
    assert not read_take(take)["input"][:, : 10 * HOP].any()
    assert_same_again(take, tmp_path / "again", recording_studio.model)


@pytest.mark.slow
def test_a_song_that_was_moved_is_in_the_log(recording_studio: Studio, noise: Noise) -> None:
    recording_studio.start_song_engine(noise(300 * HOP))
    recording_studio.play(30)
    recording_studio.shared.transport.change(seek(1.5))
    recording_studio.play(60)
    take = recording_studio.end()
    first, last = take_events(take, "transport")
    assert (first["on"], last["on"]) == (True, False)
    assert 38 <= first["hop"] < last["hop"] < 90
    assert SessionLog.load(take / "session.jsonl", MODEL_ID).n_moves == 1


def test_all_files_are_as_long_as_the_input_and_add_up_to_it(recording_studio: Studio) -> None:
    recording_studio.play(40)
    take, delay = recording_studio.end(), 64
    audio = read_take(take)
    assert {name: samples.shape for name, samples in audio.items()} == {
        "input": (2, 40 * HOP),
        "mix": (4, 40 * HOP),
        "voice": (2, 40 * HOP),
        "remainder": (2, 40 * HOP),
    }
    assert np.array_equal(
        audio["input"],
        np.concatenate(recording_studio.heard, axis=1),
    )
    rest = audio["voice"] + audio["remainder"] - audio["input"]
    assert np.abs(rest[:, :-delay]).max() < 1e-6
    assert not audio["remainder"][:, -delay:].any()


def test_a_stem_that_comes_late_begins_with_silence(
    recording_studio: Studio, recorded_scene: Scene, make_condition: MakeCondition
) -> None:
    recording_studio.play(20)
    recording_studio.shared.send(
        Scene(
            (
                *recorded_scene.stems,
                Stem(
                    "kit",
                    make_condition("kit", seed=2),
                ),
            )
        ),
        "",
    )
    recording_studio.play(20)
    kit = read_take(recording_studio.end())["kit"]
    assert not kit[:, : 19 * HOP].any()
    assert kit[:, 20 * HOP : -HOP].any(0).all()


def test_the_log_says_what_else_was_heard(recording_studio: Studio) -> None:
    recording_studio.play(10)
    recording_studio.shared.panic = True
    recording_studio.play(5)
    recording_studio.shared.panic = False
    recording_studio.player.device = DeviceState(n_xruns=3)
    recording_studio.play(5)
    recording_studio.play(6, work=False)
    recording_studio.play(10)
    take = recording_studio.end()
    assert [(event["hop"], event["on"]) for event in take_events(take, "panic")] == [
        (10, True),
        (15, False),
    ]
    assert [(event["hop"], event["count"]) for event in take_events(take, "xruns")] == [(15, 3)]
    late = [event["hop"] + i for event in take_events(take, "late") for i in range(event["hops"])]
    assert late == [*range(20, 26)]
    assert recording_studio.shared.read()[0].late == len(late)


def test_bad_samples_are_counted_and_not_in_the_file(
    recording_studio: Studio, tmp_path: Path
) -> None:
    recording_studio.play(5)
    bad = np.full((2, HOP), 0.1, np.float32)
    bad[0, 3:5], bad[1, 7] = np.nan, 1e9
    recording_studio.player.timeline.exchange(
        bad,
        np.zeros((4, HOP), np.float32),
    )
    recording_studio.play(20)
    take = recording_studio.end()
    assert [(event["hop"], event["count"]) for event in take_events(take, "bad_samples")] == [
        (5, 3)
    ]
    audio = read_take(take)["input"]
    assert np.isfinite(audio).all()
    assert audio[1, 5 * HOP + 7] == 16
    assert_same_again(take, tmp_path / "again", recording_studio.model)


def test_files_of_stems_that_were_gone_by_then_get_as_long_as_the_others(
    recording_studio: Studio, make_condition: MakeCondition
) -> None:
    recording_studio.play(20)
    recording_studio.shared.send(
        Scene((Stem("kit", make_condition("kit", seed=2)),)),
        "",
    )
    recording_studio.play(20)
    recording_studio.start_recorder()
    recording_studio.play(20)
    audio = read_take(recording_studio.end())
    assert {name: samples.shape[1] // HOP for name, samples in audio.items()} == dict.fromkeys(
        ("input", "mix", "remainder", "voice", "kit"), 60
    )


@pytest.mark.slow
def test_however_many_stems_come_and_go_few_files_are_open_and_all_are_whole(
    recording_studio: Studio,
    make_condition: MakeCondition,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """Each preset with other names opened more files for good, until the system gave no more."""
    monkeypatch.setattr("rtmss.recording.files.MAX_OPEN", 6)
    n_open = [0]

    class Counted(WavFile):
        def __init__(self, *how: Any) -> None:
            super().__init__(*how)
            n_open.append(n_open[-1] + 1)

        def close(self) -> None:
            super().close()
            n_open.append(n_open[-1] - 1)

    recording_studio.start_recorder(Counted)
    for number in range(6):
        names = [f"kit-{number}", f"keys-{number}"]
        stems = [Stem(name, make_condition(name, seed=number)) for name in names]
        recording_studio.shared.send(Scene(tuple(stems)), "")
        recording_studio.play(8)
    recording_studio.shared.send(Scene((Stem("kit-0", make_condition("kit-0", seed=0)),)), "")
    recording_studio.play(8)
    take = recording_studio.end()
    assert max(n_open) == 6
    assert n_open[-1] == 0
    audio = read_take(take)
    assert len(audio) == 3 + 12 + ("voice" in audio)
    assert {samples.shape[1] // HOP for samples in audio.values()} == {56}
    rest = sum(samples[:2] for name, samples in audio.items() if name not in {"input", "mix"})
    assert np.abs(rest - audio["input"])[:, :-HOP].max() < 1e-5
    assert_same_again(take, tmp_path / "again", recording_studio.model)


def test_a_new_engine_begins_a_new_take(recording_studio: Studio, tmp_path: Path) -> None:
    recording_studio.play(20)
    recording_studio.start_engine()
    recording_studio.play(30)
    second = recording_studio.end()
    first = recording_studio.folder / "take-001"
    assert second.name == "take-002"
    assert take_events(first, "end") == [
        {"event": "end", "hop": 20, "reason": "the engine was started again"}
    ]
    assert read_take(first)["input"].shape[1] == 20 * HOP
    assert np.array_equal(
        read_take(second)["input"],
        np.concatenate(recording_studio.heard, axis=1),
    )
    assert_same_again(second, tmp_path / "again", recording_studio.model)


def test_a_recording_that_is_there_stays_as_it_is(recording_studio: Studio) -> None:
    before = recording_studio.folder / "take-001"
    before.mkdir(parents=True)
    (before / "input.wav").write_text("precious")
    recording_studio.play(5)
    assert recording_studio.end().name == "take-002"
    assert (before / "input.wav").read_text() == "precious"


def test_files_are_readable_while_they_grow(
    recording_studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rtmss.recording.files.FLUSH_SECONDS", 0.0)
    recording_studio.play(20)
    assert {
        audio.shape[1] for audio in read_take(recording_studio.folder / "take-001").values()
    } == {20 * HOP}
