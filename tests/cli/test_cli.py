"""The command line as its users meet it."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from helpers.command_line import Rtmss
from rtmss.cli import app
from rtmss.cli.base import torch_device
from rtmss.conditions.condition import load_condition
from rtmss.config import UserError
from rtmss.files import read_audio


@pytest.mark.slow
@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("render song.wav --preset karaoka -o out", "no preset 'karaoka'; did you mean 'karaoke'?"),
        ("render missing.wav --preset karaoke -o out", "missing.wav: no such file"),
        ("render library --preset karaoke -o out", "library: "),
        ("render song.wav --preset karaoke -o song.wav", "song.wav: is a file, expected a folder"),
        (
            "render song.wav --preset karaoke -o out --format mp3",
            "no format 'mp3'; known: wav, flac, ogg",
        ),
        (
            "render song.wav --preset karaoke -o out --backend cuda",
            "no backend 'cuda'; known: auto, torch, onnx",
        ),
        ("export onnx -o .", ".: is a folder; name a file in it"),
        ("separate song.wav -o out", "at least one clip, positive or negative"),
        ("separate song.wav -o out -p short.wav", "short.wav: 0.10 s is too short"),
        ("separate song.wav -o out -p silent.wav", "silent.wav: silent"),
        ("condition inspect vocal", "no condition 'vocal'; did you mean 'vocals'?"),
        ("condition create remainder -p clip-1.wav", "'remainder' cannot name a condition"),
        ("info --weights song.wav", "song.wav: not a safetensors file"),
        ("info --profile tigth", "no profile 'tigth'; did you mean 'tight' or 'tighter'?"),
        (
            "live --device a --input b",
            "--device is for both ways; name either it, or --input and --output",
        ),
        ("live --setlist none.yaml", "none.yaml: cannot be read"),
        (
            "live --setlist none.yaml --file song.wav",
            "the set list names the songs; leave --file out",
        ),
        ("setlist check song.wav", "song.wav: larger than 64 KiB"),
        ("live --midi-map map.yaml", "--midi-map needs a port: name it with --midi"),
        ("live --midi jack --midi jack", "--midi names a port twice"),
        ("live --midi jack --midi-map none.yaml", "none.yaml: cannot be read"),
        ("live --midi jack:a --midi rtmidi-jack:", "--midi: expected the name of a port"),
        ("midi check none.yaml", "none.yaml: cannot be read"),
        ("midi check song.wav", "song.wav: larger than 64 KiB"),
        ("train nonsense --data .", "no recipe 'nonsense'; known: default"),
    ],
)
def test_a_mistake_is_one_line_that_says_what_to_do(
    rtmss: Rtmss, home: Path, line: str, said: str
) -> None:
    status, printed = rtmss(line).joined
    assert status == 1
    assert said in printed
    assert "Traceback" not in printed
    assert len(printed.strip().splitlines()) == 1


@pytest.mark.slow
def test_separate_splits_a_file_in_two(rtmss: Rtmss, home: Path) -> None:
    status, _ = rtmss("separate song.wav -p clip-1.wav -p clip-2.wav -n other.wav -o out").joined
    assert status == 0
    target, remainder = (
        read_audio(Path("out") / f"{name}.wav")[0] for name in ("target", "remainder")
    )
    assert np.abs(target + remainder - read_audio(Path("song.wav"))[0]).max() <= 1e-6


@pytest.mark.usefixtures("shipped_graph")
def test_render_says_the_same_with_either_backend(rtmss: Rtmss, home: Path) -> None:
    for backend in ("torch", "onnx"):
        line = f"render song.wav --preset vocals-only -o {backend} --backend {backend}"
        assert rtmss(line).joined[0] == 0
    torch, onnx = (read_audio(Path(backend) / "mix.wav")[0] for backend in ("torch", "onnx"))
    assert np.abs(torch).max() > 0.01
    assert 0 < np.abs(onnx - torch).max() <= 1e-4, (
        "exactly nothing would mean that torch played twice"
    )


@pytest.mark.slow
def test_a_condition_can_be_made_listed_inspected_and_used(rtmss: Rtmss, home: Path) -> None:
    assert rtmss("condition create mine -p clip-1.wav -p clip-2.wav -n other.wav").joined[0] == 0
    assert "mine" in rtmss("condition list").joined[1]
    inspected = rtmss("condition inspect mine").joined[1]
    assert "clip-1.wav" in inspected
    assert "nearest conditions" in inspected
    Path("broken.wav").write_bytes(b"no sound")
    compared = rtmss("condition inspect mine --sound clip-1.wav --sound broken.wav").joined[1]
    assert "similarity to the clips" in compared
    assert "cannot be used: broken.wav" in compared
    Path("scene.yaml").write_text("stems:\n  x: {condition: mine, mute: true}\n")
    assert rtmss("render song.wav --preset scene.yaml -o out").joined[0] == 0
    assert Path("out/mix.wav").exists()


@pytest.mark.slow
def test_a_rebuilt_condition_is_the_same(rtmss: Rtmss, home: Path) -> None:
    rtmss("condition create mine -p clip-1.wav")
    file = home / "library" / "conditions" / "mine.safetensors"
    before = load_condition(file)
    assert rtmss("condition rebuild mine").joined[0] == 0
    after = load_condition(file)
    assert after.header == before.header
    assert np.array_equal(after.vector, before.vector)


@pytest.mark.slow
def test_several_files_get_a_folder_each_and_sound_as_alone(rtmss: Rtmss, home: Path) -> None:
    for command in ("render {} --preset karaoke", "separate {} -p clip-1.wav"):
        name = "mix" if command.startswith("render") else "target"
        together, alone = home / f"together-{name}", home / f"alone-{name}"
        assert rtmss(f"{command.format('song.wav clip-2.wav')} -o {together}").joined[0] == 0
        assert rtmss(f"{command.format('clip-2.wav')} -o {alone}").joined[0] == 0
        assert {path.name for path in together.iterdir()} == {"song", "clip-2"}
        assert (together / f"clip-2/{name}.wav").read_bytes() == (
            alone / f"{name}.wav"
        ).read_bytes()
        assert (together / f"song/{name}.wav").exists()


def test_a_file_that_cannot_be_rendered_is_told_and_the_others_are_rendered(
    rtmss: Rtmss, home: Path
) -> None:
    line = "render missing.wav song.wav --preset karaoke -o out"
    status, printed = rtmss(line).joined
    assert status == 1
    assert "missing.wav: no such file" in printed
    assert "1 of 2 files could not be rendered" in printed
    assert (home / "out/song/mix.wav").exists()
    status, printed = rtmss("render song.wav sub/song.ogg --preset karaoke -o out").joined
    assert status == 1
    assert "inputs of the same name" in printed


@pytest.mark.parametrize(
    "line", ["preset list", "preset show four-stems", "condition list", "info"]
)
def test_a_look_succeeds(rtmss: Rtmss, home: Path, line: str) -> None:
    status, printed = rtmss(line).joined
    assert status == 0
    assert len(printed.splitlines()) > 4


@pytest.mark.parametrize(
    ("options", "latency"),
    [
        ("", "1024 samples = 23.2 ms, hop 512"),
        (" --profile tight", "512 samples = 11.6 ms, hop 256"),
    ],
)
def test_info_tells_the_latency_of_the_profile(
    rtmss: Rtmss, home: Path, options: str, latency: str
) -> None:
    status, printed = rtmss(f"info{options}").joined
    assert status == 0
    assert latency in printed


def test_help_is_broken_into_lines_by_the_terminal_alone() -> None:
    wide = (
        CliRunner()
        .invoke(
            app,
            ["bench", "soak", "--help"],
            env={"COLUMNS": "1000"},
        )
        .stdout
    )
    assert "a preset every second and a recorder; late hops, memory and open files" in wide
    commands = (
        CliRunner()
        .invoke(
            app,
            ["bench", "--help"],
            env={"COLUMNS": "1000"},
        )
        .stdout
    )
    assert "from the start of a process to its first sound, its memory" in commands.lower()


def test_help_comes_without_torch() -> None:
    code = (
        "import sys; from rtmss.cli import app; assert 'torch' not in sys.modules; assert "
        "'numpy' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.slow
def test_help_takes_hardly_longer_than_what_it_is_made_with() -> None:
    """Torch alone would take nine times as long as they do."""
    libraries = [sys.executable, "-c", "import pydantic, typer.rich_utils, yaml"]
    ours = [sys.executable, "-m", "rtmss", "--help"]
    ratios = [_processor_seconds(ours) / _processor_seconds(libraries) for _ in range(5)]
    assert min(ratios) < 2.5


def _processor_seconds(command: list[str]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


@pytest.mark.parametrize(
    ("name", "says"),
    [("cuda", "finds no GPU"), ("tpu", "auto, cpu or cuda")],
)
def test_a_device_that_is_not_there_is_named(
    name: str, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert torch_device("auto") == torch_device("cpu") == "cpu"
    with pytest.raises(UserError, match=says):
        torch_device(name)


def test_the_automatic_device_is_a_gpu_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    assert [torch_device(name) for name in ("auto", "cuda", "cpu")] == ["cuda", "cuda", "cpu"]
