"""Files through the session: aligned, null, whole or not at all."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import psutil
import pytest
from pedalboard.io import AudioFile

from helpers.makers import MakeCondition, Noise
from helpers.models import make_open
from rtmss import rendering
from rtmss.audio import Audio
from rtmss.conditions.preset import Effect
from rtmss.config import ConfigError
from rtmss.engine.control import Scene, Stem, Strip
from rtmss.engine.session import Session
from rtmss.files import AudioFileError, read_audio
from rtmss.model.separator import SeparatorModel
from rtmss.ownership import try_lock
from rtmss.rendering import Files, RenderPlan, render


@pytest.fixture
def scene(make_condition: MakeCondition) -> Scene:
    return Scene(
        (
            Stem("a", make_condition("a", 1), Strip(gain_db=-6)),
            Stem("b", make_condition("b", 2), Strip(mute=True)),
        )
    )


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    def write(
        audio: Audio,
        rate: int = 44100,
        name: str = "in.wav",
        bit_depth: int = 32,
    ) -> Path:
        with AudioFile(
            str(tmp_path / name), "w", rate, audio.shape[0], bit_depth=bit_depth
        ) as file:
            file.write(audio)
        return tmp_path / name

    return write


def load(
    folder: Path,
    suffix: str = "wav",
) -> dict[str, Audio]:
    return {path.stem: read_audio(path)[0] for path in sorted(folder.glob(f"*.{suffix}"))}


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
    write: Callable[..., Path],
    profile: str,
    rate: int,
    channels: int,
) -> None:
    audio = noise(2 * rate + 123, channels)
    source = write(audio, rate)
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
    write: Callable[..., Path],
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
    source = write(audio, rate)
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
    profiles: dict[str, SeparatorModel], scene: Scene, noise: Noise, write: Callable[..., Path]
) -> None:
    audio = noise(512 * 60)
    source = write(audio)
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
    profiles: dict[str, SeparatorModel], scene: Scene, write: Callable[..., Path]
) -> None:
    """A tone above the model's own Nyquist frequency passes untouched."""
    t = np.arange(96000) / 96000
    audio = np.repeat(
        0.3 * np.sin(2 * np.pi * 30000 * t)[None],
        2,
        0,
    ).astype(np.float32)
    source = write(audio, 96000)
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
    write: Callable[..., Path],
) -> None:
    audio = noise(44100)
    source = write(audio)
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
    profiles: dict[str, SeparatorModel], scene: Scene, noise: Noise, write: Callable[..., Path]
) -> None:
    source = write(noise(44100))
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


@pytest.mark.parametrize(
    ("suffix", "tolerance"),
    [("flac", 2e-7), ("ogg", 0.2)],
)
def test_other_formats_hold_the_same(
    profiles: dict[str, SeparatorModel],
    scene: Scene,
    noise: Noise,
    write: Callable[..., Path],
    suffix: str,
    tolerance: float,
) -> None:
    source = write(noise(44100))
    for format in ("wav", suffix):  # noqa: A001
        render(
            source,
            source.parent / "out",
            profiles["default"],
            RenderPlan(scene, format=format),
        )
    other, wav = (
        load(
            source.parent / "out",
            suffix,
        )["mix"],
        load(source.parent / "out")["mix"],
    )
    assert np.abs(other - wav).max() < tolerance


def test_an_interrupted_render_leaves_no_file(
    profiles: dict[str, SeparatorModel], scene: Scene, noise: Noise, write: Callable[..., Path]
) -> None:
    source = write(noise(5 * 44100))

    def interrupt(done: float) -> None:
        if done > 0.2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        render(
            source,
            source.parent / "out",
            profiles["default"],
            RenderPlan(scene, stems=True),
            interrupt,
        )
    assert list((source.parent / "out").iterdir()) == []


def test_a_full_disk_is_said_and_leaves_no_file(
    profiles: dict[str, SeparatorModel],
    scene: Scene,
    noise: Noise,
    write: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class FullDisk:
        def __init__(self, *_: object, **__: object) -> None:
            pass

        def write(self, _: Audio) -> None:
            raise RuntimeError("Unable to write data to audio file.")

        def close(self) -> None:
            pass

    source = write(noise(44100))
    monkeypatch.setattr(rendering, "AudioFile", FullDisk)
    with pytest.raises(AudioFileError, match="is the disk full"):
        render(source, source.parent / "out", profiles["default"], RenderPlan(scene))
    assert list((source.parent / "out").iterdir()) == []


def test_samples_that_are_no_sound_are_counted(
    profiles: dict[str, SeparatorModel], scene: Scene, noise: Noise, write: Callable[..., Path]
) -> None:
    audio = noise(44100)
    audio[0, 1000], audio[1, 2000] = np.nan, 1e9
    source = write(audio)
    report = render(
        source,
        source.parent / "out",
        profiles["default"],
        RenderPlan(scene),
    )
    assert report.n_bad_samples == 2
    assert np.isfinite(load(source.parent / "out")["mix"]).all()


def test_memory_does_not_grow_with_the_file(
    profiles: dict[str, SeparatorModel], scene: Scene, noise: Noise, write: Callable[..., Path]
) -> None:
    peaks = []
    for seconds in (10, 60):
        source = write(
            np.tile(noise(44100), (1, seconds)),
            name=f"{seconds}.wav",
            bit_depth=16,
        )
        plan = RenderPlan(scene)
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


def test_the_input_is_never_written_over(
    profiles: dict[str, SeparatorModel], scene: Scene, noise: Noise, write: Callable[..., Path]
) -> None:
    source = write(noise(44100), name="mix.wav")
    with pytest.raises(AudioFileError, match="is the input itself"):
        render(source, source.parent, profiles["default"], RenderPlan(scene))


def test_more_than_two_channels_are_refused(
    profiles: dict[str, SeparatorModel], scene: Scene, noise: Noise, write: Callable[..., Path]
) -> None:
    source = write(noise(44100, 4))
    with pytest.raises(AudioFileError, match="4 channels; mix it down"):
        render(source, source.parent / "out", profiles["default"], RenderPlan(scene))


def test_a_file_where_the_folder_should_be_is_named(
    profiles: dict[str, SeparatorModel], scene: Scene, noise: Noise, write: Callable[..., Path]
) -> None:
    source = write(noise(44100))
    with pytest.raises(AudioFileError, match="expected a folder"):
        render(source, source, profiles["default"], RenderPlan(scene))


def test_an_unknown_format_is_refused(
    profiles: dict[str, SeparatorModel], scene: Scene, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="no format 'mp3'; known: wav, flac, ogg"):
        render(
            tmp_path / "in.wav",
            tmp_path,
            profiles["default"],
            RenderPlan(scene, format="mp3"),
        )


def test_what_a_killed_render_left_in_the_folder_goes_and_what_another_writes_stays(
    tmp_path: Path,
) -> None:
    left, other = tmp_path / ".voice.partial.wav", tmp_path / ".drums.partial.wav"
    left.write_bytes(b"half")
    with other.open("wb") as file:
        assert try_lock(file)
        with (
            pytest.raises(SystemExit),
            Files(
                tmp_path / "none",
                tmp_path,
                {"mix": 2},
                44100,
            ),
        ):
            raise SystemExit
        assert [*tmp_path.iterdir()] == [other]
