"""Where the time of a step in ONNX Runtime goes: by kind of operator, as its own profiler says, and
outside of it.

The profiler cuts times to whole microseconds, so half a microsecond is added to each. It also takes
time itself, about the same for every call. So a second backend without it takes turns and gives the
time of the whole and of its parts in Python; what the profiler says beyond the runtime's part is
taken off all calls alike. All are means over the fastest hops: in others something else has run,
and there is no saying in which operator.
"""

from __future__ import annotations

import json
import math
import tempfile
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rtmss.audio import Audio
from rtmss.bench.steps import N_TURN, N_WARM, noise_hops, random_scene
from rtmss.engine.backends.onnx import OnnxBackend
from rtmss.engine.session import Session
from rtmss.model.separator import SeparatorModel
from rtmss.threads import torch_threads

MIXER, ANALYSIS, CALL = "session and mixer (numpy)", "analysis", "call of the runtime"
FASTEST = 0.1
"""Share of the hops that is looked at."""
Shapes = Sequence[Sequence[int]]


@dataclass(frozen=True)
class OperatorRow:
    """One kind of operator, or what is no operator, in steps of one number of targets."""

    n_targets: int
    kind: str
    n_calls: int
    """Per hop."""
    microseconds: float
    """Per hop; of operators with their part of the way from one to the next."""
    share: float
    """Of the step."""
    macs: int
    """Multiply-adds per hop as they are executed, channels that the runtime pads included; 0 where
    none are counted.
    """

    @property
    def macs_per_second(self) -> float:
        """The rate of what can be counted."""
        return 1e6 * self.macs / self.microseconds if self.microseconds else 0.0


@dataclass(frozen=True)
class Anatomy:
    """A step taken apart."""

    rows: list[OperatorRow]
    """The longest first."""
    milliseconds: float
    """Their sum: the fastest steps without the profiler."""
    p50_ms: float
    """Median of all steps without the profiler."""
    overhead: float
    """Microseconds that the profiler is taken to add to every call."""


class TimedBackend(OnnxBackend):
    """Keeps what its own parts took, in seconds per hop."""

    def __init__(
        self,
        model: SeparatorModel,
        graph: Path,
        profile: Path | None = None,
    ) -> None:
        super().__init__(model, graph, profile)
        self.seconds: list[float] = []
        self.analysis: list[float] = []

    def step(self, block: Audio) -> Audio:
        """One hop."""
        begun = time.perf_counter()
        output = super().step(block)
        self.seconds.append(time.perf_counter() - begun)
        return output

    def _analyze(self, hop: Audio) -> None:
        begun = time.perf_counter()
        super()._analyze(hop)
        self.analysis.append(time.perf_counter() - begun)


def measure_operators(
    model: SeparatorModel,
    graph: Path,
    n_targets: int,
    n_hops: int,
) -> Anatomy:
    """Step noise on one thread, with and without the profiler by turns.

    Args:
        model: the weights.
        graph: their network for ONNX Runtime.
        n_targets: 1 to 8.
        n_hops: timed ones, of each.

    Raises:
        GraphError: the graph cannot be used.
    """
    with torch_threads(1), tempfile.TemporaryDirectory() as folder:
        profiled = TimedBackend(model, graph, Path(folder) / "profile")
        plain = TimedBackend(model, graph)
        scene = random_scene(model, n_targets)
        sessions = [Session(model, scene, backend=backend) for backend in (profiled, plain)]
        _, plain_seconds = _play_by_turns(sessions, N_WARM + n_hops)
        runs = read_profile(profiled.end_trace())[-n_hops:]
    all_steps = np.array(plain_seconds[-n_hops:])
    fast = all_steps <= np.quantile(all_steps, FASTEST)
    whole, inner, analysis = (
        float(1e6 * np.array(taken[-n_hops:])[fast].mean())
        for taken in (all_steps, plain.seconds, plain.analysis)
    )
    told, calls, macs = _sum_up(
        [nodes for _, nodes in runs],
        _transposed_taps(graph),
    )
    calling = 1e6 * (np.array(profiled.seconds) - profiled.analysis)[-n_hops:]
    told[CALL] = calling - [run["dur"] for run, _ in runs]
    means = _means_of_the_fastest(told)
    overhead = overhead_per_call(means, calls, inner - analysis)
    means = {kind: max(0.0, taken - overhead * calls.get(kind, 1)) for kind, taken in means.items()}
    means |= {MIXER: whole - inner, ANALYSIS: analysis}
    rows = [
        OperatorRow(
            n_targets,
            kind,
            calls.get(kind, 1),
            taken,
            taken / whole,
            macs.get(kind, 0),
        )
        for kind, taken in sorted(means.items(), key=lambda item: -item[1])
    ]
    return Anatomy(
        rows,
        whole / 1000,
        1000 * float(np.median(all_steps)),
        overhead,
    )


def _play_by_turns(sessions: Sequence[Session], n_hops: int) -> list[list[float]]:
    """Seconds of each session's hops of noise."""
    noise = noise_hops(sessions[0].hop_length)
    seconds: list[list[float]] = [[] for _ in sessions]
    for first in range(0, n_hops, N_TURN):
        for session, taken in zip(sessions, seconds, strict=True):
            for _ in range(min(N_TURN, n_hops - first)):
                block, begun = next(noise), time.perf_counter()
                session.step(block)
                taken.append(time.perf_counter() - begun)
    return seconds


def _means_of_the_fastest(told: Mapping[str, Any]) -> dict[str, float]:
    """Means by kind over the hops in which all together took least."""
    total = np.sum(list(told.values()), axis=0)
    fast = total <= np.quantile(total, FASTEST)
    return {kind: float(taken[fast].mean()) for kind, taken in told.items()}


def overhead_per_call(
    told: Mapping[str, float],
    calls: Mapping[str, int],
    whole: float,
) -> float:
    """What has to be taken off every call, down to nothing, for the rest to add up to the whole.

    Args:
        told: microseconds by kind, with what the profiler took.
        calls: of each kind; 1 of those that are missing.
        whole: microseconds of all together without the profiler. More than was told makes the
            overhead negative.
    """
    left = list(told)
    while True:
        overhead = (sum(told[kind] for kind in left) - whole) / sum(
            calls.get(kind, 1) for kind in left
        )
        above = [kind for kind in left if told[kind] > overhead * calls.get(kind, 1)]
        if len(above) == len(left):
            return overhead
        left = above


def read_profile(path: Path) -> list[tuple[dict[str, Any], list[dict[str, Any]]]]:
    """Every run in a profile of ONNX Runtime, and its operators' events, in order; times are in
    microseconds.
    """
    runs: list[tuple[dict[str, Any], list[dict[str, Any]]]] = []
    nodes: list[dict[str, Any]] = []
    for event in json.loads(path.read_text(encoding="utf-8")):
        if event["name"] == "model_run":
            runs.append((event, nodes))
            nodes = []
        elif event.get("cat") == "Node" and event["name"].endswith("_kernel_time"):
            nodes.append(event)
    return runs


def count_macs(
    kind: str,
    inputs: Shapes,
    outputs: Shapes,
    taps: float = 0.0,
) -> int:
    """Multiply-adds of one call of an operator; 0 for kinds that are not products.

    Args:
        kind: as ONNX calls it.
        inputs: shapes, of which weights that the runtime has packed are missing.
        outputs: shapes.
        taps: for a transposed convolution, products that go into an output sample, per input
            channel.
    """
    if kind in ("Conv", "FusedConv"):
        return math.prod(outputs[0]) * math.prod(inputs[1][1:])
    if kind == "ConvTranspose":
        return round(math.prod(outputs[0]) * inputs[0][1] * taps)
    if kind in ("MatMul", "FusedMatMul", "Gemm", "FusedGemm"):
        # The other side of the first matrix than the one that the output has, transposed or not.
        return math.prod(outputs[0]) * math.prod(inputs[0][-2:]) // outputs[0][-2]
    if kind == "GRU":
        n_steps, n_directions, batch, n_hidden = outputs[0]
        return n_steps * n_directions * batch * 3 * n_hidden * (inputs[0][-1] + n_hidden)
    return 0


def _sum_up(
    runs: list[list[dict[str, Any]]], taps: dict[str, float]
) -> tuple[dict[str, Any], dict[str, int], dict[str, int]]:
    """Microseconds of every run, calls per run, and multiply-adds per run, by kind."""
    times: dict[str, Any] = defaultdict(lambda: np.zeros(len(runs)))
    calls: dict[str, int] = defaultdict(int)
    macs: dict[str, int] = defaultdict(int)
    for number, nodes in enumerate(runs):
        for node in nodes:
            kind = node["args"]["op_name"]
            times[kind][number] += node["dur"] + 0.5
            if number == 0:
                inputs, outputs = (
                    [next(iter(value.values())) for value in node["args"][side]]
                    for side in ("input_type_shape", "output_type_shape")
                )
                calls[kind] += 1
                macs[kind] += count_macs(
                    kind,
                    inputs,
                    outputs,
                    taps.get(
                        node["name"].removesuffix("_kernel_time"),
                        0,
                    ),
                )
    return dict(times), calls, macs


def _transposed_taps(graph: Path) -> dict[str, float]:
    """For every transposed convolution by name: size of its kernel over its stride."""
    import onnx

    network = onnx.load(str(graph)).graph
    sizes = {weight.name: list(weight.dims) for weight in network.initializer}
    taps = {}
    for node in network.node:
        if node.op_type == "ConvTranspose":
            (strides,) = (list(a.ints) for a in node.attribute if a.name == "strides")
            taps[node.name] = (
                math.prod(sizes[node.input[1]][1:]) / sizes[node.input[1]][1] / math.prod(strides)
            )
    return taps
