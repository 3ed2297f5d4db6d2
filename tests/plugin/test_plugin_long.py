"""Harsher things than CI has time for: engines that stand still or come late, many instances, and
what the audio thread asks of the system.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest

from helpers.plugin import Engine, private_folder, serving
from rtmss.audio import Audio
from rtmss.plugin.build import Bundles
from rtmss.plugin.hosts import play_clap, run_host
from rtmss.serve.layout import Control
from rtmss.serve.places import LOCK

pytestmark = pytest.mark.long

RATE = 44100
NO_DRUMS = f"0:{int(Control.PRESET)}=2"


@pytest.fixture(scope="module")
def noise_() -> Audio:
    """(2, S), a second."""
    chance = np.random.default_rng(0)
    return np.asarray(chance.standard_normal((2, RATE)) / 8, np.float32)


@pytest.fixture
def engine(
    tmp_path_factory: pytest.TempPathFactory,
    bundles: Bundles,
    shipped_graph: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Engine]:
    folder = private_folder(tmp_path_factory, "instances")
    monkeypatch.setenv("RTMSS_PLUGIN_DIR", str(folder))
    monkeypatch.setenv("RTMSS_PLUGIN_SETUP", str(folder / "none"))
    with serving(folder, "--backend", "onnx") as engine:
        yield engine


def _nulls(audio: Audio, latency: int, sound: Audio) -> Audio:
    """How far stem and remainder together are from the input, sample by sample."""
    both = (audio[2:4] + audio[16:])[:, latency:]
    return np.asarray(np.abs(both - sound[:, : both.shape[1]]).max(axis=0), np.float32)


def test_a_stopped_engine_is_started_again(engine: Engine, bundles: Bundles, noise_: Audio) -> None:
    stopped = engine.playing()
    play_clap(bundles, noise_, event=NO_DRUMS)
    stopped.send_signal(signal.SIGSTOP)
    begun = time.monotonic()
    played = play_clap(bundles, np.tile(noise_, 10), mode="paced", blocks=256, event=NO_DRUMS)
    assert played.latency == 1536
    assert time.monotonic() - begun > 10
    assert engine.playing().pid != stopped.pid
    assert _nulls(played.audio, 1536, np.tile(noise_, 10))[-RATE:].max() < 1e-6


def test_a_supervisor_that_is_killed_takes_the_engine_along(
    engine: Engine, bundles: Bundles, noise_: Audio
) -> None:
    playing = engine.playing()
    engine.process.kill()
    engine.process.wait()
    playing.wait(10)
    played = play_clap(bundles, noise_)
    assert 2 <= played.report["wall_seconds"] < 4


def test_a_second_engine_says_that_there_is_one(engine: Engine) -> None:
    variables = {**os.environ, "RTMSS_PLUGIN_DIR": str(engine.folder)}
    second = subprocess.run(
        [sys.executable, "-m", "rtmss", "serve"],
        env=variables,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert second.returncode == 1
    assert f"an engine serves already: process {engine.process.pid}" in second.stderr


def test_a_hundred_instances_come_and_go(engine: Engine, bundles: Bundles, noise_: Audio) -> None:
    for _ in range(2):
        played = play_clap(bundles, noise_, instances=100, event=NO_DRUMS)
        assert _nulls(played.audio, played.latency, noise_).max() < 1e-6
        engine.wait(lambda: not [*engine.folder.glob("instance-*")], "all have gone")
    assert engine.errors().count("came") == 200
    assert "Traceback" not in engine.errors()


def test_the_plug_in_starts_an_engine_and_its_offline_host_waits(
    bundles: Bundles,
    shipped_graph: Path,
    noise_: Audio,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = private_folder(tmp_path_factory, "started")
    root = Path(__file__).parents[2]
    words = ["/usr/bin/env", f"PYTHONPATH={root}", sys.executable, "-m", "rtmss", "serve"]
    words += ["--detach", "--backend", "onnx"]
    setup = folder / "setup"
    setup.write_text("".join(f"engine {word}\n" for word in words), encoding="utf-8")
    setup.chmod(0o600)
    monkeypatch.setenv("RTMSS_PLUGIN_DIR", str(folder))
    monkeypatch.setenv("RTMSS_PLUGIN_SETUP", str(setup))
    played = play_clap(bundles, noise_, event=NO_DRUMS)
    assert played.report["parameters"]["Late hops"]["value"] == 0
    assert _nulls(played.audio, played.latency, noise_).max() < 1e-6
    supervisor = psutil.Process(int((folder / LOCK).read_text(encoding="ascii")))
    assert supervisor.terminal() is None
    supervisor.terminate()
    supervisor.wait(20)


@pytest.mark.parametrize("mode", ["paced", "rush"])
def test_the_audio_thread_asks_the_system_for_nothing(
    engine: Engine, bundles: Bundles, noise_: Audio, tmp_path: Path, mode: str
) -> None:
    if shutil.which("strace") is None:
        pytest.skip("needs strace")
    source, trace = tmp_path / "in.f32", tmp_path / "trace"
    np.ascontiguousarray(noise_.T).tofile(source)
    host = [str(bundles.clap_host), str(bundles.clap), "in", str(source), "mode", mode]
    options = ["blocks", "256", "mark", "1", "event", NO_DRUMS, "event", "20000:7=1"]
    run_host(["strace", "-o", str(trace), *host, *options])
    calls = [line.partition("(")[0] for line in trace.read_text(encoding="utf-8").splitlines()]
    marks = [number for number, name in enumerate(calls) if name == "getppid"]
    assert len(marks) == 2 * -(-RATE // 256)
    assert [calls[a + 1 : b] for a, b in zip(marks[::2], marks[1::2], strict=True)] == [[]] * (
        len(marks) // 2
    )
