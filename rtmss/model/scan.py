"""A linear recurrence along one axis: a state is a share of an earlier one, and something new.

Nothing is multiplied by a matrix between two steps, so a step is one pass over its slice. In
training the whole is one operator with a backward of its own, which a compiler takes as it is.

Shapes are free but for the axis: T steps along it, or D start states (so many sequences take
turns).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def scan(
    keep: Tensor,
    new: Tensor,
    start: Tensor,
    axis: int,
    *,
    backwards: bool = False,
) -> Tensor:
    """Run `state[t] = keep[t] * state[t - D] + new[t]`.

    Args:
        keep: (..., T, ...) share of the earlier state that stays.
        new: (..., T, ...) what is added.
        start: (..., D, ...) the states before the first step, the next to go on first.
        axis: that of T and D.
        backwards: begin at the last step.

    Returns:
        (..., T, ...) all states.
    """
    if torch.compiler.is_exporting():
        return _by_pairs(keep, new, start, axis, backwards=backwards)
    if torch.compiler.is_compiling() or _is_learning(keep, new, start):
        states: Tensor = _scan(keep, new, start, axis, backwards)
        return states
    # A call of an operator of one's own loads torch's compiler first, for seconds.
    return _step_by_step(keep, new, start, axis, backwards=backwards)


def _by_pairs(
    keep: Tensor, new: Tensor, start: Tensor, axis: int, *, backwards: bool = False
) -> Tensor:
    """The same in few, larger operations, for runtimes in which every call costs: the share of each
    step in each other.

    Raises:
        ValueError: sequences take turns for more than one step each.
    """
    n, lag = new.shape[axis], start.shape[axis]
    if n <= lag:
        return torch.addcmul(new, keep, start.narrow(axis, 0, n))
    if lag > 1:
        raise ValueError(
            f"{n} steps of {lag} sequences that take turns: only one step of each can be exported"
        )
    # The start is one more step, of which everything is new.
    keep = torch.cat(
        [keep, torch.ones_like(start)] if backwards else [torch.ones_like(start), keep], axis
    )
    new = torch.cat(
        [new, start] if backwards else [start, new],
        axis,
    )
    logarithm = keep.clamp_min(1e-30).log()
    total = logarithm.cumsum(axis)
    if backwards:
        total = logarithm - total
    # (..., to, from, ...)
    between = total.unsqueeze(axis + 1) - total.unsqueeze(axis)
    steps = torch.arange(n + 1)
    counts = steps[:, None] <= steps if backwards else steps[:, None] >= steps
    counts = counts.view(
        *counts.shape,
        *[1] * (new.dim() - axis - 1),
    )
    share = between.masked_fill(~counts, float("-inf")).exp()
    states = (share * new.unsqueeze(axis)).sum(axis + 1)
    return states.narrow(axis, 0 if backwards else 1, n)


def _pieces(
    n: int,
    lag: int,
    *,
    backwards: bool,
) -> list[tuple[int, int]]:
    """Start and length of the pieces of up to `lag` steps that are made at once, in their order."""
    pieces = [(first, min(lag, n - first)) for first in range(0, n, lag)]
    return [(n - first - length, length) for first, length in pieces] if backwards else pieces


def _is_learning(*inputs: Tensor) -> bool:
    return torch.is_grad_enabled() and any(each.requires_grad for each in inputs)


def _step_by_step(
    keep: Tensor, new: Tensor, start: Tensor, axis: int, *, backwards: bool
) -> Tensor:
    states = torch.empty_like(new)
    before = start
    for first, length in _pieces(
        new.shape[axis],
        start.shape[axis],
        backwards=backwards,
    ):
        kept, added, after = (x.narrow(axis, first, length) for x in (keep, new, states))
        torch.addcmul(
            added,
            kept,
            before.narrow(axis, 0, length),
            out=after,
        )
        before = after
    return states


@torch.library.custom_op("rtmss::scan", mutates_args=())
def _scan(
    keep: Tensor,
    new: Tensor,
    start: Tensor,
    axis: int,
    backwards: bool,
) -> Tensor:
    return _step_by_step(keep, new, start, axis, backwards=backwards)


@_scan.register_fake
def _(_keep: Tensor, new: Tensor, *_others: Any) -> Tensor:
    return torch.empty_like(new)


@torch.library.custom_op("rtmss::scan_backward", mutates_args=())
def _scan_backward(
    gradient: Tensor, keep: Tensor, start: Tensor, states: Tensor, axis: int, backwards: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of `keep`, `new` and `start`, from those of the states."""
    of_new = torch.empty_like(states)
    of_keep = torch.empty_like(states)
    of_start = torch.zeros_like(start)
    pieces = _pieces(
        states.shape[axis],
        start.shape[axis],
        backwards=backwards,
    )
    place, length = pieces[-1]
    of_new.narrow(axis, place, length).copy_(gradient.narrow(axis, place, length))
    for number in range(len(pieces) - 1, 0, -1):
        place, length = pieces[number]
        total, kept, of_kept = (x.narrow(axis, place, length) for x in (of_new, keep, of_keep))
        place, n_before = pieces[number - 1]
        before, asked, earlier = (
            x.narrow(axis, place, n_before) for x in (states, gradient, of_new)
        )
        torch.mul(
            total,
            before.narrow(axis, 0, length),
            out=of_kept,
        )
        if n_before > length:
            earlier.copy_(asked)
        torch.addcmul(
            asked.narrow(axis, 0, length), kept, total, out=earlier.narrow(axis, 0, length)
        )
    place, length = pieces[0]
    total, kept, of_kept = (x.narrow(axis, place, length) for x in (of_new, keep, of_keep))
    torch.mul(
        total,
        start.narrow(axis, 0, length),
        out=of_kept,
    )
    torch.mul(
        total,
        kept,
        out=of_start.narrow(axis, 0, length),
    )
    return of_keep, of_new, of_start


@_scan_backward.register_fake
def _(
    _gradient: Tensor, _keep: Tensor, start: Tensor, states: Tensor, *_others: Any
) -> tuple[Tensor, Tensor, Tensor]:
    return torch.empty_like(states), torch.empty_like(states), torch.empty_like(start)


def _keep_for_backward(
    ctx: Any,
    inputs: tuple[Any, ...],
    output: Tensor,
) -> None:
    keep, _, start, ctx.axis, ctx.backwards = inputs
    ctx.save_for_backward(keep, start, output)


def _backward(
    ctx: Any,
    gradient: Tensor,
) -> tuple[Tensor | None, ...]:
    keep, start, states = ctx.saved_tensors
    return (
        *_scan_backward(
            gradient,
            keep,
            start,
            states,
            ctx.axis,
            ctx.backwards,
        ),
        None,
        None,
    )


_scan.register_autograd(_backward, setup_context=_keep_for_backward)
