"""Damaged files: what can be read is read, and it is said where the damage begins."""

from __future__ import annotations

import struct
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from helpers.encoded import encode, music
from rtmss.audio import Audio
from rtmss.config import DamagedFileWarning
from rtmss.files import AudioFileError, Damage, open_audio, read_audio, refuse_damage

RATE = 44100
SECONDS = 1.0
CUT = {
    "wav": "pcm_s16le",
    "flac": "flac",
    "mp3": "libmp3lame",
    "ogg": "flac",
    "mkv": "aac",
}
"""Formats that are cut at any point: each announces its length in another way."""


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, bytes, Audio]]:
    """By suffix: a place for cut files, the bytes of a file, and its samples."""
    made = {}
    for suffix, codec in CUT.items():
        path = encode(
            tmp_path_factory.mktemp("cut") / f"x.{suffix}", music(RATE, 2, SECONDS), RATE, codec
        )
        made[suffix] = path.with_name(f"cut.{suffix}"), path.read_bytes(), read_audio(path)[0]
    return made


@pytest.mark.slow
@pytest.mark.parametrize("suffix", CUT)
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(share=st.floats(0, 1, exclude_max=True))
@example(share=0.0)
@example(share=1 - 1e-9)
def test_a_file_that_is_cut_anywhere_is_refused_or_its_end_is_told(
    whole: dict[str, tuple[Path, bytes, Audio]], suffix: str, share: float
) -> None:
    path, content, samples = whole[suffix]
    path.write_bytes(content[: int(share * len(content))])
    damages: list[Damage] = []
    try:
        audio = read_audio(path, on_damage=damages.append)[0]
    except AudioFileError:
        return
    assert len(damages) == 1
    n = audio.shape[1]
    assert n <= samples.shape[1]
    assert damages[0].seconds == pytest.approx(n / RATE, abs=0.06)
    sure = max(0, n - 2304)  # an MP3 frame, and that before it, may need what is gone
    assert np.array_equal(
        audio[:, :sure],
        samples[:, :sure],
    )


@pytest.mark.parametrize(
    "suffix",
    [*CUT, "aiff", "w64", "caf", "wv", "tta", "au"],
)
def test_a_whole_file_is_not_called_damaged(tmp_path: Path, suffix: str) -> None:
    codec = {
        "aiff": "pcm_s16be",
        "caf": "pcm_s16be",
        "au": "pcm_s16be",
        "w64": "pcm_s16le",
        "wv": "wavpack",
    }
    path = encode(
        tmp_path / f"x.{suffix}",
        music(RATE, 2),
        RATE,
        (codec | CUT).get(suffix, suffix),
    )
    read_audio(path, on_damage=refuse_damage)


@pytest.mark.parametrize(
    ("suffix", "codec"),
    [
        ("aiff", "pcm_s16be"),
        ("w64", "pcm_s16le"),
        ("caf", "pcm_s16be"),
        ("au", "pcm_s16be"),
        ("wv", "wavpack"),
        ("tta", "tta"),
        ("mp2", "mp2"),
    ],
)
def test_other_formats_that_are_cut_are_told(tmp_path: Path, suffix: str, codec: str) -> None:
    path = encode(
        tmp_path / f"x.{suffix}",
        music(RATE, 2, 4.0),
        RATE,
        codec,
    )
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3 + 1])
    with pytest.raises(AudioFileError, match=r"damaged from 2\.\d\d s on"):
        read_audio(path, on_damage=refuse_damage)


@pytest.mark.parametrize(
    "suffix",
    ["flac", "ogg", "mkv", "wv", "tta"],
)
def test_a_flipped_byte_in_a_file_with_check_sums_is_told_and_the_rest_stays_in_place(
    tmp_path: Path, suffix: str
) -> None:
    codec = {
        "ogg": "flac",
        "mkv": "flac",
        "wv": "wavpack",
    }.get(suffix, suffix)
    path = encode(
        tmp_path / f"x.{suffix}",
        music(RATE, 2, 4.0),
        RATE,
        codec,
    )
    before = read_audio(path)[0]
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0x55
    path.write_bytes(content)
    damages: list[Damage] = []
    after = read_audio(path, on_damage=damages.append)[0]
    first = np.flatnonzero((after[:, : before.shape[1]] != before[:, : after.shape[1]]).any(0))[0]
    assert len(damages) == 1
    assert damages[0].seconds <= first / RATE + 0.2
    assert abs(after.shape[1] - before.shape[1]) <= 2, "time stamps may be rounded"
    assert np.array_equal(
        after[:, -1000:],
        before[:, -1000:],
    )


def test_a_hole_in_an_mp3_is_told(tmp_path: Path) -> None:
    path = encode(
        tmp_path / "x.mp3",
        music(RATE, 2, 2.0),
        RATE,
        "libmp3lame",
    )
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 2000] = bytes(2000)
    path.write_bytes(content)
    with pytest.raises(
        AudioFileError, match=r"damaged from (0\.9|1\.0)\d s on: a part cannot be decoded"
    ):
        read_audio(path, on_damage=refuse_damage)


def test_damage_is_a_warning_unless_it_is_wanted_as_an_error(tmp_path: Path) -> None:
    path = encode(tmp_path / "x.wav", music(RATE, 2), RATE, "pcm_s16le")
    path.write_bytes(path.read_bytes()[:44100])
    with pytest.warns(DamagedFileWarning, match=r"x\.wav: damaged from 0\.25 s on: it ends there"):
        read_audio(path)
    with warnings.catch_warnings(), pytest.raises(AudioFileError, match="damaged from"):
        warnings.simplefilter("error", DamagedFileWarning)
        read_audio(path)


def test_a_reader_knows_that_its_file_is_damaged(tmp_path: Path) -> None:
    path = encode(tmp_path / "x.flac", music(RATE, 2), RATE, "flac")
    path.write_bytes(path.read_bytes()[:-10])
    with open_audio(path, on_damage=lambda _: None) as file:
        assert not file.is_damaged
        for _ in file.blocks():
            pass
        assert file.is_damaged


def wav(
    sound: bytes,
    *,
    announced: int | None = None,
    after: bytes = b"",
) -> bytes:
    """A WAV of 16 bits and two channels, which may lie about the length of its sound."""
    head = b"fmt " + struct.pack(
        "<IHHIIHH",
        16,
        1,
        2,
        RATE,
        4 * RATE,
        4,
        16,
    )
    size = len(sound) if announced is None else announced
    body = b"WAVE" + head + b"data" + struct.pack("<I", size) + sound + after
    return b"RIFF" + struct.pack("<I", len(body)) + body


SOUND = (
    np.random.default_rng(0)
    .integers(
        -9000,
        9000,
        (RATE // 2, 2),
        np.int16,
    )
    .tobytes()
)
SECOND = b"data" + struct.pack("<I", 400) + SOUND[:400]


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (wav(SOUND, announced=1000), "its header says that it ends there, and more follows"),
        (wav(SOUND, after=SECOND), "it holds more than one piece of sound"),
        (wav(SOUND) + wav(SOUND), "another file follows there"),
    ],
    ids=["a short length", "two pieces", "two files"],
)
def test_sound_that_a_wav_holds_beyond_what_is_read_is_told(
    tmp_path: Path, content: bytes, text: str
) -> None:
    path = tmp_path / "x.wav"
    path.write_bytes(content)
    with pytest.raises(AudioFileError, match=text):
        read_audio(path, on_damage=refuse_damage)


@pytest.mark.parametrize(
    "content",
    [
        wav(SOUND, after=b"LIST" + struct.pack("<I", 8) + b"INFOabcd"),
        wav(SOUND) + bytes(5000),
        wav(SOUND, after=bytes(600)),
        wav(
            SOUND[:-1] + b"x" * 4,
            after=b"id3 " + struct.pack("<I", 2) + b"xy",
        ),
    ],
    ids=["tags", "bytes after the end", "a few bytes more", "an odd length"],
)
def test_what_follows_the_sound_of_a_wav_and_is_none_does_no_harm(
    tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "x.wav"
    path.write_bytes(content)
    assert read_audio(path, on_damage=refuse_damage)[0].shape[1] == RATE // 2


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("n_channels", [0, 65535])
def test_a_file_of_which_nothing_can_be_decoded_is_refused_and_not_called_damaged(
    tmp_path: Path, n_channels: int
) -> None:
    content = bytearray(wav(SOUND))
    content[22:24] = n_channels.to_bytes(2, "little")
    path = tmp_path / "x.wav"
    path.write_bytes(content)
    damages: list[Damage] = []
    with pytest.raises(AudioFileError, match="nothing in it can be decoded"):
        read_audio(path, on_damage=damages.append)
    assert not damages


def test_ffmpeg_prints_nothing_of_its_own_about_a_file_that_leads_nowhere(tmp_path: Path) -> None:
    """PyAV prints what Python's files raise, past all that could be caught."""
    path = tmp_path / "x.flac"
    path.touch()
    code = f"from rtmss.files import read_audio; read_audio({str(path)!r})"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "dropped" not in done.stderr
    assert "not a readable audio file" in done.stderr.splitlines()[-1]
