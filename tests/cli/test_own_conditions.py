"""The installed package is only read; what users make goes into their own library, and shadows
nothing silently.
"""

from __future__ import annotations

import stat
import sys
from pathlib import Path

import pytest

from helpers.encoded import encode, music
from rtmss.cli import main
from rtmss.conditions.condition import ConditionError, load_condition, save_condition
from rtmss.conditions.library import shipped


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty library, and a working folder with a clip."""
    monkeypatch.setenv("RTMSS_LIBRARY", str(tmp_path / "library"))
    monkeypatch.chdir(tmp_path)
    encode(tmp_path / "clip.wav", music(44100, 2, 1.0), 44100, "pcm_s16le")
    return tmp_path


def run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], line: str
) -> tuple[int, str, str]:
    """Run `rtmss LINE`: exit status, standard output and error."""
    monkeypatch.setattr(sys, "argv", ["rtmss", *line.split()])
    with pytest.raises(SystemExit) as stop:
        main()
    printed = capsys.readouterr()
    return int(stop.value.code or 0), printed.out, printed.err


def look(folder: Path) -> dict[str, tuple[bytes, int, int]]:
    """Every file with its content, mode and time."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {
        str(path): (
            path.read_bytes(),
            path.stat().st_mode,
            path.stat().st_mtime_ns,
        )
        for path in files
    }


@pytest.mark.parametrize("line", ["condition rebuild", "condition rebuild bass"])
def test_rebuilding_writes_nothing_into_the_package(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], line: str
) -> None:
    before = look(shipped())
    assert run(monkeypatch, capsys, line)[0] == 0
    assert look(shipped()) == before
    assert (home / "library/conditions/bass.safetensors").exists() == line.endswith("bass")


def test_rebuilding_all_makes_those_again_that_were_made_for_other_weights(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run(monkeypatch, capsys, "condition create mine -p clip.wav")
    path = home / "library/conditions/mine.safetensors"
    made = load_condition(path)
    header = made.header.model_copy(update={"model_id": "0123456789ab"})
    save_condition(
        path,
        type(made)(header, made.vector, made.positive, made.negative),
    )
    status, said, _ = run(monkeypatch, capsys, "condition rebuild")
    assert status == 0
    assert said.startswith("Rebuilt condition 'mine' in ")
    assert said.count("Rebuilt") == 1
    assert load_condition(path).header == made.header


def test_a_condition_can_be_read_by_whoever_can_read_other_files(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    plain = home / "plain"
    plain.touch()
    run(monkeypatch, capsys, "condition create mine -p clip.wav")
    path = home / "library/conditions/mine.safetensors"
    assert path.stat().st_mode == plain.stat().st_mode
    path.chmod(0o640)
    run(monkeypatch, capsys, "condition create mine -p clip.wav")
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert [file.name for file in path.parent.iterdir()] == ["mine.safetensors"]


def test_a_library_that_cannot_be_written_is_one_line(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / "library").write_text("in the way")
    status, _, said = run(monkeypatch, capsys, "condition create mine -p clip.wav")
    assert status == 1
    assert said.startswith("rtmss: ")
    assert "mine.safetensors: cannot be written (" in said
    assert len(said.splitlines()) == 1


def test_a_condition_that_cannot_be_written_leaves_the_old_one(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = load_condition(shipped() / "conditions/bass.safetensors")
    path = home / "bass.safetensors"
    save_condition(path, made)
    before = path.read_bytes()

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", fail)
    with pytest.raises(ConditionError, match="cannot be written"):
        save_condition(path, made)
    assert path.read_bytes() == before
    assert not list(home.glob(".*partial"))


def test_an_output_that_cannot_be_written_is_one_line(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    status, _, said = run(
        monkeypatch, capsys, "bench step --hops 8 --backend torch --output clip.wav/x.json"
    )
    assert status == 1
    assert "Traceback" not in said
    assert "clip.wav" in said.splitlines()[-1]


def test_an_own_condition_in_the_place_of_a_shipped_one_is_told(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    told = "your own vocals in "
    assert told in run(monkeypatch, capsys, "condition create vocals -p clip.wav")[2]
    assert "instead of the shipped one" in run(monkeypatch, capsys, "condition list")[1]
    assert told in run(monkeypatch, capsys, "render clip.wav --preset vocals-only -o out")[2]
    assert told not in run(monkeypatch, capsys, "render clip.wav --preset no-drums -o out2")[2]
