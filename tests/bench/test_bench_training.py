"""What a training step costs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from rtmss.bench.training import PARTS, measure_training
from rtmss.cli import app
from rtmss.config import SeparatorConfig
from rtmss.training.recipe import EpisodeRecipe, LoopRecipe, Recipe

pytestmark = pytest.mark.slow


@pytest.fixture
def recipe(tiny_config: SeparatorConfig) -> Recipe:
    episodes = EpisodeRecipe(seconds=1.0)
    return Recipe(
        model=tiny_config, episodes=episodes, loop=LoopRecipe(batch=2), compile=False, n_threads=1
    )


def test_the_parts_make_up_the_step(recipe: Recipe, tmp_path: Path) -> None:
    step = measure_training(recipe, tmp_path, [], 5)
    assert tuple(row.part for row in step.rows) == PARTS
    assert sum(row.least_ms for row in step.rows) <= step.least_ms * 1.001
    assert step.audio_seconds == 2.0
    assert step.audio_seconds_per_second == pytest.approx(2000 / step.p50_ms)


def test_twice_the_batch_is_twice_the_products(recipe: Recipe, tmp_path: Path) -> None:
    twice = recipe.model_copy(update={"loop": LoopRecipe(batch=4)})
    one, two = (
        measure_training(
            r,
            tmp_path,
            [],
            1,
        )
        for r in (recipe, twice)
    )
    assert two.macs == 2 * one.macs
    assert 0 < one.share_of_peak < 1


def test_the_command_prints_a_table_and_writes_its_figures(tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(
        "compile: false\nn_threads: 1\nepisodes: {seconds: 1.0}\nloop: {batch: 1, n_steps: 1}\n"
        "model: {unet: {channels: [4, 4, 4], n_hidden: 8}}\n"
    )
    arguments = [
        "bench",
        "training",
        str(recipe),
        "--steps",
        "1",
        "--output",
        str(tmp_path / "figures.json"),
    ]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert "backward" in result.output
    assert [
        row["part"] for row in json.loads((tmp_path / "figures.json").read_text())["rows"]
    ] == list(PARTS)
