"""`rtmss live --setlist` on a real PortAudio stream: cues come to their hop, one song after the
other.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from pedalboard.io import AudioFile

from helpers.live_host import Ear, Host, jack_server, live_host, undisturbed
from rtmss.audio import Audio
from rtmss.bench.harness import RATE, host_processes

pytestmark = pytest.mark.jack

SECONDS, HOP = 12, 512
CUE_SECONDS = 2.345
SET_LIST = f"""
songs:
- name: one
  file: one.wav
  preset: whole.yaml
  cues:
  - {{name: quiet, at: {CUE_SECONDS}, mixer: {{master: {{mute: true}}}}, fade_ms: 0}}
  - {{name: loud, mixer: {{master: {{mute: false}}}}}}
- name: two
  file: two.wav
  preset: whole.yaml
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the songs and their set list are, and the host's temporary files."""
    return tmp_path_factory.mktemp("songs")


@pytest.fixture(scope="module")
def songs(folder: Path) -> list[Audio]:
    """Two songs of noise, a preset that leaves them as they are, and their set list."""
    songs = []
    for seed, name in enumerate(("one", "two")):
        rng = np.random.default_rng(seed)
        songs.append(rng.uniform(-0.5, 0.5, (2, SECONDS * RATE)).astype(np.float32))
        path = str(folder / f"{name}.wav")
        with AudioFile(path, "w", RATE, 2, bit_depth=32) as file:
            file.write(songs[-1])
    (folder / "whole.yaml").write_text("stems: {vocals: {condition: vocals}}\n")
    (folder / "list.yaml").write_text(SET_LIST)
    return songs


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[None]:
    """A JACK server for all of these tests."""
    with pytest.MonkeyPatch.context() as patch, jack_server(patch) as start:
        patch.setenv("TMPDIR", str(folder))
        start(512)
        yield


@pytest.fixture(scope="module")
def live(server: None, songs: list[Audio], folder: Path) -> Iterator[tuple[Host, Ear]]:
    """A host that plays the set list, and who listens."""
    with live_host() as host:
        running = host("--setlist", str(folder / "list.yaml"))
        ear = Ear()
        yield running, ear
        ear.client.close()


def place(song: Audio, heard: Audio) -> int:
    """Where a piece of the song begins; stems and remainder add up to it but for rounding."""
    for start in np.flatnonzero(np.abs(song[0] - heard[0]) < 1e-4):
        piece = song[0, start : start + len(heard)]
        if len(piece) == len(heard) and np.abs(piece - heard).max() < 1e-4:
            return int(start)
    raise AssertionError("this is no piece of the song")


def test_a_cue_by_time_is_heard_in_its_hop(live: tuple[Host, Ear], songs: list[Audio]) -> None:
    host, ear = live

    def go() -> None:
        host.send("/rtmss/cue/go", "one")
        time.sleep(CUE_SECONDS - 1)

    heard = undisturbed(
        host, lambda: ear.listen(2.5), lambda audio: bool(audio[0]) and not audio[-1], go
    )
    last = int(np.flatnonzero(heard)[-1]) + 1
    begins = place(songs[0], heard[last - 2000 : last]) + 2000
    assert begins <= round(CUE_SECONDS * RATE) < begins + HOP
    assert host.ask("/rtmss/cue") == ["one/quiet"]


def test_the_next_song_follows_and_a_killed_control_side_comes_back_to_its_cue(
    live: tuple[Host, Ear], songs: list[Audio]
) -> None:
    host, ear = live
    host.send("/rtmss/cue/go", "two")
    host.wait_until(lambda: host.ask("/rtmss/transport/length")[0] > 0, "the song is read")
    time.sleep(0.5)
    heard = undisturbed(host, lambda: ear.listen(0.3))
    assert 0 < place(songs[1], heard[-2000:]) < 10 * RATE
    os.kill(host_processes(host.process.pid)["control"], signal.SIGKILL)
    time.sleep(0.5)
    assert host.ask("/rtmss/cue", seconds=30) == ["two"]
    host.send("/rtmss/cue/previous")
    host.sync()
    assert host.ask("/rtmss/cue") == ["one/loud"]


@pytest.mark.usefixtures("server", "songs")
def test_a_set_list_is_resumed_where_it_was_cut_off(folder: Path) -> None:
    with live_host() as start:
        host = start("--setlist", str(folder / "list.yaml"))
        host.send("/rtmss/cue/go", "two")
        host.send("/rtmss/remainder/gain", -6.0)
        host.wait_until(lambda: host.ask("/rtmss/transport/position")[0] > 6, "five seconds")
        time.sleep(3)  # it is saved every few seconds
        host.process.kill()
        host.process.wait(20)
        again = start("--setlist", str(folder / "list.yaml"), "--resume")
        assert again.ask("/rtmss/cue") == ["two"]
        assert again.ask("/rtmss/remainder/gain") == [-6.0]
        again.wait_until(lambda: again.ask("/rtmss/transport/length")[0] > 0, "the song is read")
        assert again.ask("/rtmss/transport/position")[0] >= 5
