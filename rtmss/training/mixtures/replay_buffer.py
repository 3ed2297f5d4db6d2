"""A growing pool of batches that are seen again and again.

On mixtures that never come back the network rests at the level of uncertainty, near silence, for
thousands of steps. On few that come back it becomes sure of itself within minutes, on voices that
it has never heard too; the pool then grows towards variety.

Batches are known by number, and which number is seen when is fixed by the seed: a resumed run sees
the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import tee

import numpy as np

from rtmss.training.mixtures.draw import Episode


def schedule(
    n_first: int,
    fresh: float,
    seed: Sequence[int],
) -> Iterator[int]:
    """Numbers of the batches to see, endlessly, from a pool that grows.

    Args:
        n_first: batches in the pool at the start.
        fresh: probability, at each visit, that a new batch joins the pool and is seen; at 1 none is
            seen twice.
        seed: of chance.
    """
    rng = np.random.default_rng(seed)
    n = n_first if fresh < 1 else 0
    while True:
        if rng.random() < fresh:
            n += 1
            yield n - 1
        else:
            yield int(rng.integers(n))


def replay(
    numbers: Iterable[int], load: Callable[[Iterable[int]], Iterator[Episode]], *, keep: bool = True
) -> Iterator[Episode]:
    """The batches of the given numbers, each of which is loaded when it first comes up.

    Args:
        numbers: from `schedule`.
        load: gives the batches of some numbers, in their order, and may run ahead.
        keep: keep what is loaded; else every number has to be new.
    """
    to_load, to_see = tee(numbers)
    stream = load(_first_times(to_load) if keep else to_load)
    pool: dict[int, Episode] = {}
    for number in to_see:
        if not keep:
            yield next(stream)
            continue
        if number not in pool:
            pool[number] = _packed(next(stream))
        yield _unpacked(pool[number])


def _first_times(numbers: Iterable[int]) -> Iterator[int]:
    seen: set[int] = set()
    for number in numbers:
        if number not in seen:
            seen.add(number)
            yield number


def _packed(batch: Episode) -> Episode:
    """Audio in half precision: a pool of hours has to fit into memory."""
    return Episode(
        batch[0].half(),
        batch[1].half(),
        *batch[2:],
    )


def _unpacked(batch: Episode) -> Episode:
    return Episode(
        batch.mixture.float(),
        batch.targets.float(),
        *batch[2:],
    )
