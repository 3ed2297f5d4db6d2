"""What may go wrong around a running engine, with a JACK server; see also the tests of the live
host.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from helpers.live_host import Host
from rtmss.bench.rig import free_port
from rtmss.separator import default_weights

pytestmark = pytest.mark.jack


@pytest.mark.parametrize("option", ["--device", "--output"])
def test_a_device_that_refuses_is_one_line_with_its_name_and_exit_status_1(
    server: Callable[..., Any], option: str
) -> None:
    server(1024)
    command = [
        sys.executable,
        "-m",
        "rtmss",
        "live",
        "--quiet",
        option,
        "system",
        "--sample-rate",
        "48000",
    ]
    done = subprocess.run(
        [*command, "--backend", "torch"], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 1
    [line] = [line for line in done.stderr.splitlines() if line.startswith("rtmss: ")]
    assert line.startswith("rtmss: system (JACK Audio Connection Kit) refuses 48000 Hz")
    assert "Traceback" not in done.stderr


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """A copy that a test may spoil."""
    return Path(shutil.copy(default_weights(), tmp_path / "mine.safetensors"))


@pytest.fixture
def live(server: Callable[..., Any], weights: Path, tmp_path: Path) -> Iterator[Host]:
    """A host that plays with these weights and writes what it says to `said.txt`."""
    server(1024)
    port, channel = free_port(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    channel.settimeout(0.5)
    command = [
        sys.executable,
        "-m",
        "rtmss",
        "live",
        "--quiet",
        "--backend",
        "torch",
        "--osc-port",
        str(port),
    ]
    with (tmp_path / "said.txt").open("wb") as said:
        host = Host(
            subprocess.Popen([*command, "--weights", str(weights)], stderr=said), channel, port
        )
        try:
            assert host.ask("/rtmss/status/state", seconds=60) == ["running"]
            yield host
        finally:
            host.process.terminate()
            host.process.wait(10)
            channel.close()


def _kill_engine(host: Host) -> None:
    """End the grandchild: the host's child is the server that its engines are forked from."""
    for child in psutil.Process(host.process.pid).children(recursive=True):
        if "forkserver" in " ".join(child.cmdline()) and child.ppid() != host.process.pid:
            os.kill(child.pid, signal.SIGKILL)


def test_weights_truncated_under_a_running_host_are_said_and_tried_again_until_they_are_whole(
    live: Host, weights: Path, tmp_path: Path
) -> None:
    whole = weights.read_bytes()
    hop = live.ask("/rtmss/status/hop")[0]
    os.truncate(weights, len(whole) // 2)
    time.sleep(0.5)
    assert live.ask("/rtmss/status/hop")[0] > hop, "an engine that plays needs the file no more"
    _kill_engine(live)
    said, deadline = tmp_path / "said.txt", time.monotonic() + 30
    while said.read_text().count(f"rtmss: {weights}: not a safetensors file") < 2:
        assert time.monotonic() < deadline
        assert live.ask("/rtmss/ping", 5, answer="/rtmss/pong")[1] == 5
        time.sleep(0.1)
    assert "rtmss: the engine cannot start; starting it again in 1 s" in said.read_text()
    assert live.ask("/rtmss/status/state") == ["reopening"]
    weights.write_bytes(whole)
    deadline = time.monotonic() + 30
    while live.ask("/rtmss/status/state") != ["running"]:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert live.process.poll() is None
