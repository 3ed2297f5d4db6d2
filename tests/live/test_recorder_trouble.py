"""A recorder that falls behind, dies, or finds its disk full."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import numpy as np
import pytest

from helpers.recording import take_events
from helpers.studio import HOP, MODEL_ID, Studio, assert_same_again, read_take
from rtmss.audio import Audio
from rtmss.config import UserError
from rtmss.engine.control import Scene
from rtmss.live.recorder import check_folder
from rtmss.live.shared import recorder_ring as ring_module
from rtmss.live.shared.recorder_ring import RecorderRing, RingShape
from rtmss.live.shared.state import SharedState
from rtmss.model.separator import SeparatorModel
from rtmss.recording.log_reader import SessionLog
from rtmss.recording.wav import WavFile

pytestmark = pytest.mark.usefixtures("one_thread")


def test_a_recorder_that_falls_behind_loses_hops_and_says_which(
    monkeypatch: pytest.MonkeyPatch,
    tiny: SeparatorModel,
    shared: SharedState,
    recorded_scene: Scene,
    tmp_path: Path,
) -> None:
    monkeypatch.setattr(ring_module, "RING_SAMPLES", 20 * HOP)
    hop_ring = RecorderRing.create(RingShape(HOP, 4, 12))
    shared.send(recorded_scene, "")
    recording_studio = Studio(tiny, shared, hop_ring, tmp_path)
    recording_studio.play(10)
    recording_studio.play(50, poll=False)
    recording_studio.play(10)
    take, audio = recording_studio.end(), read_take(recording_studio.end())
    (lost,) = take_events(take, "lost")
    assert lost["hop"] == 10
    assert 30 <= lost["hops"] <= 32
    assert recording_studio.shared.recording._replace(seconds=0) == (
        "recording",
        0,
        lost["hops"],
    )
    heard, gap = (
        np.concatenate(recording_studio.heard, axis=1),
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
    hop_ring.close(unlink=True)


@pytest.mark.slow
def test_a_killed_recorder_goes_on_in_the_same_files_and_nothing_is_lost(
    recording_studio: Studio, tmp_path: Path
) -> None:
    recording_studio.play(20)
    log = recording_studio.folder / "take-001" / "session.jsonl"
    with log.open("a") as file:
        file.write('{"event":"late","ho')  # it was killed in the middle of a line
    recording_studio.play(20, poll=False)
    recording_studio.start_recorder()
    recording_studio.play(20)
    take = recording_studio.end()
    assert take.name == "take-001"
    assert np.array_equal(
        read_take(take)["input"],
        np.concatenate(recording_studio.heard, axis=1),
    )
    assert not take_events(take, "lost", "gave_up")
    assert len(take_events(take, "scene")) == 1
    assert_same_again(take, tmp_path / "again", recording_studio.model)


def test_late_hops_are_in_the_log_of_their_own_take(recording_studio: Studio) -> None:
    n_late = []
    for _ in range(2):
        recording_studio.play(10)
        recording_studio.play(6, work=False)
        recording_studio.play(10, poll=False)
        n_late.append(recording_studio.player.timeline.n_late)
        recording_studio.start_engine()
    recording_studio.play(10, work=False, poll=False)
    recording_studio.play(1)
    recording_studio.end()
    for number, n in enumerate(n_late, 1):
        late = take_events(recording_studio.folder / f"take-{number:03d}", "late")
        assert [
            hop
            for event in late
            for hop in range(
                event["hop"],
                event["hop"] + event["hops"],
            )
        ] == [*range(10, 16)]
        assert n == 6


class FullDisk(WavFile):
    """A disk with room for so many samples of every file."""

    n_left = 30 * HOP

    def put(self, start: int, audio: Audio) -> None:
        if start + audio.shape[1] > self.n_left:
            super().put(start, audio[:, :5])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        super().put(start, audio)


def test_a_full_disk_ends_the_recording_once_and_the_sound_goes_on(
    recording_studio: Studio, tmp_path: Path
) -> None:
    recording_studio.start_recorder(FullDisk)
    recording_studio.play(60)
    take = recording_studio.folder / "take-001"
    assert recording_studio.said == [
        "recording stopped: No space left on device; what was written before is whole, and the "
        "sound goes on"
    ]
    assert recording_studio.shared.recording.state == "stopped"
    assert recording_studio.player.status.hop == 60
    assert take_events(take, "end") == [
        {"event": "end", "hop": 30, "reason": "No space left on device"}
    ]
    assert {audio.shape[1] for audio in read_take(take).values()} == {30 * HOP}
    assert_same_again(take, tmp_path / "again", recording_studio.model)
    recording_studio.start_recorder()  # another one does not begin again
    recording_studio.play(20)
    assert (len(recording_studio.said), len(list(recording_studio.folder.iterdir()))) == (1, 1)


@pytest.mark.slow
def test_a_disk_that_is_really_full_leaves_files_that_play(
    recording_studio: Studio, small_disk: Path, tmp_path: Path
) -> None:
    recording_studio.folder = small_disk
    recording_studio.start_recorder()
    recording_studio.play(150)
    assert recording_studio.shared.recording.state == "stopped"
    assert len(recording_studio.said) == 1
    assert "No space left" in recording_studio.said[0]
    assert recording_studio.player.status.hop == 150
    lengths = {audio.shape[1] for audio in read_take(small_disk / "take-001").values()}
    assert len(lengths) == 1
    assert lengths.pop() > 20 * HOP
    assert_same_again(small_disk / "take-001", tmp_path / "again", recording_studio.model)


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
