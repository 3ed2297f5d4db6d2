"""`rtmss live --file` on a real PortAudio stream: what comes out is the song, to the sample,
wherever it is sent.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
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


@pytest.fixture
def song(tmp_path: Path) -> Audio:
    """Noise, in tmp_path / song.wav."""
    audio = (
        np.random.default_rng(0)
        .uniform(
            -0.5,
            0.5,
            (2, SECONDS * RATE),
        )
        .astype(np.float32)
    )
    with AudioFile(
        str(tmp_path / "song.wav"),
        "w",
        RATE,
        2,
        bit_depth=32,
    ) as file:
        file.write(audio)
    return audio


Start = Callable[..., tuple[Host, Ear]]


@pytest.fixture
def start(
    monkeypatch: pytest.MonkeyPatch,
    song: Audio,
    tmp_path: Path,
) -> Iterator[Start]:
    """start(*options) plays the song past the separator, and listens."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with jack_server(monkeypatch) as server, live_host() as host:
        server(512)
        ears: list[Ear] = []

        def begin(*options: str) -> tuple[Host, Ear]:
            live = host("--file", str(tmp_path / "song.wav"), *options)
            live.send("/rtmss/bypass", 1)
            live.sync()
            ears.append(Ear())
            time.sleep(0.3)
            return live, ears[-1]

        yield begin
        for ear in ears:
            ear.client.close()


def _place(song: Audio, heard: Audio) -> int:
    """Where a piece of the song begins."""
    for place in np.flatnonzero(song[0] == heard[0]):
        if np.array_equal(
            song[0, place : place + len(heard)],
            heard,
        ):
            return int(place)
    raise AssertionError("this is no piece of the song")


def test_a_seek_goes_to_its_place_and_the_song_goes_on_from_there_to_the_sample(
    start: Start, song: Audio
) -> None:
    live, ear = start()

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


def test_a_loop_keeps_its_length_to_the_sample_and_has_no_gap(start: Start, song: Audio) -> None:
    a, length = 44321 / RATE, 32100
    live, ear = start("--loop", f"{a}:{a + length / RATE}")
    while live.ask("/rtmss/transport/passes")[0] < 1:
        time.sleep(0.1)
    heard = undisturbed(live, lambda: ear.listen(3 * length / RATE))
    differ = np.flatnonzero(heard[length:] != heard[:-length])
    assert len(differ) <= 2 * (
        HOP + FADE
    )  # twice round, less than a hop lies before A instead of before B
    assert np.count_nonzero(heard == 0) < FADE
    assert live.ask("/rtmss/transport/passes")[0] >= 3


def test_a_pause_is_silent_and_resumes_where_it_was(start: Start, song: Audio) -> None:
    live, ear = start("--start", "3")
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


def test_a_killed_engine_comes_back_to_its_place(start: Start, song: Audio) -> None:
    live, ear = start("--start", "8")
    time.sleep(1)
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
    start: Start, tmp_path: Path
) -> None:
    """It is on the disk, under no name, so that there is nothing to remove."""
    live, _ = start()
    files = Path(f"/proc/{live.process.pid}/fd")
    links = [str(link.readlink()) for link in files.iterdir()]
    decoded = [link for link in links if link.startswith(str(tmp_path))]
    assert decoded
    assert all(link.endswith("(deleted)") for link in decoded)
    for pid in {
        live.process.pid,
        *host_processes(live.process.pid).values(),
    }:
        os.kill(pid, signal.SIGKILL)
    live.process.wait(15)
    assert not [path for path in tmp_path.iterdir() if path.name.startswith("rtmss")]
