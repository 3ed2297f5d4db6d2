"""The loop: steps, averaged weights, curves, and a run that goes on."""

from __future__ import annotations

import copy
import itertools
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from pydantic import ValidationError
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from rtmss.model.checkpoint import load_model
from rtmss.model.separator import SeparatorModel
from rtmss.training.classify import embed_bank
from rtmss.training.loop import Trainer, learning_rate
from rtmss.training.mixtures.bank import Bank
from rtmss.training.progress import Progress
from rtmss.training.recipe import LoopRecipe, Recipe
from rtmss.training.windows import window_loss


@dataclass(frozen=True)
class Runs:
    """Trainers that share a folder, and what they train on."""

    start: Callable[..., Trainer]
    """Takes what is to be changed in the recipe's loop."""
    bank: Bank
    embeddings: list[NDArray[np.float32]]
    progress: Progress

    def run(self, trainer: Trainer) -> SeparatorModel:
        return trainer.run(self.bank, self.embeddings, self.progress)


@pytest.fixture
def runs(
    tiny: SeparatorModel, band: Bank, recipe: Recipe, progress: Progress, tmp_path: Path
) -> Runs:
    embeddings = embed_bank(tiny.clip_encoder, band)

    def start(**changes: object) -> Trainer:
        loop = recipe.loop.model_copy(update=changes)
        return Trainer(
            copy.deepcopy(tiny),
            recipe.model_copy(update={"loop": loop}),
            tmp_path,
        )

    return Runs(start, band, embeddings, progress)


def test_the_learning_rate_warms_up_stays_and_falls_to_nothing() -> None:
    recipe = LoopRecipe(n_steps=100, warmup_steps=10, decay_share=0.4, learning_rate=1.0)
    rates = [learning_rate(step, recipe) for step in range(101)]
    assert rates[:10] == pytest.approx([0.1 * (step + 1) for step in range(10)])
    assert rates[10:61] == [1.0] * 51
    assert rates[80] == pytest.approx(0.5)
    assert rates[100] == pytest.approx(0)
    assert all(a >= b for a, b in itertools.pairwise(rates[60:]))


def test_two_steps_move_the_unet_and_leave_the_clip_encoder_alone(
    tiny: SeparatorModel, runs: Runs
) -> None:
    trainer = runs.start()
    runs.run(trainer)
    before, after = tiny.state_dict(), trainer.model.state_dict()
    moved = {
        name
        for name in before
        if not torch.equal(
            before[name],
            after[name],
        )
    }
    assert trainer.step == 2
    assert {"unet.film.weight", "unet.merge.weights.0", "condition_head.project.weight"} <= moved
    assert not any(name.startswith("clip_encoder") for name in moved)
    assert all(torch.isfinite(value).all() for value in after.values())


def test_a_gradient_that_is_no_number_changes_nothing(
    tiny: SeparatorModel, runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    def spoilt(*arguments: Any) -> Any:
        loss, *rest = window_loss(*arguments)
        return loss * float("nan"), *rest

    monkeypatch.setattr("rtmss.training.loop.window_loss", spoilt)
    trainer = runs.start()
    runs.run(trainer)
    assert trainer.step == 2
    after = dict(trainer.model.named_parameters())
    assert all(
        torch.equal(
            value,
            after[name],
        )
        for name, value in tiny.named_parameters()
    )


def test_a_run_writes_averaged_weights_and_a_log(tmp_path: Path, runs: Runs) -> None:
    average = runs.run(runs.start())
    saved, _ = load_model(tmp_path / "weights.safetensors")
    assert torch.allclose(
        saved.unet.film.bias,
        average.unet.film.bias,
    )
    rows = [json.loads(line) for line in runs.progress.log.read_text().splitlines()]
    assert rows[-1]["step"] == 2
    assert {"loss", "db", "audio_seconds_per_second"} <= rows[-1].keys()


def test_a_run_draws_curves_for_tensorboard(runs: Runs) -> None:
    runs.run(runs.start())
    events = EventAccumulator(str(runs.progress.log.parent / "tensorboard"))
    events.Reload()
    row = json.loads(runs.progress.log.read_text().splitlines()[-1])
    for name in ("loss", "db"):
        (drawn,) = events.Scalars(f"log/{name}")
        assert (drawn.step, drawn.value) == (
            2,
            pytest.approx(
                row[name],
                abs=1e-4,
            ),
        )


def test_without_tensorboard_a_run_goes_without_curves(
    runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    runs.run(runs.start())
    assert not (runs.progress.log.parent / "tensorboard").exists()
    assert runs.progress.log.exists()


@pytest.mark.slow
@pytest.mark.parametrize("optimiser", ["adam", "muon"])
def test_a_resumed_run_stands_where_the_first_one_stopped(runs: Runs, optimiser: str) -> None:
    first = runs.start(optimiser=optimiser)
    runs.run(first)
    second = runs.start(optimiser=optimiser)
    second.resume()
    assert second.step == 2
    for a, b in ((first.model, second.model), (first.average, second.average)):
        pairs = zip(
            a.state_dict().values(),
            b.state_dict().values(),
            strict=True,
        )
        assert all(torch.equal(x, y) for x, y in pairs)
    one, other = first.optimiser.state(), second.optimiser.state()
    assert one.keys() == other.keys()
    assert len(one) > len(first.trained)
    assert all(
        torch.equal(
            one[name],
            other[name],
        )
        for name in one
    )


def test_a_run_ends_with_a_stream() -> None:
    with pytest.raises(
        ValidationError,
        match=r"n_steps 9 must be a multiple of windows \(2\) times crops_per_stream \(2\)",
    ):
        LoopRecipe(n_steps=9, windows=2, crops_per_stream=2)
