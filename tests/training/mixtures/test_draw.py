"""None"""

from __future__ import annotations

import numpy as np
import pytest
import torch

from helpers.mixtures import draw, embeddings_of, mixed
from rtmss.config import SeparatorConfig
from rtmss.training.mixtures.bank import Bank
from rtmss.training.mixtures.draw import Episodes
from rtmss.training.recipe import EpisodeRecipe, LoopRecipe, Recipe

N_BATCHES = 8


@pytest.fixture
def recipe(tiny_config: SeparatorConfig) -> Recipe:
    return Recipe(
        model=tiny_config,
        loop=LoopRecipe(batch=2),
        episodes=EpisodeRecipe(seconds=1.0),
    )


def test_a_batch_has_the_shapes_of_the_recipe(band: Bank, recipe: Recipe) -> None:
    mixture, targets, positive, negative = draw(band, recipe, 1)[0]
    assert mixture.shape == (2, 2, 8000)
    assert targets.shape == (2, 2, 2, 8000)
    assert positive.shape == negative.shape == (2, 2, 16)


def test_mixtures_sound_and_stay_under_full_scale(band: Bank, recipe: Recipe) -> None:
    peaks = torch.stack([episode.mixture.abs().amax((1, 2)) for episode in draw(band, recipe)])
    assert peaks.min() > 0.003
    assert peaks.max() <= 0.991


@pytest.mark.parametrize("coherent", [0.0, 1.0])
def test_two_truths_of_a_duo_sum_to_the_mixture(duo: Bank, recipe: Recipe, coherent: float) -> None:
    episodes = draw(
        duo,
        recipe,
        coherent=coherent,
        replaced_voice=0.0,
        negatives_only=0.0,
        absent=0.0,
        max_parts=2,
    )
    n_sums = 0
    for mixture, targets, _, _ in episodes:
        for whole, parts in zip(mixture, targets, strict=True):
            if all(part.abs().max() > 1e-3 for part in parts):
                assert (parts.sum(0) - whole).abs().max() < 1e-5
                n_sums += 1
    assert n_sums >= N_BATCHES


def test_negatives_alone_ask_for_what_they_leave(duo: Bank, recipe: Recipe) -> None:
    """Of two parts the unwanted one is left out, whichever of them the negatives are."""
    seen = set()
    for episode in draw(
        duo, recipe, replaced_voice=0.0, negatives_only=1.0, absent=0.0, max_parts=2
    ):
        for whole, (one, other), positive, negative in zip(
            *episode,
            strict=True,
        ):
            if (
                min(
                    one.abs().max(),
                    other.abs().max(),
                )
                > 1e-3
                and (one - whole).abs().max() > 1e-3
            ):
                assert positive.abs().max() == 0
                assert negative.abs().amax(1).min() > 0
                same = bool((one - other).abs().max() < 1e-5)
                assert same or (one + other - whole).abs().max() < 1e-5
                seen.add(same)
    assert seen == {True, False}


def test_the_truths_of_a_band_are_contained_in_the_mixture(band: Bank, recipe: Recipe) -> None:
    # Independent sources: taking one out of the sum must lower the energy by about that of the
    # source.
    for mixture, targets, _, _ in draw(
        band,
        recipe,
        coherent=0.0,
        negatives_only=0.0,
    ):
        energy, rest = (
            mixture.square().sum((1, 2)),
            (mixture[:, None] - targets).square().sum((2, 3)),
        )
        expected = energy[:, None] - targets.square().sum((2, 3))
        assert ((rest - expected).abs() <= 0.3 * energy[:, None]).all()


def test_absent_targets_are_silent_but_have_clips(band: Bank, recipe: Recipe) -> None:
    for episode in draw(
        band, recipe, coherent=0.0, absent=1.0, max_parts=2, positives_only=1.0, negatives_only=0.0
    ):
        assert not episode.targets.any()
        assert (episode.positive.norm(dim=-1) > 0.1).all()


def test_present_targets_sound(band: Bank, recipe: Recipe) -> None:
    for episode in draw(band, recipe, absent=0.0, coherent=0.0):
        assert (episode.targets.abs().amax((2, 3)) > 1e-3).all()


def test_positives_only_leaves_the_negative_side_empty(band: Bank, recipe: Recipe) -> None:
    for episode in draw(band, recipe, positives_only=1.0, negatives_only=0.0):
        assert not episode.negative.any()
        assert episode.positive.any(dim=-1).all()


def test_negatives_only_leaves_the_positive_side_empty(duo: Bank, recipe: Recipe) -> None:
    for episode in draw(
        duo,
        recipe,
        negatives_only=1.0,
        absent=0.0,
        coherent=0.0,
        max_parts=2,
    ):
        assert not episode.positive.any()
        assert episode.negative.any(dim=-1).all()


def test_positive_clips_are_of_the_target_and_negative_ones_of_others(
    duo: Bank, recipe: Recipe
) -> None:
    drums, vocals = np.eye(16)[:2]
    for episode in draw(
        duo, recipe, positives_only=0.0, negatives_only=0.0, absent=0.0, coherent=0.0, max_parts=2
    ):
        for positive, negative in zip(
            episode.positive.flatten(0, 1), episode.negative.flatten(0, 1), strict=True
        ):
            assert {
                tuple(positive.tolist()),
                tuple(negative.tolist()),
            } == {
                tuple(drums),
                tuple(vocals),
            }


def test_the_two_targets_of_a_mixture_differ(duo: Bank, recipe: Recipe) -> None:
    for episode in draw(
        duo, recipe, positives_only=1.0, negatives_only=0.0, absent=0.0, coherent=0.0, max_parts=2
    ):
        assert (episode.positive[:, 0] != episode.positive[:, 1]).any(dim=-1).all()


def test_the_same_seed_gives_the_same_episodes(band: Bank, recipe: Recipe) -> None:
    for a, b in zip(
        draw(band, recipe),
        draw(band, recipe),
        strict=True,
    ):
        assert all(
            torch.equal(x, y)
            for x, y in zip(
                a,
                b,
                strict=True,
            )
        )


def test_another_stream_gets_other_episodes(band: Bank, recipe: Recipe) -> None:
    assert not torch.equal(
        draw(band, recipe, 1)[0].mixture,
        draw(
            band,
            recipe,
            1,
            stream=1,
        )[0].mixture,
    )


def test_a_batch_is_known_by_its_number(band: Bank, recipe: Recipe) -> None:
    assert torch.equal(
        mixed(
            band,
            Episodes(band, embeddings_of(band), recipe),
        )[3].mixture,
        draw(band, recipe, 4)[3].mixture,
    )
