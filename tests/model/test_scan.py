"""The linear recurrence against the textbook's loop, and its gradients against numbers."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from torch import Tensor

from rtmss.model.scan import _by_pairs, scan

every_shape = pytest.mark.parametrize(
    ("shape", "axis", "lag"),
    [
        ((2, 7, 3, 4), 1, 1),
        ((2, 7, 3, 4), 1, 3),
        ((2, 7, 5, 4), 2, 1),
        ((2, 4, 3, 4), 1, 4),
        ((2, 2, 3, 4), 1, 4),
    ],
)
both_ways = pytest.mark.parametrize("backwards", [False, True])


def material(
    shape: tuple[int, ...],
    axis: int,
    lag: int,
) -> tuple[Tensor, Tensor, Tensor]:
    torch.manual_seed(0)
    first = (
        *shape[:axis],
        lag,
        *shape[axis + 1 :],
    )
    keep, new, start = torch.rand(shape), torch.randn(shape), torch.randn(first)
    return (
        keep.double().requires_grad_(),
        new.double().requires_grad_(),
        start.double().requires_grad_(),
    )


def by_loop(
    keep: Tensor,
    new: Tensor,
    start: Tensor,
    axis: int,
) -> Tensor:
    states = list(start.unbind(axis))
    for kept, added in zip(
        keep.unbind(axis),
        new.unbind(axis),
        strict=True,
    ):
        states.append(kept * states[-start.shape[axis]] + added)
    return torch.stack(states[start.shape[axis] :], axis)


@every_shape
def test_it_is_the_recurrence(
    shape: tuple[int, ...],
    axis: int,
    lag: int,
) -> None:
    keep, new, start = material(shape, axis, lag)
    assert torch.allclose(
        scan(keep, new, start, axis),
        by_loop(keep, new, start, axis),
    )


@both_ways
@pytest.mark.parametrize(
    ("shape", "axis", "lag"),
    [
        ((2, 7, 3, 4), 1, 1),
        ((2, 7, 5), 2, 1),
        ((2, 3, 4), 1, 4),
    ],
)
def test_what_is_exported_gives_the_same(
    shape: tuple[int, ...], axis: int, lag: int, backwards: bool
) -> None:
    keep, new, start = material(shape, axis, lag)
    wanted = scan(keep, new, start, axis, backwards=backwards)
    assert torch.allclose(
        _by_pairs(keep, new, start, axis, backwards=backwards),
        wanted,
    )


def test_nothing_that_is_kept_is_no_trouble_where_it_is_exported() -> None:
    keep, new = torch.zeros(1, 5, 2), torch.randn(1, 5, 2)
    assert torch.allclose(
        _by_pairs(keep, new, torch.randn(1, 1, 2), 1),
        new,
    )


@pytest.mark.parametrize("n", [1, 2, 7])
def test_backwards_is_the_same_from_the_other_end(n: int) -> None:
    keep, new, start = material((2, n, 3), 1, 1)
    turned = by_loop(
        keep.flip(1),
        new.flip(1),
        start,
        1,
    ).flip(1)
    assert torch.allclose(
        scan(keep, new, start, 1, backwards=True),
        turned,
    )


@pytest.mark.slow
@every_shape
@both_ways
def test_its_gradients_are_those_of_small_differences(
    shape: tuple[int, ...], axis: int, lag: int, backwards: bool
) -> None:
    def run(keep: Tensor, new: Tensor, start: Tensor) -> Tensor:
        return scan(keep, new, start, axis, backwards=backwards)

    assert torch.autograd.gradcheck(run, material(shape, axis, lag))


@every_shape
@both_ways
def test_without_gradients_it_is_the_same_to_the_bit(
    shape: tuple[int, ...], axis: int, lag: int, backwards: bool
) -> None:
    learning = material(shape, axis, lag)
    with_gradients = scan(*learning, axis, backwards=backwards)
    keep, new, start = (x.detach() for x in learning)
    without = scan(keep, new, start, axis, backwards=backwards)
    assert with_gradients.requires_grad
    assert torch.equal(with_gradients, without)


@pytest.mark.slow
def test_to_play_loads_no_compiler() -> None:
    code = "import sys, torch; from rtmss.model.scan import scan; x = torch.rand(1, 3, 2)\n"
    code += "scan(x, x, x[:, :1], 1); print(torch.is_tensor(x), 'torch._dynamo' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["True", "False"]
