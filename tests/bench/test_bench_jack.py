"""The live host under measurement, on a real stream."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from rtmss.bench.callback import measure_callback
from rtmss.bench.harness import LiveHarness
from rtmss.cli import app
from rtmss.config import UserError

pytestmark = pytest.mark.jack


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures are asked for, and not that they are those of a host at rest."""
    for name in ("paced", "memory"):
        monkeypatch.setattr(f"rtmss.bench.{name}.SETTLE_SECONDS", 0.5)


@pytest.mark.usefixtures("shipped_graph")
def test_a_disturbed_run_is_counted_and_something_is_heard(tmp_path: Path) -> None:
    output = tmp_path / "live.json"
    command = [
        "bench",
        "live",
        "--disturb",
        "osc",
        "--hops",
        "100",
        "--period",
        "1024",
        "--output",
        str(output),
    ]
    result = CliRunner().invoke(app, command, catch_exceptions=False)
    assert result.exit_code == 0
    assert "osc: 10,000 OSC messages a second" in result.output
    (row,) = json.loads(output.read_text())["rows"]
    assert (row["disturbance"], row["block"]) == ("osc", 1024)
    assert row["n_hops"] >= 100
    assert row["peak"] > 0.01
    assert 0 < row["p50_ms"] <= row["p999_ms"] <= row["max_ms"]


@pytest.mark.usefixtures("shipped_graph")
def test_memory_is_told_of_every_process_while_audio_comes_faster(tmp_path: Path) -> None:
    output = tmp_path / "memory.json"
    command = [
        "bench",
        "memory",
        "--minutes",
        "0.05",
        "--every",
        "0.025",
        "--speed",
        "1.5",
        "--output",
        str(output),
    ]
    result = CliRunner().invoke(app, command, catch_exceptions=False)
    assert result.exit_code == 0
    rows = json.loads(output.read_text())["rows"]
    assert len(rows) == 3
    assert rows[-1]["minutes"] >= 0.05
    assert rows[-1]["n_hops"] > rows[0]["n_hops"] > 0
    for row in rows:
        assert set(row["mib"]) == {"supervisor", "control", "engine", "builder"}
        assert min(row["mib"].values()) > 5


@pytest.mark.long
def test_a_soak_tells_late_hops_memory_and_open_files_at_begin_and_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    options = ["--minutes", "0.1", "--every", "0.1", "--period", "1024", "--backend", "torch"]
    command = ["bench", "soak", *options, "--output", "soak.json"]
    result = CliRunner().invoke(app, command, catch_exceptions=False)
    assert result.exit_code == 0
    assert "presets were answered" in result.output
    begin, end = json.loads((tmp_path / "soak.json").read_text())["rows"]
    assert end["n_hops"] > begin["n_hops"] > 0
    assert end["n_switches"] > begin["n_switches"] > 0
    assert min(end["n_done"], end["n_meters"]) > 0
    for row in (begin, end):
        assert set(row["mib"]) == {"supervisor", "control", "engine", "builder", "recorder"}
        assert min(row["descriptors"].values()) > 3
    assert [path.name for path in tmp_path.iterdir()] == ["soak.json"]


def test_what_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda _: None)
    with (
        pytest.raises(
            UserError,
            match=r"this needs jackd, jack_lsp \(Debian: apt install jackd2 libportaudio2\)",
        ),
        LiveHarness([], 512),
    ):
        pass


@pytest.mark.usefixtures("shipped_graph")
def test_a_callback_is_measured_in_a_process_of_its_own() -> None:
    row = measure_callback("python", 1024, 1.0, None)
    assert row.callback == "python"
    assert 20 <= row.n_blocks <= 60
    assert row.longest_gap_ms is not None
    assert row.longest_gap_ms >= 1000 * 1024 / 44100 * 0.9


def test_a_run_that_fails_says_why() -> None:
    with pytest.raises(UserError, match=r"callback in python failed: .*graph"):
        measure_callback("python", 1024, 1.0, Path("no.onnx"))
