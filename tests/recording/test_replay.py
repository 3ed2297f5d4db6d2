"""Logs played again: with another file, other versions, at their own latency."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

import numpy as np
import pytest

from helpers.makers import Noise, WriteAudio
from rtmss.cli import main
from rtmss.engine.control import Scene
from rtmss.engine.session import Session
from rtmss.files import AudioFileError, read_audio
from rtmss.model.separator import SeparatorModel
from rtmss.recording.log import LOG, Event, Header, versions
from rtmss.recording.log_reader import SessionLog, SessionLogError
from rtmss.recording.replay import replay
from rtmss.separator import Separator

HOP, MODEL_ID = 64, "0123456789ab"


@pytest.mark.parametrize("n_channels", [1, 2])
def test_another_file_is_played_as_the_log_says(
    log: Path,
    tiny: SeparatorModel,
    logged_scene: Scene,
    noise: Noise,
    write_audio: WriteAudio,
    n_channels: int,
) -> None:
    source = write_audio(
        log.parent / "song.wav",
        noise(15 * HOP + 7, n_channels),
        8000,
    )
    replay(
        source,
        log.parent / "out",
        tiny,
        SessionLog.load(log, MODEL_ID),
        stems=True,
    )
    audio = np.pad(
        read_audio(source)[0],
        ((0, 0), (0, HOP - 7)),
    )
    session = Session(tiny, logged_scene, n_outputs=4)
    outputs = []
    for hop in range(16):
        if hop == 10:
            session.scene = logged_scene.with_strip("voice", gain_db=0.1)
        outputs.append(session.step(audio[:, hop * HOP : (hop + 1) * HOP]))
    for name, field in (
        ("mix", [o.mix for o in outputs]),
        ("voice", [o.stems[0] for o in outputs]),
    ):
        expected = np.concatenate(field, axis=1)[:, 64 : 15 * HOP + 7]
        played = read_audio(log.parent / "out" / f"{name}.wav")[0]
        assert np.abs(expected).max() > 0.01
        assert np.abs(played[:, : expected.shape[1]] - expected).max() < 1e-6
        assert played.shape[1] == 15 * HOP + 7


def test_only_the_mix_is_written_unless_stems_are_asked_for(
    log: Path, tiny: SeparatorModel, noise: Noise, write_audio: WriteAudio
) -> None:
    source = write_audio(log.parent / "song.wav", noise(HOP), 8000)
    report = replay(
        source,
        log.parent / "out",
        tiny,
        SessionLog.load(log, MODEL_ID),
    )
    assert (
        [path.name for path in report.files]
        == [path.name for path in (log.parent / "out").iterdir()]
        == ["mix.wav"]
    )


def test_a_file_of_another_rate_is_refused(
    log: Path, tiny: SeparatorModel, noise: Noise, write_audio: WriteAudio
) -> None:
    source = write_audio(log.parent / "song.wav", noise(1000), 44100)
    with pytest.raises(
        SessionLogError,
        match="has 44100 Hz, the log 8000 Hz, and its hops would fall elsewhere; resample",
    ):
        replay(
            source,
            log.parent / "out",
            tiny,
            SessionLog.load(log, MODEL_ID),
        )
    assert not (log.parent / "out").exists()


def test_the_recording_itself_is_not_overwritten(
    log: Path, tiny: SeparatorModel, noise: Noise, write_audio: WriteAudio
) -> None:
    source = write_audio(log.parent / "mix.wav", noise(1000), 8000)
    with pytest.raises(AudioFileError, match="is the input itself"):
        replay(source, log.parent, tiny, SessionLog.load(log, MODEL_ID))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "render takes one of --preset and --automation"),
        (
            ["--preset", "karaoke", "--automation", "x.jsonl"],
            "render takes one of --preset and --automation",
        ),
        (
            ["--automation", "x.jsonl", "--format", "flac"],
            "leave out --format, --threads and --profile",
        ),
        (
            ["--automation", "x.jsonl", "--threads", "2"],
            "leave out --format, --threads and --profile",
        ),
        (
            ["--automation", "x.jsonl", "--profile", "tight"],
            "leave out --format, --threads and --profile",
        ),
        (["--automation", "x.jsonl"], "x.jsonl: cannot be read"),
        (["other.wav", "--automation", "x.jsonl"], "plays one input, that of its recording"),
    ],
)
def test_the_command_refuses_what_does_not_go_together(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    message: str,
) -> None:
    monkeypatch.setattr(
        sys,
        "argv",
        ["rtmss", "render", "song.wav", "--output", "out", *options],
    )
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 1
    assert message in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize(
    "made_by",
    [
        versions("torch"),
        versions("torch") | {"torch": "0.1"},
        versions("onnx"),
    ],
)
def test_a_recording_of_other_versions_is_told(
    tmp_path: Path,
    noise: Noise,
    write_audio: WriteAudio,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    made_by: dict[str, str],
) -> None:
    model_id = Separator.load().model_id
    header = Header(
        model_id=model_id,
        sample_rate=44100,
        hop_length=512,
        delay=512,
        n_outputs=2,
        versions=made_by,
    )
    (tmp_path / LOG).write_text(
        header.model_dump_json()
        + "\n"
        + Event(
            event="end",
            hop=8,
        ).line()
    )
    song = write_audio(tmp_path / "song.wav", noise(8 * 512), 44100)
    command = [
        "rtmss",
        "render",
        str(song),
        "--automation",
        str(tmp_path / LOG),
        "--output",
        str(tmp_path / "out"),
    ]
    monkeypatch.setattr(sys, "argv", command)
    with contextlib.suppress(SystemExit):
        main()
    assert ("Recorded with" in capsys.readouterr().out) == (made_by != versions("torch"))
    assert (tmp_path / "out/mix.wav").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("hop", "is_known"),
    [(256, True), (128, True), (64, False)],
)
def test_a_log_is_played_at_its_own_latency(
    tmp_path: Path,
    noise: Noise,
    write_audio: WriteAudio,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    hop: int,
    is_known: bool,
) -> None:
    header = Header(
        model_id=Separator.load().model_id,
        sample_rate=44100,
        hop_length=hop,
        delay=hop,
        n_outputs=2,
    )
    (tmp_path / LOG).write_text(
        header.model_dump_json()
        + "\n"
        + Event(
            event="end",
            hop=16,
        ).line()
    )
    song = write_audio(tmp_path / "song.wav", noise(16 * hop), 44100)
    command = [
        "rtmss",
        "render",
        str(song),
        "--automation",
        str(tmp_path / LOG),
        "--output",
        str(tmp_path / "out"),
    ]
    monkeypatch.setattr(sys, "argv", command)
    with contextlib.suppress(SystemExit):
        main()
    assert (tmp_path / "out/mix.wav").exists() == is_known
    if is_known:  # without stems the mix is the input, but for the delay at its end
        (mix, _), (audio, _) = (read_audio(path) for path in (tmp_path / "out/mix.wav", song))
        assert np.array_equal(
            mix[:, :-hop],
            audio[:, :-hop],
        )
        assert not mix[:, -hop:].any()
    else:
        assert "hops of 64 samples, 64 late, are those of no profile" in capsys.readouterr().err


def test_the_samples_of_onnx_runtime_depend_on_it() -> None:
    assert versions("onnx").keys() - versions("torch").keys() == {"onnxruntime"}
