"""Studies: what they train, what they judge, and that they go on."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from rich.console import Console

from helpers.makers import WriteAudio
from helpers.tracks import write_tracks
from rtmss import study as studies
from rtmss.conditions.condition import Condition
from rtmss.config import ConfigError, SeparatorConfig, read_yaml
from rtmss.evaluation.evaluator import Evaluator
from rtmss.model.checkpoint import load_model
from rtmss.study import Edge, Study, edges_page, edges_table, merged, run_study
from rtmss.training.classify import class_embedding
from rtmss.training.recipe import Recipe


@pytest.fixture
def data(tmp_path: Path, write_audio: WriteAudio) -> Path:
    stems = ("drums", "bass", "guitar")
    songs = [
        f"songs/{song}/{stem}.wav" for song in ("train/a", "train/b", "valid/c") for stem in stems
    ]
    return write_tracks(tmp_path / "data", songs, write_audio)


@pytest.fixture
def content(tiny_config: SeparatorConfig) -> dict[str, Any]:
    recipe = {
        "model": tiny_config.model_dump(mode="json"),
        "encoder": {"n_steps": 2, "batch": 2},
        "episodes": {"seconds": 1.0},
        "loop": {"n_steps": 2, "batch": 2, "warmup_steps": 1},
        "compile": False,
        "n_workers": 0,
        "n_threads": 1,
    }
    variants = {"clips": {}, "class": {"episodes": {"conditioning": "class"}}}
    question = {"shots": [1, 2], "max_seconds": 2.0}
    return {
        "recipe": recipe,
        "seeds": [1, 2],
        "variants": variants,
        "questions": {"seen": question},
    }


def write(tmp_path: Path, content: dict[str, Any]) -> str:
    file = tmp_path / "study.yaml"
    file.write_text(yaml.safe_dump(content))
    return str(file)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[bool, Condition]]:
    """The conditions of judges, and whether they are told the class alone."""
    asked: list[tuple[bool, Condition]] = []
    made = Evaluator.condition

    def spied(self: Evaluator, *arguments: Any) -> Condition:
        asked.append((self.by_class, made(self, *arguments)))
        return asked[-1][1]

    monkeypatch.setattr(Evaluator, "condition", spied)
    return asked


@pytest.mark.slow
def test_a_study_trains_judges_and_goes_on(
    tmp_path: Path,
    data: Path,
    content: dict[str, Any],
    asked: list[tuple[bool, Condition]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    console = Console(file=io.StringIO(), width=200)
    edges = run_study(write(tmp_path, content), [data], tmp_path / "out", console)
    runs = {(edge.variant, edge.seed) for edge in edges}
    assert runs == {("clips", 1), ("clips", 2), ("class", 1), ("class", 2)}
    assert {(edge.target, edge.clips) for edge in edges} >= {("drums", "1+0"), ("bass", "2+0")}
    # There are no voices to take clips from.
    assert {edge.target for edge in edges} == {"drums", "bass", "guitar"}
    written = json.loads((tmp_path / "out/study.json").read_text())
    assert [Edge(**row) for row in written] == edges
    assert (tmp_path / "out/study.md").read_text() == edges_page(edges)
    assert isinstance(console.file, io.StringIO)
    assert "±" in console.file.getvalue()
    folders = [tmp_path / "out" / name for name in ("clips-1", "class-2")]
    assert (
        folders[0].joinpath("encoder.safetensors").read_bytes()
        == folders[1].joinpath("encoder.safetensors").read_bytes()
    )
    model, _ = load_model(folders[1] / "weights.safetensors")
    of_class = [condition for by_class, condition in asked if by_class]
    embedding = class_embedding(of_class[-1].header.name, 16)[0]
    expected = model.condition_head(torch.from_numpy(embedding), torch.zeros(16))
    assert np.allclose(of_class[-1].vector, expected, atol=1e-3)

    monkeypatch.setattr(studies, "evaluate", lambda *_, **__: pytest.fail("judged again"))
    quiet = Console(quiet=True)
    assert run_study(write(tmp_path, content), [data], tmp_path / "out", quiet) == edges
    content["recipe"]["loop"]["warmup_steps"] = 2
    with pytest.raises(ConfigError, match="another recipe"):
        run_study(write(tmp_path, content), [data], tmp_path / "out", quiet)


@pytest.mark.slow
def test_two_runs_at_once_find_what_one_after_the_other_does(
    tmp_path: Path, data: Path, content: dict[str, Any]
) -> None:
    content |= {
        "seeds": [1],
        "questions": {"seen": {"max_seconds": 2.0}},
    }
    name = write(tmp_path, content)
    alone, together = (
        run_study(
            name,
            [data],
            tmp_path / str(n),
            Console(quiet=True),
            n,
        )
        for n in (1, 2)
    )
    assert [edge[:-1] for edge in together] == [edge[:-1] for edge in alone]
    assert [edge.edge_db for edge in together] == pytest.approx(
        [edge.edge_db for edge in alone], abs=0.05
    )


def test_a_misspelt_variant_is_found_before_anything_is_trained(
    tmp_path: Path, data: Path, content: dict[str, Any]
) -> None:
    content["variants"]["late"] = {"episodes": {"conditionning": "class"}}
    with pytest.raises(ConfigError, match=r"late.*conditionning"):
        run_study(
            write(tmp_path, content),
            [data],
            tmp_path / "out",
            Console(quiet=True),
        )
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_a_question_for_some_variants_is_asked_of_them_alone(
    tmp_path: Path, data: Path, content: dict[str, Any]
) -> None:
    content["seeds"] = [1]
    content["questions"] = {
        "all": {"max_seconds": 2.0},
        "some": {"max_seconds": 2.0, "variants": ["class"]},
    }
    edges = run_study(
        write(tmp_path, content),
        [data],
        tmp_path / "out",
        Console(quiet=True),
    )
    assert {(edge.question, edge.variant) for edge in edges} == {
        ("all", "clips"),
        ("all", "class"),
        ("some", "class"),
    }
    content["questions"]["some"]["variants"] = ["clas"]
    with pytest.raises(
        ConfigError, match="question 'some': no variant 'clas'; known: class, clips"
    ):
        run_study(
            write(tmp_path, content),
            [data],
            tmp_path / "out",
            Console(quiet=True),
        )


def test_the_study_of_the_paper_is_one_whose_variants_are_recipes() -> None:
    study = read_yaml(Path(studies.__file__).parent / "studies" / "paper.yaml", Study)
    recipes = dict(studies._runs(study, "paper"))
    assert study.questions["tight"].profile == "tight"
    assert recipes["class-label"].episodes.conditioning == "class"
    assert recipes["film-at-bottleneck"].model.unet.film == "bottleneck"
    assert recipes["film-in-blocks"].model.unet.film == "blocks"
    assert recipes["half-a-second-ahead"].model.latency > recipes["few-shot"].model.latency + 22050
    assert {recipe.loop for recipe in recipes.values()} == {recipes["few-shot"].loop}


def test_a_run_goes_on_where_its_recipe_lacks_what_has_been_added_since(tmp_path: Path) -> None:
    recipe = Recipe(seed=3)
    (tmp_path / studies.RECIPE).write_text("seed: 3\n")
    assert studies._placed(recipe, tmp_path) == tmp_path
    with pytest.raises(ConfigError, match="holds a run of another recipe"):
        studies._placed(Recipe(seed=4), tmp_path)


def test_the_learning_curve_is_of_the_recipe_of_the_paper() -> None:
    folder = Path(studies.__file__).parent / "studies"
    curve, paper = (
        read_yaml(folder / f"{name}.yaml", Study).recipe for name in ("learning-curve", "paper")
    )
    assert (
        merged(
            paper,
            {"loop": {"n_steps": 1600, "warmup_steps": 50}},
        )
        == curve
    )


def test_the_learning_curve_changes_only_how_much_is_heard() -> None:
    file = Path(studies.__file__).parent / "studies" / "learning-curve.yaml"
    recipes = dict(studies._runs(read_yaml(file, Study), "learning-curve"))
    whole = recipes.pop("all")
    assert (whole.episodes.data_share, whole.loop.n_steps) == (1, 1600)
    for name, recipe in recipes.items():
        share, n_steps = recipe.episodes.data_share, recipe.loop.n_steps
        assert (
            min(share, n_steps / 1600)
            == {
                "quarter": 1 / 4,
                "sixteenth": 1 / 16,
            }[name.split("-")[0]]
        )
        assert max(share, n_steps / 1600) == 1
        episodes = recipe.episodes.model_copy(update={"data_share": 1.0})
        loop = recipe.loop.model_copy(update={"n_steps": 1600})
        assert recipe.model_copy(update={"episodes": episodes, "loop": loop}) == whole


def test_changes_go_level_by_level() -> None:
    base = {
        "a": {"b": 1, "c": [1, 2]},
        "d": 2,
    }
    assert merged(
        base,
        {"a": {"c": [3]}, "e": 4},
    ) == {
        "a": {"b": 1, "c": [3]},
        "d": 2,
        "e": 4,
    }
    assert base["a"] == {"b": 1, "c": [1, 2]}


def test_the_table_has_means_and_half_the_range_of_the_seeds() -> None:
    rows = [
        Edge(
            "x",
            seed,
            "q",
            "bass",
            "songs",
            "5+0",
            edge,
        )
        for seed, edge in ((1, 2.0), (2, 3.0))
    ]
    rows += [
        Edge("y", 1, "q", target, "songs", "5+0", edge)
        for target, edge in (("bass", 4.0), ("drums", 1.0))
    ]
    table = edges_table("q", rows)
    assert [str(column.header) for column in table.columns] == [
        "target",
        "on",
        "clips",
        "x",
        "y",
    ]
    cells = [list(column.cells) for column in table.columns]
    first, second = edges_page(
        [
            *rows,
            Edge(
                "x",
                1,
                "other",
                "bass",
                "songs",
                "1+0",
                0.0,
            ),
        ]
    ).split("\n\n## ")
    heading, empty, header, rule, bass, drums = first.splitlines()
    assert (heading, empty, header) == ("## q", "", "| target | on | clips | x | y |")
    assert rule == "| --- | --- | --- | ---: | ---: |"
    assert (bass, drums) == (
        "| bass | songs | 5+0 | 2.5 ± 0.5 | 4.0 ± 0.0 |",
        "| drums | songs | 5+0 |  | 1.0 ± 0.0 |",
    )
    assert second.splitlines()[0] == "other"
    assert second.endswith("| bass | songs | 1+0 | 0.0 ± 0.0 |\n")
    assert cells == [
        ["bass", "drums"],
        ["songs"] * 2,
        ["5+0"] * 2,
        ["2.5 ± 0.5", ""],
        ["4.0 ± 0.0", "1.0 ± 0.0"],
    ]
