"""What plays: what was asked for, or what is faster here."""

from __future__ import annotations

import datetime
import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from rtmss.audio import Audio
from rtmss.config import PROFILES, UserError
from rtmss.engine.backends import choose as choosing
from rtmss.engine.backends.choose import BackendChoice, BackendTimes, choose, compare, graph_path
from rtmss.engine.backends.graph import GraphError, export_graph
from rtmss.engine.backends.onnx import OnnxBackend
from rtmss.engine.backends.torch import TorchBackend
from rtmss.model.separator import SeparatorModel

MODEL_ID = "0123456789ab"


@pytest.fixture
def folder(tmp_path: Path, tiny: SeparatorModel, tiny_graph: Path) -> Path:
    """A cache that holds the tiny model."""
    graph_path(tmp_path, tiny, MODEL_ID).write_bytes(tiny_graph.read_bytes())
    return tmp_path


@pytest.fixture
def no_export(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("there was no need to export")

    monkeypatch.setattr(choosing, "export_graph", refuse)


def pretend(
    monkeypatch: pytest.MonkeyPatch, difference: float, torch_ms: float, other_ms: float
) -> None:
    monkeypatch.setattr(
        choosing, "compare", lambda *_: BackendTimes(difference, torch_ms, other_ms)
    )


def forget(folder: Path) -> None:
    """Delete what was measured."""
    for path in folder.glob("*.json"):
        path.unlink()


@pytest.mark.usefixtures("no_export")
def test_auto_takes_the_faster_one_and_says_why(
    tiny: SeparatorModel, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pretend(monkeypatch, 0.0, 3.0, 0.8)
    choice = choose(tiny, MODEL_ID, "auto", folder)
    assert str(choice) == "onnx (0.8 ms per hop of one target, torch 3.0 ms)"
    assert isinstance(choice.start(tiny), OnnxBackend)
    pretend(monkeypatch, 0.0, 3.0, 4.0)
    forget(folder)
    choice = choose(tiny, MODEL_ID, "auto", folder)
    assert str(choice) == "torch (ONNX Runtime takes 4.0 ms per hop of one target, torch 3.0 ms)"
    assert isinstance(choice.start(tiny), TorchBackend)


@pytest.mark.usefixtures("no_export")
def test_what_is_asked_for_plays_even_if_it_is_slower(
    tiny: SeparatorModel, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pretend(monkeypatch, 0.0, 3.0, 4.0)
    assert choose(tiny, MODEL_ID, "onnx", folder).name == "onnx"
    pretend(monkeypatch, 0.0, 3.0, 0.8)
    forget(folder)
    assert choose(tiny, MODEL_ID, "torch", folder) == BackendChoice("torch", "asked for")


@pytest.fixture
def measured(tiny: SeparatorModel, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache that also holds how the tiny model's backends compared; comparing again would say
    something else.
    """
    pretend(monkeypatch, 0.0, 3.0, 0.8)
    choose(tiny, MODEL_ID, "auto", folder)
    pretend(monkeypatch, 0.0, 3.0, 0.7)
    return folder


def chosen(tiny: SeparatorModel, folder: Path) -> str:
    return str(choose(tiny, MODEL_ID, "auto", folder))


AGAIN = "onnx (0.7 ms per hop of one target, torch 3.0 ms)"


def test_the_second_start_does_not_measure_again_and_says_when_it_was(
    tiny: SeparatorModel, measured: Path
) -> None:
    today = datetime.datetime.now().astimezone().date()
    assert (
        chosen(tiny, measured)
        == f"onnx (0.8 ms per hop of one target, torch 3.0 ms, measured on {today})"
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("torch.__version__", "9.9"),
        ("onnxruntime.__version__", "9.9"),
        ("importlib.metadata.version", lambda _: "9.9"),
        ("rtmss.engine.backends.benchmark_cache._processor", lambda: "Z80"),
        ("os.cpu_count", lambda: 77),
    ],
)
def test_another_version_or_machine_is_measured_anew(
    tiny: SeparatorModel, measured: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: object
) -> None:
    monkeypatch.setattr(name, value)
    assert chosen(tiny, measured) == AGAIN


def test_another_network_under_the_same_name_is_measured_anew(
    tiny: SeparatorModel, measured: Path
) -> None:
    (graph,) = measured.glob("*.onnx")
    graph.write_bytes(graph.read_bytes())
    assert chosen(tiny, measured) == AGAIN


@pytest.mark.slow
@pytest.mark.parametrize(
    "change",
    [
        lambda _: "",
        lambda text: text[:-20],
        lambda _: "[]",
        lambda text: text.replace('"torch_ms": 3.0', '"torch_ms": NaN'),
        lambda text: text.replace('"torch_ms": 3.0', '"torch_ms": -3.0'),
        lambda text: text.replace('"difference": 0.0', '"difference": 1.0'),
        lambda text: text.replace('"date"', '"day"'),
    ],
)
def test_a_broken_measurement_is_made_anew(
    tiny: SeparatorModel, measured: Path, change: Callable[[str], str]
) -> None:
    (path,) = measured.glob("*.json")
    before = path.read_text()
    path.write_text(change(before))
    assert path.read_text() != before
    assert chosen(tiny, measured) == AGAIN
    assert json.loads(path.read_text())["other_ms"] == 0.7


def test_where_nothing_can_be_kept_it_is_measured_every_time(
    tiny: SeparatorModel, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError

    monkeypatch.setattr(Path, "write_text", refuse)
    pretend(monkeypatch, 0.0, 3.0, 0.7)
    for _ in range(2):
        assert chosen(tiny, folder) == AGAIN
    assert len(list(folder.iterdir())) == 1


def test_an_unknown_backend_is_refused_with_the_known_ones(
    tiny: SeparatorModel, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match="no backend 'cuda'; known: auto, torch, onnx"):
        choose(tiny, MODEL_ID, "cuda", tmp_path)


def test_without_onnx_runtime_torch_plays(
    tiny: SeparatorModel, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    choice = choose(tiny, MODEL_ID, "auto", folder)
    assert str(choice) == "torch (ONNX Runtime is not installed: pip install onnxruntime)"
    with pytest.raises(GraphError, match="not installed"):
        choose(tiny, MODEL_ID, "onnx", folder)


def test_a_network_that_looks_ahead_plays_in_torch(
    profiles: dict[str, SeparatorModel], tmp_path: Path
) -> None:
    told: list[str] = []
    for may_export in (True, False):
        choice = choose(
            profiles["ahead"], MODEL_ID, "auto", tmp_path, may_export=may_export, say=told.append
        )
        assert str(choice) == "torch (a network that looks ahead plays in torch only)"
    assert not told
    with pytest.raises(GraphError, match="looks ahead"):
        choose(profiles["ahead"], MODEL_ID, "onnx", tmp_path)


def test_every_profile_has_a_network_of_its_own(
    profiles: dict[str, SeparatorModel], tmp_path: Path
) -> None:
    names = [graph_path(tmp_path, profiles[name], MODEL_ID) for name in PROFILES]
    assert len(set(names)) == len(PROFILES)


@pytest.mark.usefixtures("no_export")
def test_a_network_that_may_not_be_made_leaves_torch(tiny: SeparatorModel, tmp_path: Path) -> None:
    choice = choose(tiny, MODEL_ID, "auto", tmp_path, may_export=False)
    assert choice.name == "torch"
    assert "`rtmss live` does that" in choice.reason


def test_a_network_is_made_once_and_the_user_told(
    tiny: SeparatorModel, tiny_graph: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Path] = []
    said: list[str] = []

    def export(path: Path, *_: object) -> None:
        made.append(path)
        path.write_bytes(tiny_graph.read_bytes())

    monkeypatch.setattr(choosing, "export_graph", export)
    for _ in range(2):
        assert (
            choose(
                tiny,
                MODEL_ID,
                "onnx",
                tmp_path,
                say=said.append,
            ).graph
            == made[0]
        )
    assert len(made) == len(said) == 1


def test_a_damaged_network_is_not_played(tiny: SeparatorModel, folder: Path) -> None:
    (path,) = folder.iterdir()
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    choice = choose(tiny, MODEL_ID, "auto", folder)
    assert choice.name == "torch"
    assert "delete it, and it is made again" in choice.reason
    assert len(choice.reason.splitlines()) == 1


@pytest.mark.slow
@pytest.mark.parametrize("wrong", [2e-4, np.nan])
def test_a_network_that_says_something_else_is_not_played(
    tiny: SeparatorModel, folder: Path, monkeypatch: pytest.MonkeyPatch, wrong: float
) -> None:
    class Wrong(OnnxBackend):
        def step(self, block: Audio) -> Audio:
            return np.asarray(super().step(block) + wrong, np.float32)

    monkeypatch.setattr(choosing, "OnnxBackend", Wrong)
    with pytest.raises(GraphError, match="differs from torch by"):
        choose(tiny, MODEL_ID, "onnx", folder)


def test_comparing_times_both_and_finds_no_difference(
    tiny: SeparatorModel, tiny_graph: Path
) -> None:
    times = compare(tiny, OnnxBackend(tiny, tiny_graph))
    assert 0 < times.difference < 1e-5, (
        "exactly nothing would mean that one was compared with itself"
    )
    assert 0.01 < times.other_ms < 1000
    assert 0.01 < times.torch_ms < 1000


def test_a_file_says_what_it_is(tiny_graph: Path) -> None:
    session = onnxruntime.InferenceSession(str(tiny_graph))
    said = session.get_modelmeta().custom_metadata_map
    assert said.pop("producer").startswith("rtmss ")
    assert said == {
        "model_id": MODEL_ID,
        "sample_rate": "8000",
        "n_channels": "2",
        "hop_length": "64",
        "n_fft": "256",
        "n_synthesis": "128",
        "delay": "64",
        "n_condition": "12",
    }
    shapes = {value.name: value.shape for value in session.get_inputs()}
    assert shapes["planes"] == [1, 2, 2, 1, 128]
    assert shapes["targets.decoder.hidden"] == [1, "n_targets", 1, 16]
    states = [name for name in shapes if name not in ("planes", "modulation")]
    outputs = [value.name for value in session.get_outputs()]
    assert outputs == ["targets", *(f"next.{name}" for name in states), "next.targets.masks"]


def test_a_file_that_cannot_be_written_is_one_line_and_leaves_nothing(
    tiny: SeparatorModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError("No space left on device\nand more")

    monkeypatch.setattr("torch.onnx.export", fail)
    with pytest.raises(GraphError) as caught:
        export_graph(tmp_path / "x.onnx", tiny, MODEL_ID)
    assert str(caught.value).endswith(
        "x.onnx: the network could not be exported (No space left on device)"
    )
    assert not list(tmp_path.iterdir())


def test_an_exporter_that_is_not_installed_is_named(
    tiny: SeparatorModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rtmss.engine.backends.graph.importlib.util.find_spec", lambda _: None)
    with pytest.raises(GraphError, match="pip install onnx onnxscript"):
        export_graph(tmp_path / "x.onnx", tiny, MODEL_ID)
