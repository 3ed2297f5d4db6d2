"""The process that plays: lanes that step, and an attendant beside them."""

from __future__ import annotations

import gc
import mmap
import os
import signal
import sys
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from rtmss.conditions.library import Library
from rtmss.engine.backends.choose import start_backend
from rtmss.engine.backends.graph import GraphError
from rtmss.engine.backends.onnx import OnnxBackend
from rtmss.engine.backends.protocol import Backend
from rtmss.engine.session import Session
from rtmss.live.realtime.priority import hint
from rtmss.live.shared.parent import end_with_parent, ignore_group_signals, name_process
from rtmss.model.separator import SeparatorModel
from rtmss.separator import Separator
from rtmss.serve.attendant import Attendant, tell
from rtmss.serve.board import Board
from rtmss.serve.lanes import Lane
from rtmss.serve.scenes import SceneBook

LOOK_SECONDS = 0.02
"""Between two looks of the attendant."""
N_DELIVERIES = 4
"""Between two looks."""
MOST_LANES = 4
N_SPARE = 2
"""Backends that are ready before any instance comes."""


class EngineOptions(NamedTuple):
    """What an engine plays with."""

    separator: Separator
    library: Library
    graph: Path | None
    """The network for ONNX Runtime; None for eager torch."""
    folder: Path
    """Of the instances."""


class Report:
    """What the supervisor is told, in memory of all: turns of the engine, how many instances there
    are, and beats of OSC's process.
    """

    def __init__(self) -> None:
        """Make the memory; processes that are forked afterwards have it too."""
        self._rows = np.ndarray(3, np.uint64, buffer=mmap.mmap(-1, mmap.PAGESIZE))

    @property
    def n_turns(self) -> int:
        """It stands still if the engine does."""
        return int(self._rows[0])

    @property
    def n_instances(self) -> int:
        """That are played now."""
        return int(self._rows[1])

    def tell(self, n_turns: int, n_instances: int) -> None:
        """The engine only."""
        self._rows[:2] = n_turns, n_instances

    @property
    def n_beats(self) -> int:
        """It stands still if OSC's process does."""
        return int(self._rows[2])

    def beat(self) -> None:
        """OSC's process only."""
        self._rows[2] = int(self._rows[2]) + 1


class Prepared:
    """All that takes long, made before an engine is forked: one that follows a crash has it too."""

    def __init__(self, options: EngineOptions) -> None:
        """Read the presets, load the network, and make a backend for the first instances."""
        torch.set_num_threads(1)  # a hop is too little work to share
        self.options, separator = options, options.separator
        self.book = SceneBook(options.library, separator.model_id, separator.limits)
        self.book.read(options.library.presets())
        first = _first_backend(separator.model, options.graph)
        self._runtime = first.runtime if isinstance(first, OnnxBackend) else None
        self._spare = [first, *(self._backend() for _ in range(N_SPARE - 1))]

    def session(self, rate: int) -> Session:
        """A session at a rate in Hz; the network is loaded once for all."""
        backend = self._spare.pop() if self._spare else self._backend()
        model = self.options.separator.model
        return Session(model, n_outputs=2, sample_rate=rate, backend=backend)

    def _backend(self) -> Backend:
        model, graph = self.options.separator.model, self.options.graph
        if self._runtime is not None and graph is not None:
            return OnnxBackend(model, graph, runtime=self._runtime)
        return start_backend(model, None)


def run_engine(prepared: Prepared, report: Report, parent: int, board: Board) -> None:
    """Play until the supervisor ends this process, or has gone."""
    name_process("rtmss-engine")
    ignore_group_signals()
    end_with_parent(signal.SIGKILL)
    sys.setswitchinterval(0.0005)  # a lane waits for the interpreter at most this long
    gc.disable()
    lanes = [Lane() for _ in range(min(MOST_LANES, os.cpu_count() or 1))]
    options = prepared.options
    config = options.separator.model.config
    attendant = Attendant(options.folder, lanes, prepared.book, config, prepared.session, board)
    attendant.look()
    if text := hint(is_realtime=all(lane.is_realtime for lane in lanes)):
        tell(text)
    while os.getppid() == parent:
        attendant.look()
        report.tell(min(lane.n_turns for lane in lanes), len(attendant.players))
        _deliver(attendant)


def _deliver(attendant: Attendant) -> None:
    """Until the next look, hand on what OSC asks for: faders are to follow a hand."""
    if not attendant.players:
        time.sleep(LOOK_SECONDS)
        return
    for _ in range(N_DELIVERIES):
        time.sleep(LOOK_SECONDS / N_DELIVERIES)
        attendant.deliver()


def _first_backend(model: SeparatorModel, graph: Path | None) -> Backend:
    """What runs the model; torch where ONNX Runtime's network was spoilt meanwhile."""
    try:
        return start_backend(model, graph)
    except GraphError as error:
        tell(f"{error}; torch runs the model instead")
        return start_backend(model, None)
