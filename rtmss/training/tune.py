"""Tuning a trained clip encoder under a trained separator.

Axes: K clips, E embedding.
"""

from __future__ import annotations

import copy

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rtmss.model.clip_encoder import ConditionHead
from rtmss.model.separator import SeparatorModel
from rtmss.training.classify import embed_bank, train_clip_encoder
from rtmss.training.mixtures.bank import Bank
from rtmss.training.progress import Progress
from rtmss.training.recipe import Recipe

N_SEGMENTS = 3
"""Segments of each track that say how embeddings have turned."""


def tune_clip_encoder(
    model: SeparatorModel, bank: Bank, recipe: Recipe, progress: Progress
) -> None:
    """Train the model's clip encoder further, and refit its condition head, so that the separator
    hears what it did.
    """
    before = copy.deepcopy(model.clip_encoder).eval()
    train_clip_encoder(model.clip_encoder, bank, recipe, progress, is_trained=True)
    old, new = (
        np.concatenate(embed_bank(encoder, bank, N_SEGMENTS))
        for encoder in (before, model.clip_encoder)
    )
    refit(model.condition_head, old, new)


@torch.no_grad()
def refit(
    head: ConditionHead,
    old: NDArray[np.float32],
    new: NDArray[np.float32],
) -> None:
    """Change `head` in place, so that it makes of new embeddings what it made of the old ones of
    the same clips, as far as a linear map can: least squares, with a little towards nothing.

    Args:
        head: of the old embeddings.
        old: (K, E).
        new: (K, E).
    """
    n = new.shape[1]
    ridge = 1e-6 * len(new) * np.eye(n)
    back = torch.from_numpy(
        np.linalg.solve(
            new.T @ new + ridge,
            new.T @ old,
        )
    ).to(head.project.weight)
    weight: Tensor = head.project.weight
    weight.copy_(
        torch.cat(
            [
                side @ back.T
                for side in torch.split(
                    weight,
                    n,
                    dim=1,
                )
            ],
            dim=1,
        )
    )
