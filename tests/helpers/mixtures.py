"""Mixtures drawn from a bank without a network."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from rtmss.training.mixtures.bank import Bank
from rtmss.training.mixtures.draw import Episodes
from rtmss.training.mixtures.mixdown import Mixdown, Mixed
from rtmss.training.mixtures.plan import Episode
from rtmss.training.recipe import Recipe

N_BATCHES = 8


def embeddings_of(bank: Bank) -> list[NDArray[np.float32]]:
    """Every track's clips all point where its family points."""
    families = sorted({track.family for track in bank.tracks})
    return [
        np.eye(
            16,
            dtype=np.float32,
        )[[families.index(track.family)] * 5]
        for track in bank.tracks
    ]


def draw(
    bank: Bank, recipe: Recipe, n: int = N_BATCHES, stream: int = 0, **changes: object
) -> list[Episode]:
    changed = recipe.model_copy(update={"episodes": recipe.episodes.model_copy(update=changes)})
    episodes = mixed(bank, Episodes(bank, embeddings_of(bank), changed, stream))
    return [episodes[number] for number in range(n)]


def mixed(bank: Bank, plans: Episodes) -> Mixed:
    return Mixed(
        plans,
        Mixdown(bank, plans.n_samples, torch.device("cpu")),
    )
