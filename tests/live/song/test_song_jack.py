"""`rtmss live --file` on a real PortAudio stream: what comes out is the song, to the sample,
wherever it is sent.
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
from rtmss.live.buffers.declick import FADE

pytestmark = pytest.mark.jack

SECONDS, HOP = 30, 512
POSITION = "/rtmss/transport/position"
LOOP_SECONDS, LOOP_SAMPLES = 44321 / RATE, 32100


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the song is, and the host's temporary files."""
    return tmp_path_factory.mktemp("song")


@pytest.fixture(scope="module")
def song(folder: Path) -> Audio:
    """Noise, in folder / song.wav."""
    audio = np.random.default_rng(0).uniform(-0.5, 0.5, (2, SECONDS * RATE)).astype(np.float32)
    with AudioFile(str(folder / "song.wav"), "w", RATE, 2, bit_depth=32) as file:
        file.write(audio)
    return audio


@pytest.fixture(scope="module")
def playing(song: Audio, folder: Path) -> Iterator[tuple[Host, Ear]]:
    """A host that plays a loop past the separator, and who listens. The tests share it, and the
    last one kills it.
    """
    loop = f"{LOOP_SECONDS}:{LOOP_SECONDS + LOOP_SAMPLES / RATE}"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", str(folder))
        with jack_server(patch) as server, live_host() as host:
            server(512)
            live = host("--file", str(folder / "song.wav"), "--start", "0.5", "--loop", loop)
            live.send("/rtmss/bypass", 1)
            live.sync()
            ear = Ear()
            time.sleep(0.3)
            yield live, ear
            ear.client.close()


@pytest.fixture
def at_large(playing: tuple[Host, Ear]) -> tuple[Host, Ear]:
    """The same without the loop, three seconds into the song."""
    live, _ = playing
    live.send("/rtmss/transport/loop", 0)
    live.send(POSITION, 3.0)
    live.sync()
    time.sleep(0.5)
    return playing


def _place(song: Audio, heard: Audio) -> int:
    """Where a piece of the song begins."""
    for place in np.flatnonzero(song[0] == heard[0]):
        if np.array_equal(
            song[0, place : place + len(heard)],
            heard,
        ):
            return int(place)
    raise AssertionError("this is no piece of the song")


def test_a_loop_keeps_its_length_to_the_sample_and_has_no_gap(playing: tuple[Host, Ear]) -> None:
    live, ear = playing
    while live.ask("/rtmss/transport/passes")[0] < 1:
        time.sleep(0.1)
    heard = undisturbed(live, lambda: ear.listen(3 * LOOP_SAMPLES / RATE))
    differ = np.flatnonzero(heard[LOOP_SAMPLES:] != heard[:-LOOP_SAMPLES])
    # Twice round, less than a hop lies before A instead of before B.
    assert len(differ) <= 2 * (HOP + FADE)
    assert np.count_nonzero(heard == 0) < FADE
    assert live.ask("/rtmss/transport/passes")[0] >= 3


def test_a_seek_goes_to_its_place_and_the_song_goes_on_from_there_to_the_sample(
    at_large: tuple[Host, Ear], song: Audio
) -> None:
    live, ear = at_large

    def jump() -> Audio:
        live.send(POSITION, 12.5)
        return ear.listen(1.5)

    heard = undisturbed(live, jump)
    silent = np.flatnonzero(heard == 0)
    assert 0.05 < len(silent) / RATE < 0.5
    after = heard[silent[-1] + 1 + FADE :]
    assert len(after) > RATE // 2
    delay = live.ask("/rtmss/latency")[0]
    assert abs(_place(song, after) - FADE - round(12.5 * RATE)) <= delay
    told = live.ask(POSITION)[0]
    assert 12.5 < told < SECONDS


def test_a_pause_is_silent_and_resumes_where_it_was(
    at_large: tuple[Host, Ear], song: Audio
) -> None:
    live, ear = at_large
    live.send("/rtmss/transport/play", 0)
    time.sleep(0.3)
    place = live.ask(POSITION)
    assert not ear.listen(0.5).any()
    assert live.ask(POSITION) == place
    live.send("/rtmss/transport/play", 1)
    time.sleep(0.3)
    assert (
        _place(
            song,
            ear.listen(0.2)[-2000:],
        )
        > place[0] * RATE
    )


def test_a_killed_engine_comes_back_to_its_place(at_large: tuple[Host, Ear], song: Audio) -> None:
    live, ear = at_large
    [place] = live.ask(POSITION)
    live.kill_engine()
    time.sleep(0.2)
    hop = live.ask("/rtmss/status/hop")[0]
    live.wait_until(
        lambda: (
            live.ask("/rtmss/status/state") == ["running"]
            and live.ask("/rtmss/status/hop")[0] != hop
        ),
        "the engine plays again",
    )
    ear.client.connect(
        ear.client.get_ports("rtmss:out.*")[0],
        ear.client.inports[0],
    )
    time.sleep(1)
    heard = undisturbed(live, lambda: ear.listen(0.3))
    assert (
        place * RATE
        < _place(
            song,
            heard[-2000:],
        )
        < (place + 20) * RATE
    )


def test_nothing_is_left_of_the_decoded_song_however_the_host_ends(
    playing: tuple[Host, Ear], folder: Path
) -> None:
    """It is on the disk, under no name, so that there is nothing to remove."""
    live, _ = playing
    files = Path(f"/proc/{live.process.pid}/fd")
    links = [str(link.readlink()) for link in files.iterdir()]
    decoded = [link for link in links if link.startswith(str(folder))]
    assert decoded
    assert all(link.endswith("(deleted)") for link in decoded)
    for pid in {
        live.process.pid,
        *host_processes(live.process.pid).values(),
    }:
        os.kill(pid, signal.SIGKILL)
    live.process.wait(15)
    assert not [path for path in folder.iterdir() if path.name.startswith("rtmss")]
