"""The one law, checked: cutting the input into other blocks changes nothing.

`verify_streaming` is used for every layer, the model, every backend and the session.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

Step = Callable[[Tensor, Any], tuple[Tensor, Any]]
N_RANDOM_CUTTINGS = 3


def leaves(state: Any) -> list[Tensor]:
    """The tensors of a state; those of an object that keeps its memory to itself are none."""
    if isinstance(state, Tensor):
        return [state]
    if isinstance(state, list | tuple):
        return [leaf for part in state for leaf in leaves(part)]
    return []


def cuttings(n_units: int) -> list[list[int]]:
    """Ways to cut so many units: one by one, and some at random."""
    rng = random.Random(n_units)
    ways = [[1] * n_units]
    for _ in range(N_RANDOM_CUTTINGS):
        marks = sorted(
            rng.sample(
                range(1, n_units),
                rng.randint(1, min(6, n_units - 1)),
            )
        )
        ways.append(
            [
                b - a
                for a, b in zip(
                    [0, *marks],
                    [*marks, n_units],
                    strict=True,
                )
            ]
        )
    return ways


def verify_streaming(
    start: Callable[[], Any],
    step: Step,
    whole: Tensor,
    *,
    unit: int = 1,
    axis: int = -1,
    out_unit: int | None = None,
    out_axis: int | None = None,
    tolerance: float = 1e-5,
) -> Tensor:
    """Check that a stream does not depend on how it is cut, nor on what is still to come.

    Args:
        start: a state before the first sample.
        step: takes a block and a state; gives the output and the next state.
        whole: the input; it has to be long enough for all memory to fill.
        unit: entries along `axis` that blocks are multiples of.
        axis: along which the input is cut.
        out_unit: entries of the output for one unit of the input; None for `unit`.
        out_axis: along which the output grows; None for `axis`.
        tolerance: largest difference of outputs and states; 0 for the same to the bit.

    Returns:
        The output in one piece.

    Raises:
        AssertionError: something depends on it, or the output is so quiet that nothing could.
    """
    out_unit = unit if out_unit is None else out_unit
    out_axis = axis if out_axis is None else out_axis
    n_units = whole.shape[axis] // unit
    expected, end = _run(start(), step, [whole], out_axis)
    assert expected.shape[out_axis] == n_units * out_unit
    assert expected.isfinite().all()
    assert expected.abs().max() > 0.01, "an output of zeros would pass any comparison"
    for way in cuttings(n_units):
        blocks = list(torch.split(whole, [n * unit for n in way], axis))
        got, cut_end = _run(start(), step, blocks, out_axis)
        _assert_same(got, expected, tolerance, f"the output, cut into {way},")
        for one, other in zip(leaves(cut_end), leaves(end), strict=True):
            _assert_same(one, other, 10 * tolerance, f"the last state, cut into {way},")
    _verify_causal(
        start,
        step,
        whole,
        expected,
        (unit, axis),
        (out_unit, out_axis),
    )
    return expected


def _verify_causal(
    start: Callable[[], Any],
    step: Step,
    whole: Tensor,
    expected: Tensor,
    cut: tuple[int, int],
    out: tuple[int, int],
) -> None:
    """See that other input from two thirds on leaves everything before as it is."""
    (unit, axis), (out_unit, out_axis) = cut, out
    n_before = 2 * (whole.shape[axis] // unit) // 3
    same, rest = torch.split(
        whole,
        [n_before * unit, whole.shape[axis] - n_before * unit],
        axis,
    )
    got, _ = _run(
        start(),
        step,
        [torch.cat([same, 0.5 - rest], axis)],
        out_axis,
    )
    n_same = n_before * out_unit
    n_other = got.shape[out_axis] - n_same
    before, after = torch.split(got - expected, [n_same, n_other], out_axis)
    assert not before.any(), f"input from {n_before * unit} on has changed earlier output"
    assert after.abs().max() > 1e-4, f"input from {n_before * unit} on has changed nothing"


def _run(
    state: Any,
    step: Step,
    blocks: list[Tensor],
    out_axis: int,
) -> tuple[Tensor, Any]:
    """The joined output of some blocks and the last state; arguments are left as they were."""
    pieces = []
    for block in blocks:
        given = [block, *leaves(state)]
        copies = [tensor.clone() for tensor in given]
        piece, then = step(block, state)
        for one, other in zip(given, copies, strict=True):
            assert torch.equal(one, other), "a call has changed its arguments"
        shapes = [tensor.shape for tensor in leaves(then)]
        assert shapes == [tensor.shape for tensor in given[1:]], "the state has changed its shape"
        pieces.append(piece.clone())
        state = then
    return torch.cat(pieces, out_axis), state


def _assert_same(
    one: Tensor,
    other: Tensor,
    tolerance: float,
    what: str,
) -> None:
    difference = float((one - other).abs().max()) if one.numel() else 0.0
    assert difference <= tolerance, f"{what} differs by {difference:g}, more than {tolerance:g}"
