"""What may go wrong around a running engine, with a JACK server; see also the tests of the live
host.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from helpers.live_host import Host, jack_client
from helpers.models import LIGHT, make_model
from rtmss.live.realtime.process import OTHER_BLOCKS
from rtmss.model.checkpoint import save_model

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
        [
            *command,
            "--backend",
            "torch",
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 1
    [line] = [line for line in done.stderr.splitlines() if line.startswith("rtmss: ")]
    assert line.startswith("rtmss: system (JACK Audio Connection Kit) refuses 48000 Hz")
    assert "Traceback" not in done.stderr


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """The weights of the light host, for a test to spoil."""
    path = tmp_path / "mine.safetensors"
    save_model(path, make_model(LIGHT))
    return path


def test_weights_truncated_under_a_running_host_are_said_and_tried_again_until_they_are_whole(
    server: Callable[..., Any], host: Callable[..., Host], weights: Path
) -> None:
    server(1024)
    live = host("--backend", "torch", "--weights", str(weights))
    whole = weights.read_bytes()
    hop = live.ask("/rtmss/status/hop")[0]
    os.truncate(weights, len(whole) // 2)
    time.sleep(0.5)
    assert live.ask("/rtmss/status/hop")[0] > hop, "an engine that plays needs the file no more"
    live.kill_engine()
    refusal = f"rtmss: {weights}: not a safetensors file"
    live.wait_until(lambda: live.errors().count(refusal) >= 2, "the engine is refused twice")
    assert live.ask("/rtmss/ping", 5, answer="/rtmss/pong")[1] == 5
    pause = "rtmss: the engine cannot start; starting it again in 1 s"
    live.wait_until(lambda: pause in live.errors(), "the supervisor pauses for a second")
    assert live.ask("/rtmss/status/state") == ["reopening"]
    weights.write_bytes(whole)
    live.wait_until(lambda: live.ask("/rtmss/status/state") == ["running"], "the engine plays")
    assert live.process.poll() is None


def test_other_weights_under_a_running_host_are_refused_until_the_old_ones_are_back(
    server: Callable[..., Any], host: Callable[..., Host], weights: Path
) -> None:
    """A new engine played them without a word."""
    server(1024)
    live = host("--backend", "torch", "--weights", str(weights))
    before = weights.read_bytes()
    unet = LIGHT.unet.model_copy(update={"n_condition": 13})
    other_id = save_model(weights, make_model(LIGHT.model_copy(update={"unet": unet})))
    live.kill_engine()
    refusal = f"rtmss: {weights}: are {other_id} now, and were "
    live.wait_until(lambda: refusal in live.errors(), "the engine is refused")
    assert live.ask("/rtmss/status/state") == ["reopening"]
    assert "Traceback" not in live.errors()
    weights.write_bytes(before)
    live.wait_until(lambda: live.ask("/rtmss/status/state") == ["running"], "the engine plays")


def test_where_jack_gets_longer_blocks_the_device_is_opened_again(
    server: Callable[..., Any], host: Callable[..., Host]
) -> None:
    """Three quarters of all hops were late for good."""
    server(256)
    live = host("--preset", "karaoke", "--backend", "torch")
    latency = live.ask("/rtmss/latency")[0]
    client = jack_client("sizer")
    time.sleep(4)
    client.blocksize = 1024
    live.wait_until(lambda: OTHER_BLOCKS in live.errors(), "it is noticed", 40)
    live.wait_until(lambda: live.ask("/rtmss/status/state") == ["running"], "the engine plays")
    assert live.ask("/rtmss/latency")[0] > latency
    time.sleep(1)
    before, late = (live.ask(f"/rtmss/status/{name}")[0] for name in ("hop", "late"))
    time.sleep(3)
    n_hops = live.ask("/rtmss/status/hop")[0] - before
    assert n_hops > 100
    assert live.ask("/rtmss/status/late")[0] - late < 0.2 * n_hops
    assert live.errors().count(OTHER_BLOCKS) == 1
    client.close()
