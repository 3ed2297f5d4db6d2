"""A linear recurrence over the first axis, `h[t] = keep[t] * h[t - D] + new[t]`.

Nothing is multiplied by a matrix between two steps, so a step is one pass over its rows. In training this is one
operator with a backward of its own, which a compiler takes as it is.

Axes: T steps, D start states (so many sequences take turns), R rows, H hidden.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def scan(keep: Tensor, new: Tensor, start: Tensor) -> Tensor:
    """Run the recurrence.

    Args:
        keep: (T, R, H) share of the earlier state that stays.
        new: (T, R, H) what is added.
        start: (D, R, H) the states before the first step, the next to go on first.

    Returns:
        (T, R, H) all states.
    """
    if len(new) <= len(start):
        return torch.addcmul(new, keep, start[: len(new)])
    if torch.compiler.is_exporting():
        return _by_doubling(keep, new, start)
    states: Tensor = _scan(keep, new, start)
    return states


def _by_doubling(keep: Tensor, new: Tensor, start: Tensor) -> Tensor:
    """The same in few, larger operations, for runtimes in which every operation costs: Hillis and Steele, CACM 1986."""
    lag = len(start)
    new = torch.cat([torch.addcmul(new[:lag], keep[:lag], start), new[lag:]])
    while lag < len(new):
        new = torch.cat([new[:lag], torch.addcmul(new[lag:], keep[lag:], new[:-lag])])
        # The first `lag` steps are whole already: what stays of them is never asked for again.
        keep = torch.cat([keep[:lag], keep[lag:] * keep[:-lag]])
        lag *= 2
    return new


@torch.library.custom_op("rtmss::scan", mutates_args=())
def _scan(keep: Tensor, new: Tensor, start: Tensor) -> Tensor:
    states = torch.empty_like(new)
    lag, before = len(start), start
    for first in range(0, len(new), lag):
        place = slice(first, first + lag)
        after = states[place]
        torch.addcmul(new[place], keep[place], before[: len(after)], out=after)
        before = after
    return states


@_scan.register_fake
def _(keep: Tensor, new: Tensor, start: Tensor) -> Tensor:
    return torch.empty_like(new)


@torch.library.custom_op("rtmss::scan_backward", mutates_args=())
def _scan_backward(gradient: Tensor, keep: Tensor, lag: int) -> Tensor:
    """(T, R, H) gradients of all states, from those of what is made of each."""
    total = gradient.clone()
    last = (len(total) - 1) // lag * lag
    for first in range(last - lag, -1, -lag):
        later = slice(first + lag, first + 2 * lag)
        n_later = len(total[later])
        total[first : first + n_later].addcmul_(keep[later], total[later])
    return total


@_scan_backward.register_fake
def _(gradient: Tensor, keep: Tensor, lag: int) -> Tensor:
    return torch.empty_like(gradient)


def _keep_for_backward(ctx: Any, inputs: tuple[Tensor, Tensor, Tensor], output: Tensor) -> None:
    keep, _, start = inputs
    ctx.save_for_backward(keep, start, output)


def _backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    keep, start, states = ctx.saved_tensors
    lag = len(start)
    total = _scan_backward(gradient.contiguous(), keep, lag)
    before = torch.cat([start, states[:-lag]])
    return total * before, total, total[:lag] * keep[:lag]


_scan.register_autograd(_backward, setup_context=_keep_for_backward)
