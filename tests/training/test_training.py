"""The loops: classification of clips, the U-Net on episodes, and a whole run from a recipe."""

from __future__ import annotations

import copy
import itertools
import json
import multiprocessing
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import torch
import torch.distributed as dist
from numpy.typing import NDArray
from pydantic import ValidationError
from rich.console import Console
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import Tensor
from torch._dynamo.utils import counters

from helpers.models import make_open
from rtmss.config import ConfigError, SeparatorConfig, read_yaml
from rtmss.datasets.taxonomy import FAMILIES, FAMILY_OF
from rtmss.model.checkpoint import load_model
from rtmss.model.separator import SeparatorModel, compress, to_planes
from rtmss.separator import Separator
from rtmss.signal.stft import analyze
from rtmss.training.classify import SegmentBatches, embed_bank, train_clip_encoder
from rtmss.training.loop import Trainer, learning_rate, start_model
from rtmss.training.mixtures.bank import Bank
from rtmss.training.mixtures.draw import Episode, Episodes, Plan
from rtmss.training.mixtures.mixdown import Mixdown
from rtmss.training.progress import Progress
from rtmss.training.recipe import EncoderRecipe, EpisodeRecipe, LoopRecipe, Recipe
from rtmss.training.run import find_recipe, train
from rtmss.training.windows import Crop, Memory, Passes, half_precision, masked_errors, window_loss


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


@pytest.fixture
def episode(
    band: Bank,
    embeddings: list[NDArray[np.float32]],
    recipe: Recipe,
) -> Episode:
    plans = Episodes(band, embeddings, recipe)
    return Mixdown(
        band,
        plans.n_samples,
        torch.device("cpu"),
    )(plans[0])


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


def test_the_loss_masks_what_the_stream_masks(tiny: SeparatorModel, episode: Episode) -> None:
    state = tiny.init_state(2, 2)
    condition = tiny.condition_head(episode.positive, episode.negative)
    streamed, _ = tiny(episode.mixture, condition, state)
    frames, _ = analyze(
        episode.mixture,
        state.past,
        tiny.analysis,
        tiny.config.stft,
    )
    features, _ = tiny.unet.encode(
        compress(frames[..., 1:], 0.4),
        state.encoder,
    )
    masks, _ = tiny.unet.decode(features, condition, state.targets.decoder)
    planes = to_planes(frames[..., 1:])
    masked, *_ = masked_errors(
        masks,
        planes,
        torch.zeros_like(masks).reshape(
            4,
            2,
            2,
            *masks.shape[3:],
        ),
    )
    assert streamed.abs().max() > 0.01
    assert (
        tiny.synthesize(
            masked,
            state.targets.overlap,
        )[0]
        - streamed
    ).abs().max() < 1e-5


@pytest.mark.parametrize("look_ahead", [0, 3])
def test_the_waveform_error_is_aligned(look_ahead: int) -> None:
    open_model = make_open(look_ahead)
    torch.manual_seed(0)
    mixture = 0.1 * torch.randn(2, 2, 40 * 512)
    episode = Episode(
        mixture,
        mixture[:, None] * 1.1,
        torch.rand(2, 1, 16),
        torch.zeros(2, 1, 16),
    )
    passes = Passes.of(open_model, compiled=False)
    crop = Crop.of(episode, open_model)
    for is_cold in (False, True):
        memory = Memory.empty(open_model, 2, 1)
        for start in (0, 20):
            window = range(start, start + 20)
            _, error, _, memory = window_loss(
                open_model, crop, memory, window, is_cold, LoopRecipe(), passes
            )
            # What is left is the missing DC.
            assert (error < 0.02).all()


def test_the_loss_of_a_network_that_looks_ahead_is_that_of_the_frames_it_masks() -> None:
    open_model = make_open(3)
    torch.manual_seed(0)
    mixture = 0.1 * torch.randn(2, 2, 40 * 512)
    mixture[..., 20 * 512 :] *= 8  # frames that were compared with others would differ by far
    episode = Episode(
        mixture,
        mixture[:, None] * 1.1,
        torch.rand(2, 1, 16),
        torch.zeros(2, 1, 16),
    )
    passes, crop = Passes.of(open_model, compiled=False), Crop.of(episode, open_model)
    assert open_model.config.unet.n_ahead == 7
    memory = Memory.empty(open_model, 2, 1)
    for start in (0, 20):
        loss, _, _, memory = window_loss(
            open_model,
            crop,
            memory,
            range(start, start + 20),
            False,
            LoopRecipe(log_weight=0.0),
            passes,
        )
        assert loss < 0.2


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


def _train(
    rank: int,
    model: SeparatorModel,
    band: Bank,
    recipe: Recipe,
    folder: Path,
    dies_at: int,
    port: int,
) -> None:
    """One process of a run that logs every step; with a port, one of two. May be killed at a
    step.
    """

    class Mortal(Progress):
        def report(
            self,
            step: int,
            n_steps: int,
            figures: Mapping[str, float | Tensor],
            audio_seconds: float = 0.0,
        ) -> None:
            if step == dies_at:
                os.kill(os.getpid(), signal.SIGKILL)
            super().report(step, n_steps, figures, audio_seconds)

    if port:
        dist.init_process_group("gloo", f"tcp://localhost:{port}", rank=rank, world_size=2)
    folder.mkdir(exist_ok=True)
    trainer = Trainer(copy.deepcopy(model), recipe, folder)
    if trainer.checkpoint.exists():
        trainer.resume()
    log = Mortal(folder / "log.jsonl", Console(quiet=True), every_seconds=0)
    trainer.run(band, embed_bank(model.clip_encoder, band), log)
    if port:
        dist.destroy_process_group()


def _processes(n: int, *arguments: object) -> list[int | None]:
    """Exit codes of `_train` in so many processes at once."""
    context = multiprocessing.get_context("spawn")
    processes = [
        context.Process(
            target=_train,
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
    _train(0, tiny, band, recipe, whole, 0, 0)
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
    _train(0, tiny, band, recipe, broken, 0, 0)
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
        _train(
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
        _train(
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


def test_a_run_ends_with_a_stream() -> None:
    with pytest.raises(
        ValidationError,
        match=r"n_steps 9 must be a multiple of windows \(2\) times crops_per_stream \(2\)",
    ):
        LoopRecipe(n_steps=9, windows=2, crops_per_stream=2)


@pytest.mark.parametrize("name", ["default", "small"])
def test_a_recipe_that_starts_from_chance_has_the_model_that_it_names(name: str) -> None:
    file = find_recipe(name)
    recipe = read_yaml(file, Recipe)
    model, has_encoder = start_model(recipe, file.parent)
    assert not has_encoder
    assert model.config == recipe.model


@pytest.mark.parametrize("name", ["finish", "finish-gpu", "records"])
def test_a_recipe_that_goes_on_has_the_model_that_comes_with_rtmss(name: str) -> None:
    file = find_recipe(name)
    model, has_encoder = start_model(read_yaml(file, Recipe), file.parent)
    assert has_encoder
    assert model.config == Separator.load().model.config


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
    _train(
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


def test_segments_come_with_their_instrument_and_player(band: Bank, recipe: Recipe) -> None:
    batches = SegmentBatches(band, recipe)
    audio, labels, sources, families = next(iter(batches))
    assert audio.shape == (3, 8000)
    assert (audio.abs().amax(1) > 1e-3).all()
    for label, source in zip(
        labels.tolist(),
        sources.tolist(),
        strict=True,
    ):
        pairs = {(track.label, track.source) for track in band.tracks}
        assert batches.sources[source][::-1] in pairs
        assert batches.sources[source][1] == batches.labels[label]
    assert [FAMILY_OF[batches.labels[label]] for label in labels] == [
        list(FAMILIES)[n] for n in families
    ]


def test_classification_trains_the_clip_encoder(
    tiny: SeparatorModel, band: Bank, recipe: Recipe, progress: Progress
) -> None:
    encoder = copy.deepcopy(tiny.clip_encoder).requires_grad_(True)
    train_clip_encoder(encoder, band, recipe, progress)
    assert not encoder.training
    assert not torch.equal(encoder.project.weight, tiny.clip_encoder.project.weight)
    assert json.loads(progress.log.read_text().splitlines()[-1]).keys() >= {"label", "source"}


def test_every_take_is_embedded(
    band: Bank,
    embeddings: list[NDArray[np.float32]],
) -> None:
    assert len(embeddings) == len(band.tracks)
    for rows in embeddings:
        assert rows.shape[1] == 16
        assert np.linalg.norm(rows, axis=1) == pytest.approx(1, abs=1e-5)


def test_a_long_take_gives_no_more_embeddings_than_asked(tiny: SeparatorModel, band: Bank) -> None:
    assert {
        len(rows)
        for rows in embed_bank(
            tiny.clip_encoder,
            band,
            max_segments=2,
        )
    } == {2}


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


@pytest.mark.parametrize(
    ("capability", "is_half"),
    [("AVX2", False), ("AVX512", True)],
)
def test_training_is_in_half_precision_where_the_processor_is_fast_at_it(
    monkeypatch: pytest.MonkeyPatch, capability: str, is_half: bool
) -> None:
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    with half_precision(torch.device("cpu")):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == (
            torch.bfloat16 if is_half else torch.float32
        )


def test_a_share_above_one_is_refused() -> None:
    with pytest.raises(ValidationError, match="less than or equal to 1"):
        EpisodeRecipe(absent=1.2)


def test_a_window_shorter_than_what_is_looked_ahead_is_refused() -> None:
    content = {
        "model": {"unet": {"look_ahead": 30}},
        "loop": {"windows": 4, "n_steps": 4},
    }
    with pytest.raises(
        ValidationError, match=r"a window of 22016 samples is not longer than .* delay, 23040"
    ):
        Recipe.model_validate(content | {"episodes": {"seconds": 2.0}})
    assert Recipe.model_validate(content | {"episodes": {"seconds": 4.0}}).model.delay == 23040
