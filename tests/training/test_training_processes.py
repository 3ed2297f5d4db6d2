"""Training in processes: killed and gone on, compiled, and shared by two."""

from __future__ import annotations

import json
import multiprocessing
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
from rich.console import Console
from torch._dynamo.utils import counters

from helpers.training_process import train_in_process
from rtmss.model.checkpoint import load_model
from rtmss.model.separator import SeparatorModel
from rtmss.training.loop import start_model
from rtmss.training.mixtures.bank import Bank
from rtmss.training.recipe import LoopRecipe, Recipe
from rtmss.training.run import train
from rtmss.training.windows import Passes


def _processes(n: int, *arguments: object) -> list[int | None]:
    """Exit codes of `train_in_process` in so many processes at once."""
    context = multiprocessing.get_context("forkserver")  # which loads torch once for all
    context.set_forkserver_preload(["rtmss.training.loop", "torch._dynamo"])
    processes = [
        context.Process(
            target=train_in_process,
            args=(rank, *arguments),
        )
        for rank in range(n)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
    return [process.exitcode for process in processes]


def _curve(folder: Path) -> list[dict[str, float]]:
    """Loss and dB of every step; of steps taken twice, the later ones."""
    rows = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    steps = {
        row["step"]: {
            "loss": row["loss"],
            "db": row["db"],
        }
        for row in rows
    }
    return [steps[step] for step in sorted(steps)]


def _windowed(recipe: Recipe, **changes: object) -> Recipe:
    """Eight steps on crops of two windows that come back, two crops on end, with a checkpoint after
    every stream.
    """
    loop: dict[str, object] = {
        "n_steps": 8,
        "batch": 2,
        "windows": 2,
        "crops_per_stream": 2,
    }
    loop |= {"first_batches": 2, "fresh": 0.5, "cold_share": 0.5}
    changed = LoopRecipe.model_validate(
        loop | {"warmup_steps": 1, "checkpoint_minutes": 0} | changes
    )
    return recipe.model_copy(update={"loop": changed})


@pytest.mark.slow
def test_a_killed_run_goes_on_as_if_it_had_not_been(
    tiny: SeparatorModel, band: Bank, recipe: Recipe, tmp_path: Path
) -> None:
    recipe = _windowed(recipe)
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    train_in_process(0, tiny, band, recipe, whole, 0, 0)
    # In a step in the middle of a stream: the checkpoint is of the step before it.
    assert _processes(
        1,
        tiny,
        band,
        recipe,
        broken,
        6,
        0,
    ) == [-signal.SIGKILL]
    assert len(_curve(broken)) == 5
    train_in_process(0, tiny, band, recipe, broken, 0, 0)
    assert _curve(broken) == _curve(whole)
    assert len({row["loss"] for row in _curve(whole)}) == 8


@pytest.mark.parametrize("is_compiled", [False, True])
def test_the_costly_parts_of_a_step_are_compiled_where_it_is_asked_for(
    tiny: SeparatorModel, is_compiled: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch, "compile", lambda part, **_: f"compiled {part.__name__}")
    passes: tuple[Any, ...] = Passes.of(tiny, compiled=is_compiled)
    assert {str(part).startswith("compiled ") for part in passes} == {is_compiled}


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.filterwarnings("default")  # of torch's own, as it compiles
def test_a_compiled_run_has_the_curve_of_an_eager_one(
    tiny: SeparatorModel, band: Bank, recipe: Recipe, tmp_path: Path
) -> None:
    torch.compiler.reset()
    counters.clear()
    for is_compiled in (False, True):
        changed = recipe.model_copy(update={"compile": is_compiled})
        train_in_process(
            0,
            tiny,
            band,
            changed,
            tmp_path / str(is_compiled),
            0,
            0,
        )
        assert bool(counters["stats"]["unique_graphs"]) == is_compiled
    eager, compiled = _curve(tmp_path / "False"), _curve(tmp_path / "True")
    assert len(eager) == len(compiled) == 2
    for one, other in zip(eager, compiled, strict=True):
        assert other["loss"] == pytest.approx(one["loss"], rel=0.01)


@pytest.mark.slow
def test_the_next_crop_of_a_stream_is_heard_with_the_memory_of_the_last(
    tiny: SeparatorModel, band: Bank, recipe: Recipe, tmp_path: Path
) -> None:
    for crops in (1, 2):
        train_in_process(
            0,
            tiny,
            band,
            _windowed(recipe, crops_per_stream=crops, cold_share=0.0),
            tmp_path / str(crops),
            0,
            0,
        )
    alone, on_end = _curve(tmp_path / "1"), _curve(tmp_path / "2")
    assert on_end[:2] == alone[:2]
    # Without a memory both would be the same to the last digit.
    assert [row["loss"] for row in on_end[2:]] != [row["loss"] for row in alone[2:]]


@pytest.mark.slow
def test_two_processes_are_one_that_accumulates_two_batches(
    tiny: SeparatorModel, band: Bank, recipe: Recipe, tmp_path: Path
) -> None:
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    assert _processes(
        2,
        tiny,
        band,
        _windowed(recipe),
        tmp_path / "two",
        0,
        port,
    ) == [0, 0]
    train_in_process(
        0,
        tiny,
        band,
        _windowed(recipe, accumulate=2),
        tmp_path / "one",
        0,
        0,
    )
    for two, one in zip(
        _curve(tmp_path / "two"),
        _curve(tmp_path / "one"),
        strict=True,
    ):
        assert two == pytest.approx(one, abs=2e-3)
    models = [
        load_model(tmp_path / name / "weights.safetensors")[0].state_dict()
        for name in ("one", "two")
    ]
    for name, value in tiny.state_dict().items():
        if name.endswith("num_batches_tracked"):  # counts, and changes nothing
            continue
        moved = (models[0][name] - value).abs().max()
        assert (models[0][name] - models[1][name]).abs().max() <= 0.02 * moved + 1e-6, name


def _torchrun(
    recipe: Path,
    data: Path,
    folder: Path,
) -> subprocess.Popen[str]:
    """`rtmss train` in two processes that are started again when one is lost."""
    line = "-m torch.distributed.run --standalone --nproc-per-node 2 --max-restarts 3 -m rtmss"
    train = [
        "train",
        str(recipe),
        "--data",
        str(data),
        "--output",
        str(folder),
        "--device",
        "cpu",
    ]
    return subprocess.Popen(
        [
            sys.executable,
            *line.split(),
            *train,
        ],
        stdout=subprocess.PIPE,
        text=True,
    )


def _last_of_two(agent: subprocess.Popen[str]) -> psutil.Process:
    """The process that writes nothing."""
    ranks = {
        int(child.environ()["RANK"]): child
        for child in psutil.Process(agent.pid).children(recursive=True)
        if "RANK" in child.environ()
    }
    return ranks[1]


@pytest.mark.long
def test_a_run_of_two_processes_that_loses_one_goes_on_from_its_checkpoint(
    recipe: Recipe, band_folder: Path, tmp_path: Path
) -> None:
    """Prepared by one of them, killed in the middle, and as good as a run that accumulates."""
    for name, accumulate in (("one", 2), ("two", 1)):
        loop = LoopRecipe(
            n_steps=24, batch=1, warmup_steps=1, checkpoint_minutes=0, accumulate=accumulate
        )
        file = tmp_path / f"{name}.yaml"
        file.write_text(recipe.model_copy(update={"loop": loop}).model_dump_json())
    agent = _torchrun(tmp_path / "two.yaml", band_folder, tmp_path / "two")
    while not (tmp_path / "two" / "checkpoint.safetensors").exists():
        assert agent.poll() is None
        time.sleep(0.01)
    _last_of_two(agent).kill()
    said, _ = agent.communicate(timeout=600)
    assert agent.returncode == 0
    assert re.findall(r"Going on at step (\d+)", said), "only what came after it is lost"
    train(
        tmp_path / "one.yaml",
        [band_folder],
        tmp_path / "one",
        Console(quiet=True),
    )
    one, two = (
        load_model(tmp_path / name / "weights.safetensors")[0].state_dict()
        for name in ("one", "two")
    )
    start = start_model(recipe, tmp_path)[0].state_dict()
    for name, value in start.items():
        if name.startswith("unet") and value.is_floating_point():
            moved = (one[name] - value).abs().max()
            assert (one[name] - two[name]).abs().max() <= 0.02 * moved + 1e-6, name
