"""What `rtmss live --record` leaves on the disk, and the same again by `rtmss render
--automation`.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from pythonosc.osc_bundle_builder import IMMEDIATELY, OscBundleBuilder
from pythonosc.osc_message_builder import OscMessageBuilder

from helpers.command_line import Rtmss
from helpers.live_host import Host, jack_client, jack_server, live_host
from rtmss.audio import Audio
from rtmss.files import read_audio

pytestmark = pytest.mark.jack

Recording = Callable[..., Host]


@pytest.fixture
def recording(monkeypatch: pytest.MonkeyPatch) -> Iterator[Recording]:
    """recording(folder, backend="torch") starts a host that records noise into it.

    The network is the shipped one, but light in other profiles, where not every machine keeps up.
    """
    with (
        jack_server(monkeypatch) as server,
        live_host(shipped=True) as start_shipped,
        live_host() as start_light,
    ):
        server(1024)
        clients = []

        def record(
            folder: Path,
            backend: str = "torch",
            profile: str = "default",
        ) -> Host:
            how = ("--record", str(folder), "--backend", backend, "--profile", profile)
            start = start_shipped if profile == "default" else start_light
            host = start("--preset", "karaoke", *how)
            clients.append(_play_noise())
            return host

        yield record
        for client in clients:
            client.close()


def _play_noise() -> Any:
    client = jack_client("noise")
    source = client.outports.register("out")
    rng = np.random.default_rng(0)

    def process(n: int) -> None:
        source.get_array()[:] = 0.2 * rng.standard_normal(n, np.float32)

    client.set_process_callback(process)
    client.activate()
    for sink in client.get_ports("rtmss:in.*"):
        client.connect(source, sink)
    return client


def _events(take: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (take / "session.jsonl").read_text().splitlines()[1:]]


def _audio(folder: Path) -> dict[str, Audio]:
    return {path.stem: read_audio(path)[0] for path in folder.glob("*.wav")}


def _bundle(*rows: tuple[str, float | int]) -> bytes:
    builder = OscBundleBuilder(IMMEDIATELY)
    for address, value in rows:
        message = OscMessageBuilder(address)
        message.add_arg(value)
        builder.add_content(message.build())
    return builder.build().dgram


@pytest.mark.usefixtures("shipped_graph")
@pytest.mark.parametrize(
    ("backend", "profile"),
    [
        ("torch", "default"),
        pytest.param("onnx", "default", marks=pytest.mark.long),  # the other two have its parts
        ("onnx", "tighter"),
    ],
)
def test_a_replayed_log_gives_what_was_recorded_to_the_bit(
    recording: Recording,
    rtmss: Rtmss,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    backend: str,
    profile: str,
) -> None:
    host, take = recording(tmp_path, backend, profile), tmp_path / "take-001"
    for address, value in (
        ("/rtmss/stem/vocals/mute", 0),
        ("/rtmss/stem/vocals/gain", -6.5),
        ("/rtmss/stem/vocals/condition", "piano"),
    ):
        host.send(address, value)
        host.sync()
        time.sleep(0.3)
    host.ask("/rtmss/preset", "four-stems", answer="/rtmss/done")
    host.socket.sendto(
        _bundle(
            ("/rtmss/stem/drums/mute", 1),
            ("/rtmss/fade", 200.0),
        ),
        ("127.0.0.1", host.port),
    )
    host.sync()
    host.send("/rtmss/remainder/gain", -3.0)
    host.sync()
    time.sleep(0.5)
    assert host.ask("/rtmss/status/recording") == ["recording"]
    host.end()
    words = [str(take / "input.wav"), "--automation", str(take / "session.jsonl")]
    arguments = list(map(str, host.process.args))  # type: ignore[arg-type]
    if "--weights" in arguments:
        words += ["--weights", arguments[arguments.index("--weights") + 1]]
    monkeypatch.setenv("RTMSS_LIBRARY", str(host.library))
    status, printed = rtmss("render --stems --output", str(tmp_path / "again"), *words).joined
    assert status == 0, printed
    recorded, again = _audio(take), _audio(tmp_path / "again")
    assert (
        set(again)
        == {"mix", "remainder", "vocals", "drums", "bass", "guitar"}
        == set(recorded) - {"input"}
    )
    assert all(np.abs(audio).max() > 0.001 for audio in recorded.values())
    for name, audio in again.items():
        assert audio.tobytes() == recorded[name].tobytes(), name
    events = _events(take)
    assert sum(event["event"] == "scene" for event in events) >= 6
    assert events[-1]["reason"] == "stopped"


def test_a_killed_recorder_goes_on_where_it_was(recording: Recording, tmp_path: Path) -> None:
    host, take = recording(tmp_path), tmp_path / "take-001"
    time.sleep(1)
    (victim,) = (
        child
        for child in psutil.Process(host.process.pid).children(recursive=True)
        if "rtmss.live.recorder" in " ".join(child.cmdline())
    )
    os.kill(victim.pid, signal.SIGKILL)
    seconds = host.ask("/rtmss/status/recording_seconds")[0]
    host.wait_until(
        lambda: host.ask("/rtmss/status/recording_seconds")[0] >= seconds + 1,
        "a second more is recorded",
        60,
    )
    (n_lost,) = host.ask("/rtmss/status/recording_lost")
    host.end()
    assert [path.name for path in tmp_path.iterdir()] == ["take-001"]
    recorded = _audio(take)
    assert len({audio.shape[1] for audio in recorded.values()}) == 1
    stems = recorded["vocals"] + recorded["remainder"] - recorded["input"]
    assert recorded["input"].shape[1] > (seconds + 1) * 44100
    if not n_lost:  # it was back before the engine came round
        assert np.abs(stems[:, : -2 * 1024]).max() < 1e-5


def test_a_full_disk_ends_the_recording_and_neither_sound_nor_control(
    recording: Recording, small_disk: Path
) -> None:
    host = recording(small_disk)
    host.wait_until(
        lambda: host.ask("/rtmss/status/recording") == ["stopped"], "the recording stops", 60
    )
    hop = host.ask("/rtmss/status/hop")[0]
    host.send("/rtmss/stem/vocals/gain", -3.0)
    host.sync()
    assert host.ask("/rtmss/ping", 5, answer="/rtmss/pong")[1] == 5
    assert host.ask("/rtmss/status/hop")[0] > hop
    host.end()
    assert host.errors().count("recording stopped: No space left on device") == 1
    assert len({audio.shape[1] for audio in _audio(small_disk / "take-001").values()}) == 1
