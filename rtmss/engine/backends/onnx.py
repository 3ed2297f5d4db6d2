"""ONNX Runtime: one hop at a time, on one thread, with all memory in buffers that stay where they
are.

A step reads one of two sets of state and writes the other, so nothing is copied but the audio.
Blocks are stepped hop by hop, so cutting them changes no bit.

Axes: N targets, C channels, S samples.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rtmss.audio import Audio
from rtmss.engine.backends.graph import MASKS, NEXT, GraphError
from rtmss.engine.backends.torch import conditions_of, rearrange
from rtmss.engine.backends.tree import map_tree, named_leaves
from rtmss.engine.control import Stem
from rtmss.model.separator import N_CHANNELS, SeparatorModel, SeparatorState, TargetState
from rtmss.model.unet import EncoderState

MISSING = "ONNX Runtime is not installed: pip install onnxruntime"
MOST_READY = 8
"""Numbers of targets, from 1, for which everything is ready from the start; more are made ready
when they come.
"""


class OnnxBackend:
    """Holds a graph made by `export_graph` and the state of one stream; see `Backend`."""

    name = "onnx"

    def __init__(
        self,
        model: SeparatorModel,
        graph: Path,
        trace: Path | None = None,
        runtime: Any = None,
    ) -> None:
        """Load a graph.

        Args:
            model: the weights that the graph was made of.
            graph: the file.
            trace: prefix of a file in which the runtime writes how long every operator took, which
                takes time itself; see `end_trace`.
            runtime: another stream's, of the same graph: it keeps no state, so that streams may
                share it, also at the same time.

        Raises:
            GraphError: the file cannot be used.
        """
        self.model = model
        self.runtime = _load(graph, trace) if runtime is None else runtime
        start, stft = model.init_state(1, 1), model.config.stft
        self._latest: Audio = np.zeros(
            (N_CHANNELS, stft.n_fft),
            np.float32,
        )
        """The latest samples."""
        self._frame = torch.zeros(N_CHANNELS, stft.n_fft)
        self._encoders = (start.encoder, map_tree(torch.zeros_like, start.encoder))
        self._planes = torch.zeros(
            1,
            2,
            N_CHANNELS,
            1,
            stft.n_bins - 1,
        )
        self._now = 0
        """Which of the two sets of state the next step reads."""
        self._all_slots: dict[int, _Slots] = {}
        for n in range(MOST_READY, 0, -1):
            self.runtime.run_with_iobinding(
                self._slots_for(n).bindings[0]
            )  # lays out the runtime's own memory
        self.reset()

    def reset(self) -> None:
        """Forget the input so far; no stems."""
        self._latest[:] = 0
        map_tree(Tensor.zero_, self._encoders[self._now])
        self._load_targets(
            self.model.init_targets(1, 0),
            conditions_of((), self.model),
        )

    def arrange(
        self,
        order: Sequence[int | None],
        stems: Sequence[Stem],
    ) -> None:
        """Follow a change of stems: `order` has for every new one its old slot, or None."""
        self._load_targets(
            rearrange(
                order,
                self._targets,
                self.model,
            ),
            conditions_of(stems, self.model),
        )

    def tail(self, slot: int) -> Audio:
        """(C, n_synthesis - hop_length): the output of a slot if the input ended here."""
        return self._targets.overlap[0, slot].numpy().copy()

    def step(self, block: Audio) -> Audio:
        """(C, T * hop_length) new samples -> (N, C, T * hop_length) targets."""
        hop = self.model.config.stft.hop_length
        latest = self._slots.output.numpy()[0, : self._n]
        output = np.empty(
            (self._n, *block.shape),
            np.float32,
        )
        for start in range(0, block.shape[-1], hop):
            self._analyze(block[:, start : start + hop])
            self.runtime.run_with_iobinding(self._slots.bindings[self._now])
            self._now = 1 - self._now
            output[..., start : start + hop] = latest
        return output

    def hold(self, block: Audio) -> Audio:
        """What `step` would give if the masks stayed as they are; changes nothing."""
        past = torch.from_numpy(self._latest[None, :, self.model.config.stft.hop_length :])
        state = SeparatorState(past, self._encoders[self._now], self._targets)
        with torch.inference_mode():
            held = self.model.hold(torch.from_numpy(block)[None], state)
        return np.asarray(
            held[0, : self._n].numpy(),
            np.float32,
        )

    def end_trace(self) -> Path:
        """The file with what every operator of every step took, in the runtime's own format; no
        more is added.
        """
        return Path(self.runtime.end_profiling())

    @property
    def _targets(self) -> TargetState:
        """What the next step reads."""
        return self._slots.targets[self._now]

    def _analyze(self, hop: Audio) -> None:
        """`analyze` of one frame, whatever the block: together, they might differ in their last
        bits.

        In buffers that stay and with numpy, whose calls cost a fraction of torch's for so few
        samples.
        """
        n = hop.shape[-1]
        self._latest[:, :-n] = self._latest[:, n:]
        self._latest[:, -n:] = hop
        np.multiply(
            self._latest,
            self.model.analysis.numpy(),
            out=self._frame.numpy(),
        )
        frames = torch.fft.rfft(self._frame).numpy()
        re, im = self._planes.numpy()[0, :, :, 0]
        re[:], im[:] = frames.real[:, 1:], frames.imag[:, 1:]

    def _load_targets(self, targets: TargetState, conditions: Tensor) -> None:
        """Go on with these targets; without any one slot runs idle, since the graph needs one."""
        self._n = conditions.shape[1]
        if not self._n:
            targets, conditions = (
                self.model.init_targets(1, 1),
                conditions.new_zeros(1, 1, conditions.shape[-1]),
            )
        self._slots = self._slots_for(conditions.shape[1])
        with torch.no_grad():
            self._slots.modulation.copy_(self.model.unet.modulate(conditions))
        map_tree(Tensor.copy_, self._targets, targets)

    def _slots_for(self, n: int) -> _Slots:
        if n not in self._all_slots:
            self._all_slots[n] = _Slots(
                self.runtime,
                self.model,
                n,
                self._planes,
                self._encoders,
            )
        return self._all_slots[n]


class _Slots:
    """The buffers of a number of targets, and what binds them, and those that all numbers share, to
    the graph.
    """

    def __init__(
        self,
        session: Any,
        model: SeparatorModel,
        n: int,
        planes: Tensor,
        encoders: tuple[EncoderState, EncoderState],
    ) -> None:
        hop, unet = model.config.stft.hop_length, model.unet
        self.modulation = unet.modulate(
            torch.zeros(
                1,
                n,
                unet.config.n_condition,
            )
        ).detach()
        self.output = torch.zeros(1, n, N_CHANNELS, hop)
        """What the latest step gave."""
        self.targets = (model.init_targets(1, n), model.init_targets(1, n))
        pairs = zip(encoders, self.targets, strict=True)
        first, second = (
            named_leaves(encoder, "encoder") | named_leaves(targets, "targets")
            for encoder, targets in pairs
        )
        self.bindings = [
            self._bind(session, planes, first, second),
            self._bind(session, planes, second, first),
        ]
        """A step from the first set of state to the second, and one back."""

    def _bind(
        self, session: Any, planes: Tensor, now: dict[str, Tensor], then: dict[str, Tensor]
    ) -> Any:
        read = {name: leaf for name, leaf in now.items() if name != MASKS}
        inputs = {"planes": planes, "modulation": self.modulation, **read}
        outputs = {
            "targets": self.output,
            **{NEXT + name: leaf for name, leaf in then.items()},
        }
        binding = session.io_binding()
        for bind, tensors in ((binding.bind_input, inputs), (binding.bind_output, outputs)):
            for name, tensor in tensors.items():
                bind(
                    name,
                    "cpu",
                    0,
                    np.float32,
                    tuple(tensor.shape),
                    tensor.data_ptr(),
                )
        return binding


def _load(graph: Path, trace: Path | None) -> Any:
    """An inference session on one thread, which nothing spins beside.

    Raises:
        GraphError: there is no ONNX Runtime, or the file cannot be used.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise GraphError(MISSING) from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if trace is not None:
        options.enable_profiling, options.profile_file_prefix = True, str(trace)
    try:
        return onnxruntime.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the runtime's own kinds, which it does not publish
        reason = str(error).strip().splitlines()[0]
        raise GraphError(
            f"{graph}: not a network for ONNX Runtime ({reason}); delete it, and it is made again"
        ) from error
