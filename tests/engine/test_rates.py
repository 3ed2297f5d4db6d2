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
from rtmss.audio import Audio
from rtmss.config import SeparatorConfig
from rtmss.engine.backends.resampled import ResampledBackend
from rtmss.engine.control import Scene, Stem, Strip
from rtmss.engine.frames import StreamFrames
from rtmss.engine.session import Session
from rtmss.files import read_audio
from rtmss.model.separator import SeparatorModel
from rtmss.rendering import RenderPlan, render
from rtmss.separator import Separator

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


@pytest.mark.parametrize("rate", TINY_RATES)
def test_a_stream_without_stems_plays_its_input_at_any_rate(
    tiny: SeparatorModel, noise: Noise, rate: int
) -> None:
    session = Session(tiny, sample_rate=rate)
    audio = noise(12 * session.hop_length)
    output = session.step(audio)
    assert output.stems.shape == (0, 2, audio.shape[1])
    assert np.array_equal(output.mix[:, session.delay :], audio[:, : -session.delay])


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


@pytest.mark.slow
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
