"""A song as a file of samples: decoded once, at the stream's rate, whatever it was."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pedalboard.io import AudioFile

from helpers.makers import WriteAudio
from rtmss.audio import Audio
from rtmss.config import UserError
from rtmss.files import AudioFileError, AudioReader, read_audio
from rtmss.live.shared.song_state import Playback, TransportCommand, other_song
from rtmss.live.shared.state import SharedState
from rtmss.live.song.decode import Loader, decode_song, song_seconds
from rtmss.live.song.samples import DecodedSong


def tones(rate: int, channels: int, seconds: float = 2.0) -> Audio:
    """440 Hz on the left, 550 Hz on the right."""
    t = np.arange(round(seconds * rate)) / rate
    return np.asarray(
        [0.3 * np.sin(2 * np.pi * 110 * (4 + i) * t) for i in range(channels)], np.float32
    )


def wait_for(done: Callable[[], Any]) -> None:
    end = time.monotonic() + 20
    while not done():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("rate", [22050, 44100, 48000, 96000])
def test_a_song_of_any_rate_is_resampled_to_that_of_the_stream(
    tmp_path: Path, write_audio: WriteAudio, rate: int, channels: int
) -> None:
    song = write_audio(tmp_path / "song.wav", tones(rate, channels), rate)
    info = decode_song(song, tmp_path / "decoded", 44100)
    assert (info.sample_rate, info.n_channels) == (44100, channels)
    assert info.seconds == pytest.approx(2.0, abs=1e-3)
    expected = tones(44100, channels)
    inner = slice(2000, info.n_samples - 2000)
    heard = DecodedSong(tmp_path / "decoded", info).read(0, info.n_samples)
    assert np.abs(heard[:, inner] - expected[:, inner]).max() < 2e-3


@pytest.mark.parametrize(
    "suffix",
    ["wav", "flac", "ogg", "mp3", "aiff"],
)
def test_every_format_is_played_as_it_is_read_elsewhere(tmp_path: Path, suffix: str) -> None:
    song = tmp_path / f"song.{suffix}"
    with AudioFile(str(song), "w", 44100, 2) as file:
        file.write(tones(44100, 2))
    info = decode_song(song, tmp_path / "decoded", 44100)
    expected = read_audio(song)[0]
    assert info.n_samples == expected.shape[1]
    assert np.array_equal(
        DecodedSong(tmp_path / "decoded", info).read(0, info.n_samples),
        expected,
    )


def test_around_the_song_the_decoded_song_is_silent(
    tmp_path: Path, write_audio: WriteAudio
) -> None:
    audio = tones(8000, 2)
    decoded = DecodedSong(
        tmp_path / "decoded",
        decode_song(write_audio(tmp_path / "a.wav", audio, 8000), tmp_path / "decoded", 8000),
    )
    whole = decoded.read(-100, 16200)
    assert not whole[:, :100].any()
    assert not whole[:, -100:].any()
    assert np.abs(whole[:, 100:-100] - audio).max() < 1e-4
    assert np.array_equal(
        decoded.read(5000, 100),
        whole[:, 5100:5200],
    )
    assert not decoded.read(20000, 10).any()


def test_looking_ahead_changes_nothing_that_is_read(
    tmp_path: Path, write_audio: WriteAudio
) -> None:
    audio = tones(44100, 2, seconds=20)
    info = decode_song(
        write_audio(tmp_path / "a.wav", audio, 44100),
        tmp_path / "decoded",
        44100,
    )
    decoded = DecodedSong(tmp_path / "decoded", info)
    before = decoded.read(0, info.n_samples)
    for second in (-1, 0, 3, 9, 19, 25, 4):
        decoded.look_ahead(second * 44100)
    assert np.array_equal(decoded.read(0, info.n_samples), before)


@pytest.mark.slow
def test_what_has_been_played_leaves_the_memory_again(
    tmp_path: Path, write_audio: WriteAudio
) -> None:
    psutil = pytest.importorskip("psutil")
    info = decode_song(
        write_audio(
            tmp_path / "a.wav",
            tones(44100, 2, 120),
            44100,
        ),
        tmp_path / "decoded",
        44100,
    )
    decoded, process = DecodedSong(tmp_path / "decoded", info), psutil.Process()
    if not hasattr(process.memory_info(), "shared"):
        pytest.skip("this system does not say how much is mapped")
    before, most = process.memory_info().shared, 0
    for start in range(0, info.n_samples, 4410):
        decoded.look_ahead(start)
        decoded.read(start, 4410)
        most = max(most, process.memory_info().shared)
    assert most - before < 8_000_000 < info.n_samples * 8


@pytest.mark.slow
def test_decoding_keeps_little_in_memory(tmp_path: Path, write_audio: WriteAudio) -> None:
    song = write_audio(tmp_path / "a.wav", tones(48000, 2, 60), 48000)
    tracemalloc.start()
    try:
        decode_song(song, tmp_path / "decoded", 44100)
        assert tracemalloc.get_traced_memory()[1] < 6_000_000 < 60 * 44100 * 8
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("name", "make", "text"),
    [
        ("none.wav", lambda _: None, "no such file"),
        ("text.wav", lambda path: path.write_text("hello"), "not a readable audio file"),
        (
            "wide.wav",
            lambda path: _write(
                path,
                np.zeros((4, 100), np.float32),
            ),
            "4 channels; mix it down",
        ),
        (
            "empty.wav",
            lambda path: _write(
                path,
                np.zeros((2, 0), np.float32),
            ),
            "holds no audio",
        ),
    ],
)
def test_a_song_that_cannot_be_played_is_refused(
    tmp_path: Path, name: str, make: Callable[[Path], object], text: str
) -> None:
    make(tmp_path / name)
    for attempt in (
        song_seconds,
        lambda song: decode_song(
            song,
            tmp_path / "decoded",
            44100,
        ),
    ):
        with pytest.raises(AudioFileError, match=text):
            attempt(tmp_path / name)


def _write(path: Path, audio: Audio) -> None:
    with AudioFile(str(path), "w", 44100, len(audio)) as file:
        file.write(audio)


def test_a_disk_that_is_full_is_named_with_what_would_do(
    tmp_path: Path, write_audio: WriteAudio
) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no full device here")
    song = write_audio(tmp_path / "a.wav", tones(44100, 2), 44100)
    with pytest.raises(
        UserError, match=r"does not fit into /dev: No space left .*; TMPDIR names another folder"
    ):
        decode_song(song, Path("/dev/full"), 44100)


@pytest.fixture
def loaded(
    shared: SharedState, tmp_path: Path, write_audio: WriteAudio
) -> Iterator[tuple[SharedState, list[str], Loader]]:
    """A loader at work for a song of two seconds, and what it said."""
    song = write_audio(tmp_path / "song.wav", tones(44100, 1), 44100)
    shared.transport.insert(song, TransportCommand())
    said: list[str] = []
    loader = Loader([song], shared, said.append)
    yield shared, said, loader
    loader.close()


def ask(shared: SharedState, sample_rate: int) -> None:
    shared.transport.playback.write(Playback(sample_rate=sample_rate))


def test_the_loader_waits_for_the_rate_of_an_engine(
    loaded: tuple[SharedState, list[str], Loader],
) -> None:
    shared, _, _ = loaded
    time.sleep(0.1)
    assert shared.transport.seconds == 0
    ask(shared, 48000)
    wait_for(lambda: shared.transport.info.read().number == 1)
    assert shared.transport.info.read().sample_rate == 48000
    assert shared.transport.seconds == pytest.approx(2.0, abs=0.001)


def test_an_engine_of_another_rate_gets_another_decoded_song(
    loaded: tuple[SharedState, list[str], Loader],
) -> None:
    shared, _, _ = loaded
    ask(shared, 48000)
    wait_for(lambda: shared.transport.info.read().number == 1)
    first = shared.transport.samples_path
    decoded = DecodedSong(first, shared.transport.info.read())
    ask(shared, 44100)
    wait_for(lambda: shared.transport.info.read().number == 2)
    wait_for(lambda: not first.exists())
    assert shared.transport.samples_path.stat().st_size == 2 * 44100 * 4
    assert decoded.read(1000, 1000).any()  # who still plays the old one has it


def test_closing_the_loader_removes_the_decoded_song(
    loaded: tuple[SharedState, list[str], Loader],
) -> None:
    shared, _, loader = loaded
    ask(shared, 44100)
    wait_for(lambda: shared.transport.info.read().number == 1)
    path = shared.transport.samples_path
    assert path.exists()
    loader.close()
    assert not path.exists()


def test_closing_does_not_wait_for_the_end_of_a_long_song(
    shared: SharedState, tmp_path: Path, write_audio: WriteAudio, monkeypatch: pytest.MonkeyPatch
) -> None:
    song = write_audio(tmp_path / "song.wav", tones(44100, 1, 30), 44100)
    read = AudioReader.read

    def read_slowly(reader: AudioReader, n: int) -> Audio:
        time.sleep(0.2)
        return read(reader, n)

    monkeypatch.setattr(AudioReader, "read", read_slowly)
    shared.transport.insert(song, TransportCommand())
    loader = Loader([song], shared, lambda _: None)
    ask(shared, 44100)
    time.sleep(0.1)
    started = time.monotonic()
    loader.close()
    assert time.monotonic() - started < 2
    assert shared.transport.seconds == 0


def test_a_song_that_cannot_be_decoded_ends_the_host_and_is_named(
    shared: SharedState, tmp_path: Path
) -> None:
    said: list[str] = []
    shared.transport.insert(tmp_path / "gone.wav", TransportCommand())
    loader = Loader([tmp_path / "gone.wav"], shared, said.append)
    ask(shared, 44100)
    wait_for(lambda: shared.stop)
    loader.close()
    assert loader.has_failed
    assert said == [f"{tmp_path / 'gone.wav'}: no such file"]


def test_the_decoded_song_is_put_where_tmpdir_says(
    shared: SharedState, tmp_path: Path, write_audio: WriteAudio, monkeypatch: pytest.MonkeyPatch
) -> None:
    song = write_audio(tmp_path / "song.wav", tones(44100, 1), 44100)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    loader = Loader([song], shared, lambda _: None)
    ask(shared, 44100)
    wait_for(lambda: shared.transport.seconds)
    assert tmp_path in shared.transport.samples_path.readlink().parents
    loader.close()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "none"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "none"))
    with pytest.raises(UserError, match="no folder for the decoded song"):
        Loader([song], shared, lambda _: None)


@pytest.mark.slow
def test_the_next_song_is_ready_when_it_is_asked_for_and_any_other_is_read(
    shared: SharedState, tmp_path: Path, write_audio: WriteAudio
) -> None:
    songs = [
        write_audio(tmp_path / f"{n}.wav", tones(44100, 1, float(n)), 44100) for n in (1, 2, 3)
    ]
    transport, said = shared.transport, list[str]()
    transport.insert(songs[0], TransportCommand())
    loader = Loader(songs, shared, said.append)
    try:
        ask(shared, 44100)
        for song in (0, 1, 2, 0):
            transport.command.write(other_song(song, 0.0)(transport.command.read()))
            if song != transport.info.read().song:
                assert transport.seconds == 0, "it is being read"
            wait_for(lambda: transport.seconds)
            assert transport.seconds == pytest.approx(song + 1.0, abs=0.001)
            assert transport.song == str(songs[song])
            decoded = DecodedSong(transport.samples_path, transport.info.read())
            assert decoded.read(1000, 1000).any()
            time.sleep(0.3)  # the one after it is decoded meanwhile
    finally:
        loader.close()
    assert said == []
    assert not loader.has_failed


def test_a_later_song_that_cannot_be_decoded_is_named_once_and_the_others_play(
    shared: SharedState, tmp_path: Path, write_audio: WriteAudio
) -> None:
    songs = [write_audio(tmp_path / "1.wav", tones(44100, 1), 44100), tmp_path / "gone.wav"]
    transport, said = shared.transport, list[str]()
    transport.insert(songs[0], TransportCommand())
    loader = Loader(songs, shared, said.append)
    try:
        ask(shared, 44100)
        wait_for(lambda: said)
        transport.command.write(other_song(1, 0.0)(transport.command.read()))
        time.sleep(0.2)
        assert transport.seconds == 0
        transport.command.write(other_song(0, 0.0)(transport.command.read()))
        wait_for(lambda: transport.seconds)
    finally:
        loader.close()
    assert said == [f"{tmp_path / 'gone.wav'}: no such file"]
    assert not loader.has_failed
    assert not shared.stop
