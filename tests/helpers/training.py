"""A small recipe, and what it trains with."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from rich.console import Console

from rtmss.config import SeparatorConfig
from rtmss.model.separator import SeparatorModel
from rtmss.training.classify import embed_bank
from rtmss.training.mixtures.bank import Bank
from rtmss.training.progress import Progress
from rtmss.training.recipe import EncoderRecipe, EpisodeRecipe, LoopRecipe, Recipe


@pytest.fixture
def recipe(tiny_config: SeparatorConfig) -> Recipe:
    return Recipe(
        model=tiny_config,
        encoder=EncoderRecipe(n_steps=4, batch=3),
        episodes=EpisodeRecipe(seconds=1.0),
        loop=LoopRecipe(n_steps=2, batch=2, warmup_steps=1),
        compile=False,
        n_workers=0,
        n_threads=1,
    )


@pytest.fixture
def progress(tmp_path: Path) -> Progress:
    return Progress(tmp_path / "log.jsonl", Console(quiet=True))


@pytest.fixture
def embeddings(
    tiny: SeparatorModel,
    band: Bank,
) -> list[NDArray[np.float32]]:
    return embed_bank(tiny.clip_encoder, band)
