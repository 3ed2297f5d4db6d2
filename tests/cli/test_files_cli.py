"""Files and names on the command line: whole, told or refused, and printed as they are."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from helpers.command_line import Rtmss
from helpers.encoded import encode, music
from rtmss.files import folder_name, read_audio

RATE = 44100


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty library, and a working folder with a short song, whole and cut."""
    monkeypatch.setenv("RTMSS_LIBRARY", str(tmp_path / "library"))
    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.chdir(tmp_path)
    song = encode(tmp_path / "song.wav", music(RATE, 2), RATE, "pcm_s16le")
    (tmp_path / "cut.wav").write_bytes(song.read_bytes()[:-30000])
    return tmp_path


RENDER = ("--preset", "vocals-only", "-o")


def test_a_damaged_song_is_rendered_with_a_warning_and_a_status_of_its_own(
    rtmss: Rtmss, home: Path
) -> None:
    status, _, said = rtmss("render", "cut.wav", *RENDER, "out")
    assert status == 3
    assert "cut.wav: damaged from 0.33 s on: it ends there" in said
    assert read_audio(Path("out/mix.wav"))[0].shape == (2, 22048 - 7500)


@pytest.mark.parametrize("name", ["..wav", "...wav", "....wav", ".wav", "a..wav", " .wav", "..."])
def test_whatever_files_are_called_their_folders_are_within_the_output(name: str) -> None:
    """Of `...wav` the folder above was taken."""
    folder = Path(os.path.normpath(Path("out") / folder_name(Path(name))))
    assert folder.parent == Path("out")


def test_names_of_dots_are_rendered_into_folders_of_their_own(rtmss: Rtmss, home: Path) -> None:
    for name in ("..wav", "...wav"):
        (home / name).write_bytes((home / "song.wav").read_bytes())
    status, _, _ = rtmss("render", "..wav", "...wav", *RENDER, "a/out")
    assert status == 0
    written = {str(path.relative_to(home)) for path in home.rglob("mix.wav")}
    assert written == {"a/out/..wav/mix.wav", "a/out/...wav/mix.wav"}


@pytest.mark.parametrize("is_link", [False, True])
def test_no_input_of_several_is_written_over_by_another(
    rtmss: Rtmss, home: Path, is_link: bool
) -> None:
    mix = home / "out" / "song" / "mix.wav"
    mix.parent.mkdir(parents=True)
    mix.write_bytes((home / "song.wav").read_bytes())
    before = mix.read_bytes()
    other = str(mix)
    if is_link:
        Path("linked.wav").symlink_to(mix)
        other = "linked.wav"
    status, _, said = rtmss("render", "song.wav", other, *RENDER, "out")
    assert (status, said.count("\n")) == (1, 1)
    assert f"{other}: would be written over" in said
    assert mix.read_bytes() == before


def test_strict_refuses_a_damaged_song_and_leaves_nothing(rtmss: Rtmss, home: Path) -> None:
    status, _, said = rtmss("render", "cut.wav", *RENDER, "out", "--strict")
    assert status == 1
    assert "cut.wav: damaged from 0.33 s on" in said
    assert not list(Path("out").iterdir())


def test_a_whole_song_has_status_0(rtmss: Rtmss, home: Path) -> None:
    assert rtmss("render", "song.wav", *RENDER, "out", "--strict")[0] == 0


def test_a_song_from_a_pipe_is_rendered_as_long_as_it_is(rtmss: Rtmss, home: Path) -> None:
    content = bytearray(Path("song.wav").read_bytes())
    place = content.index(b"data")
    content[4:8] = content[place + 4 : place + 8] = b"\xff" * 4
    Path("pipe.wav").write_bytes(content)
    assert rtmss("render", "pipe.wav", *RENDER, "out")[0] == 0
    assert read_audio(Path("out/mix.wav"))[0].shape == (2, 22048)


def test_a_clip_without_samples_is_one_line(rtmss: Rtmss, home: Path) -> None:
    content = Path("song.wav").read_bytes()
    Path("z.wav").write_bytes(content[: content.index(b"data")] + b"data\0\0\0\0")
    status, _, said = rtmss("condition", "create", "x", "-p", "z.wav")
    assert status == 1
    assert said == "rtmss: z.wav: holds no audio\n"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("a\nb", "a\\nb"),
        ("a\tb", "a\\tb"),
        ("a\u2028b", "a\\u2028b"),
    ],
)
def test_a_path_is_printed_on_its_line(rtmss: Rtmss, home: Path, name: str, shown: str) -> None:
    status, said, _ = rtmss("render", "song.wav", *RENDER, f"out/{name}")
    assert status == 0
    assert f"  out/{shown}/mix.wav\n" in said


def test_an_output_below_a_file_is_refused_by_its_own_name(rtmss: Rtmss, home: Path) -> None:
    status, _, said = rtmss("render", "song.wav", *RENDER, "song.wav/x")
    assert status == 1
    assert said.startswith("rtmss: song.wav/x: cannot write there")
    assert len(said.splitlines()) == 1


@pytest.mark.slow
@pytest.mark.parametrize("name", ["[live]", "[/b]", ":warning:"])
def test_brackets_in_a_name_are_printed(rtmss: Rtmss, home: Path, name: str) -> None:
    folder = name.replace("/", "-")
    song = f"{folder}.wav"
    Path("song.wav").rename(song)
    status, said, _ = rtmss("render", song, *RENDER, f"out/{name}")
    assert status == 0
    assert f"out/{name}/mix.wav\n" in said


def test_a_long_path_is_one_line_in_a_pipe(rtmss: Rtmss, home: Path) -> None:
    folder = "/".join(["a folder with a long name"] * 8)
    assert f"  {folder}/mix.wav\n" in rtmss("render", "song.wav", *RENDER, folder)[1]


def test_osc_addresses_are_whole_in_a_pipe(rtmss: Rtmss, home: Path) -> None:
    said = rtmss("osc")[1]
    assert "/rtmss/stem/<name>/gain " in said
    assert "i/T/F" in said


def test_a_description_cannot_drive_the_terminal(rtmss: Rtmss, home: Path) -> None:
    folder = home / "library"
    folder.mkdir()
    text = 'description: "a\\e]0;owned\\a\\e[2J [b] \\u202egnp"\nstems: {v: {condition: vocals}}\n'
    (folder / "evil.yaml").write_text(text)
    for words in (("preset", "list"), ("preset", "show", "evil")):
        _, said, _ = rtmss(*words)
        assert "a\\x1b]0;owned\\x07\\x1b[2J [b] \\u202egnp" in said
        assert not set("\x1b\x07\u202e") & set(said)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="names are bytes there")
@pytest.mark.parametrize("encoding", ["cp1252", "utf-8"])
def test_names_that_the_terminal_cannot_show_end_nothing(home: Path, encoding: str) -> None:
    """An emoji, and bytes that are no UTF-8, in the middle of a batch."""
    names = ["🎤.wav", os.fsdecode(b"caf\xe9.wav"), "last.wav"]
    for name in names:
        (home / name).write_bytes((home / "song.wav").read_bytes())
    command = [
        sys.executable,
        "-m",
        "rtmss",
        "render",
        *names,
        *RENDER,
        "out",
    ]
    environment = os.environ | {"PYTHONIOENCODING": encoding}
    done = subprocess.run(command, env=environment, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    for name in names:
        assert (home / "out" / Path(name).stem / "mix.wav").stat().st_size > 10000
    assert b"last/mix.wav" in done.stdout
    assert b"caf\\xe9/mix.wav" in done.stdout
