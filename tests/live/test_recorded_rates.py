"""Recordings at other rates than the model's, played again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pedalboard.io import AudioFile

from helpers.makers import MakeCondition, Noise
from helpers.studio import HOP, MODEL_ID, Studio, assert_same_again, read_take
from rtmss.engine.control import Scene, Stem, Strip
from rtmss.engine.frames import StreamFrames
from rtmss.engine.session import Session
from rtmss.files import read_audio
from rtmss.live.shared.recorder_ring import RecorderRing, RingShape
from rtmss.live.shared.state import SharedState
from rtmss.model.separator import SeparatorModel
from rtmss.recording.log import LOG, VECTORS, Event, Header, Vectors
from rtmss.recording.log_reader import SessionLog
from rtmss.recording.replay import replay
from rtmss.separator import play_whole

TINY_RATES = (5805, 8000, 8707, 16000, 17415, 34830)
"""As far from 8 kHz as RATES are from 44.1."""


@pytest.fixture
def one(make_condition: MakeCondition) -> Scene:
    return Scene((Stem("one", make_condition("one", 1)),))


@pytest.fixture
def two(make_condition: MakeCondition) -> Scene:
    return Scene(
        (
            Stem("one", make_condition("one", 1), Strip(gain_db=-6)),
            Stem("two", make_condition("two", 2), Strip(mute=True)),
        )
    )


@pytest.fixture
def studio_at(
    tiny: SeparatorModel,
    shared: SharedState,
    two: Scene,
    tmp_path: Path,
) -> StudioAt:
    return StudioAt(tiny, shared, two, tmp_path)


class StudioAt:
    """Makes studios at a rate, in blocks that are no hops there."""

    def __init__(
        self, model: SeparatorModel, shared: SharedState, scene: Scene, folder: Path
    ) -> None:
        self.model, self.shared, self.scene, self.folder = model, shared, scene, folder

    def __call__(self, rate: int) -> Studio:
        self.shared.send(self.scene, "first")
        ring = RecorderRing.create(RingShape(HOP, 4, 12))
        return Studio(
            self.model,
            self.shared,
            ring,
            self.folder / "rec",
            sample_rate=rate,
        )


@pytest.mark.slow
@pytest.mark.parametrize("rate", TINY_RATES)
def test_a_recording_at_any_rate_is_the_same_again_to_the_bit(
    studio_at: StudioAt, two: Scene, make_condition: MakeCondition, tmp_path: Path, rate: int
) -> None:
    studio = studio_at(rate)
    studio.play(40)
    studio.shared.send(two.with_strip("one", gain_db=-9.0), "")
    studio.play(25)
    studio.shared.send(
        Scene(
            (
                Stem(
                    "new",
                    make_condition("new", 3),
                ),
                two.stems[0],
            )
        ),
        "",
    )
    studio.play(60)
    take = studio.end()
    assert studio.player.timeline.n_late == 0
    assert_same_again(take, tmp_path / "again", studio.model)
    header = SessionLog.load(take / LOG, MODEL_ID).header
    frames = StreamFrames.at(rate, studio.model.config)
    assert (
        header.sample_rate,
        header.hop_length,
        header.delay,
    ) == (rate, *frames)
    audio, heard = (
        read_take(take),
        np.concatenate(
            studio.heard,
            axis=1,
        ),
    )
    n = audio["input"].shape[1]
    assert np.array_equal(audio["input"], heard[:, :n])
    total = audio["one"] + audio["two"] + audio["new"] + audio["remainder"]
    assert np.abs(total - audio["input"])[:, : -frames.delay].max() < 1e-5
    studio.ring.close(unlink=True)


@pytest.mark.slow
@pytest.mark.parametrize("rate", TINY_RATES)
def test_a_song_at_any_rate_is_the_same_again_to_the_bit(
    studio_at: StudioAt, noise: Noise, tmp_path: Path, rate: int
) -> None:
    studio = studio_at(rate)
    song = noise(200 * HOP)
    studio.start_song_engine(song)
    studio.play(100)
    take = studio.end()
    assert_same_again(take, tmp_path / "again", studio.model)
    heard = read_take(take)["input"]
    begun = int(np.argmax(np.abs(heard[0]) > 0))
    assert np.array_equal(
        heard[:, begun:],
        song[:, : heard.shape[1] - begun],
    )
    studio.ring.close(unlink=True)


@pytest.mark.slow
def test_a_recorder_follows_an_engine_to_another_rate(studio_at: StudioAt, tmp_path: Path) -> None:
    """As when another device is plugged in: the ring in the same memory has other hops."""
    studio = studio_at(8000)
    for number, rate in enumerate((8000, 34830, 5805), 2):
        studio.play(30)
        studio.sample_rate = rate
        studio.start_engine()
        studio.play(30)
        take = studio.folder / f"take-{number:03d}"
        assert SessionLog.load(take / LOG, MODEL_ID).header.sample_rate == rate
    assert_same_again(studio.end(), tmp_path / "again", studio.model)
    studio.ring.close(unlink=True)


@pytest.mark.slow
@pytest.mark.parametrize("rate", TINY_RATES)
def test_an_engine_far_behind_gives_hops_up_at_any_rate(studio_at: StudioAt, rate: int) -> None:
    studio = studio_at(rate)
    studio.play(20)
    studio.play(studio.player.timeline.most_waiting // HOP + 50, work=False)
    before = studio.player.timeline.n_stepped
    studio.play(60)
    timeline = studio.player.timeline
    assert timeline.n_stepped > before
    assert timeline.hops()[1] == 0
    studio.end()
    studio.ring.close(unlink=True)


def test_a_log_of_before_is_played_as_it_was_recorded(
    tiny: SeparatorModel, one: Scene, noise: Noise, tmp_path: Path
) -> None:
    """Version 1: at 48 kHz the model heard samples of 48 kHz as if they were of its own rate."""
    audio = noise(40 * HOP)
    before = play_whole(
        Session(tiny, one, sample_rate=8707, resample=False),
        audio,
    )
    record = Vectors(tmp_path / VECTORS).record(one)
    header = Header(
        version=1, model_id=MODEL_ID, sample_rate=8707, hop_length=HOP, delay=64, n_outputs=2
    )
    events = [
        Event(
            event="start",
            hop=0,
            scene=record,
        ),
        Event(event="end", hop=40),
    ]
    lines = header.model_dump_json() + "\n" + "".join(event.line() for event in events)
    (tmp_path / LOG).write_text(lines)
    with AudioFile(
        str(tmp_path / "in.wav"),
        "w",
        8707,
        2,
        bit_depth=32,
    ) as file:
        file.write(audio)
    log = SessionLog.load(tmp_path / LOG, MODEL_ID)
    assert log.header.fits(tiny.config)
    replay(tmp_path / "in.wav", tmp_path / "out", tiny, log, stems=True)
    stem = read_audio(tmp_path / "out/one.wav")[0]
    assert np.abs(stem).max() > 0.01
    assert np.abs(stem - before.stems[0])[:, :-64].max() < 1e-5
