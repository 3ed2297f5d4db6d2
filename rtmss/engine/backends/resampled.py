"""At another rate than the model's: the model hears its own rate, and what it says comes back.

One hop of the stream is one hop of the model (see `frames`).

Axes: N targets, C channels, S samples.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from rtmss.audio import Audio
from rtmss.engine.backends.protocol import Backend
from rtmss.engine.control import Stem
from rtmss.model.separator import N_CHANNELS
from rtmss.signal.hop_resampler import HopResampler, resampling_delay


class ResampledBackend:
    """Puts another backend, at the model's rate, into a stream at another one; see `Backend`."""

    def __init__(self, inner: Backend, hop_length: int, model_hop: int) -> None:
        """Start with silence.

        Args:
            inner: what runs the model.
            hop_length: samples of a hop of the stream, as `StreamFrames` has it.
            model_hop: samples of a hop of the model.
        """
        self.inner = inner
        self._hop, self._model_hop = hop_length, model_hop
        self._delay = resampling_delay(hop_length, model_hop)
        self._down = HopResampler(hop_length, model_hop, Fraction(self._delay))
        self._up = HopResampler(
            model_hop, hop_length, Fraction(self._delay * model_hop, hop_length)
        )
        self._down_past = self._down.init_state(N_CHANNELS)
        """(C, S) the latest input."""
        self._up_past: Audio = np.zeros(
            (0, N_CHANNELS, self._up.n_past),
            np.float32,
        )
        """(N, C, S) the latest targets, at the model's rate."""

    @property
    def name(self) -> str:
        """Of what runs the model."""
        return self.inner.name

    def reset(self) -> None:
        """Forget the input so far; no stems."""
        self.inner.reset()
        self._down_past = self._down.init_state(N_CHANNELS)
        self._up_past = self._up_past[:0]

    def arrange(
        self,
        order: Sequence[int | None],
        stems: Sequence[Stem],
    ) -> None:
        """Follow a change of stems: `order` has for every new one its old slot, or None."""
        self.inner.arrange(order, stems)
        past: Audio = np.zeros(
            (len(order), *self._up_past.shape[1:]),
            np.float32,
        )
        for row, slot in zip(past, order, strict=True):
            if slot is not None:
                row[:] = self._up_past[slot]
        self._up_past = past

    def tail(self, slot: int) -> Audio:
        """(C, S) the output of a slot if the input ended here, until the filters have rung out."""
        tail = self.inner.tail(slot)
        n = tail.shape[-1] // self._model_hop * self._hop + 2 * self._delay
        n_hops = -(-n // self._hop)
        padded = np.pad(
            tail,
            ((0, 0), (0, n_hops * self._model_hop - tail.shape[-1])),
        )
        return self._up(
            padded,
            self._up_past[slot],
        )[0][:, :n]

    def step(self, block: Audio) -> Audio:
        """(C, T * hop_length) new samples -> (N, C, T * hop_length) targets."""
        inputs, self._down_past = self._down(block, self._down_past)
        return self._come_back(self.inner.step(inputs))

    def hold(self, block: Audio) -> Audio:
        """What `step` would give if the masks stayed as they are; changes nothing."""
        past = self._up_past
        held = self._come_back(self.inner.hold(self._down(block, self._down_past)[0]))
        self._up_past = past
        return held

    def _come_back(self, targets: Audio) -> Audio:
        """(N, C, S) at the model's rate -> at the stream's."""
        n_targets, n = len(targets), targets.shape[-1] // self._model_hop * self._hop
        rows = targets.reshape(n_targets * N_CHANNELS, targets.shape[-1])
        past = self._up_past.reshape(n_targets * N_CHANNELS, self._up.n_past)
        out, past = self._up(rows, past)
        self._up_past = past.reshape(n_targets, N_CHANNELS, self._up.n_past)
        return np.ascontiguousarray(out).reshape(n_targets, N_CHANNELS, n)
