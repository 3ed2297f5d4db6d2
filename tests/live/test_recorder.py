"""From the player through the ring to the disk, and back: played again, a recording is the same to
the bit.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from helpers.makers import MakeCondition, Noise
from helpers.studio import HOP, MODEL_ID, Studio, assert_same_again, read_take
from rtmss.audio import Audio
from rtmss.config import UserError
from rtmss.engine.control import Scene, Stem, Strip
from rtmss.live.buffers.timeline import MOST_WAITING
from rtmss.live.realtime.player import DeviceState
from rtmss.live.recorder import check_folder
from rtmss.live.shared import recorder_ring as ring_module
from rtmss.live.shared.recorder_ring import RecorderRing, RingShape
from rtmss.live.shared.song_state import seek
from rtmss.live.shared.state import SharedState
from rtmss.model.separator import SeparatorModel
from rtmss.recording.log_reader import SessionLog
from rtmss.recording.unfinished import KILLED, end_unfinished
from rtmss.recording.wav import WavFile


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """As the engine and the replay have it."""
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(n_threads)


@pytest.fixture
def ring() -> Iterator[RecorderRing]:
    ring = RecorderRing.create(RingShape(HOP, 4, 12))
    yield ring
    ring.close(unlink=True)


@pytest.fixture
def scene(make_condition: MakeCondition) -> Scene:
    return Scene(
        (Stem("voice", make_condition("vocals")),),
        Strip(-2.0),
        fade_ms=40.0,
    )


@pytest.fixture
def studio(
    tiny: SeparatorModel, shared: SharedState, ring: RecorderRing, scene: Scene, tmp_path: Path
) -> Iterator[Studio]:
    shared.send(scene, "first")
    studio = Studio(tiny, shared, ring, tmp_path / "rec")
    yield studio
    for recorder in studio.recorders:
        recorder.close()


def _events(
    take: Path,
    *kinds: str,
) -> list[dict[str, Any]]:
    events = [json.loads(line) for line in (take / "session.jsonl").read_text().splitlines()[1:]]
    return [event for event in events if event["event"] in kinds]


@pytest.mark.parametrize("backend", ["torch", "onnx"])
def test_a_replayed_log_gives_what_was_recorded_to_the_bit(
    request: pytest.FixtureRequest,
    studio: Studio,
    scene: Scene,
    make_condition: MakeCondition,
    tmp_path: Path,
    backend: str,
) -> None:
    studio.graph = request.getfixturevalue("tiny_graph") if backend == "onnx" else None
    studio.start_engine()
    shared = studio.shared
    studio.play(20)
    shared.send(
        scene.with_strip("voice", gain_db=-7.3, pan=-0.6),
        "",
    )
    studio.play(3)
    shared.send(
        replace(
            scene.with_strip("voice", mute=True),
            master_db=-1.0,
            fade_ms=5.0,
        ),
        "",
    )  # while it glides
    studio.play(20, work=False)
    studio.play(1)  # 8 of these hops at once
    drums = scene.with_condition("voice", make_condition("drums", seed=1))
    shared.send(drums, "")
    studio.play(20)
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
    studio.play(10)
    studio.play(MOST_WAITING // HOP + 50, work=False)  # and most of these are given up
    studio.play(30)
    shared.send(Scene((kit,)), "third")
    studio.play(20)
    take = studio.end()
    assert json.loads((take / "session.jsonl").read_text().splitlines()[0])["backend"] == backend
    assert len(_events(take, "scene")) >= 6
    assert {event["hops"] for event in _events(take, "step")} >= {8}
    assert [event["hops"] > 20 for event in _events(take, "gave_up")] == [True]
    assert_same_again(take, tmp_path / "again", studio.model, studio.graph)


def test_a_song_that_was_played_straight_through_is_the_same_again(
    studio: Studio, scene: Scene, noise: Noise, tmp_path: Path
) -> None:
    studio.start_song_engine(noise(300 * HOP))
    studio.play(30)
    studio.shared.send(scene.with_strip("voice", gain_db=-9.0), "")
    studio.play(30)
    take = studio.end()
    assert SessionLog.load(take / "session.jsonl", MODEL_ID).n_moves == 0
    assert not read_take(take)["input"][:, : 10 * HOP].any()
    assert_same_again(take, tmp_path / "again", studio.model)


def test_a_song_that_was_moved_is_in_the_log(studio: Studio, noise: Noise) -> None:
    studio.start_song_engine(noise(300 * HOP))
    studio.play(30)
    studio.shared.transport.change(seek(1.5))
    studio.play(60)
    take = studio.end()
    first, last = _events(take, "transport")
    assert (first["on"], last["on"]) == (True, False)
    assert 38 <= first["hop"] < last["hop"] < 90
    assert SessionLog.load(take / "session.jsonl", MODEL_ID).n_moves == 1


def test_all_files_are_as_long_as_the_input_and_add_up_to_it(studio: Studio) -> None:
    studio.play(40)
    take, delay = studio.end(), 64
    audio = read_take(take)
    assert {name: samples.shape for name, samples in audio.items()} == {
        "input": (2, 40 * HOP),
        "mix": (4, 40 * HOP),
        "voice": (2, 40 * HOP),
        "remainder": (2, 40 * HOP),
    }
    assert np.array_equal(
        audio["input"],
        np.concatenate(studio.heard, axis=1),
    )
    rest = audio["voice"] + audio["remainder"] - audio["input"]
    assert np.abs(rest[:, :-delay]).max() < 1e-6
    assert not audio["remainder"][:, -delay:].any()


def test_a_stem_that_comes_late_begins_with_silence(
    studio: Studio, scene: Scene, make_condition: MakeCondition
) -> None:
    studio.play(20)
    studio.shared.send(
        Scene(
            (
                *scene.stems,
                Stem(
                    "kit",
                    make_condition("kit", seed=2),
                ),
            )
        ),
        "",
    )
    studio.play(20)
    kit = read_take(studio.end())["kit"]
    assert not kit[:, : 19 * HOP].any()
    assert kit[:, 20 * HOP : -HOP].any(0).all()


def test_the_log_says_what_else_was_heard(studio: Studio) -> None:
    studio.play(10)
    studio.shared.panic = True
    studio.play(5)
    studio.shared.panic = False
    studio.player.device = DeviceState(n_xruns=3)
    studio.play(5)
    studio.play(6, work=False)
    studio.play(10)
    take = studio.end()
    assert [(event["hop"], event["on"]) for event in _events(take, "panic")] == [
        (10, True),
        (15, False),
    ]
    assert [(event["hop"], event["count"]) for event in _events(take, "xruns")] == [(15, 3)]
    late = [event["hop"] + i for event in _events(take, "late") for i in range(event["hops"])]
    assert late == [*range(20, 26)]
    assert studio.shared.read()[0].late == len(late)


def test_bad_samples_are_counted_and_not_in_the_file(studio: Studio, tmp_path: Path) -> None:
    studio.play(5)
    bad = np.full((2, HOP), 0.1, np.float32)
    bad[0, 3:5], bad[1, 7] = np.nan, 1e9
    studio.player.timeline.exchange(
        bad,
        np.zeros((4, HOP), np.float32),
    )
    studio.play(20)
    take = studio.end()
    assert [(event["hop"], event["count"]) for event in _events(take, "bad_samples")] == [(5, 3)]
    audio = read_take(take)["input"]
    assert np.isfinite(audio).all()
    assert audio[1, 5 * HOP + 7] == 16
    assert_same_again(take, tmp_path / "again", studio.model)


def test_a_recorder_that_falls_behind_loses_hops_and_says_which(
    monkeypatch: pytest.MonkeyPatch,
    tiny: SeparatorModel,
    shared: SharedState,
    scene: Scene,
    tmp_path: Path,
) -> None:
    monkeypatch.setattr(ring_module, "RING_SAMPLES", 20 * HOP)
    ring = RecorderRing.create(RingShape(HOP, 4, 12))
    shared.send(scene, "")
    studio = Studio(tiny, shared, ring, tmp_path)
    studio.play(10)
    studio.play(50, poll=False)
    studio.play(10)
    take, audio = studio.end(), read_take(studio.end())
    (lost,) = _events(take, "lost")
    assert lost["hop"] == 10
    assert 30 <= lost["hops"] <= 32
    assert studio.shared.recording._replace(seconds=0) == (
        "recording",
        0,
        lost["hops"],
    )
    heard, gap = (
        np.concatenate(studio.heard, axis=1),
        slice(
            10 * HOP,
            (10 + lost["hops"]) * HOP,
        ),
    )
    assert not audio["input"][:, gap].any()
    assert np.array_equal(
        audio["input"][:, : 10 * HOP],
        heard[:, : 10 * HOP],
    )
    assert np.array_equal(
        audio["input"][:, gap.stop :],
        heard[:, gap.stop :],
    )
    log = SessionLog.load(take / "session.jsonl", MODEL_ID)
    assert log.n_lost == lost["hops"]
    ring.close(unlink=True)


def test_a_killed_recorder_goes_on_in_the_same_files_and_nothing_is_lost(
    studio: Studio, tmp_path: Path
) -> None:
    studio.play(20)
    log = studio.folder / "take-001" / "session.jsonl"
    with log.open("a") as file:
        file.write('{"event":"late","ho')  # it was killed in the middle of a line
    studio.play(20, poll=False)
    studio.start_recorder()
    studio.play(20)
    take = studio.end()
    assert take.name == "take-001"
    assert np.array_equal(
        read_take(take)["input"],
        np.concatenate(studio.heard, axis=1),
    )
    assert not _events(take, "lost", "gave_up")
    assert len(_events(take, "scene")) == 1
    assert_same_again(take, tmp_path / "again", studio.model)


def test_late_hops_are_in_the_log_of_their_own_take(studio: Studio) -> None:
    n_late = []
    for _ in range(2):
        studio.play(10)
        studio.play(6, work=False)
        studio.play(10, poll=False)
        n_late.append(studio.player.timeline.n_late)
        studio.start_engine()
    studio.play(10, work=False, poll=False)
    studio.play(1)
    studio.end()
    for number, n in enumerate(n_late, 1):
        late = _events(studio.folder / f"take-{number:03d}", "late")
        assert [
            hop
            for event in late
            for hop in range(
                event["hop"],
                event["hop"] + event["hops"],
            )
        ] == [*range(10, 16)]
        assert n == 6


def test_files_of_stems_that_were_gone_by_then_get_as_long_as_the_others(
    studio: Studio, make_condition: MakeCondition
) -> None:
    studio.play(20)
    studio.shared.send(
        Scene((Stem("kit", make_condition("kit", seed=2)),)),
        "",
    )
    studio.play(20)
    studio.start_recorder()
    studio.play(20)
    audio = read_take(studio.end())
    assert {name: samples.shape[1] // HOP for name, samples in audio.items()} == dict.fromkeys(
        ("input", "mix", "remainder", "voice", "kit"), 60
    )


def test_a_new_engine_begins_a_new_take(studio: Studio, tmp_path: Path) -> None:
    studio.play(20)
    studio.start_engine()
    studio.play(30)
    second = studio.end()
    first = studio.folder / "take-001"
    assert second.name == "take-002"
    assert _events(first, "end") == [
        {"event": "end", "hop": 20, "reason": "the engine was started again"}
    ]
    assert read_take(first)["input"].shape[1] == 20 * HOP
    assert np.array_equal(
        read_take(second)["input"],
        np.concatenate(studio.heard, axis=1),
    )
    assert_same_again(second, tmp_path / "again", studio.model)


def test_a_recording_that_is_there_stays_as_it_is(studio: Studio) -> None:
    before = studio.folder / "take-001"
    before.mkdir(parents=True)
    (before / "input.wav").write_text("precious")
    studio.play(5)
    assert studio.end().name == "take-002"
    assert (before / "input.wav").read_text() == "precious"


def test_files_are_readable_while_they_grow(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rtmss.recording.files.FLUSH_SECONDS", 0.0)
    studio.play(20)
    assert {audio.shape[1] for audio in read_take(studio.folder / "take-001").values()} == {
        20 * HOP
    }


class FullDisk(WavFile):
    """A disk with room for so many samples of every file."""

    n_left = 30 * HOP

    def put(self, start: int, audio: Audio) -> None:
        if start + audio.shape[1] > self.n_left:
            super().put(start, audio[:, :5])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        super().put(start, audio)


def test_a_full_disk_ends_the_recording_once_and_the_sound_goes_on(
    studio: Studio, tmp_path: Path
) -> None:
    studio.start_recorder(FullDisk)
    studio.play(60)
    take = studio.folder / "take-001"
    assert studio.said == [
        "recording stopped: No space left on device; what was written before is whole, and the "
        "sound goes on"
    ]
    assert studio.shared.recording.state == "stopped"
    assert studio.player.status.hop == 60
    assert _events(take, "end") == [
        {"event": "end", "hop": 30, "reason": "No space left on device"}
    ]
    assert {audio.shape[1] for audio in read_take(take).values()} == {30 * HOP}
    assert_same_again(take, tmp_path / "again", studio.model)
    studio.start_recorder()  # another one does not begin again
    studio.play(20)
    assert (len(studio.said), len(list(studio.folder.iterdir()))) == (1, 1)


def test_a_disk_that_is_really_full_leaves_files_that_play(
    studio: Studio, small_disk: Path, tmp_path: Path
) -> None:
    studio.folder = small_disk
    studio.start_recorder()
    studio.play(150)
    assert studio.shared.recording.state == "stopped"
    assert len(studio.said) == 1
    assert "No space left" in studio.said[0]
    assert studio.player.status.hop == 150
    lengths = {audio.shape[1] for audio in read_take(small_disk / "take-001").values()}
    assert len(lengths) == 1
    assert lengths.pop() > 20 * HOP
    assert_same_again(small_disk / "take-001", tmp_path / "again", studio.model)


def test_a_folder_that_cannot_be_written_is_refused_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"nothing can be recorded there .*; choose another folder"):
        check_folder(tmp_path / "file")


def test_too_little_shared_memory_is_refused_at_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", refuse, raising=False)
    with pytest.raises(
        UserError, match=r"recording needs [0-9]+ MiB of shared memory in .*: No space left"
    ):
        RecorderRing.create(RingShape(HOP, 4, 12))


def _kill_everything(studio: Studio) -> Path:
    """The recorder ends as it is: the system closes its files."""
    take = studio.recorder._take
    assert take is not None
    for file in take._files.values():
        file.close()
    take._log.close()
    studio.recorder._take = None
    return take.folder


def test_a_take_whose_recorder_was_killed_gets_the_end_that_it_lacks(
    studio: Studio, tmp_path: Path
) -> None:
    studio.play(40)
    take = _kill_everything(studio)
    with (take / "input.wav").open("ab") as file:
        file.write(b"half a hop")
    (take / "conditions.partial").write_bytes(b"half")
    assert end_unfinished(studio.folder) == [take]
    assert _events(take, "end") == [
        {
            "event": "end",
            "hop": 40,
            "reason": KILLED,
        }
    ]
    audio = read_take(take)
    assert {samples.shape[1] for samples in audio.values()} == {40 * HOP}
    assert np.array_equal(
        audio["input"],
        np.concatenate(studio.heard, axis=1),
    )
    assert not [*take.glob("*.partial")]
    assert_same_again(take, tmp_path / "again", studio.model)
    assert end_unfinished(studio.folder) == []


def test_a_hop_of_which_a_file_is_missing_is_not_there(studio: Studio) -> None:
    studio.play(40)
    take = _kill_everything(studio)
    os.truncate(
        take / "mix.wav",
        (take / "mix.wav").stat().st_size - 4,
    )
    assert end_unfinished(studio.folder) == [take]
    assert {samples.shape[1] for samples in read_take(take).values()} == {39 * HOP}


def test_a_take_that_is_being_written_is_left_alone(studio: Studio) -> None:
    studio.play(40)
    assert end_unfinished(studio.folder) == []
    assert _events(studio.end(), "end") == [
        {
            "event": "end",
            "hop": 40,
            "reason": "stopped",
        }
    ]


def test_what_is_no_take_is_left_alone(tmp_path: Path) -> None:
    for name, text in {
        "empty": "",
        "other": "{}\n",
        "text": "hello\n",
    }.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "session.jsonl").write_text(text)
    assert end_unfinished(tmp_path) == []
