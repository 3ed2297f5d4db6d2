"""The pool of batches that come back."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator

import torch

from rtmss.training.mixtures.draw import Episode
from rtmss.training.mixtures.replay_buffer import replay, schedule


def _numbered(numbers: Iterable[int]) -> Iterator[Episode]:
    """Batches that carry their number."""
    return (
        Episode(
            *(
                torch.full(
                    (1, 2, 2),
                    float(number),
                )
                for _ in range(4)
            )
        )
        for number in numbers
    )


def _draw(
    n: int,
    n_first: int,
    fresh: float,
) -> list[int]:
    drawn = replay(
        schedule(n_first, fresh, [0]),
        _numbered,
        keep=fresh < 1,
    )
    return [int(batch.mixture[0, 0, 0]) for batch in itertools.islice(drawn, n)]


def test_without_fresh_batches_the_first_ones_come_back() -> None:
    numbers = _draw(300, n_first=5, fresh=0.0)
    assert set(numbers) == set(range(5))
    assert all(numbers.count(number) > 30 for number in range(5))


def test_fresh_batches_join_at_their_share_and_come_back() -> None:
    numbers = _draw(1000, n_first=5, fresh=0.2)
    assert 170 < max(numbers) - 5 < 230
    assert numbers.count(max(numbers) // 2) > 1


def test_with_fresh_batches_only_none_comes_back() -> None:
    assert _draw(
        50,
        n_first=5,
        fresh=1.0,
    ) == list(range(50))


def test_what_is_seen_is_what_was_planned() -> None:
    assert _draw(200, n_first=5, fresh=0.2) == list(
        itertools.islice(
            schedule(5, 0.2, [0]),
            200,
        )
    )


def test_a_batch_is_loaded_once() -> None:
    loaded: list[int] = []

    def load(numbers: Iterable[int]) -> Iterator[Episode]:
        for number in numbers:
            loaded.append(number)
            yield from _numbered([number])

    list(
        itertools.islice(
            replay(schedule(5, 0.2, [0]), load),
            200,
        )
    )
    assert len(loaded) == len(set(loaded)) < 60


def test_a_batch_comes_back_as_it_was() -> None:
    torch.manual_seed(0)
    batch = Episode(
        0.1 * torch.randn(1, 2, 64),
        0.1 * torch.randn(1, 2, 2, 64),
        torch.rand(1, 2, 8),
        torch.rand(1, 2, 8),
    )
    back = next(replay([0], lambda _: iter([batch])))
    assert back.mixture.dtype == torch.float32
    assert (back.mixture - batch.mixture).abs().max() < 3e-4
    assert (back.targets - batch.targets).abs().max() < 3e-4
    assert torch.equal(back.positive, batch.positive)
