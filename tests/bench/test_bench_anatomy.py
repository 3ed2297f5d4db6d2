"""Where time goes inside a step and before the first one, and figures that need no clock."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from rtmss.bench.operators import (
    ANALYSIS,
    CALL,
    MIXER,
    _transposed_taps,
    count_macs,
    measure_operators,
    overhead_per_call,
    read_profile,
)
from rtmss.bench.picture import draw_steps
from rtmss.bench.sizes import BLOCKS, latencies, sizes
from rtmss.bench.start import StartOrder, measure_start, peak_mib
from rtmss.bench.steps import StepRow
from rtmss.bench.tables import latency_table, operators_table, size_table, start_table
from rtmss.bench.work import macs_per_hop
from rtmss.config import PROFILES, UserError
from rtmss.live.buffers.timeline import adaptation, blocks_per_hop
from rtmss.model.separator import SeparatorModel
from rtmss.separator import Separator, default_weights


@pytest.mark.slow
def test_a_step_is_taken_apart_without_a_remainder(tiny: SeparatorModel, tiny_graph: Path) -> None:
    anatomy = measure_operators(tiny, tiny_graph, 2, 30)
    kinds = {row.kind: row for row in anatomy.rows}
    assert {
        "Conv",
        "ConvTranspose",
        "MatMul",
        "GRU",
        MIXER,
        ANALYSIS,
        CALL,
    } <= set(kinds)
    assert kinds["GRU"].n_calls == 2
    assert all(row.microseconds >= 0 for row in anatomy.rows)
    assert kinds["Conv"].microseconds > 0
    assert sum(row.share for row in anatomy.rows) == pytest.approx(1)
    assert sum(row.microseconds for row in anatomy.rows) == pytest.approx(
        1000 * anatomy.milliseconds
    )
    assert anatomy.milliseconds <= anatomy.p50_ms
    assert [row.share for row in anatomy.rows] == sorted(
        (row.share for row in anatomy.rows), reverse=True
    )
    # The runtime pads channels to a multiple of 16, and its transforms are products.
    n_hidden = tiny.config.unet.n_hidden
    assert kinds["GRU"].macs == (1 + 2) * 3 * n_hidden * 2 * n_hidden
    assert macs_per_hop(tiny, 2) < sum(row.macs for row in anatomy.rows) < 8 * macs_per_hop(tiny, 2)
    table = operators_table(anatomy, 1e9)
    assert table.row_count == len(anatomy.rows)
    assert "2 targets" in str(table.title)


def test_the_profiler_is_taken_off_every_call_alike_and_never_below_nothing() -> None:
    told, calls = (
        {"Conv": 100.0, "Reshape": 40.0, "Shape": 1.0},
        {"Conv": 5, "Reshape": 10, "Shape": 5},
    )
    assert overhead_per_call(told, calls, 141.0) == 0
    overhead = overhead_per_call(told, calls, 80.0)
    assert overhead == pytest.approx(4)  # nothing is left of Reshape and of Shape
    assert overhead_per_call(told, calls, 161.0) == pytest.approx(-1)
    assert overhead_per_call(
        {"Conv": 10.0, "call": 6.0},
        {"Conv": 2},
        13.0,
    ) == pytest.approx(1)


@pytest.mark.parametrize(
    ("kind", "inputs", "outputs", "macs"),
    [
        (
            "Conv",
            [
                [2, 3, 5, 16],
                [7, 3, 3, 3],
                [7],
            ],
            [[2, 7, 3, 14]],
            2 * 7 * 3 * 14 * 3 * 9,
        ),
        (
            "MatMul",
            [[4, 5, 6], [4, 6, 7]],
            [[4, 5, 7]],
            4 * 5 * 6 * 7,
        ),
        (
            "MatMul",
            [[5, 6]],
            [[5, 7]],
            5 * 6 * 7,
        ),  # its weights are packed
        (
            "FusedMatMul",
            [[6, 5], [6, 7]],
            [[5, 7]],
            5 * 6 * 7,
        ),  # transposed
        (
            "Gemm",
            [[1, 6], [7]],
            [[1, 7]],
            6 * 7,
        ),
        (
            "GRU",
            [[1, 3, 4]],
            [[1, 1, 3, 8]],
            3 * 3 * 8 * (4 + 8),
        ),
        (
            "Relu",
            [[5, 6]],
            [[5, 6]],
            0,
        ),
    ],
)
def test_products_are_counted_by_their_shapes(
    kind: str, inputs: list[list[int]], outputs: list[list[int]], macs: int
) -> None:
    assert count_macs(kind, inputs, outputs) == macs


def test_a_transposed_convolution_is_counted_by_its_kernel_and_stride(tmp_path: Path) -> None:
    weight = numpy_helper.from_array(
        np.ones((3, 5, 1, 4), np.float32),
        "weight",
    )
    node = helper.make_node(
        "ConvTranspose",
        ["x", "weight"],
        ["y"],
        "up",
        strides=[1, 2],
        pads=[
            0,
            1,
            0,
            1,
        ],
    )
    shapes = [
        helper.make_tensor_value_info(n, TensorProto.FLOAT, s)
        for n, s in (
            (
                "x",
                (
                    2,
                    3,
                    1,
                    8,
                ),
            ),
            ("y", None),
        )
    ]
    graph = helper.make_graph(
        [node],
        "g",
        shapes[:1],
        shapes[1:],
        [weight],
    )
    path = tmp_path / "up.onnx"
    onnx.save(
        helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", 17)],
            ir_version=9,
        ),
        str(path),
    )
    taps = _transposed_taps(path)
    assert taps == {"up": 2.0}
    assert (
        count_macs(
            "ConvTranspose",
            [[2, 3, 1, 8]],
            [[2, 5, 1, 16]],
            taps["up"],
        )
        == 2 * 3 * 8 * 5 * 4
    )


def test_a_profile_is_read_run_by_run(tiny_graph: Path, tmp_path: Path) -> None:
    options = onnxruntime.SessionOptions()
    options.enable_profiling, options.profile_file_prefix = True, str(tmp_path / "p")
    session = onnxruntime.InferenceSession(str(tiny_graph), options)
    feed = {
        v.name: np.zeros(
            [2 if n == "n_targets" else n for n in v.shape],
            np.float32,
        )
        for v in session.get_inputs()
    }
    for _ in range(3):
        session.run(None, feed)
    runs = read_profile(Path(session.end_profiling()))
    assert len(runs) == 3
    names = [[node["name"] for node in nodes] for _, nodes in runs]
    assert names[0] == names[1] == names[2]
    assert len(set(names[0])) == len(names[0]) > 50
    assert all(sum(node["dur"] for node in nodes) <= run["dur"] for run, nodes in runs)


@pytest.mark.slow
def test_a_fresh_process_says_when_it_first_sounded_and_what_it_took(tmp_path: Path) -> None:
    order = StartOrder("torch", 1, 2, str(tmp_path), None)
    (row,) = measure_start([order], 1, lambda _: None)
    assert (
        0 < row.imported_seconds < row.loaded_seconds < row.chosen_seconds < row.heard_seconds < 600
    )
    assert row.played == "torch"
    assert row.peak_mib is None or 100 < row.peak_mib < 4000
    assert start_table([row], 0.5).row_count == 1


@pytest.mark.slow
def test_a_process_that_cannot_start_is_one_line(tmp_path: Path) -> None:
    order = StartOrder(
        "torch",
        1,
        2,
        str(tmp_path),
        str(tmp_path / "none.safetensors"),
    )
    with pytest.raises(UserError, match=r"backend torch failed: .*none\.safetensors"):
        measure_start([order], 1, lambda _: None)


@pytest.mark.slow
def test_the_highest_memory_does_not_fall_again() -> None:
    if peak_mib() is None:
        pytest.skip("this system does not say")
    # In a process that has not had much before, which 100 MiB more are seen of.
    code = "from rtmss.bench.start import peak_mib as peak; a = peak(); bytearray(b'1' * 10**8)"
    command = [sys.executable, "-c", f"{code}; print(a, peak())"]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    before, after = map(float, told.split())
    assert after > before + 95


def test_latencies_are_the_formula_of_the_timeline() -> None:
    blocks = (*BLOCKS, 480)
    rows = latencies(blocks)
    assert [(row.profile, row.block) for row in rows] == [
        (name, b) for name in PROFILES for b in blocks
    ]
    for row in rows:
        stft = PROFILES[row.profile]
        n_queued = blocks_per_hop(row.block, stft.hop_length)
        assert row.total == stft.delay + adaptation(
            row.block,
            stft.hop_length,
            n_queued,
        )
        assert row.algorithmic + row.waiting == row.total
    (row,) = (row for row in rows if (row.profile, row.block) == ("default", 512))
    assert row.milliseconds == pytest.approx(1000 * 1024 / 44100)
    assert latency_table(rows).row_count == len(rows)


def test_sizes_are_those_of_the_weights() -> None:
    model = Separator.load().model
    parts, n_bytes = sizes(model, default_weights())
    assert sum(part.n_parameters for part in parts) == sum(p.numel() for p in model.parameters())
    assert n_bytes == default_weights().stat().st_size
    assert size_table(parts, n_bytes).row_count == len(parts) + 1


@pytest.mark.slow
def test_step_times_are_drawn(tmp_path: Path) -> None:
    row = StepRow(
        "torch",
        1,
        False,
        True,
        True,
        100,
        3.0,
        4.0,
        5.0,
        20.0,
        1,
        11.6,
        1,
    )
    rows = [
        row,
        replace(row, backend="onnx", p50_ms=1.0),
        replace(row, n_targets=4),
    ]
    draw_steps(tmp_path / "a" / "steps.png", rows)
    assert (tmp_path / "a" / "steps.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "a" / "steps.png").stat().st_size > 10_000
