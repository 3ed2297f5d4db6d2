"""A training run from a recipe: the bank, the clip encoder, its embeddings, then the U-Net."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
from numpy.typing import NDArray
from rich.console import Console
from safetensors.numpy import load_file as load_numpy
from safetensors.numpy import save_file as save_numpy
from safetensors.torch import load_file, save_file
from torch import Tensor

from rtmss.config import ConfigError, find_yaml, read_yaml
from rtmss.model.checkpoint import save_model
from rtmss.model.clip_encoder import ClipEncoder
from rtmss.model.separator import SeparatorModel
from rtmss.training.classify import class_embedding, embed_bank, train_clip_encoder
from rtmss.training.loop import Trainer, start_model
from rtmss.training.mixtures.bank import Bank, load_banks
from rtmss.training.progress import Progress
from rtmss.training.recipe import EncoderRecipe, Recipe
from rtmss.training.tune import tune_clip_encoder

PREPARED = ("encoder.safetensors", "embeddings.safetensors")
"""What is kept of the clip encoder, once it is trained: its weights, and what it says of the
bank.
"""

_LONGEST_PREPARATION = timedelta(days=7)
"""Decoding the bank and training the clip encoder, for which other processes wait."""

HEAD = "condition_head."
"""What weights of a refitted condition head begin with, among those of the clip encoder."""


def find_recipe(name: str) -> Path:
    """A recipe that comes with rtmss, by name, or a file.

    Raises:
        ConfigError: there is none of this name; names those there are.
    """
    return find_yaml(name, Path(__file__).parent / "recipes", "recipe")


def train(
    recipe_file: Path, data: Sequence[Path], folder: Path, console: Console, device: str = "cpu"
) -> Path:
    """Train as the recipe says, going on where `folder` stands, and return the file with the
    averaged weights.

    All folders of `data` are drawn from together.

    Under `torchrun` every process takes part; the first one prepares and writes, in folders that
    all of them see. `device` is torch's name of where to train.

    Raises:
        ConfigError: the recipe or the data folder cannot be used.
    """
    recipe = read_yaml(recipe_file, Recipe)
    if "RANK" in os.environ:
        _join(device)
    is_first = not dist.is_initialized() or dist.get_rank() == 0
    console = console if is_first else Console(quiet=True)
    with _first_alone():
        bank, model, embeddings = prepare(
            recipe,
            recipe_file.parent,
            data,
            folder,
            console,
            device,
        )
    if recipe.episodes.conditioning == "class":
        embeddings = [
            class_embedding(track.family, model.config.clip_encoder.n_embedding)
            for track in bank.tracks
        ]
    trainer = Trainer(model, recipe, folder)
    if trainer.checkpoint.exists():
        trainer.resume()
        console.print(f"Going on at step {trainer.step}", highlight=False)
    console.print("U-Net: learning to separate")
    average = trainer.run(bank, embeddings, Progress(folder / "train.jsonl", console))
    weights = folder / "weights.safetensors"
    if is_first:
        save_model(weights, average, {"steps": str(trainer.step)})
    if dist.is_initialized():
        dist.destroy_process_group()
    return weights


def _join(device: str) -> None:
    """Take a place among the processes of `torchrun`, each on a GPU of its own if there are any."""
    if device == "cuda":
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    dist.init_process_group("gloo")


@contextlib.contextmanager
def _first_alone() -> Iterator[None]:
    """The first process goes ahead; the others follow when it is done, and find its files."""
    is_shared = dist.is_initialized()
    if is_shared and dist.get_rank() > 0:
        dist.monitored_barrier(timeout=_LONGEST_PREPARATION)
    yield
    if is_shared and dist.get_rank() == 0:
        dist.monitored_barrier(timeout=_LONGEST_PREPARATION)


def prepare(
    recipe: Recipe,
    recipe_folder: Path,
    data: Sequence[Path],
    folder: Path,
    console: Console,
    device: str = "cpu",
) -> tuple[Bank, SeparatorModel, list[NDArray[np.float32]]]:
    """What comes before the U-Net's training, kept in the files of `folder` that `PREPARED` names.

    Returns:
        The bank, the model with its clip encoder trained, and what that says of every track,
        (segments, E) each.

    Raises:
        ConfigError: the data folder cannot be used, or `folder` was prepared for other data.
    """
    folder.mkdir(parents=True, exist_ok=True)
    bank = load_banks(
        data,
        "train",
        folder.parent / "bank",
        recipe.model.sample_rate,
        console,
    )
    model, has_encoder = start_model(recipe, recipe_folder)
    model.to(device)
    encoder_file, embeddings_file = (folder / name for name in PREPARED)
    if encoder_file.exists():
        _take_up_encoder(model, load_file(encoder_file))
    elif recipe.encoder.tune or not has_encoder:
        console.print("Clip encoder: learning to tell instruments apart")
        shown = Progress(folder / "encoder.jsonl", console)
        tensors = {}
        if has_encoder:
            tune_clip_encoder(model, bank, recipe, shown)
            tensors = {
                f"{HEAD}{name}": value for name, value in model.condition_head.state_dict().items()
            }
        else:
            train_clip_encoder(model.clip_encoder, bank, recipe, shown)
        partial = encoder_file.with_suffix(".partial")
        save_file(tensors | model.clip_encoder.state_dict(), partial)
        partial.replace(encoder_file)
    return (
        bank,
        model,
        _embeddings(
            embeddings_file,
            model.clip_encoder.eval(),
            bank,
            recipe.encoder,
            console,
        ),
    )


def _take_up_encoder(model: SeparatorModel, tensors: dict[str, Tensor]) -> None:
    """Load what was kept of a clip encoder, and the condition head where that was refitted."""
    head = {
        name.removeprefix(HEAD): value for name, value in tensors.items() if name.startswith(HEAD)
    }
    model.clip_encoder.load_state_dict({k: v for k, v in tensors.items() if not k.startswith(HEAD)})
    if head:
        model.condition_head.load_state_dict(head)


def _embeddings(
    file: Path, encoder: ClipEncoder, bank: Bank, recipe: EncoderRecipe, console: Console
) -> list[NDArray[np.float32]]:
    """The bank's embeddings, computed once for a run."""
    names = [f"{index:05d}" for index in range(len(bank.tracks))]
    if not file.exists():
        console.print("Embedding the bank", highlight=False)
        partial = file.with_suffix(f".{os.getpid()}")
        save_numpy(
            dict(
                zip(
                    names,
                    embed_bank(encoder, bank, recipe=recipe),
                    strict=True,
                )
            ),
            partial,
        )
        partial.replace(file)
    tensors = load_numpy(file)
    if sorted(tensors) != names:
        raise ConfigError(
            f"{file}: made for {len(tensors)} tracks, not {len(names)}; other data needs another "
            "--output"
        )
    return [tensors[name] for name in names]
