"""A busy machine is no hang: threads that wait sleep, and only those with a core are taken."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from rtmss import threads
from rtmss.cli import app
from rtmss.cli.base import load_separator
from rtmss.threads import free_cores

BY_TURNS = """
import time, numpy
from rtmss.cli.base import load_separator
from rtmss.conditions.condition import Condition
audio = numpy.random.default_rng(0).standard_normal((2, 22050), numpy.float32)
seconds = []
for n_threads in (1, 0):
    separator = load_separator(None, n_threads)
    n = separator.model.config.unet.n_condition
    condition = Condition.bare("x", numpy.linspace(0, 1, n, dtype=numpy.float32))
    separator.separate(audio[:, :4096], 44100, condition)
    begun = time.perf_counter()
    separator.separate(audio, 44100, condition)
    seconds.append(time.perf_counter() - begun)
print(seconds[1] / seconds[0])
"""


def clean_environment() -> dict[str, str]:
    """Without what this process has told its OpenMP."""
    told = {"OMP_WAIT_POLICY", "KMP_BLOCKTIME", "GOMP_SPINCOUNT", "OMP_NUM_THREADS"}
    return {name: value for name, value in os.environ.items() if name not in told}


def wait_policy(**variables: str) -> str:
    """How torch's threads wait in a process that imports rtmss first."""
    shown = subprocess.run(
        [sys.executable, "-c", "import rtmss, torch"],
        env=clean_environment() | {"OMP_DISPLAY_ENV": "TRUE"} | variables,
        capture_output=True,
        text=True,
        check=True,
    ).stderr
    lines = [line for line in shown.splitlines() if "OMP_WAIT_POLICY" in line]
    if not lines:
        pytest.skip("this torch comes with an OpenMP that does not say how it waits")
    return lines[0].partition("=")[2].strip(" '")


@pytest.fixture
def busy_machine() -> Iterator[None]:
    """Two processes on every core that never rest."""
    spin = [sys.executable, "-c", "while True: pass"]
    processes = [subprocess.Popen(spin) for _ in range(2 * (os.cpu_count() or 1))]
    yield
    for process in processes:
        process.kill()
        process.wait()


@pytest.mark.slow
def test_threads_that_wait_sleep() -> None:
    assert wait_policy() == "PASSIVE"


@pytest.mark.slow
def test_who_wants_threads_to_spin_can_have_it() -> None:
    assert wait_policy(OMP_WAIT_POLICY="ACTIVE") == "ACTIVE"


@pytest.mark.skipif(
    (os.cpu_count() or 1) < 2,
    reason="there is one core",
)
@pytest.mark.usefixtures("busy_machine")
@pytest.mark.long
def test_the_default_on_a_busy_machine_is_no_slower_than_one_thread() -> None:
    """Spinning, they took 5 to 150 times as long."""
    done = subprocess.run(
        [sys.executable, "-c", BY_TURNS],
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    assert float(done.stdout) < 3


@pytest.mark.parametrize(
    ("n_running", "n_free"),
    [
        (1, 8),
        (2, 7),
        (6, 3),
        (8, 1),
        (40, 1),
    ],
)
def test_cores_that_others_use_are_not_free(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, n_running: int, n_free: int
) -> None:
    (tmp_path / "loadavg").write_text(f"9.00 9.00 9.00 {n_running}/300 4711\n")
    monkeypatch.setattr(threads, "_LOAD", tmp_path / "loadavg")
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    assert free_cores() == n_free


def test_cores_that_this_process_may_not_use_are_not_free(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(threads, "_LOAD", tmp_path / "none")
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 5}, raising=False)
    assert free_cores() == 2


@pytest.mark.parametrize(
    ("asked", "taken"),
    [(0, 1), (2, 2)],
)
def test_a_command_takes_the_threads_that_are_free_or_asked_for(
    monkeypatch: pytest.MonkeyPatch, asked: int, taken: int
) -> None:
    before = torch.get_num_threads()
    monkeypatch.setattr(threads, "free_cores", lambda: 1)
    try:
        load_separator(None, asked)
        assert torch.get_num_threads() == taken
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize(
    "n",
    ["-1", "257", "100000", str(1 << 40)],
)
def test_more_threads_than_any_machine_has_are_refused(tmp_path: Path, n: str) -> None:
    """torch would end the process without a word."""
    line = [
        "render",
        str(tmp_path / "x.wav"),
        "--preset",
        "karaoke",
        "-o",
        str(tmp_path),
    ]
    result = CliRunner().invoke(app, [*line, "--threads", n])
    assert result.exit_code == 2
    assert "--threads" in result.output
