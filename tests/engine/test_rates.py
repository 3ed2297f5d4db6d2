"""Whatever the rate of a stream: the model hears its own, nothing else changes, and all agree."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pedalboard.io import AudioFile

from helpers.makers import MakeCondition, Noise
from helpers.studio import HOP, MODEL_ID, Studio, assert_same_again, read_take
from rtmss.audio import Audio
from rtmss.config import SeparatorConfig
from rtmss.engine.backends.resampled import ResampledBackend
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
from rtmss.rendering import RenderPlan, render
from rtmss.separator import Separator, play_whole

RATES = (32000, 48000, 88200, 96000, 192000)
TINY_RATES = (5805, 8000, 8707, 16000, 17415, 34830)
"""As far from 8 kHz as RATES are from 44.1."""


class Echo:
    """A model that takes all that it hears for the target, and is late by one hop and `overlap`."""

    name = "echo"

    def __init__(self, hop: int, n_hops_late: int = 1) -> None:
        self.hop, self.n_late = hop, n_hops_late * hop
        self.heard: list[Audio] = []
        self.reset()

    def reset(self) -> None:
        self._past, self._n = (
            np.zeros(
                (2, self.n_late),
                np.float32,
            ),
            0,
        )

    def arrange(
        self,
        order: Sequence[int | None],
        _stems: Sequence[Stem],
    ) -> None:
        self._n = len(order)

    def tail(self, _slot: int) -> Audio:
        return self._past.copy()

    def hold(self, block: Audio) -> Audio:
        samples = np.concatenate([self._past, block], axis=-1)
        return np.repeat(
            samples[None, :, : block.shape[-1]],
            self._n,
            axis=0,
        )

    def step(self, block: Audio) -> Audio:
        out = self.hold(block)
        self.heard.append(block)
        self._past = np.concatenate(
            [self._past, block],
            axis=-1,
        )[:, block.shape[-1] :]
        return out


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


def low_noise(n: int, share: float) -> Audio:
    """(2, n) noise below a share of the sample rate."""
    audio = np.random.default_rng(0).standard_normal((2, n)) * 0.2
    is_low = np.fft.rfftfreq(n) < share
    return np.asarray(
        np.fft.irfft(
            np.fft.rfft(audio) * is_low,
            n=n,
        ),
        np.float32,
    )


@pytest.mark.parametrize("rate", RATES)
def test_resampling_adds_at_most_two_milliseconds(rate: int) -> None:
    config = SeparatorConfig()
    more = sum(StreamFrames.at(rate, config)) / rate - config.latency / config.sample_rate
    assert more <= 0.002


@pytest.mark.parametrize("rate", RATES)
def test_the_model_hears_its_own_rate_within_a_fortieth_of_a_semitone(
    open_model: SeparatorModel, one: Scene, rate: int
) -> None:
    echo = Echo(512)
    session = Session(open_model, one, sample_rate=rate, backend=echo)
    tone = np.sin(2 * np.pi * 6000 / rate * np.arange(100 * session.hop_length))
    session.step(np.asarray(tone[None], np.float32))
    heard = echo.heard[0][0]
    spectrum = np.abs(
        np.fft.rfft(
            heard * np.hanning(len(heard)),
            1 << 20,
        )
    )
    frequency = np.argmax(spectrum) / (1 << 20) * 44100
    assert abs(12 * np.log2(frequency / 6000)) < 1 / 40


@pytest.mark.parametrize(
    "rate",
    [8000, 16000, 22050, 44100, *RATES],
)
def test_a_target_is_late_by_exactly_what_the_session_says(
    open_model: SeparatorModel, one: Scene, rate: int
) -> None:
    session = Session(open_model, one, sample_rate=rate, backend=Echo(512))
    audio = low_noise(
        60 * session.hop_length,
        0.43 * min(1.0, 44100 / rate),
    )
    stem = session.step(audio).stems[0]
    delay, inside = (
        session.delay,
        slice(
            4 * session.hop_length,
            -4 * session.hop_length,
        ),
    )
    error = stem[:, delay:][:, inside] - audio[:, :-delay][:, inside]
    assert np.square(error).sum() < 1e-7 * np.square(audio).sum()


@pytest.mark.parametrize("rate", RATES)
def test_the_dry_sound_is_untouched_and_the_stems_add_up_to_it(
    profiles: dict[str, SeparatorModel], two: Scene, noise: Noise, rate: int
) -> None:
    session = Session(profiles["default"], two, sample_rate=rate)
    audio = noise(12 * session.hop_length)
    output = session.step(audio)
    assert np.array_equal(
        output.dry[:, session.delay :],
        audio[:, : -session.delay],
    )
    assert np.abs(output.stems).max() > 0.01
    assert np.abs(output.stems.sum(0) + output.remainder - output.dry).max() < 1e-6


def test_a_stream_at_the_models_rate_is_left_as_it_is(tiny: SeparatorModel) -> None:
    session = Session(tiny, sample_rate=8000)
    assert not isinstance(session.backend, ResampledBackend)
    assert (session.hop_length, session.delay) == (64, tiny.config.delay)


@settings(deadline=None, max_examples=25)
@given(
    st.sampled_from([1000, *TINY_RATES]),
    st.lists(
        st.integers(1, 4),
        min_size=2,
        max_size=6,
    ),
)
def test_cutting_into_other_blocks_changes_nothing(
    tiny: SeparatorModel, make_condition: MakeCondition, rate: int, hops: list[int]
) -> None:
    scene = Scene((Stem("one", make_condition("one", 1)),))
    sessions = [
        Session(
            tiny,
            scene,
            sample_rate=rate,
        )
        for _ in range(2)
    ]
    hop = sessions[0].hop_length
    audio = low_noise(sum(hops) * hop, 0.4)
    cuts = np.cumsum(hops)[:-1] * hop
    pieces = [
        sessions[0].step(block)
        for block in np.split(
            audio,
            cuts,
            axis=1,
        )
    ]
    whole = sessions[1].step(audio)
    for field in ("stems", "remainder", "mix", "dry"):
        joined = np.concatenate(
            [getattr(piece, field) for piece in pieces],
            axis=-1,
        )
        assert np.abs(joined - getattr(whole, field)).max() < 1e-5


@pytest.mark.parametrize("rate", TINY_RATES)
def test_hold_plays_what_a_step_with_the_same_masks_would_and_changes_nothing(
    tiny: SeparatorModel, two: Scene, noise: Noise, rate: int
) -> None:
    session, untouched = (
        Session(
            tiny,
            two,
            sample_rate=rate,
            backend=Echo(64),
        )
        for _ in range(2)
    )
    for seed in range(5):
        block = noise(2 * session.hop_length, seed=seed)
        held = session.hold(block)
        played = session.step(block).mix
        assert np.abs(held - played).max() < 1e-6
        assert np.array_equal(untouched.step(block).mix, played)


@pytest.mark.parametrize(
    "rate",
    [rate for rate in TINY_RATES if rate != 8000],
)
def test_a_target_that_is_switched_away_rings_out_as_if_its_input_had_ended(
    tiny: SeparatorModel, one: Scene, noise: Noise, rate: int
) -> None:
    """The echo's tail is what it would still say to silence."""
    session = Session(tiny, one, sample_rate=rate, backend=Echo(64))
    backend, hop = session.backend, session.hop_length
    session.step(noise(8 * hop))
    tail = backend.tail(0)
    assert isinstance(backend, ResampledBackend)
    backend._down_past[:] = 0  # what is in the filters on the way in was heard by nobody yet
    rung = backend.step(
        np.zeros(
            (2, 8 * hop),
            np.float32,
        )
    )[0]
    assert np.abs(tail).max() > 0.01
    assert np.abs(rung[:, : tail.shape[-1]] - tail).max() < 1e-6
    assert not rung[:, tail.shape[-1] :].any()


def test_stems_that_stay_keep_what_they_said_when_others_come_before_them(
    tiny: SeparatorModel, one: Scene, make_condition: MakeCondition, noise: Noise
) -> None:
    """A stem's output does not jump where the order changes."""
    stay, switch = (
        Session(
            tiny,
            one,
            sample_rate=8707,
        )
        for _ in range(2)
    )
    audio = noise(20 * stay.hop_length)
    blocks = np.split(audio, 2, axis=1)
    stay.step(blocks[0])
    switch.step(blocks[0])
    switch.scene = Scene(
        (
            Stem(
                "new",
                make_condition("new", 5),
            ),
            *one.stems,
        )
    )
    assert np.abs(switch.step(blocks[1]).stems[1] - stay.step(blocks[1]).stems[0]).max() < 1e-5


@pytest.mark.parametrize("rate", RATES)
def test_a_render_at_any_rate_is_what_is_played_hop_by_hop(
    profiles: dict[str, SeparatorModel], two: Scene, noise: Noise, tmp_path: Path, rate: int
) -> None:
    model = profiles["default"]
    session = Session(model, two, sample_rate=rate)
    hop, delay = session.hop_length, session.delay
    audio = noise(14 * hop)
    with AudioFile(
        str(tmp_path / "in.wav"),
        "w",
        rate,
        2,
        bit_depth=32,
    ) as file:
        file.write(audio)
    render(
        tmp_path / "in.wav",
        tmp_path / "out",
        model,
        RenderPlan(two, stems=True),
    )
    pieces = [
        session.step(block)
        for block in np.split(
            audio,
            14,
            axis=1,
        )
    ]
    live = np.concatenate(
        [piece.mix for piece in pieces],
        axis=-1,
    )[:, delay:]
    stem = np.concatenate(
        [piece.stems[0] for piece in pieces],
        axis=-1,
    )[:, delay:]
    assert np.abs(stem).max() > 0.01
    assert np.abs(read_audio(tmp_path / "out/one.wav")[0][:, :-delay] - stem).max() <= 1e-5
    assert np.abs(read_audio(tmp_path / "out/mix.wav")[0][:, :-delay] - live).max() <= 1e-5
    separated = Separator(model, "").separate(
        audio,
        rate,
        two.stems[0].condition,
    )
    assert np.abs(separated[:, :-delay] - stem).max() <= 1e-5


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
