"""Which backend plays: the one that is asked for, or the faster one on this machine.

Making the network for ONNX Runtime takes several seconds, once for every set of weights; it is kept
in a folder, and the times of both backends beside it.
"""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from rtmss.conditions.condition import Condition
from rtmss.config import UserError
from rtmss.engine.backends.benchmark_cache import Comparison, situation
from rtmss.engine.backends.graph import GraphError, check_exportable, code_id, export_graph
from rtmss.engine.backends.onnx import MISSING, OnnxBackend
from rtmss.engine.backends.protocol import Backend
from rtmss.engine.backends.torch import TorchBackend
from rtmss.engine.control import Stem
from rtmss.model.separator import N_CHANNELS, SeparatorModel
from rtmss.threads import torch_threads

BACKENDS = ("auto", "torch", "onnx")
N_SILENT, N_HOPS = 10, 40
"""Hops that are stepped to compare two backends, and how many of them, at first, are silent and not
timed.
"""
TOLERANCE = 1e-4
"""How far backends may differ, full scale 1."""


@dataclass(frozen=True)
class BackendChoice:
    """What plays, and why."""

    name: str
    reason: str
    graph: Path | None = None
    """For ONNX Runtime."""

    def start(self, model: SeparatorModel) -> Backend:
        """A backend for one stream."""
        return start_backend(model, self.graph)

    def __str__(self) -> str:
        return f"{self.name} ({self.reason})"


def start_backend(model: SeparatorModel, graph: Path | None) -> Backend:
    """ONNX Runtime with a graph of this model, or eager torch without one.

    Raises:
        GraphError: the graph cannot be used.
    """
    return TorchBackend(model) if graph is None else OnnxBackend(model, graph)


def choose(
    model: SeparatorModel,
    model_id: str,
    wanted: str,
    folder: Path,
    *,
    may_export: bool = True,
    say: Callable[[str], None] = lambda _: None,
) -> BackendChoice:
    """Pick what plays hop by hop.

    Args:
        model: the weights.
        model_id: their id.
        wanted: one of BACKENDS; `auto` takes the faster one, and torch if ONNX Runtime cannot be
            used.
        folder: where networks for ONNX Runtime are kept.
        may_export: make one that is not there.
        say: told what takes a while.

    Raises:
        GraphError: ONNX Runtime was asked for and cannot be used.
        UserError: there is no backend of this name.
    """
    if wanted not in BACKENDS:
        raise UserError(f"no backend '{wanted}'; known: {', '.join(BACKENDS)}")
    if wanted == "torch":
        return BackendChoice("torch", "asked for")
    try:
        graph = _graph(model, model_id, folder, may_export=may_export, say=say)
        measured, date = _trial(model, model_id, graph)
    except GraphError as error:
        if wanted == "onnx":
            raise
        return BackendChoice("torch", str(error))
    if wanted == "onnx":
        return BackendChoice("onnx", "asked for", graph)
    times = f"{measured.other_ms:.1f} ms per hop of one target, torch {measured.torch_ms:.1f} ms"
    times += f", measured on {date}" if date else ""
    if measured.other_ms < measured.torch_ms:
        return BackendChoice("onnx", times, graph)
    return BackendChoice("torch", f"ONNX Runtime takes {times}")


def _trial(
    model: SeparatorModel, model_id: str, graph: Path
) -> tuple[BackendTimes, datetime.date | None]:
    """Torch against a graph: the comparison in the cache and its date, or one made now.

    Raises:
        GraphError: they do not say the same, or ONNX Runtime cannot be used.
    """
    try:
        now = situation(model, model_id, graph)
    except ImportError as error:
        raise GraphError(MISSING) from error
    cached = Comparison.find(graph, now)
    if cached is not None and cached.difference <= TOLERANCE:
        return BackendTimes(cached.difference, cached.torch_ms, cached.other_ms), cached.date
    measured = compare(model, OnnxBackend(model, graph))
    if not measured.difference <= TOLERANCE:  # nor if it is no number
        raise GraphError(
            f"{graph}: differs from torch by {measured.difference:.1e}; delete it, "
            "and it is made again"
        )
    today = datetime.datetime.now().astimezone().date()
    Comparison(
        situation=now,
        date=today,
        **measured._asdict(),
    ).save(graph)
    return measured, None


class BackendTimes(NamedTuple):
    """Two backends that played the same."""

    difference: float
    """The largest between their samples, full scale 1."""
    torch_ms: float
    other_ms: float
    """Shortest time of a hop on one thread; it hardly depends on what else runs."""


def compare(model: SeparatorModel, other: Backend) -> BackendTimes:
    """Step eager torch and another backend by turns, with one target and noise."""
    backends = (TorchBackend(model), other)
    vector = np.linspace(
        0,
        1,
        model.config.unet.n_condition,
        dtype=np.float32,
    )
    stem = Stem("noise", Condition.bare("noise", vector))
    for backend in backends:
        backend.reset()
        backend.arrange([None], [stem])
    rng, hop = np.random.default_rng(0), model.config.stft.hop_length
    differences, seconds = [], np.zeros((N_HOPS, len(backends)))
    with torch_threads(1):
        for number, row in enumerate(seconds):
            noise = rng.standard_normal((N_CHANNELS, hop), np.float32)
            block = 0.2 * noise * (number >= N_SILENT)
            outputs = []
            for i, backend in enumerate(backends):
                started = time.perf_counter()
                outputs.append(backend.step(block))
                row[i] = time.perf_counter() - started
            differences.append(np.abs(outputs[0] - outputs[1]).max())
    return BackendTimes(
        float(np.max(differences)),
        *(1000 * seconds[N_SILENT:].min(axis=0)),
    )


def graph_path(folder: Path, model: SeparatorModel, model_id: str) -> Path:
    """Where the network for ONNX Runtime is kept: one for every set of weights and frames."""
    stft = model.config.stft
    return folder / f"{model_id}-{stft.n_synthesis}-{stft.hop_length}-{code_id()}.onnx"


def _graph(
    model: SeparatorModel,
    model_id: str,
    folder: Path,
    *,
    may_export: bool,
    say: Callable[[str], None],
) -> Path:
    """The network for ONNX Runtime, made if need be.

    Raises:
        GraphError: it is not there and may not or cannot be made.
    """
    check_exportable(model)
    path = graph_path(folder, model, model_id)
    if not path.exists():
        if not may_export:
            raise GraphError(
                "ONNX Runtime is not prepared for these weights; `rtmss live` does that"
            )
        say("preparing these weights for ONNX Runtime, once; this takes a few seconds")
        export_graph(path, model, model_id)
    return path
