"""However the live host ends, nothing of it is left: no memory, no file, no process."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from helpers.live_family import Family, events, runs, until
from helpers.live_host import Host
from rtmss.bench.harness import host_processes

pytestmark = [pytest.mark.jack, pytest.mark.long]


@pytest.fixture
def family(
    server: Callable[..., Any], tmp_path: Path, host_socket: Any
) -> Iterator[Callable[..., tuple[Family, Host]]]:
    """family(*options) starts a host that records, and waits until it plays and records."""
    server(1024)
    made: list[Family] = []

    def start(*options: str) -> tuple[Family, Host]:
        port, channel = host_socket
        command = [
            sys.executable,
            "-m",
            "rtmss",
            "live",
            "--quiet",
            "--osc-port",
            str(port),
        ]
        command += ["--backend", "torch", "--record", str(tmp_path / "rec"), *options]
        one = Family(command, tmp_path)
        made.append(one)
        host = Host(one.process, channel, port, one.said)
        assert host.ask("/rtmss/status/state", seconds=120) == ["running"]
        until(lambda: bool(host.ask("/rtmss/status/recording_seconds")[0] > 0.5), "no record", 20)
        one.processes()
        return one, host

    yield start
    for one in made:
        one.end()


@pytest.fixture
def host_socket() -> Iterator[Any]:
    import socket

    from rtmss.bench.harness import free_port

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as channel:
        channel.settimeout(0.5)
        yield free_port(), channel


Start = Callable[..., tuple[Family, Host]]


@pytest.mark.parametrize("numbers", [
    [signal.SIGINT, signal.SIGINT],
    [signal.SIGQUIT],
    [signal.SIGHUP],
    [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT],
])  # fmt: skip
def test_signals_to_the_group_leave_nothing_and_end_the_recording(
    family: Start, tmp_path: Path, numbers: list[int]
) -> None:
    one, _ = family()
    for number in numbers:
        one.signal(number)
        time.sleep(0.03)
    one.assert_gone()
    assert one.process.returncode == 0
    assert events(tmp_path / "rec" / "take-001")[-1]["reason"] == "stopped"


def test_a_killed_supervisor_leaves_nothing_and_the_recording_has_an_end(
    family: Start, tmp_path: Path
) -> None:
    one, _ = family()
    one.process.kill()
    one.assert_gone()
    assert events(tmp_path / "rec" / "take-001")[-1]["reason"] == "stopped"


def test_a_killed_supervisor_leaves_no_decoded_song(family: Start, write_song: Path) -> None:
    one, host = family("--file", str(write_song))
    until(lambda: bool(host.ask("/rtmss/transport/length")[0] > 0), "no song", 20)
    one.process.kill()
    one.assert_gone()


@pytest.fixture
def write_song(
    tmp_path: Path,
    write_audio: Callable[..., Path],
    noise: Callable[..., Any],
) -> Path:
    return write_audio(tmp_path / "song.wav", noise(44100 * 4), 44100)


def test_when_all_are_killed_at_once_nothing_is_left(family: Start) -> None:
    one, _ = family()
    for process in (*one.processes(), psutil.Process(one.process.pid)):
        process.kill()
    one.assert_gone()


def test_a_group_that_was_stopped_and_goes_on_keeps_its_engine(
    family: Start, tmp_path: Path
) -> None:
    one, host = family()
    engine = host_processes(one.process.pid)["engine"]
    one.signal(signal.SIGSTOP)
    time.sleep(4)
    one.signal(signal.SIGCONT)
    time.sleep(1)
    hop = host.ask("/rtmss/status/hop")[0]
    until(lambda: bool(host.ask("/rtmss/status/hop")[0] > hop), "no sound")
    assert host_processes(one.process.pid)["engine"] == engine
    assert (tmp_path / "said.txt").read_text().count("starting it again") == 0


def test_an_engine_ends_with_the_supervisor_while_its_device_does_not_answer(
    server: Callable[..., Any], tmp_path: Path
) -> None:
    jackd = server(1024)
    jackd.send_signal(signal.SIGSTOP)
    try:
        command = [sys.executable, "-m", "rtmss", "live", "--quiet", "--backend", "torch"]
        one = Family(command, tmp_path)
        until(lambda: len(one.processes()) >= 2, "nothing was started", 30)
        time.sleep(4)  # it is opening the device
        one.processes()
        one.process.kill()
        one.assert_gone()
    finally:
        jackd.send_signal(signal.SIGCONT)
        one.end()


def test_a_forkserver_that_is_killed_takes_its_engine_along_and_another_plays(
    family: Start,
) -> None:
    one, host = family()
    [before] = one.servers()
    engine = psutil.Process(host_processes(one.process.pid)["engine"])
    before.kill()
    until(lambda: not runs(engine), "its engine plays on")
    until(lambda: "engine" in host_processes(one.process.pid), "no engine", 30)
    until(lambda: host.ask("/rtmss/status/state") == ["running"], "no sound", 30)
    assert one.servers() != [before]
    one.signal(signal.SIGTERM)
    one.assert_gone()
