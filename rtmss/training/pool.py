"""A growing pool of batches that are seen again and again.

On mixtures that never come back the network rests at the level of uncertainty, near silence, for thousands of steps.
On few that come back it becomes sure of itself within minutes, on voices that it has never heard too; the pool then
grows towards variety.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from rtmss.training.episodes import Episode


def revisit(batches: Iterable[Episode], n_first: int, fresh: float, rng: np.random.Generator) -> Iterator[Episode]:
    """Draw batches, endlessly, from a pool that grows.

    Args:
        batches: fresh ones, endless.
        n_first: batches in the pool before the first is given.
        fresh: probability, at each draw, that a fresh batch joins the pool and is given; at 1 all are fresh, and none
            is kept.
        rng: source of chance.
    """
    stream = iter(batches)
    if fresh >= 1:
        yield from stream
        return
    pool = [_packed(next(stream)) for _ in range(n_first)]
    while True:
        if rng.random() < fresh:
            pool.append(_packed(next(stream)))
            yield _unpacked(pool[-1])
        else:
            yield _unpacked(pool[rng.integers(len(pool))])


def _packed(batch: Episode) -> Episode:
    """Audio in half precision: a pool of hours has to fit into memory."""
    return Episode(batch[0].half(), batch[1].half(), *batch[2:])


def _unpacked(batch: Episode) -> Episode:
    return Episode(batch.mixture.float(), batch.targets.float(), *batch[2:])
