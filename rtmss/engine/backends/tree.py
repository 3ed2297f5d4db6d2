"""Trees of tensors: the states of `model`, which are `NamedTuple`s and tuples."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from torch import Tensor

T = TypeVar("T")


def map_tree(
    function: Callable[..., Tensor],
    tree: T,
    *others: T,
) -> T:
    """A tree like the first whose leaves are `function` of the leaves at the same place."""
    if isinstance(tree, Tensor):
        return function(tree, *others)  # type: ignore[return-value]
    assert isinstance(tree, tuple)
    parts = [
        map_tree(function, *column)
        for column in zip(
            tree,
            *others,
            strict=True,
        )
    ]
    return type(tree)(*parts) if hasattr(tree, "_fields") else tuple(parts)  # type: ignore[return-value]


def named_leaves(
    tree: object,
    prefix: str = "",
) -> dict[str, Tensor]:
    """Every leaf by the path to it, such as `encoder.convs.0`."""
    if isinstance(tree, Tensor):
        return {prefix: tree}
    assert isinstance(tree, tuple)
    names = getattr(
        tree,
        "_fields",
        map(str, range(len(tree))),
    )
    named = [
        named_leaves(part, f"{prefix}.{name}" if prefix else name)
        for name, part in zip(names, tree, strict=True)
    ]
    return {name: leaf for leaves in named for name, leaf in leaves.items()}


def like_tree(tree: T, leaves: Iterable[Tensor]) -> T:
    """A tree of the same form with other leaves, in the order of `named_leaves`."""
    supply = iter(leaves)
    return map_tree(lambda *_: next(supply), tree)
