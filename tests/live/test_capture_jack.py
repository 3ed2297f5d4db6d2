"""Capturing while JACK plays: no hop is late for it, and killed processes take nothing along."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from pedalboard.io import AudioFile

from helpers.live_host import Host, jack_server, live_host, undisturbed
from rtmss.bench.harness import host_processes
from rtmss.files import read_audio

pytestmark = pytest.mark.jack

RATE = 44100
DONE = "/rtmss/done"


@pytest.fixture(scope="module")
def song(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A minute in which every second sounds different."""
    path = tmp_path_factory.mktemp("song") / "song.wav"
    rng = np.random.default_rng(0)
    seconds = np.arange(60 * RATE) / RATE
    tone = 0.3 * np.sin(2 * np.pi * (200 + 20 * np.floor(seconds)) * seconds)
    noise = 0.02 * rng.standard_normal((2, len(seconds)))
    with AudioFile(str(path), "w", RATE, 2, bit_depth=24) as file:
        file.write((tone + noise).astype(np.float32))
    return path


def _do(host: Host, address: str, *args: int | float | str) -> str:
    """Ask once and wait for the answer; what was done."""
    host.send(address, *args)
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        for name, *params in host.receive():
            if name == "/rtmss/fail" and params[0] == address:
                raise AssertionError(params)
            if name == DONE and params[0] == address:
                return str(params[2])
    raise AssertionError(f"no answer to {address}: {host.errors()}")


def _clips(host: Host, name: str) -> list[Path]:
    return sorted((host.library / "captured" / name).glob("*.flac"))


@pytest.fixture(scope="module")
def jack() -> Iterator[None]:
    """A server for all of these tests."""
    with pytest.MonkeyPatch.context() as patch, jack_server(patch) as start:
        start(256)
        yield


@pytest.fixture(scope="module")
def playing(jack: None, song: Path) -> Iterator[Host]:
    """A host that has played six seconds of the song. The tests share it, and the last one kills
    it.
    """
    with live_host(captures=True) as start:
        host = start("--preset", "four-stems", "--file", str(song))
        host.wait_until(lambda: host.ask("/rtmss/transport/position")[0] > 6, "6 s of the song")
        yield host


def test_that_sound_is_captured_built_and_played(playing: Host) -> None:
    """No hop is late for it, in a run that the machine leaves alone."""
    undisturbed(playing, lambda: _capture_build_and_refine(playing))


def _capture_build_and_refine(playing: Host) -> None:
    began = time.monotonic()
    assert _do(playing, "/rtmss/capture/last", "sound", "positive", 5.0).endswith("s of input")
    playing.send("/rtmss/condition/build", "sound")
    playing.send("/rtmss/stem/vocals/condition", "sound")
    playing.wait_until(
        lambda: playing.ask("/rtmss/stem/vocals/condition") == ["sound"], "the stem plays it"
    )
    assert time.monotonic() - began < 10
    _do(playing, "/rtmss/capture/last", "sound", "negative", 2.0, "vocals")
    _do(playing, "/rtmss/condition/build", "sound")
    _do(playing, "/rtmss/condition/undo", "sound")
    _do(playing, "/rtmss/capture/range", "sound", "positive", 10.0, 12.0)
    _do(playing, "/rtmss/condition/build", "sound")
    assert "sound" in playing.ask("/rtmss/conditions")


def test_a_clip_is_the_sound_itself(playing: Host, song: Path) -> None:
    _do(playing, "/rtmss/capture/last", "clip", "positive", 2.0)
    (path,) = _clips(playing, "clip")
    clip, rate = read_audio(path)
    assert rate == RATE
    whole = read_audio(song)[0]
    start = _place(clip[0], whole[0])
    assert np.abs(clip - whole[:, start : start + clip.shape[1]]).max() < 1e-3


def _place(clip: np.ndarray, whole: np.ndarray) -> int:
    """Where a clip is in a song, by the peak of their correlation."""
    n = 1 << int(np.ceil(np.log2(len(whole) + len(clip))))
    product = np.fft.rfft(whole, n) * np.conj(np.fft.rfft(clip, n))
    return int(np.argmax(np.fft.irfft(product, n)[: len(whole)]))


@pytest.mark.parametrize(
    "victim",
    [
        pytest.param("engine", marks=pytest.mark.long),
        pytest.param("control", marks=pytest.mark.long),
        "builder",
    ],
)
def test_a_killed_process_costs_no_clip(playing: Host, victim: str) -> None:
    """What was captured before is on disk, and a capture that goes on goes on."""
    _do(playing, "/rtmss/capture/last", "first", "positive", 2.0)
    _do(playing, "/rtmss/capture/start", "second", "positive")
    before = [read_audio(path)[0] for path in _clips(playing, "first")]
    time.sleep(2)
    killed = host_processes(playing.process.pid)[victim]
    os.kill(killed, signal.SIGKILL)

    def is_back() -> bool:
        return host_processes(playing.process.pid).get(victim, killed) != killed

    playing.wait_until(is_back, f"{victim} is back", seconds=60)
    playing.ask("/rtmss/ping", answer="/rtmss/pong", seconds=60)
    time.sleep(1)
    _do(playing, "/rtmss/capture/stop", "second")
    _do(playing, "/rtmss/condition/build", "second")
    after = [read_audio(path)[0] for path in _clips(playing, "first")]
    assert all(np.array_equal(*pair) for pair in zip(before, after, strict=True))
    (path,) = _clips(playing, "second")
    assert read_audio(path)[0].shape[1] > 2 * RATE


def test_when_all_are_killed_a_capture_is_on_disk_but_for_its_last_seconds(playing: Host) -> None:
    _do(playing, "/rtmss/capture/start", "last", "positive")
    began = time.monotonic()
    time.sleep(7)
    captured = time.monotonic() - began
    _kill_all(playing)
    (path,) = _clips(playing, "last")
    assert read_audio(path)[0].shape[1] > (captured - 5) * RATE


@pytest.mark.usefixtures("jack")
def test_a_host_that_was_killed_goes_on_with_what_it_played(song: Path) -> None:
    with live_host(captures=True) as start:
        host = start("--preset", "four-stems", "--file", str(song))
        host.wait_until(lambda: host.ask("/rtmss/transport/position")[0] > 3, "3 s of the song")
        _do(host, "/rtmss/capture/last", "sound", "positive", 2.0)
        host.send("/rtmss/condition/build", "sound")
        host.send("/rtmss/stem/vocals/condition", "sound")
        host.wait_until(
            lambda: host.ask("/rtmss/stem/vocals/condition") == ["sound"], "the stem plays it"
        )
        host.send("/rtmss/stem/drums/gain", -7.5)
        host.sync()
        time.sleep(4)
        _kill_all(host)
        again = start("--resume", "--file", str(song))
        assert again.ask("/rtmss/stem/vocals/condition") == ["sound"]
        assert again.ask("/rtmss/stem/drums/gain") == [-7.5]
        assert again.ask("/rtmss/preset") == ["four-stems"]


def _kill_all(host: Host) -> None:
    processes = host_processes(host.process.pid)
    for pid in processes.values():
        with contextlib.suppress(ProcessLookupError):  # it ended with another one
            os.kill(pid, signal.SIGKILL)
    host.process.wait(20)
