"""The supervisor: what has ended is started again, after pauses that grow."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import pytest

from helpers.supervised import Dummy
from rtmss.live import host
from rtmss.live.host import CALM_SECONDS, PAUSES_SECONDS, RefusedError, Supervised
from rtmss.live.options import EXIT_REFUSED


class Clock:
    """Time that stands still until it is moved."""

    now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(host, "time", clock)
    return clock


@pytest.fixture
def supervise(clock: Clock) -> Callable[[], tuple[Supervised, list[Dummy], list[str]]]:
    """supervise() -> what is supervised, every process that was started, and what was said."""

    def make() -> tuple[Supervised, list[Dummy], list[str]]:
        started: list[Dummy] = []
        said: list[str] = []

        def start() -> Dummy:
            started.append(Dummy())
            return started[-1]

        return Supervised("the engine", start, said.append), started, said

    return make


Supervise = Callable[[], tuple[Supervised, list[Dummy], list[str]]]


def test_a_process_that_runs_is_left_alone(supervise: Supervise) -> None:
    supervised, started, said = supervise()
    supervised.check()
    assert (len(started), said) == (1, [])


def test_a_process_that_ended_after_a_calm_time_is_started_at_once(
    supervise: Supervise, clock: Clock
) -> None:
    supervised, started, said = supervise()
    clock.now += CALM_SECONDS + 1
    started[0].code = -11
    supervised.check()
    assert supervised.is_down
    supervised.check()
    assert (len(started), supervised.is_down) == (2, False)
    assert said == ["the engine ended with status -11; starting it again in 0 s"]


def test_a_process_with_a_problem_is_ended_and_started_again(
    supervise: Supervise, clock: Clock
) -> None:
    supervised, started, said = supervise()
    clock.now += CALM_SECONDS + 1
    supervised.check("has been silent for 2.1 s")
    supervised.check()
    assert (started[0].code, len(started)) == (-9, 2)
    assert "has been silent" in said[0]


def test_pauses_grow_with_every_failure_up_to_the_longest(
    supervise: Supervise, clock: Clock
) -> None:
    supervised, started, _ = supervise()
    look = 0.25
    pauses = []
    for _ in range(6):
        started[-1].code, ended = 1, clock.now
        n = len(started)
        while len(started) == n:
            supervised.check()
            assert clock.now - ended <= PAUSES_SECONDS[-1]
            clock.now += look
        pauses.append(clock.now - look - ended)
    assert PAUSES_SECONDS[0] == 0
    assert pauses == [look, *PAUSES_SECONDS[1:], PAUSES_SECONDS[-1]]


def test_a_first_start_that_is_refused_ends_it_all(supervise: Supervise) -> None:
    supervised, started, _ = supervise()
    started[0].code = EXIT_REFUSED
    with pytest.raises(RefusedError):
        supervised.check()


def test_a_later_start_that_is_refused_is_tried_again(supervise: Supervise, clock: Clock) -> None:
    supervised, started, _ = supervise()
    clock.now += CALM_SECONDS + 1
    started[0].code = 1
    supervised.check()
    supervised.check()
    started[1].code = EXIT_REFUSED
    supervised.check()
    clock.now += PAUSES_SECONDS[-1]
    supervised.check()
    assert len(started) == 3


@pytest.mark.slow
@pytest.mark.parametrize(
    "module",
    [
        "control.process",
        "realtime.launch",
        "host",
        "control.terminal",
        "control.osc.server",
        "recorder",
    ],
)
def test_all_but_the_engine_import_no_torch(module: str) -> None:
    code = f"import sys, rtmss.live.{module}; sys.exit('torch' in sys.modules)"
    assert (
        subprocess.run(
            [sys.executable, "-c", code],
            check=False,
        ).returncode
        == 0
    )
