"""From the start of a process to its first sound, and what it takes in memory: every figure from a
process of its own.

A run of this module is such a process: it is told what to play as JSON and answers with JSON.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rtmss.config import UserError


@dataclass(frozen=True)
class StartRow:
    """Medians of several processes. Seconds are since the process was started, so each holds those
    before it.
    """

    backend: str
    """What was asked for."""
    n_targets: int
    n_rounds: int
    imported_seconds: float
    loaded_seconds: float
    """The weights are there."""
    chosen_seconds: float
    """The backend is chosen, which for some means measured, and ready."""
    heard_seconds: float
    """The first hop has been stepped."""
    peak_mib: float | None
    """Resident memory at its highest, with all that is shared; None where the system does not
    say.
    """
    played: str
    """The backend that it came to."""


@dataclass(frozen=True)
class StartOrder:
    """What a process is to play."""

    backend: str
    n_targets: int
    n_hops: int
    folder: str
    """Where networks for ONNX Runtime are."""
    weights: str | None


def measure_start(
    orders: Sequence[StartOrder], n_rounds: int, say: Callable[[str], None]
) -> list[StartRow]:
    """Start a process for every order, by turns.

    Args:
        orders: what to play.
        n_rounds: processes for each.
        say: told which one it is.

    Raises:
        UserError: a process fails.
    """
    told: list[list[dict[str, Any]]] = [[] for _ in orders]
    for number in range(n_rounds):
        for order, answers in zip(orders, told, strict=True):
            say(f"round {number + 1} of {n_rounds}: {order.backend}, {order.n_targets} targets")
            answers.append(_run(order))
    return [
        StartRow(
            order.backend,
            order.n_targets,
            n_rounds,
            played=answers[0]["played"],
            **_medians(answers),
        )
        for order, answers in zip(orders, told, strict=True)
    ]


def measure_help(n_rounds: int) -> float:
    """Seconds that `rtmss --help` takes, median."""
    taken = []
    for _ in range(n_rounds):
        begun = time.monotonic()
        subprocess.run(
            [sys.executable, "-m", "rtmss", "--help"],
            check=True,
            capture_output=True,
        )
        taken.append(time.monotonic() - begun)
    return _median(taken)


def peak_mib() -> float | None:
    """The most resident memory that this process has had so far; None where the system does not
    say.
    """
    status = Path("/proc/self/status")
    if (
        status.exists()
    ):  # Linux's getrusage would include what the parent had before the process became this one
        (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) / 1024
    try:
        import resource
    except ImportError:
        return None
    bytes_each = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * bytes_each / 2**20


def _run(order: StartOrder) -> dict[str, Any]:
    command = [
        sys.executable,
        "-m",
        "rtmss.bench.start",
        json.dumps(asdict(order)),
    ]
    begun = time.monotonic()  # the same clock in every process
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    if run.returncode or not run.stdout.startswith("{"):
        last = (run.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise UserError(f"a process that was to play with backend {order.backend} failed: {last}")
    told: dict[str, Any] = json.loads(run.stdout)
    return {key: told[key] - begun if key.endswith("_seconds") else told[key] for key in told}


def _medians(answers: Sequence[dict[str, Any]]) -> dict[str, Any]:
    names = [name for name in answers[0] if name != "played"]
    return {
        name: None if answers[0][name] is None else _median([answer[name] for answer in answers])
        for name in names
    }


def _median(values: Sequence[float]) -> float:
    ordered = sorted(values)
    return (ordered[len(ordered) // 2] + ordered[(len(ordered) - 1) // 2]) / 2


def _play(order: StartOrder) -> dict[str, Any]:
    """Import, load, choose, play; when each was done, on the clock that all processes share."""
    import torch

    from rtmss.bench.steps import noise_hops, random_scene
    from rtmss.engine.backends.choose import choose
    from rtmss.engine.session import Session
    from rtmss.separator import Separator

    torch.set_num_threads(1)
    done = {"imported_seconds": time.monotonic()}
    separator = Separator.load(None if order.weights is None else Path(order.weights))
    done["loaded_seconds"] = time.monotonic()
    choice = choose(
        separator.model,
        separator.model_id,
        order.backend,
        Path(order.folder),
    )
    backend = choice.start(separator.model)
    session = Session(
        separator.model, random_scene(separator.model, order.n_targets), backend=backend
    )
    noise = noise_hops(session.hop_length)
    done["chosen_seconds"] = time.monotonic()
    session.step(next(noise))
    done["heard_seconds"] = time.monotonic()
    for _ in range(order.n_hops):
        session.step(next(noise))
    return {**done, "peak_mib": peak_mib(), "played": choice.name}


if __name__ == "__main__":
    print(json.dumps(_play(StartOrder(**json.loads(sys.argv[1])))))
