"""The installed package is only read; what users make goes into their own library, and shadows
nothing silently.
"""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from helpers.command_line import Rtmss
from helpers.encoded import encode, music
from rtmss.conditions.condition import ConditionError, load_condition, save_condition
from rtmss.conditions.library import shipped


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty library, and a working folder with a clip."""
    monkeypatch.setenv("RTMSS_LIBRARY", str(tmp_path / "library"))
    monkeypatch.chdir(tmp_path)
    encode(tmp_path / "clip.wav", music(44100, 2, 1.0), 44100, "pcm_s16le")
    return tmp_path


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


@pytest.mark.slow
@pytest.mark.parametrize("line", ["condition rebuild", "condition rebuild bass"])
def test_rebuilding_writes_nothing_into_the_package(rtmss: Rtmss, home: Path, line: str) -> None:
    before = look(shipped())
    assert rtmss(line)[0] == 0
    assert look(shipped()) == before
    assert (home / "library/conditions/bass.safetensors").exists() == line.endswith("bass")


@pytest.mark.slow
def test_rebuilding_all_makes_those_again_that_were_made_for_other_weights(
    rtmss: Rtmss, home: Path
) -> None:
    rtmss("condition create mine -p clip.wav")
    path = home / "library/conditions/mine.safetensors"
    made = load_condition(path)
    header = made.header.model_copy(update={"model_id": "0123456789ab"})
    save_condition(
        path,
        type(made)(header, made.vector, made.positive, made.negative),
    )
    status, said, _ = rtmss("condition rebuild")
    assert status == 0
    assert said.startswith("Rebuilt condition 'mine' in ")
    assert said.count("Rebuilt") == 1
    assert load_condition(path).header == made.header


@pytest.mark.slow
def test_a_condition_can_be_read_by_whoever_can_read_other_files(rtmss: Rtmss, home: Path) -> None:
    plain = home / "plain"
    plain.touch()
    rtmss("condition create mine -p clip.wav")
    path = home / "library/conditions/mine.safetensors"
    assert path.stat().st_mode == plain.stat().st_mode
    path.chmod(0o640)
    rtmss("condition create mine -p clip.wav")
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert [file.name for file in path.parent.iterdir()] == ["mine.safetensors"]


def test_a_library_that_cannot_be_written_is_one_line(rtmss: Rtmss, home: Path) -> None:
    (home / "library").write_text("in the way")
    status, _, said = rtmss("condition create mine -p clip.wav")
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


@pytest.mark.slow
def test_an_output_that_cannot_be_written_is_one_line(rtmss: Rtmss, home: Path) -> None:
    status, _, said = rtmss("bench step --hops 8 --backend torch --output clip.wav/x.json")
    assert status == 1
    assert "Traceback" not in said
    assert "clip.wav" in said.splitlines()[-1]


@pytest.mark.slow
def test_an_own_condition_in_the_place_of_a_shipped_one_is_told(rtmss: Rtmss, home: Path) -> None:
    told = "your own vocals in "
    assert told in rtmss("condition create vocals -p clip.wav")[2]
    assert "instead of the shipped one" in rtmss("condition list")[1]
    assert told in rtmss("render clip.wav --preset vocals-only -o out")[2]
    assert told not in rtmss("render clip.wav --preset no-drums -o out2")[2]
