"""A log, read again: what is played together, what is refused, and other files through it."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

import numpy as np
import pytest

from helpers.makers import MakeCondition, Noise, WriteAudio
from rtmss.cli import main
from rtmss.engine.control import Scene, Stem, Strip
from rtmss.engine.session import Session
from rtmss.files import AudioFileError, read_audio
from rtmss.model.separator import SeparatorModel
from rtmss.recording.log import LOG, VECTORS, Event, EventKind, Header, Vectors, versions
from rtmss.recording.log_reader import SessionLog, SessionLogError
from rtmss.recording.replay import replay
from rtmss.separator import Separator

HOP, MODEL_ID = 64, "0123456789ab"


@pytest.fixture
def scene(make_condition: MakeCondition) -> Scene:
    return Scene(
        (
            Stem(
                "voice",
                make_condition("vocals"),
                Strip(-6.0, False, True, (1, 3), pan=0.5),
            ),
        ),
        Strip(mute=True),
        -2.5,
        75.0,
        fallback="hold",
    )


@pytest.fixture
def log(tmp_path: Path, scene: Scene) -> Path:
    """Begins with one scene, takes up another at hop 10, has a step of 4 hops, lost hops, and an
    end.
    """
    vectors = Vectors(tmp_path / VECTORS)
    header = Header(
        model_id=MODEL_ID,
        sample_rate=8000,
        hop_length=HOP,
        delay=64,
        n_outputs=4,
    )
    louder = vectors.record(scene.with_strip("voice", gain_db=0.1))
    events = [
        Event(event="start", hop=0, scene=vectors.record(scene)),
        Event(event="scene", hop=0, scene=vectors.record(scene)),
        Event(event="scene", hop=10, scene=louder),
        Event(event="step", hop=20, hops=4),
        Event(event="late", hop=20, hops=3),
        Event(event="gave_up", hop=30, hops=5),
        Event(event="lost", hop=40, hops=6),
        Event(event="end", hop=60, reason="stopped"),
    ]
    (tmp_path / LOG).write_text(
        header.model_dump_json() + "\n" + "".join(event.line() for event in events)
    )
    return tmp_path / LOG


def _add(log: Path, line: str) -> None:
    with log.open("a") as file:
        file.write(line)


def test_a_scene_comes_back_as_it_was(tmp_path: Path, scene: Scene) -> None:
    record = Vectors(tmp_path / VECTORS).record(scene)
    made = Vectors(tmp_path / VECTORS).make(
        type(record).model_validate_json(record.model_dump_json())
    )
    assert made.stems[0].condition.name == "vocals"
    assert np.array_equal(
        made.stems[0].condition.vector,
        scene.stems[0].condition.vector,
    )
    assert (
        made.stems[0].name,
        made.stems[0].strip,
        made.remainder,
    ) == (
        "voice",
        scene.stems[0].strip,
        scene.remainder,
    )
    assert (made.master_db, made.fade_ms, made.fallback) == (
        scene.master_db,
        scene.fade_ms,
        scene.fallback,
    )


def test_a_log_without_pans_has_none(log: Path) -> None:
    log.write_text(log.read_text().replace(',"pan":0.5', "").replace(',"pan":0.0', ""))
    assert "pan" not in log.read_text()
    scenes = SessionLog.load(log, MODEL_ID).scenes.values()
    assert {stem.strip.pan for scene in scenes for stem in scene.stems} == {0.0}


def test_a_condition_that_stays_is_equal_and_another_vector_is_not(
    tmp_path: Path, scene: Scene, make_condition: MakeCondition
) -> None:
    vectors = Vectors(tmp_path / VECTORS)
    again = vectors.record(scene.with_strip("voice", mute=True))
    other = vectors.record(
        scene.with_condition(
            "voice",
            make_condition("vocals", seed=5),
        )
    )
    first, same, different = (
        vectors.make(record)
        for record in (
            vectors.record(scene),
            again,
            other,
        )
    )
    assert same.stems[0].condition == first.stems[0].condition
    assert different.stems[0].condition != first.stems[0].condition


def test_hops_are_played_together_as_they_were(log: Path) -> None:
    steps = list(SessionLog.load(log, MODEL_ID).steps(70))
    assert [(step.hop, step.n) for step in steps if step.n > 1] == [
        (20, 4),
        (30, 5),
        (40, 6),
    ]
    assert [step.hop for step in steps if step.is_missing] == [30, 40]
    assert [step.hop for step in steps if step.scene or step.start] == [0, 10]
    assert sum(step.n for step in steps) == 70


def test_a_step_ends_where_the_next_scene_begins(log: Path, scene: Scene) -> None:
    _add(
        log,
        Event(
            event="scene",
            hop=22,
            scene=Vectors(log.with_name(VECTORS)).record(scene),
        ).line(),
    )
    steps = [step[:2] for step in SessionLog.load(log, MODEL_ID).steps(70)]
    assert (20, 2) in steps
    assert (22, 1) in steps


def test_a_piece_ends_with_the_file(log: Path) -> None:
    assert list(SessionLog.load(log, MODEL_ID).steps(22))[-1][:2] == (20, 2)


def test_half_a_line_at_the_end_is_left_out(log: Path) -> None:
    whole = SessionLog.load(log, MODEL_ID)
    _add(log, '{"event":"late","hop":6')
    assert SessionLog.load(log, MODEL_ID).events == whole.events


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("nonsense}\n", r"session.jsonl, line 10: not valid JSON: Expecting value"),
        ("[1]}\n", r"line 10: not valid JSON: Extra data"),
        ('{"event":"late","hop":-1}\n', r"line 10: 'hop': .* greater than or equal to 0"),
        (
            '{"event":"late","hop":1,"hopps":2}\n',
            r"line 10: unknown key 'hopps'; known here: event, hop, hops",
        ),
        ('{"event":"drums","hop":1}\n', r"line 10: 'event': Input should be 'start', 'scene'"),
    ],
)
def test_a_damaged_line_is_named(log: Path, line: str, message: str) -> None:
    _add(log, line)
    with pytest.raises(SessionLogError, match=message):
        SessionLog.load(log, MODEL_ID)


def test_a_log_of_other_weights_is_refused(log: Path) -> None:
    with pytest.raises(
        SessionLogError,
        match=r"was recorded with weights 0123456789ab .* these are ffff; name the same",
    ):
        SessionLog.load(log, "ffff")


def test_a_log_of_another_version_is_refused(log: Path) -> None:
    log.write_text(log.read_text().replace('"version":2', '"version":9', 1))
    with pytest.raises(SessionLogError, match="a log of version 9, this rtmss reads up to 2"):
        SessionLog.load(log, MODEL_ID)


def test_a_missing_vector_is_named(log: Path) -> None:
    log.with_name(VECTORS).unlink()
    with pytest.raises(
        SessionLogError,
        match=r"conditions.safetensors: holds no vector 'vocals-.*', which session.jsonl names",
    ):
        SessionLog.load(log, MODEL_ID)


@pytest.mark.parametrize("name", ["none.jsonl", ""])
def test_what_is_no_log_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(SessionLogError, match="cannot be read"):
        SessionLog.load(tmp_path / name, MODEL_ID)


def test_an_empty_file_is_no_log(tmp_path: Path) -> None:
    (tmp_path / LOG).write_text("")
    with pytest.raises(
        SessionLogError, match=r"is no log; expected the session.jsonl of a recording"
    ):
        SessionLog.load(tmp_path / LOG, MODEL_ID)


@pytest.mark.parametrize("n_channels", [1, 2])
def test_another_file_is_played_as_the_log_says(
    log: Path,
    tiny: SeparatorModel,
    scene: Scene,
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
    session = Session(tiny, scene, n_outputs=4)
    outputs = []
    for hop in range(16):
        if hop == 10:
            session.scene = scene.with_strip("voice", gain_db=0.1)
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


def test_every_event_is_explained() -> None:
    for kind in EventKind.__args__:  # type: ignore[attr-defined]
        assert f"\n    {kind}: " in str(Event.__doc__)


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
