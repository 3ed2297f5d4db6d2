"""Every file in `examples/` runs; those of training and of the plug-in in the tests of these."""

from __future__ import annotations

import json
import re
import runpy
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pedalboard.io import AudioFile

from helpers.command_line import Rtmss
from helpers.makers import MakeCondition, Noise
from helpers.osc_server import Studio
from rtmss import Library, Scene, Separator, Session, Stem
from rtmss.cli import main
from rtmss.conditions.condition import save_condition
from rtmss.conditions.library import shipped
from rtmss.live.control.midi.map_file import load_map

pytestmark = pytest.mark.slow

EXAMPLES = Path(__file__).parent.parent / "examples"
TESTED = {
    "separate_arrays.py",
    "live_switch.py",
    "osc_client.py",
    "onnx_player.py",
    "own_condition.py",
    "train_small.sh",
    "failed_songs.py",
    "catalogue_at_scale.py",
    "set_list.yaml",
    "midi_map.yaml",
    "score_a_capture.py",
    "bounce_in_pedalboard.py",
}

TITLES = ("Opener", "Closer")
Run = Callable[..., dict[str, object]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run an example in an empty folder; gives its names."""
    monkeypatch.chdir(tmp_path)

    def run(name: str, *arguments: str) -> dict[str, object]:
        monkeypatch.setattr(sys, "argv", [name, *arguments])
        return runpy.run_path(str(EXAMPLES / name))

    return run


def test_every_example_is_run_by_a_test() -> None:
    assert {path.name for path in EXAMPLES.iterdir() if path.is_file()} == TESTED


def test_arrays_are_separated(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    names = run("separate_arrays.py")
    assert isinstance(names["target"], np.ndarray)
    assert isinstance(names["song"], np.ndarray)
    assert names["target"].shape == names["song"].shape
    assert "target (2, 132300)" in capsys.readouterr().out


def test_a_session_switches_while_it_plays(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    run("live_switch.py")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "latency 1024 samples, hops of 512"
    assert [line.split(":")[0] for line in lines[1:]] == [
        "vocals",
        "drums",
        "bass",
        "guitar",
    ]


def test_an_osc_client_rides_a_gain_and_switches(
    run: Run,
    studio: Studio,
    make_condition: MakeCondition,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    save_condition(tmp_path / "conditions/vocals.safetensors", make_condition())
    preset = "stems: {vocals: {condition: vocals}}\n"
    (tmp_path / "four-stems.yaml").write_text(preset, encoding="utf-8")
    studio.controller.library = Library([tmp_path])
    client = threading.Thread(
        target=run,
        args=("osc_client.py", str(studio.server.port)),
    )
    client.start()
    while client.is_alive():
        studio.poll()
    assert capsys.readouterr().out.splitlines() == [
        "stems: vocals drums",
        "/rtmss/stem/vocals/gain -6.0",
        "plays: /rtmss/preset four-stems",
    ]


def test_the_exported_network_gives_what_a_session_gives(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "presets").symlink_to(shipped())
    command = "rtmss export onnx --output separator.onnx"
    assert command in (EXAMPLES / "onnx_player.py").read_text(encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", command.split())
    with pytest.raises(SystemExit) as stop:
        main()
    assert not stop.value.code
    names = run("onnx_player.py")

    separator, library = Separator.load(), Library([])
    scene = Scene(
        (
            Stem(
                "vocals",
                library.load_condition("vocals", separator.model_id),
            ),
        )
    )
    song, vocals = names["song"], names["vocals"]
    assert isinstance(song, np.ndarray)
    assert isinstance(vocals, np.ndarray)
    expected = Session(separator.model, scene).step(song[0]).stems[0]
    assert np.abs(expected).max() > 0.001
    assert np.abs(vocals - expected).max() <= 1e-5


def test_a_song_is_rendered_with_an_own_condition(
    run: Run, tmp_path: Path, noise: Noise, capsys: pytest.CaptureFixture[str]
) -> None:
    for seed, name in enumerate(("song", "clip-1", "clip-2")):
        with AudioFile(str(tmp_path / f"{name}.wav"), "w", 44100, 2) as file:
            file.write(noise(44100, 2, seed))
    run("own_condition.py", "song.wav", "clip-1.wav", "clip-2.wav")
    printed = capsys.readouterr().out.splitlines()
    assert printed[:3] == [
        str(Path("out") / name) for name in ("mix.wav", "solo.wav", "remainder.wav")
    ]
    assert all((tmp_path / line).is_file() for line in printed[:3])


def test_the_set_list_lacks_nothing_once_its_songs_are_there(
    rtmss: Rtmss, tmp_path: Path, noise: Noise, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    path = tmp_path / "set_list.yaml"
    path.write_text((EXAMPLES / "set_list.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    missing = [f"{name}: {tmp_path / name.lower()}.flac: no such file" for name in TITLES]
    assert rtmss("setlist check", str(path))[:2] == (1, "\n".join([*missing, ""]))
    for name in TITLES:
        with AudioFile(str(tmp_path / f"{name.lower()}.flac"), "w", 44100, 2) as file:
            file.write(noise(12 * 44100))
    fine = f"{path}: songs over files: 2, cues: 5; nothing is missing\n"
    assert rtmss("setlist check", str(path)) == (0, fine, "")
    status, shown, _ = rtmss("setlist show", str(path))
    assert status == 0
    assert "verse" in shown
    assert max(map(len, shown.splitlines())) <= 80


def test_the_map_of_a_controller_can_be_played(
    rtmss: Rtmss, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    path = EXAMPLES / "midi_map.yaml"
    status, checked, _ = rtmss("midi check", str(path))
    assert status == 0
    assert checked.endswith(f"{path}: controls: 12; all of them can be played\n")
    status, shown, _ = rtmss("midi show", str(path))
    assert status == 0
    copy = tmp_path / "copy.yaml"
    copy.write_text(shown, encoding="utf-8")
    assert load_map(copy) == load_map(path)


def test_an_example_says_in_one_line_what_to_mend(run: Run) -> None:
    with pytest.raises(SystemExit, match=r"missing\.wav: no such file"):
        run("own_condition.py", "missing.wav", "missing.wav")


def test_the_failed_songs_of_a_catalogue_are_named(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [
        {"id": "good.wav", "status": "done", "error": ""},
        {"id": "bad.wav", "status": "failed", "error": "bad.wav: is no audio file"},
    ]
    lines = "".join(f"{json.dumps(row)}\n" for row in rows)
    (tmp_path / "report.jsonl").write_text(lines, encoding="utf-8")
    run("failed_songs.py", str(tmp_path))
    assert capsys.readouterr().out == "bad.wav: bad.wav: is no audio file\n"


def test_what_many_songs_take_is_said_from_a_report(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with AudioFile(
        str(tmp_path / "a.wav"),
        "w",
        8000,
        1,
        bit_depth=16,
    ) as file:
        file.write(np.zeros((1, 36_000), np.float32))
    (tmp_path / "mix.wav").write_bytes(bytes(45_000))
    done = {
        "status": "done",
        "path": str(tmp_path / "a.wav"),
        "files": {"mix": "mix.wav"},
    }
    rows = [
        {
            **done,
            "seconds": 4.5,
            "wall_seconds": 0.9,
        },
        {"status": "failed"},
    ]
    lines = "".join(f"{json.dumps(row)}\n" for row in rows)
    (tmp_path / "report.jsonl").write_text(lines, encoding="utf-8")
    run("catalogue_at_scale.py", str(tmp_path), "2", "500")
    said = capsys.readouterr().out
    assert "an hour of audio takes a worker 720 s" in said
    assert "it reads 58 MB and writes 36 MB" in said
    hours = float(re.findall(r"(\d+) hours of audio", said)[0])
    one, ten, hundred = re.findall(r"machines: (.*) h of work, (.*) h with .*; (.*) h for", said)
    assert float(one[0]) == pytest.approx(
        hours * 720 / 3600 / 2,
        rel=0.01,
    )
    assert float(ten[0]) == pytest.approx(
        float(one[0]) / 10,
        rel=0.01,
    )
    assert float(hundred[0]) < float(hundred[1]), "a long song that begins last"
    assert float(one[2]) == pytest.approx(
        hours * 94 / 500 / 3600,
        abs=0.06,
    )


def test_a_capture_is_scored(
    run: Run, tmp_path: Path, noise: Noise, capsys: pytest.CaptureFixture[str]
) -> None:
    song = tmp_path / "song"
    song.mkdir()
    silence = np.zeros((2, 44100), np.float32)
    stems = {
        "vocals": np.concatenate([noise(44100, channels=2), silence], axis=1),
        "drums": np.concatenate([silence, noise(44100, channels=2, seed=1)], axis=1),
    }
    for name, audio in stems.items():
        with AudioFile(str(song / f"{name}.wav"), "w", 44100, 2) as file:
            file.write(np.tile(audio, 6))
    run("score_a_capture.py", "song", "vocals")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("song, vocals: clip from ")
    assert [line.split("SDR")[0].strip() for line in lines[1:]] == [
        "captured",
        "and a negative",
        "preset's 'vocals'",
    ]
