"""Signs of life: time counts only while a process runs, and children end with their parent."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from rtmss.live.shared import heartbeat
from rtmss.live.shared.heartbeat import LONGEST_LOOK, AwakeClock, Pulse, Supervision
from rtmss.live.shared.parent import end_with_parent
from rtmss.live.shared.state import SharedState

CHILD = """
import os, signal, sys, time
from rtmss.live.shared.parent import end_with_parent
if not os.fork():
    assert end_with_parent(signal.SIGKILL)
    print(os.getpid(), flush=True)
time.sleep(60)
"""


class Clock:
    """Time that stands still until it is moved."""

    now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(heartbeat, "time", clock)
    return clock


def test_time_in_which_this_process_stood_still_does_not_count(clock: Clock) -> None:
    awake = AwakeClock()
    clock.now += 0.1
    assert awake.now() == pytest.approx(0.1)
    clock.now += 3600.0
    assert awake.now() == pytest.approx(0.1 + LONGEST_LOOK)


def test_a_pulse_tells_for_how_long_nothing_has_changed(clock: Clock) -> None:
    beats = [0]
    pulse = Pulse(lambda: beats[0], AwakeClock())
    for _ in range(10):
        clock.now += 0.1
        still = pulse.still_seconds()
    assert still == pytest.approx(1.0)
    assert not pulse.has_begun
    beats[0] += 1
    assert pulse.still_seconds() == 0.0
    assert pulse.has_begun
    pulse.restart()
    assert not pulse.has_begun


def test_a_parent_that_stands_still_is_not_gone(shared: SharedState, clock: Clock) -> None:
    supervision = Supervision(shared, os.getppid())
    for _ in range(1000):
        clock.now += 0.2
        assert not supervision.is_gone()


def test_whose_parent_has_ended_gets_another_and_knows(shared: SharedState) -> None:
    assert Supervision(shared, os.getppid() + 1).is_gone()


def test_where_the_system_does_not_tell_a_supervisor_without_a_beat_is_gone(
    shared: SharedState, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeat, "HAS_ORPHANS", False)
    supervision = Supervision(shared, os.getppid())
    for _ in range(100):
        clock.now += 0.2
        shared.beat("supervisor")
        assert not supervision.is_gone()
    n_looks = 0
    while not supervision.is_gone():
        clock.now += 0.2
        n_looks += 1
        assert n_looks < 1000, "for ever"
    assert 0.2 * n_looks == pytest.approx(heartbeat.PATIENCE_SECONDS, abs=0.5)


def test_the_system_ends_a_process_with_its_parent() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", CHILD], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        child = psutil.Process(int(process.stdout.readline()))
        process.send_signal(signal.SIGKILL)
        process.wait()
        deadline = time.monotonic() + 5
        while child.is_running() and child.status() != psutil.STATUS_ZOMBIE:
            assert time.monotonic() < deadline
            time.sleep(0.01)


def test_elsewhere_than_on_linux_the_system_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.delattr(ctypes, "CDLL")
    assert not end_with_parent(signal.SIGKILL)
