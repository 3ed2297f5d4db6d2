"""Real-time priority: asked for, never taken for granted, and said once where it is missing."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from helpers.supervised import Dummy
from rtmss.engine.control import Scene
from rtmss.live import host
from rtmss.live.host import HostOptions, run_host
from rtmss.live.options import ControlOptions, EngineOptions
from rtmss.live.processes import ForkServer
from rtmss.live.realtime import priority
from rtmss.live.shared.state import SharedState

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="SCHED_FIFO is asked for on Linux only"
)


@pytest.fixture
def scheduler(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """A system that permits everything; the policies asked for."""
    asked: list[int] = []
    monkeypatch.setattr(os, "sched_setscheduler", lambda _pid, policy, _param: asked.append(policy))
    yield asked


@pytest.fixture
def forbidden(monkeypatch: pytest.MonkeyPatch) -> None:
    """A system that permits nothing."""

    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "sched_setscheduler", refuse)


def test_the_engine_asks_for_the_lowest_real_time_priority(scheduler: list[int]) -> None:
    assert priority.raise_priority()
    assert scheduler == [os.SCHED_FIFO]


def test_a_system_that_refuses_is_no_error(forbidden: None) -> None:
    assert not priority.raise_priority()
    assert not priority.is_permitted()


def test_asking_whether_it_is_permitted_leaves_the_thread_as_it_was(scheduler: list[int]) -> None:
    before = os.sched_getscheduler(0)
    assert priority.is_permitted()
    assert scheduler == [os.SCHED_FIFO, before]


def test_info_says_what_to_do(forbidden: None) -> None:
    assert "rtprio" in priority.describe()


def test_a_system_without_it_has_nothing_to_hint_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_setscheduler")
    monkeypatch.delattr(os, "sched_getscheduler")
    monkeypatch.setattr(sys, "platform", "darwin")
    assert not priority.raise_priority()
    assert not priority.is_permitted()
    assert not priority.hint(is_realtime=False)
    assert "device's thread" in priority.describe()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("is_realtime", "n_hints"),
    [(False, 1), (True, 0)],
)
def test_the_host_says_it_once_however_often_the_engine_is_started(
    monkeypatch: pytest.MonkeyPatch, is_realtime: bool, n_hints: int
) -> None:
    engines: list[Dummy] = []

    def start_engine(*_: object) -> Dummy:
        shared = started[0]
        status, meters = shared.read()
        now = time.monotonic() + 60  # it plays from now on, and is never missed
        playing = status._replace(
            state="running",
            hop_seconds=now,
            realtime=int(is_realtime),
        )
        shared.report(
            playing,
            np.zeros((len(meters), 2), np.float32),
        )
        engines.append(Dummy())
        return engines[-1]

    def pause(_: float) -> None:
        if len(engines) < 3:
            engines[-1].code = 1
        else:
            started[0].stop = True

    started: list[SharedState] = []
    create = SharedState.create

    def remember(n_condition: int) -> SharedState:
        started.append(create(n_condition))
        return started[-1]

    monkeypatch.setattr(SharedState, "create", remember)
    monkeypatch.setattr(host, "PAUSES_SECONDS", (0.0,))
    monkeypatch.setattr(host, "start_engine", start_engine)
    monkeypatch.setattr(host, "start_control", lambda *_: Dummy())
    monkeypatch.setattr(time, "sleep", pause)
    said: list[str] = []
    control = ControlOptions(
        n_condition=12,
        model_id="x",
        library=Path("none"),
        osc_bind="127.0.0.1",
        osc_port=1,
    )
    options = HostOptions(EngineOptions(n_condition=12), control)
    assert run_host(options, Scene(), "x", ForkServer(), said.append) == 0
    assert len(engines) == 3
    assert len([line for line in said if "rtprio" in line]) == n_hints
