"""Files that a render writes: formats, interruptions, and what it refuses."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from helpers.makers import MakeCondition, Noise
from helpers.rendering import load
from rtmss import rendering
from rtmss.audio import Audio
from rtmss.config import ConfigError
from rtmss.engine.control import Scene, Stem, Strip
from rtmss.files import AudioFileError
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


@pytest.mark.parametrize(
    ("suffix", "tolerance"),
    [("flac", 2e-7), ("ogg", 0.2)],
)
def test_other_formats_hold_the_same(
    profiles: dict[str, SeparatorModel],
    scene: Scene,
    noise: Noise,
    write_input: Callable[..., Path],
    suffix: str,
    tolerance: float,
) -> None:
    source = write_input(noise(44100))
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
    profiles: dict[str, SeparatorModel],
    scene: Scene,
    noise: Noise,
    write_input: Callable[..., Path],
) -> None:
    source = write_input(noise(5 * 44100))

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
    write_input: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class FullDisk:
        def __init__(self, *_: object, **__: object) -> None:
            pass

        def write(self, _: Audio) -> None:
            raise RuntimeError("Unable to write data to audio file.")

        def close(self) -> None:
            pass

    source = write_input(noise(44100))
    monkeypatch.setattr(rendering, "AudioFile", FullDisk)
    with pytest.raises(AudioFileError, match="is the disk full"):
        render(source, source.parent / "out", profiles["default"], RenderPlan(scene))
    assert list((source.parent / "out").iterdir()) == []


def test_samples_that_are_no_sound_are_counted(
    profiles: dict[str, SeparatorModel],
    scene: Scene,
    noise: Noise,
    write_input: Callable[..., Path],
) -> None:
    audio = noise(44100)
    audio[0, 1000], audio[1, 2000] = np.nan, 1e9
    source = write_input(audio)
    report = render(
        source,
        source.parent / "out",
        profiles["default"],
        RenderPlan(scene),
    )
    assert report.n_bad_samples == 2
    assert np.isfinite(load(source.parent / "out")["mix"]).all()


def test_two_renders_into_one_folder_leave_one_of_them_whole(
    profiles: dict[str, SeparatorModel],
    scene: Scene,
    noise: Noise,
    write_input: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Both wrote into one hidden file, and the first said that all was well."""
    source, audio = write_input(noise(44100)), np.full((2, 22050), 0.25, np.float32)
    folder = source.parent / "out"
    with Files(source, folder, {"mix": 2}, 44100) as files:
        files.write({"mix": audio[:, :9000]})
        with monkeypatch.context() as patch:
            patch.setattr(os, "getpid", lambda: 1)  # another process
            render(source, folder, profiles["default"], RenderPlan(scene))
        assert load(folder)["mix"].shape == (2, 44100)
        files.n_total = audio.shape[1]
        files.write({"mix": audio[:, 9000:]})
    assert np.array_equal(load(folder)["mix"], audio)
    assert [path.name for path in folder.iterdir()] == ["mix.wav"]


def test_one_process_does_not_write_a_folder_twice_at_once(
    noise: Noise, write_input: Callable[..., Path]
) -> None:
    source = write_input(noise(4410))
    folder, channels = source.parent / "out", {"mix": 2}
    with Files(source, folder, channels, 44100) as files:
        with (
            pytest.raises(AudioFileError, match="cannot write there"),
            Files(source, folder, channels, 44100),
        ):
            pass
        files.n_total = 4410
        files.write({"mix": noise(4410)})
    assert load(folder)["mix"].shape == (2, 4410)


def test_the_input_is_never_written_over(
    profiles: dict[str, SeparatorModel],
    scene: Scene,
    noise: Noise,
    write_input: Callable[..., Path],
) -> None:
    source = write_input(noise(44100), name="mix.wav")
    with pytest.raises(AudioFileError, match="is the input itself"):
        render(source, source.parent, profiles["default"], RenderPlan(scene))


def test_more_than_two_channels_are_refused(
    profiles: dict[str, SeparatorModel],
    scene: Scene,
    noise: Noise,
    write_input: Callable[..., Path],
) -> None:
    source = write_input(noise(44100, 4))
    with pytest.raises(AudioFileError, match="4 channels; mix it down"):
        render(source, source.parent / "out", profiles["default"], RenderPlan(scene))


def test_a_file_where_the_folder_should_be_is_named(
    profiles: dict[str, SeparatorModel],
    scene: Scene,
    noise: Noise,
    write_input: Callable[..., Path],
) -> None:
    source = write_input(noise(44100))
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
