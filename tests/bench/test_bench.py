"""Figures about speed: that they are of what they say."""

from __future__ import annotations

import gc
import json
import os
import socket
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from rtmss.audio import Audio
from rtmss.bench import start, whole, work
from rtmss.bench.paced import measure_paced
from rtmss.bench.start import StartOrder
from rtmss.bench.steps import N_TURN, StepRow, measure_steps
from rtmss.bench.tables import steps_table
from rtmss.bench.whole import WholeRow, measure_whole
from rtmss.bench.work import macs_per_hop, peak_macs_per_second
from rtmss.cli import app
from rtmss.config import UserError
from rtmss.engine.backends.torch import TorchBackend
from rtmss.live.realtime.priority import is_permitted
from rtmss.model.separator import SeparatorModel
from rtmss.separator import Separator


class SlowBackend(TorchBackend):
    """Eager torch that dawdles at certain steps."""

    name = "slow"

    def __init__(self, model: SeparatorModel, slow: range, seconds: float) -> None:
        super().__init__(model)
        self.n_steps = 0
        self.n_arranged = 0
        self.slow, self.seconds = slow, seconds

    def step(self, block: Audio) -> Audio:
        """Dawdle."""
        self.n_steps += 1
        if self.n_steps in self.slow:
            time.sleep(self.seconds)
        return super().step(block)

    def arrange(self, *args: object) -> None:
        """Count."""
        self.n_arranged += 1
        super().arrange(*args)  # type: ignore[arg-type]


@pytest.mark.slow
def test_steps_that_take_too_long_are_seen_in_the_figures(tiny: SeparatorModel) -> None:
    # Hops of 8 ms; after 30 to get warm, of 100 steps the 40th to the 49th take 0.1 s.
    slow = SlowBackend(tiny, range(30 + 40, 30 + 50), 0.1)
    row, other = measure_steps(
        tiny,
        [slow, TorchBackend(tiny)],
        2,
        100,
    )
    assert (
        row.backend,
        other.backend,
        row.n_targets,
        row.n_hops,
    ) == ("slow", "torch", 2, 100)
    assert row.hop_ms == pytest.approx(8)
    assert row.n_late >= 10
    assert row.p50_ms < 100 <= row.p99_ms <= row.p999_ms <= row.max_ms
    assert other.p50_ms < 100
    assert slow.n_steps == 30 + 100


@pytest.mark.slow
def test_a_paced_run_waits_for_its_hops_and_counts_what_a_long_step_delays(
    tiny: SeparatorModel,
) -> None:
    started = time.monotonic()
    (row,) = measure_steps(
        tiny,
        [SlowBackend(tiny, range(50, 51), 0.1)],
        1,
        60,
        paced=True,
    )
    assert time.monotonic() - started >= 59 * 0.008
    assert row.is_paced
    assert row.n_late >= 2  # the step of 100 ms, and what it made late


class WatchedBackend(TorchBackend):
    """Eager torch that looks at what its steps run with."""

    def step(self, block: Audio) -> Audio:
        """Look."""
        self.seen = how_it_runs()
        return super().step(block)


def how_it_runs() -> tuple[int, bool, float]:
    """Scheduling policy, garbage collection, seconds until another thread gets the interpreter."""
    policy = os.sched_getscheduler(0) if hasattr(os, "sched_getscheduler") else -1
    return policy, gc.isenabled(), sys.getswitchinterval()


@pytest.mark.slow
def test_a_paced_run_has_what_the_engine_has_and_gives_it_back(tiny: SeparatorModel) -> None:
    before, backend = how_it_runs(), WatchedBackend(tiny)
    assert before[0] != getattr(os, "SCHED_FIFO", None), "a run before this one kept it"
    assert before[1]
    (row,) = measure_steps(
        tiny,
        [backend],
        1,
        2,
        paced=True,
    )
    policy, *others = backend.seen
    assert row.has_priority == is_permitted()
    assert row.has_priority == (policy == getattr(os, "SCHED_FIFO", None))
    assert others == [False, pytest.approx(0.0005)]
    assert how_it_runs() == before
    (row,) = measure_steps(tiny, [backend], 1, 2)
    assert row.has_priority is None
    assert backend.seen == before


@pytest.mark.slow
def test_a_paced_run_without_priority_says_so(
    tiny: SeparatorModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rtmss.live.realtime.process.raise_priority", lambda: False)
    rows = measure_steps(
        tiny,
        [TorchBackend(tiny)],
        1,
        2,
        paced=True,
    )
    assert rows[0].has_priority is False
    assert "paced, without real-time priority" in str(steps_table(rows, 1e9).title)


@pytest.mark.slow
def test_switching_gives_every_stem_another_condition_at_every_hop(tiny: SeparatorModel) -> None:
    still, switching = (
        SlowBackend(
            tiny,
            range(0),
            0,
        )
        for _ in range(2)
    )
    measure_steps(tiny, [still], 2, N_TURN)
    (row,) = measure_steps(
        tiny,
        [switching],
        2,
        N_TURN,
        switching=True,
    )
    assert row.is_switching
    assert still.n_arranged == 1
    assert switching.n_arranged >= N_TURN - 1


def test_a_target_more_costs_a_decoder_more_and_no_encoder(tiny: SeparatorModel) -> None:
    one, two, three = (macs_per_hop(tiny, n) for n in (1, 2, 3))
    assert three - two == two - one
    assert 0 < two - one < one


@pytest.mark.slow
def test_the_peak_is_not_below_a_product_timed_by_hand() -> None:
    a = torch.randn(1024, 1024)
    torch.set_num_threads(1)
    started = time.perf_counter()
    a @ a
    assert peak_macs_per_second() > 0.3 * 1024**3 / (time.perf_counter() - started)


def test_the_peak_is_the_better_of_two_libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        work, "_shortest", lambda product, _: 0.25 if isinstance(product(), list) else 0.5
    )
    assert peak_macs_per_second() == 4 * 1024**3  # what ONNX Runtime gives is a list
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    assert peak_macs_per_second() == 2 * 1024**3


@pytest.mark.slow
def test_bench_step_prints_a_table_and_writes_what_it_was_measured_on(tmp_path: Path) -> None:
    command = [
        "bench",
        "step",
        "--targets",
        "2",
        "--hops",
        "5",
        "--profile",
        "tight",
        "--backend",
        "torch",
    ]
    result = CliRunner().invoke(
        app,
        [*command, "--output", str(tmp_path / "a" / "steps.json")],
    )
    assert result.exit_code == 0, result.output
    assert "a hop lasts 5.80 ms" in result.output
    told = json.loads((tmp_path / "a" / "steps.json").read_text())
    assert told["model_id"] == Separator.load().model_id
    assert told["machine"]["n_cores"] >= 1
    (row,) = told["rows"]
    assert (
        row["backend"],
        row["n_targets"],
        row["n_hops"],
    ) == ("torch", 2, 5)
    assert np.isfinite([row["p50_ms"], row["p999_ms"]]).all()


@pytest.mark.slow
def test_bench_render_measures_by_turns_and_writes_every_round(tmp_path: Path) -> None:
    result = CliRunner().invoke(
        app, ["bench", "render", "--seconds", "1", "--output", str(tmp_path / "whole.json")]
    )
    assert result.exit_code == 0, result.output
    assert "Four stems of 1 s of music" in result.output
    (row,) = json.loads((tmp_path / "whole.json").read_text())["rows"]
    assert row["name"] == "rtmss"
    assert row["n_parameters"] > 1e6
    assert len(row["seconds"]) == 3
    assert min(row["seconds"]) > 0


def _measure_peers(told: list[str]) -> list[WholeRow]:
    separator = Separator.load()
    return measure_whole(separator, 1.0, peers=True, say=lambda _: None, tell_missing=told.append)


@pytest.mark.slow
def test_a_peer_that_is_installed_takes_its_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[tuple[int, ...]] = []
    told: list[str] = []
    other = {"other": lambda song: (7, lambda: heard.append(song.shape))}
    monkeypatch.setattr(whole, "PEERS", other)
    rows = _measure_peers(told)
    assert [row.name for row in rows] == ["rtmss", "other"]
    assert heard == [(2, 44100)] * 3
    assert told == []
    assert rows[1].n_parameters == 7
    assert rows[1].real_time_factor < rows[0].real_time_factor
    assert rows[1].first_audio_seconds == rows[1].seconds
    assert len(rows[0].first_audio_seconds) == 3
    assert min(rows[0].first_audio_seconds) < min(rows[0].seconds)


@pytest.mark.slow
def test_a_peer_that_cannot_be_imported_is_named_with_the_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(_: object) -> None:
        raise OSError("libtorchaudio.so: undefined symbol")

    other = {"open-unmix": fail, "other": lambda _: (7, lambda: None)}
    monkeypatch.setattr(whole, "PEERS", other)
    told: list[str] = []
    assert [row.name for row in _measure_peers(told)] == ["rtmss", "other"]
    assert told == ["open-unmix is not measured: libtorchaudio.so: undefined symbol"]


@pytest.mark.slow
def test_peers_that_are_not_there_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("demucs", "demucs.apply", "openunmix"):
        monkeypatch.setitem(sys.modules, name, None)
    told: list[str] = []
    with pytest.raises(UserError, match="no peer is installed"):
        _measure_peers(told)
    assert [line.split()[0] for line in told] == ["htdemucs", "open-unmix"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--profile", "loose"], "no profile 'loose'; known: default, tight, tighter"),
        (["--backend", "cuda"], "no backend 'cuda'"),
    ],
)
def test_what_cannot_be_measured_is_said(options: list[str], message: str) -> None:
    result = CliRunner().invoke(
        app,
        ["bench", "step", "--hops", "1", *options],
    )
    assert isinstance(result.exception, UserError)
    assert message in str(result.exception)


@pytest.mark.usefixtures("shipped_graph")
def test_bench_all_measures_everything_without_a_sound_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What a fresh process says is tested beside it; here the first one of nine says it for all.
    told: list[dict[str, Any]] = []
    begin = start._run

    def begin_once(order: StartOrder) -> dict[str, Any]:
        if not told:
            told.append(begin(order))
        return told[0]

    monkeypatch.setattr(start, "_run", begin_once)
    n_threads = 2
    torch.set_num_threads(n_threads)
    monkeypatch.setattr("rtmss.threads.free_cores", lambda: n_threads)  # whatever else runs
    command = [
        "bench",
        "all",
        "--hops",
        "3",
        "--seconds",
        "1",
        "--rounds",
        "1",
        "--output",
        str(tmp_path / "all"),
    ]
    result = CliRunner().invoke(app, command)
    assert result.exception is None
    names = {"start.json", "step.json", "step.png", "operators.json", "render.json", "streams.json"}
    assert {path.name for path in (tmp_path / "all").iterdir()} == names
    assert {
        row["n_targets"] for row in json.loads((tmp_path / "all/step.json").read_text())["rows"]
    } == {1, 4, 8}
    (song,) = json.loads((tmp_path / "all/render.json").read_text())["rows"]
    assert song["n_threads"] == n_threads


def test_what_a_target_more_costs_is_counted_from_the_fewest() -> None:
    row = StepRow(
        "onnx",
        1,
        False,
        False,
        None,
        9,
        1.0,
        1.0,
        1.0,
        1.0,
        0,
        11.6,
        10,
    )
    rows = [
        row,
        replace(row, n_targets=4, p50_ms=2.5),
        replace(row, backend="torch", n_targets=4, p50_ms=9.0),
    ]
    (*_, more) = steps_table(rows, 1e9).columns
    assert list(more.cells) == ["", "0.50", ""]


def test_an_unknown_disturbance_is_refused_before_anything_is_started() -> None:
    with pytest.raises(
        UserError, match="no disturbance 'cat'; known: none, osc, preset, capture, busy"
    ):
        measure_paced("cat", 1, 512, [], is_realtime=False, say=print)


@pytest.mark.slow
def test_a_flood_keeps_its_rate() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(30)
        command = [
            sys.executable,
            "-m",
            "rtmss.bench.disturb",
            "osc",
            str(receiver.getsockname()[1]),
            "1000",
        ]
        with subprocess.Popen(command) as sender:
            try:
                receiver.recv(100)
                started, n = time.monotonic(), 0
                while time.monotonic() - started < 0.5:
                    assert receiver.recv(100).startswith(b"/rtmss/stem/")
                    n += 1
            finally:
                sender.kill()
    assert 350 < n < 650
