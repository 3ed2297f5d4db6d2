"""Whole runs from recipes, and what recipes refuse."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from pydantic import ValidationError
from rich.console import Console

from rtmss.config import ConfigError, read_yaml
from rtmss.datasets.taxonomy import FAMILIES
from rtmss.model.checkpoint import load_model
from rtmss.separator import Separator
from rtmss.training.loop import start_model
from rtmss.training.mixtures.draw import Episodes, Plan
from rtmss.training.recipe import EncoderRecipe, EpisodeRecipe, Recipe
from rtmss.training.run import find_recipe, train


@pytest.mark.parametrize("name", ["default", "small"])
def test_a_recipe_that_starts_from_chance_has_the_model_that_it_names(name: str) -> None:
    file = find_recipe(name)
    recipe = read_yaml(file, Recipe)
    model, has_encoder = start_model(recipe, file.parent)
    assert not has_encoder
    assert model.config == recipe.model


@pytest.mark.slow
@pytest.mark.parametrize("name", ["finish", "finish-gpu", "records"])
def test_a_recipe_that_goes_on_has_the_model_that_comes_with_rtmss(name: str) -> None:
    file = find_recipe(name)
    model, has_encoder = start_model(read_yaml(file, Recipe), file.parent)
    assert has_encoder
    assert model.config == Separator.load().model.config


@pytest.mark.slow
def test_a_run_from_a_recipe_gives_weights_that_load(
    tmp_path: Path, band_folder: Path, recipe: Recipe
) -> None:
    recipe_file = tmp_path / "recipe.yaml"
    recipe_file.write_text(recipe.model_dump_json())  # JSON is YAML
    assert read_yaml(recipe_file, Recipe) == recipe
    weights = train(
        recipe_file,
        [band_folder],
        tmp_path / "runs" / "one",
        Console(quiet=True),
    )
    model, _ = load_model(weights)
    assert model.config == recipe.model
    # A second call finds everything done.
    assert (
        train(
            recipe_file,
            [band_folder],
            tmp_path / "runs" / "one",
            Console(quiet=True),
        )
        == weights
    )


@pytest.mark.slow
def test_a_run_may_be_told_the_class_alone(
    tmp_path: Path, band_folder: Path, recipe: Recipe
) -> None:
    recipe = recipe.model_copy(
        update={"episodes": EpisodeRecipe(seconds=1.0, conditioning="class")}
    )
    recipe_file = tmp_path / "recipe.yaml"
    recipe_file.write_text(recipe.model_dump_json())
    seen: list[Plan] = []
    draw = Episodes.__getitem__

    def spied(self: Episodes, number: int) -> Plan:
        seen.append(draw(self, number))
        return seen[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Episodes, "__getitem__", spied)
        train(recipe_file, [band_folder], tmp_path / "run", Console(quiet=True))
    positives = torch.cat([plan.positive.flatten(0, 1) for plan in seen])
    asked = positives[positives.abs().amax(1) > 0]
    assert ((asked == 0) | (asked == 1)).all()
    assert (asked.sum(1) == 1).all()
    names = {list(FAMILIES)[int(row.argmax())] for row in asked}
    assert names <= {"vocals", "drums", "bass", "guitar", "strings", "brass"}


@pytest.mark.slow
def test_a_run_is_not_gone_on_with_other_data(
    tmp_path: Path, band_folder: Path, recipe: Recipe
) -> None:
    recipe_file = tmp_path / "recipe.yaml"
    recipe_file.write_text(recipe.model_dump_json())
    train(recipe_file, [band_folder], tmp_path / "run", Console(quiet=True))
    with pytest.raises(
        ConfigError, match="made for 11 tracks, not 22; other data needs another --output"
    ):
        train(
            recipe_file,
            [band_folder, band_folder],
            tmp_path / "run",
            Console(quiet=True),
        )


def test_a_share_above_one_is_refused() -> None:
    with pytest.raises(ValidationError, match="less than or equal to 1"):
        EpisodeRecipe(absent=1.2)


def test_keys_of_former_recipes_are_read() -> None:
    old = {"disguise": 0.1, "growl": 0.2, "sub_notes": 0.3, "rivals": 0.4}
    new = {"augment": 0.1, "noise_bass": 0.2, "sub_bass": 0.3, "distractors": 0.4}
    assert EpisodeRecipe.model_validate(old) == EpisodeRecipe.model_validate(new)
    assert EpisodeRecipe.model_validate(old).augment == 0.1
    assert EncoderRecipe.model_validate({"rival_weight": 2.0}).family_weight == 2.0


def test_a_key_under_both_of_its_names_is_refused() -> None:
    with pytest.raises(ValidationError, match="disguise"):
        EpisodeRecipe.model_validate({"augment": 0.1, "disguise": 0.2})
