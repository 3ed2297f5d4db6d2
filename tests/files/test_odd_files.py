"""Files that are empty, odd, or no audio."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import av
import numpy as np
import psutil
import pytest

from helpers.encoded import encode, music
from rtmss.files import AudioFileError, open_audio, read_audio


@pytest.mark.parametrize(
    "suffix",
    ["wav", "mp3", "flac", "ogg", "m4a"],
)
def test_an_empty_file_holds_no_audio(tmp_path: Path, suffix: str) -> None:
    codec = {
        "wav": "pcm_s16le",
        "mp3": "libmp3lame",
        "ogg": "flac",
        "m4a": "aac",
    }.get(suffix, suffix)
    path = tmp_path / f"x.{suffix}"
    with av.open(str(path), "w") as file:
        stream: Any = file.add_stream(codec, rate=44100, layout="stereo")
        file.start_encoding()
        file.mux(stream.encode(None))
    with pytest.raises(AudioFileError, match=r"x\.\w+: (holds no audio|not a readable audio file)"):
        read_audio(path)


def test_a_playlist_opens_no_other_file(tmp_path: Path) -> None:
    encode(tmp_path / "secret.wav", music(44100, 2), 44100, "pcm_s16le")
    (tmp_path / "list.ffconcat").write_text("ffconcat version 1.0\nfile secret.wav\n")
    (tmp_path / "list.m3u8").write_text(
        "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:1,\nsecret.wav\n#EXT-X-ENDLIST\n"
    )
    for name in ("list.ffconcat", "list.m3u8"):
        with pytest.raises(AudioFileError, match="not a readable audio file"):
            read_audio(tmp_path / name)


@pytest.mark.skipif(sys.platform != "linux", reason="names are bytes there")
def test_a_name_is_data(tmp_path: Path) -> None:
    """Bytes that are no UTF-8, and names that FFmpeg would take for an address or an option."""
    audio = music(44100, 2)
    path = encode(tmp_path / "x.wav", audio, 44100, "pcm_s16le")
    for name in (
        b"caf\xe9.wav",
        b"http:x.wav",
        b"concat:a|b.wav",
        b"-i.wav",
        "🎤.wav".encode(),
        b"a\nb.wav",
        b"%03d.wav",
    ):
        other = tmp_path / os.fsdecode(name)
        shutil.copy(path, other)
        assert np.array_equal(read_audio(other)[0], audio)


def test_tags_that_are_no_utf_8_do_no_harm(tmp_path: Path) -> None:
    path = encode(tmp_path / "x.mp3", music(44100, 2), 44100, "libmp3lame")
    text = b"\x00caf\xe9"
    frame = b"TIT2" + len(text).to_bytes(4) + b"\0\0" + text
    raw = path.read_bytes()
    raw = raw[raw.index(b"\xff\xfb") :]
    whole = read_audio(path)[0]
    path.write_bytes(b"ID3\x03\0\0" + len(frame).to_bytes(4) + frame + raw + b"TAG" + b"\xe9" * 125)
    assert np.array_equal(read_audio(path)[0], whole)


def test_a_pipe_is_no_audio_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.wav")
    with pytest.raises(AudioFileError, match="is a pipe or a device"):
        read_audio(tmp_path / "pipe.wav")


@pytest.mark.parametrize("rate", [1, 2**31 - 1])
def test_a_rate_that_would_make_a_huge_file_of_a_small_one_is_refused(
    tmp_path: Path, rate: int
) -> None:
    path = encode(tmp_path / "x.wav", music(44100, 1), 44100, "pcm_s16le")
    content = bytearray(path.read_bytes())
    content[24:28] = rate.to_bytes(4, "little")
    path.write_bytes(content)
    with pytest.raises(AudioFileError, match=r"a sample rate of|not a readable"):
        read_audio(path, 44100)


def test_doubles_that_are_no_single_numbers_are_infinite(tmp_path: Path) -> None:
    path = encode(tmp_path / "x.wav", music(44100, 1), 44100, "pcm_f64le")
    content = bytearray(path.read_bytes())
    content[-8:] = np.float64(1e300).tobytes()
    path.write_bytes(content)
    assert read_audio(path)[0][0, -1] == np.inf


@pytest.mark.slow
def test_who_only_plays_needs_no_ffmpeg() -> None:
    code = "import sys, rtmss.files, rtmss.live.realtime.process; assert 'av' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_open_file_is_closed_when_it_is_no_audio(tmp_path: Path) -> None:
    (tmp_path / "x.wav").write_bytes(b"nothing of the kind" * 100)
    with pytest.raises(AudioFileError, match="not a readable audio file"):
        open_audio(tmp_path / "x.wav")
    assert str(tmp_path / "x.wav") not in {file.path for file in psutil.Process().open_files()}
