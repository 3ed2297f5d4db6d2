"""One door for audio files: every format comes in whole, to the sample as FFmpeg decodes it."""

from __future__ import annotations

import shutil
import subprocess
import tracemalloc
from pathlib import Path

import av
import numpy as np
import pytest
from pedalboard.io import AudioFile

from helpers.encoded import encode, ffmpeg_decodes, music
from rtmss.files import open_audio, read_audio

LOSSLESS = [
    ("wav", "pcm_u8", 8),
    ("wav", "pcm_s16le", 16),
    ("wav", "pcm_s24le", 24),
    ("wav", "pcm_s32le", 24),
    ("wav", "pcm_f32le", 24),
    ("wav", "pcm_f64le", 24),
    ("wav", "pcm_s64le", 24),
    ("w64", "pcm_s16le", 16),
    ("w64", "pcm_f32le", 24),
    ("aiff", "pcm_s16be", 16),
    ("aiff", "pcm_s24be", 24),
    ("aiff", "pcm_f64be", 24),
    ("aiff", "pcm_s16le", 16),
    ("caf", "pcm_s16be", 16),
    ("caf", "pcm_f32le", 24),
    ("au", "pcm_s16be", 16),
    ("au", "pcm_f32be", 24),
    ("flac", "flac", 16),
    ("oga", "flac", 16),
    ("mka", "flac", 16),
    ("mp4", "flac", 16),
    ("m4a", "alac", 16),
    ("wv", "wavpack", 16),
    ("tta", "tta", 16),
    ("mov", "pcm_s16le", 16),
    ("mov", "pcm_s24le", 24),
    ("mkv", "pcm_s16le", 16),
    ("avi", "pcm_s16le", 16),
]

LOSSY = [
    ("mp3", "libmp3lame"),
    ("mp2", "mp2"),
    ("ogg", "libvorbis"),
    ("opus", "libopus"),
    ("m4a", "aac"),
    ("aac", "aac"),
    ("mp4", "aac"),
    ("mkv", "aac"),
    ("ts", "aac"),
    ("webm", "libopus"),
    ("webm", "libvorbis"),
    ("mp4", "libopus"),
    ("wma", "wmav2"),
    ("wma", "wmav1"),
    ("ac3", "ac3"),
    ("eac3", "eac3"),
    ("avi", "libmp3lame"),
    ("caf", "alac"),
    ("mkv", "libmp3lame"),
    ("wav", "pcm_alaw"),
    ("wav", "pcm_mulaw"),
    ("wav", "adpcm_ms"),
]

ENCODERS = av.codecs_available
SHAPES = [
    (44100, 2),
    (48000, 1),
    (44100, 6),
    (96000, 2),
    (22050, 1),
]


def encoder_of(codec: str) -> str:
    """The codec, or FFmpeg's own encoder where the library is missing."""
    return codec if codec in ENCODERS else codec.removeprefix("lib")


@pytest.mark.slow
@pytest.mark.parametrize(("suffix", "codec", "bits"), LOSSLESS)
def test_a_lossless_file_comes_in_as_it_was_written(
    tmp_path: Path, suffix: str, codec: str, bits: int
) -> None:
    n_tried = 0
    for rate, channels in SHAPES:
        audio = music(rate, channels, bits=bits)
        try:
            path = encode(tmp_path / f"{rate}-{channels}.{suffix}", audio, rate, codec)
        except (av.FFmpegError, ValueError):
            continue  # this format has no such rate or layout
        n_tried += 1
        read, read_rate = read_audio(path)
        assert (read.shape, read_rate) == (audio.shape, rate)
        assert read.dtype == np.float32
        assert np.array_equal(
            np.sort(read, axis=0),
            np.sort(audio, axis=0),
        ), "channels may be in the format's order"
        assert np.array_equal(read, ffmpeg_decodes(path)) or codec == "pcm_s64le"
    assert n_tried >= 2


@pytest.mark.slow
@pytest.mark.parametrize(("suffix", "codec"), LOSSY)
def test_a_lossy_file_comes_in_as_ffmpeg_decodes_it(
    tmp_path: Path, suffix: str, codec: str
) -> None:
    n_tried = 0
    for rate, channels in SHAPES:
        try:
            path = encode(
                tmp_path / f"{rate}-{channels}.{suffix}",
                music(rate, channels),
                rate,
                encoder_of(codec),
            )
        except (av.FFmpegError, ValueError):
            continue
        n_tried += 1
        read, expected = read_audio(path)[0], ffmpeg_decodes(path)
        assert read.shape == expected.shape
        assert np.abs(expected).max() > 0.1
        assert np.abs(read - expected).max() < 1e-6
    assert n_tried, "Opus knows one rate"


@pytest.mark.parametrize(
    ("suffix", "codec"),
    [
        ("mp3", "libmp3lame"),
        ("ogg", "libvorbis"),
        ("opus", "libopus"),
        ("wav", "pcm_mulaw"),
    ],
)
def test_a_gapless_file_is_as_long_as_what_was_encoded_and_in_its_place(
    tmp_path: Path, suffix: str, codec: str
) -> None:
    audio = music(48000, 2, 1.0)
    read = read_audio(
        encode(
            tmp_path / f"x.{suffix}",
            audio,
            48000,
            encoder_of(codec),
        )
    )[0]
    assert abs(read.shape[1] - audio.shape[1]) <= 1, "Opus counts in steps of a millisecond's part"
    n = min(read.shape[1], audio.shape[1])
    products = np.fft.irfft(
        np.fft.rfft(read[0, :n]) * np.conj(np.fft.rfft(audio[0, :n])),
        n,
    )
    assert int(np.argmax(products)) == 0


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="needs the ffmpeg program")
@pytest.mark.parametrize(
    ("suffix", "codec"),
    [
        ("mp3", "libmp3lame"),
        ("m4a", "aac"),
        ("opus", "libopus"),
        ("flac", "flac"),
        ("wma", "wmav2"),
        ("aiff", "pcm_s24be"),
    ],
)
def test_the_ffmpeg_program_gives_the_same_samples(tmp_path: Path, suffix: str, codec: str) -> None:
    path = encode(
        tmp_path / f"x.{suffix}",
        music(44100, 2),
        44100 if codec != "libopus" else 48000,
        encoder_of(codec),
    )
    command = [
        "ffmpeg",
        "-v",
        "error",
        "-i",
        str(path),
        "-map",
        "0:a:0",
        "-c:a",
        "pcm_f32le",
        "-f",
        "f32le",
        "-",
    ]
    raw = subprocess.run(command, check=True, capture_output=True).stdout
    expected = np.frombuffer(raw, np.float32).reshape(-1, 2).T
    read = read_audio(path)[0]
    assert read.shape == expected.shape
    assert np.abs(read - expected).max() < 1e-5, "other versions round otherwise"


def test_an_mp3_of_variable_rate_without_a_header_is_as_long_as_it_sounds(tmp_path: Path) -> None:
    audio = np.concatenate(
        [1e-3 * music(44100, 2, 4.0), music(44100, 2, 4.0)],
        axis=1,
    )
    path = encode(
        tmp_path / "v.mp3",
        audio,
        44100,
        "libmp3lame",
        {"global_quality": "1062", "flags": "+qscale"},
        {"write_xing": "0"},
    )
    with AudioFile(str(path)) as file:
        assert abs(file.frames - audio.shape[1]) > 44100, "else it shows nothing"
    read = read_audio(path)[0]
    assert read.shape == ffmpeg_decodes(path).shape
    assert 0 <= read.shape[1] - audio.shape[1] < 3000


@pytest.mark.parametrize(
    "sizes",
    [(0xFFFFFFFF, 0xFFFFFFFF), (0, 0), (0x7FFFF024, 0x7FFFF000)],
)
@pytest.mark.filterwarnings("error")
def test_a_wav_of_unknown_length_is_as_long_as_it_is(
    tmp_path: Path, sizes: tuple[int, int]
) -> None:
    """As FFmpeg, others, and sox write it to a pipe."""
    audio = music(44100, 2)
    path = encode(
        tmp_path / "p.wav", audio, 44100, "pcm_s16le", container_options={"fflags": "+bitexact"}
    )
    content = bytearray(path.read_bytes())
    place = content.index(b"data")
    content[4:8], content[place + 4 : place + 8] = (size.to_bytes(4, "little") for size in sizes)
    path.write_bytes(content)
    tracemalloc.start()
    try:
        assert np.array_equal(read_audio(path)[0], audio)
        assert tracemalloc.get_traced_memory()[1] < 20 * audio.nbytes
    finally:
        tracemalloc.stop()


def test_the_sound_of_a_video_is_its_first_audio_stream(tmp_path: Path) -> None:
    sounds = [music(44100, 2), music(44100, 1)]
    with av.open(str(tmp_path / "film.mkv"), "w") as file:
        picture = file.add_stream("mpeg4", rate=25)
        picture.width, picture.height, picture.pix_fmt = 64, 64, "yuv420p"
        streams = [
            file.add_stream(
                "flac",
                rate=44100,
                layout=layout,
            )
            for layout in ("stereo", "mono")
        ]
        for stream in streams:
            stream.codec_context.open()
        for _ in range(12):
            image = av.VideoFrame.from_ndarray(
                np.zeros((64, 64, 3), np.uint8),
                format="rgb24",
            )
            file.mux(picture.encode(image))
        for stream, sound, layout in zip(
            streams,
            sounds,
            ("stereo", "mono"),
            strict=True,
        ):
            frame = av.AudioFrame.from_ndarray(
                (sound * 32768).astype(np.int16),
                "s16p",
                layout,
            )
            frame.sample_rate, frame.pts = 44100, 0
            file.mux([*stream.encode(frame), *stream.encode(None)])
        file.mux(picture.encode(None))
    assert np.array_equal(read_audio(tmp_path / "film.mkv")[0], sounds[0])
    assert np.array_equal(
        read_audio(tmp_path / "film.mkv", stream=1)[0],
        sounds[1],
    )


@pytest.mark.parametrize(
    ("codec", "suffix"),
    [
        ("pcm_s16le", "wav"),
        ("libmp3lame", "mp3"),
        ("flac", "flac"),
    ],
)
def test_blocks_of_any_size_are_the_whole(tmp_path: Path, codec: str, suffix: str) -> None:
    path = encode(tmp_path / f"x.{suffix}", music(44100, 2), 44100, codec)
    whole = read_audio(path)[0]
    for n in (1000, 4096, 1 << 20):
        with open_audio(path) as file:
            assert np.array_equal(
                np.concatenate(list(file.blocks(n)), axis=1),
                whole,
            )
            assert file.n_read == whole.shape[1]
            assert file.read(10).shape == (2, 0)


def test_reading_in_blocks_keeps_little_in_memory(tmp_path: Path) -> None:
    path = encode(
        tmp_path / "x.flac",
        music(44100, 2, 30.0),
        44100,
        "flac",
    )
    tracemalloc.start()
    try:
        with open_audio(path) as file:
            n = sum(block.shape[1] for block in file.blocks(1 << 15))
        assert n == 30 * 44100
        assert tracemalloc.get_traced_memory()[1] < 2_000_000 < 30 * 44100 * 8
    finally:
        tracemalloc.stop()
