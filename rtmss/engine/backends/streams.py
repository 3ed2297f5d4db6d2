"""Many streams at once: one step for all of them, on buffers that stay where they are.

For a server with many listeners, and for a GPU, where a step of one stream is all launches: there
it is captured once as a CUDA graph, and neither new conditions nor streams that come and go capture
it again.

On a GPU torch multiplies convolutions in TF32 unless `torch.backends.cudnn.allow_tf32` is off: over
1,000 hops with switches an H100's targets were within 2.5e-4 of a processor's, and without TF32
within 8e-7.

Axes: S streams, N slots for targets, C channels.
"""

from __future__ import annotations

import copy

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rtmss.conditions.condition import Condition
from rtmss.conditions.encode import limits_of
from rtmss.engine.backends.tree import map_tree
from rtmss.model.separator import N_CHANNELS, SeparatorModel, SeparatorState

LOUDEST = 16.0
"""Input beyond 24 dB over full scale is no music."""
N_WARM = 3
"""Steps before a capture, in which libraries choose their ways."""


class StreamBatch:
    """A number of streams, each with a number of slots, which may be empty."""

    def __init__(
        self, model: SeparatorModel, n_streams: int, n_slots: int, device: str = "cpu"
    ) -> None:
        """Lay out the buffers and, on a GPU, capture the step.

        Args:
            model: the weights.
            n_streams: stepped together, whether anybody listens or not.
            n_slots: targets of each stream; an empty slot is stepped too and says nothing.
            device: as torch calls it.

        Raises:
            ValueError: not at least one stream of one slot.
        """
        if n_streams < 1 or n_slots < 1:
            raise ValueError(f"a batch needs a stream and a slot, got {n_streams} and {n_slots}")
        self.model = model if device == "cpu" else copy.deepcopy(model).to(device)
        self._limits = limits_of(model)
        self.hop_length = model.config.stft.hop_length
        start = model.init_state(n_streams, n_slots)
        self._state: SeparatorState = map_tree(lambda leaf: leaf.to(device), start)
        self._audio = torch.zeros(n_streams, N_CHANNELS, self.hop_length, device=device)
        self._conditions = torch.zeros(
            n_streams, n_slots, model.config.unet.n_condition, device=device
        )
        self._is_taken = torch.zeros(n_streams, n_slots, 1, 1, device=device)
        self._output = torch.zeros(
            n_streams,
            n_slots,
            N_CHANNELS,
            self.hop_length,
            device=device,
        )
        self._graph = self._capture() if torch.device(device).type == "cuda" else None

    def begin(self, stream: int) -> None:
        """A new stream in the place of another: silence before it, all slots empty."""
        with torch.inference_mode():
            map_tree(lambda leaf: leaf[stream].zero_(), self._state)
            self._is_taken[stream].zero_()

    def put(
        self,
        stream: int,
        slot: int,
        vector: NDArray[np.float32] | None,
    ) -> None:
        """From the next step on, separate by another condition, with empty memory, or with None by
        none.

        Args:
            stream: from 0.
            slot: from 0.
            vector: (n_condition,).

        Raises:
            ConditionError: the model does not take it.
        """
        if vector is not None:
            self._limits.check(Condition.bare(f"slot {slot}", vector))
        with torch.inference_mode():
            map_tree(lambda leaf: leaf[stream, slot].zero_(), self._state.targets)
            self._is_taken[stream, slot] = float(vector is not None)
            if vector is not None:
                self._conditions[stream, slot].copy_(torch.from_numpy(vector))

    def step(
        self,
        audio: NDArray[np.float32],
    ) -> NDArray[np.float32]:
        """(S, C, hop_length) new samples -> (S, N, C, hop_length) targets, silence from empty
        slots.

        They lag behind `audio` by `config.delay` samples.

        Samples that are not finite count as silence: nothing of a stream reaches the next one.

        Raises:
            ValueError: the shape is another, or they are no floats.
        """
        if audio.shape != tuple(self._audio.shape) or audio.dtype.kind != "f":
            expected = tuple(self._audio.shape)
            raise ValueError(
                f"expected floats of shape {expected}, got {audio.dtype} of {audio.shape}"
            )
        sound = np.nan_to_num(
            audio,
            nan=0.0,
            posinf=0.0,
            neginf=0.0,
        ).clip(-LOUDEST, LOUDEST)
        with torch.inference_mode():
            self._audio.copy_(torch.from_numpy(np.ascontiguousarray(sound, np.float32)))
            if self._graph is None:
                self._advance()
            else:
                self._graph.replay()
            return np.asarray(
                self._output.cpu().numpy().copy(),
                np.float32,
            )

    def _advance(self) -> None:
        output, state = self.model(self._audio, self._conditions, self._state)
        torch.mul(output, self._is_taken, out=self._output)
        map_tree(Tensor.copy_, self._state, state)

    def _capture(self) -> torch.cuda.CUDAGraph:
        graph, side = torch.cuda.CUDAGraph(), torch.cuda.Stream()  # type: ignore[no-untyped-call]
        with torch.inference_mode():
            side.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(side):
                for _ in range(N_WARM):
                    self._advance()
            torch.cuda.current_stream().wait_stream(side)
            with torch.cuda.graph(graph):
                self._advance()
            map_tree(Tensor.zero_, self._state)
        return graph
