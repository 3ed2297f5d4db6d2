"""One live host that loses its engine, its control side and its JACK server, one after another."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator

import pytest

from helpers.live_host import Host, is_back_with_its_scene, jack_server, live_host
from rtmss.bench.harness import host_processes

pytestmark = pytest.mark.jack

Start = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture(scope="module")
def start_server() -> Iterator[Start]:
    """start_server(period) starts a JACK server."""
    with pytest.MonkeyPatch.context() as patch, jack_server(patch) as start:
        yield start


@pytest.fixture(scope="module")
def first(start_server: Start) -> subprocess.Popen[bytes]:
    """The server that the host begins with."""
    return start_server(1024)


@pytest.fixture(scope="module")
def live(first: subprocess.Popen[bytes]) -> Iterator[Host]:
    """The host; the tests share it, and the last one ends its server."""
    with live_host() as start:
        yield start("--preset", "four-stems")


def test_an_engine_that_hangs_is_back_with_the_same_scene(live: Host) -> None:
    assert is_back_with_its_scene(live, signal.SIGSTOP) < 4


def test_killing_the_control_side_does_not_touch_the_engine(live: Host) -> None:
    before, hop = (
        host_processes(live.process.pid),
        live.ask("/rtmss/sync", 1, answer="/rtmss/synced")[1],
    )
    os.kill(before["control"], signal.SIGKILL)
    time.sleep(0.1)
    assert live.ask("/rtmss/ping", 5, answer="/rtmss/pong")[1] == 5
    assert host_processes(live.process.pid)["engine"] == before["engine"]
    assert live.ask("/rtmss/sync", 1, answer="/rtmss/synced")[1] > hop


def test_a_jack_server_that_dies_is_waited_for(
    live: Host, first: subprocess.Popen[bytes], start_server: Start
) -> None:
    first.kill()
    first.wait()
    time.sleep(2)
    assert live.ask("/rtmss/ping", 5, answer="/rtmss/pong")[1] == 5
    start_server(1024)
    hop = live.ask("/rtmss/status/hop")
    live.wait_until(lambda: live.ask("/rtmss/status/hop") != hop, "the engine plays again")
    assert live.ask("/rtmss/status/state") == ["running"]
