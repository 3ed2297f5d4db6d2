"""Streams of several threads in one call of the model, for a GPU that a single stream leaves idle.

Every thread renders its own song. A step waits until all that are under way want one; blocks of the
same shape are then one batch.

Axes: B streams, N targets, C channels, S samples.
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rtmss.audio import Audio
from rtmss.engine.backends.torch import TorchBackend
from rtmss.engine.backends.tree import map_tree
from rtmss.model.separator import SeparatorModel


class Together:
    """A model that several threads step at once."""

    def __init__(self, model: SeparatorModel, device: str) -> None:
        """Take the model to its device.

        Args:
            model: the weights.
            device: as torch calls it.
        """
        self.model = model if device == "cpu" else copy.deepcopy(model).to(device)
        self.device = device
        self.n_steps = self.n_calls = 0
        """Blocks of streams so far, and calls of the model that they took."""
        self._lock = threading.Condition()
        self._members: set[Member] = set()

    def join(self, member: Member) -> None:
        """From now on, wait for a stream."""
        with self._lock:
            self._members.add(member)

    def leave(self, member: Member) -> None:
        """Wait for a stream no longer."""
        with self._lock:
            self._members.discard(member)
            self._advance()

    def step(self, member: Member, block: Audio) -> Audio:
        """The targets of a member's next block, (N, C, S)."""
        with self._lock:
            member.block, member.output = block, None
            self._advance()
            while member.output is None and member.error is None:
                self._lock.wait()
            if member.error is not None:
                raise member.error
            return member.output

    def _advance(self) -> None:
        """Step everybody, if everybody waits."""
        if any(member.block is None for member in self._members):
            return
        groups: dict[tuple[int, ...], list[Member]] = {}
        for member in self._members:
            groups.setdefault(member.shape, []).append(member)
        for group in groups.values():
            try:
                self._run(group)
            except RuntimeError as error:  # no memory left, or the like: of nobody else
                for member in group:
                    member.error = error
        for member in self._members:
            member.block = None
        self._lock.notify_all()

    def _run(self, members: Sequence[Member]) -> None:
        self.n_steps += len(members)
        self.n_calls += 1
        blocks = [torch.from_numpy(member.block) for member in members]
        with torch.inference_mode():
            output, state = self.model(
                torch.stack(blocks).to(self.device),
                self._joined([member.conditions for member in members]),
                map_tree(lambda *leaves: self._joined(leaves), *(m.state for m in members)),
            )
            for row, member in enumerate(members):
                member.state = map_tree(lambda leaf: leaf[row : row + 1], state)  # noqa: B023
                member.output = np.asarray(
                    output[row].cpu().numpy(),
                    np.float32,
                )

    def _joined(self, rows: Sequence[Tensor]) -> Tensor:
        return torch.cat([row.to(self.device) for row in rows])


class Member(TorchBackend):
    """One of the streams: a context, in which the others wait for it."""

    def __init__(self, together: Together) -> None:
        super().__init__(together.model)
        self._together = together
        self.block: Audio | None = None
        self.output: Audio | None = None
        self.error: RuntimeError | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """What must be the same in a batch: samples, and the number of targets."""
        n_samples = 0 if self.block is None else self.block.shape[-1]
        return n_samples, self.conditions.shape[1]

    @property
    def conditions(self) -> Tensor:
        """(1, N, n_condition)."""
        return self._conditions

    def step(self, block: Audio) -> Audio:
        """See `Backend`."""
        return self._together.step(self, block)

    def __enter__(self) -> Member:
        self._together.join(self)
        return self

    def __exit__(self, *_: Any) -> None:
        self._together.leave(self)
