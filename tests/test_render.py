"""Files through the session: aligned, null, whole or not at all."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import psutil
import pytest

from helpers.makers import MakeCondition, Noise
from helpers.models import make_open
from helpers.rendering import load
from rtmss.conditions.preset import Effect
from rtmss.engine.control import Scene, Stem, Strip
from rtmss.engine.session import Session
from rtmss.model.separator import SeparatorModel
from rtmss.rendering import RenderPlan, render


@pytest.fixture
def scene(make_condition: MakeCondition) -> Scene:
    return Scene(
        (
            Stem("a", make_condition("a", 1), Strip(gain_db=-6)),
            Stem("b", make_condition("b", 2), Strip(mute=True)),
        )
    )


@pytest.mark.parametrize(
    ("profile", "rate", "channels"),
    [
        ("default", 44100, 2),
        ("default", 48000, 2),
        ("default", 96000, 1),
        ("default", 22050, 2),
        ("ahead", 48000, 2),
    ],
)
def test_stems_and_remainder_null_at_any_rate(
    profiles: dict[str, SeparatorModel],
    scene: Scene,
    noise: Noise,
    write_input: Callable[..., Path],
    profile: str,
    rate: int,
    channels: int,
) -> None:
    audio = noise(2 * rate + 123, channels)
    source = write_input(audio, rate)
    report = render(
        source,
        source.parent / "out",
        profiles[profile],
        RenderPlan(scene, stems=True),
    )
    files = load(source.parent / "out")
    assert sorted(files) == ["a", "b", "mix", "remainder"]
    assert {piece.shape for piece in files.values()} == {audio.shape}
    assert np.abs(files["a"]).max() > 0.01
    assert np.abs(files["a"] + files["b"] + files["remainder"] - audio).max() <= 1e-6
    expected = files["a"] * 10 ** (-6 / 20) + files["remainder"]
    assert np.abs(files["mix"] - expected).max() <= 1e-6
    assert report.n_bad_samples == 0


@pytest.mark.parametrize(
    ("rate", "look_ahead"),
    [(44100, 0), (48000, 0), (44100, 3)],
)
def test_stems_are_aligned_to_the_sample(
    make_condition: MakeCondition,
    noise: Noise,
    write_input: Callable[..., Path],
    rate: int,
    look_ahead: int,
) -> None:
    """A model whose masks are 1.1 everywhere gives back 1.1 times the input, DC aside."""
    audio = noise(2 * rate)
    lowered = np.fft.irfft(
        np.fft.rfft(audio)
        * (
            np.fft.rfftfreq(
                2 * rate,
                1 / rate,
            )
            < 15000
        ),
        n=2 * rate,
    )
    audio = (
        lowered
        - lowered.mean(
            -1,
            keepdims=True,
        )
    ).astype(np.float32)
    source = write_input(audio, rate)
    render(
        source,
        source.parent / "out",
        make_open(look_ahead),
        RenderPlan(
            Scene((Stem("all", make_condition()),)),
            stems=True,
        ),
    )
    stem = load(source.parent / "out")["all"][:, 4000:-4000]
    wanted = 1.1 * audio[:, 4000:-4000]
    error_db = 10 * np.log10(np.square(stem - wanted).sum() / np.square(wanted).sum())
    shifted_db = 10 * np.log10(
        np.square(stem[:, 1:] - wanted[:, :-1]).sum() / np.square(wanted).sum()
    )
    assert error_db < -30
    assert shifted_db > -10


def test_a_render_equals_the_session(
    profiles: dict[str, SeparatorModel],
    scene: Scene,
    noise: Noise,
    write_input: Callable[..., Path],
) -> None:
    audio = noise(512 * 60)
    source = write_input(audio)
    render(source, source.parent / "out", profiles["default"], RenderPlan(scene))
    session = Session(profiles["default"], scene)
    hops = [
        session.step(audio[:, i : i + 512]).mix
        for i in range(
            0,
            audio.shape[1],
            512,
        )
    ]
    live = np.concatenate(
        hops,
        axis=-1,
    )[:, session.delay :]
    assert np.abs(live).max() > 0.01
    assert np.abs(load(source.parent / "out")["mix"][:, : live.shape[1]] - live).max() <= 1e-5


def test_the_remainder_keeps_the_full_bandwidth(
    profiles: dict[str, SeparatorModel], scene: Scene, write_input: Callable[..., Path]
) -> None:
    """A tone above the model's own Nyquist frequency passes untouched."""
    t = np.arange(96000) / 96000
    audio = np.repeat(
        0.3 * np.sin(2 * np.pi * 30000 * t)[None],
        2,
        0,
    ).astype(np.float32)
    source = write_input(audio, 96000)
    render(
        source,
        source.parent / "out",
        profiles["default"],
        RenderPlan(scene, stems=True),
    )
    remainder = load(source.parent / "out")["remainder"]
    assert np.abs(remainder - audio)[:, 20000:-2000].max() < 1e-4


def test_effects_with_latency_stay_aligned(
    profiles: dict[str, SeparatorModel],
    make_condition: MakeCondition,
    noise: Noise,
    write_input: Callable[..., Path],
) -> None:
    audio = noise(44100)
    source = write_input(audio)
    scene = Scene((Stem("a", make_condition()),))
    late = (Effect(type="PitchShift", parameters={"semitones": 0.0}),)
    render(
        source,
        source.parent / "plain",
        profiles["default"],
        RenderPlan(scene, stems=True),
    )
    render(
        source,
        source.parent / "late",
        profiles["default"],
        RenderPlan(scene, {"a": late, "mix": late}, stems=True),
    )
    plain, shifted = load(source.parent / "plain"), load(source.parent / "late")
    for name in ("a", "mix"):
        assert shifted[name].shape == plain[name].shape
        lags = np.fft.irfft(np.fft.rfft(shifted[name][0]) * np.conj(np.fft.rfft(plain[name][0])))
        assert int(np.argmax(np.abs(lags))) == 0


def test_an_effect_changes_its_own_strip_only(
    profiles: dict[str, SeparatorModel],
    scene: Scene,
    noise: Noise,
    write_input: Callable[..., Path],
) -> None:
    source = write_input(noise(44100))
    gain = (Effect(type="Gain", parameters={"gain_db": -20.0}),)
    render(
        source,
        source.parent / "plain",
        profiles["default"],
        RenderPlan(scene, stems=True),
    )
    render(
        source,
        source.parent / "gain",
        profiles["default"],
        RenderPlan(scene, {"a": gain}, stems=True),
    )
    plain, changed = load(source.parent / "plain"), load(source.parent / "gain")
    assert np.allclose(
        changed["a"],
        plain["a"] * 0.1,
        atol=1e-6,
    )
    assert np.allclose(changed["b"], plain["b"], atol=1e-7)
    assert np.allclose(changed["remainder"], plain["remainder"], atol=1e-7)


@pytest.mark.slow
def test_memory_does_not_grow_with_the_file(
    profiles: dict[str, SeparatorModel],
    scene: Scene,
    noise: Noise,
    write_input: Callable[..., Path],
) -> None:
    peaks: list[float] = []
    for seconds in (10, 60):
        source = write_input(
            np.tile(noise(44100), (1, seconds)),
            name=f"{seconds}.wav",
            bit_depth=16,
        )
        plan = RenderPlan(scene)
        if not peaks:  # what is loaded and kept once is not the file's
            render(source, source.parent / "warm", profiles["default"], plan)
        run = partial(
            render,
            source,
            source.parent / "out",
            profiles["default"],
            plan,
        )
        peaks.append(_peak_memory(run))
    assert peaks[1] - peaks[0] < 20e6


def _peak_memory(run: Callable[[], object]) -> float:
    process, samples, done = psutil.Process(), [0.0], threading.Event()
    before = process.memory_info().rss

    def watch() -> None:
        while not done.wait(0.01):
            samples.append(process.memory_info().rss - before)

    thread = threading.Thread(target=watch)
    thread.start()
    run()
    done.set()
    thread.join()
    return max(samples)
