"""The optimisation of the U-Net on few-shot episodes.

Batches come in streams: `accumulate` of them in each process, one after the other, and as many
processes as `torchrun` starts (data parallel over gloo). So many streams in one process or
in several make the same run, and so does a run that is stopped and resumed from its checkpoint.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor
from torch.utils.data import DataLoader

from rtmss.model.checkpoint import grow_model, load_model, save_model
from rtmss.model.separator import SeparatorModel
from rtmss.training.mixtures.bank import Bank
from rtmss.training.mixtures.draw import Episode, Episodes, Plan
from rtmss.training.mixtures.mixdown import Mixdown, Mixed
from rtmss.training.mixtures.replay_buffer import replay, schedule
from rtmss.training.optimiser import Optimiser
from rtmss.training.progress import Progress
from rtmss.training.recipe import LoopRecipe, Recipe
from rtmss.training.windows import Crop, Memory, Passes, window_loss


def learning_rate(step: int, recipe: LoopRecipe) -> float:
    """Linear warm-up, constant, and a cosine to nothing over the last part of the run."""
    decay_start = recipe.n_steps * (1 - recipe.decay_share)
    warm = min(
        1.0,
        (step + 1) / max(1, recipe.warmup_steps),
    )
    done = max(
        0.0,
        (step - decay_start) / max(1.0, recipe.n_steps - decay_start),
    )
    return recipe.learning_rate * warm * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))


class BatchStream:
    """One sequence of batches, window by window."""

    def __init__(
        self,
        number: int,
        model: SeparatorModel,
        episodes: Episodes,
        mixdown: Mixdown,
        recipe: Recipe,
        step: int,
    ) -> None:
        self.model = model
        self.recipe = recipe
        self.seed = [recipe.seed, number]
        loop = recipe.loop
        self.visit, self.window = step // loop.windows, 0
        numbers = islice(
            schedule(
                loop.first_batches,
                loop.fresh,
                [*self.seed, 99],
            ),
            self.visit,
            None,
        )
        ahead = 4 if recipe.n_workers else None

        def load(wanted: Iterable[int]) -> Iterator[Episode]:
            # Workers mix on a processor, but cannot use a GPU: there they only plan.
            are_mixed = mixdown.device.type == "cpu"
            drawn = Mixed(episodes, mixdown) if are_mixed else episodes
            loader: DataLoader[Any] = DataLoader(
                drawn,
                batch_size=None,
                sampler=wanted,
                num_workers=recipe.n_workers,
                prefetch_factor=ahead,
            )
            return (
                map(Episode._make, loader)
                if are_mixed
                else (mixdown(Plan._make(plan)) for plan in loader)
            )

        self.batches = replay(numbers, load, keep=loop.fresh < 1)
        self.n_frames = episodes.n_samples // recipe.model.stft.hop_length // loop.windows

    def next_window(self, passes: Passes) -> tuple[Tensor, Tensor, Tensor]:
        """Loss of the next window, relative errors of its targets, and which of them sound."""
        if not self.window:
            episode = next(self.batches)
            self.crop = Crop.of(episode, self.model)
            if not self.visit % self.recipe.loop.crops_per_stream:
                self.memory = Memory.empty(
                    self.model,
                    *episode.targets.shape[:2],
                )
            self.rng = np.random.default_rng(
                [
                    *self.seed,
                    self.visit,
                    98,
                ]
            )
        is_cold = bool(self.rng.random() < self.recipe.loop.cold_share)
        frames = range(
            self.window * self.n_frames,
            (self.window + 1) * self.n_frames,
        )
        loss, error, sounds, self.memory = window_loss(
            self.model, self.crop, self.memory, frames, is_cold, self.recipe.loop, passes
        )
        self.window += 1
        if self.window == self.recipe.loop.windows:
            self.visit, self.window = self.visit + 1, 0
        return loss, error, sounds


class Trainer:
    """One run: weights, their moving average, the optimiser, and the step reached."""

    def __init__(self, model: SeparatorModel, recipe: Recipe, folder: Path) -> None:
        self.device = model.analysis.device
        self.model = model.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.recipe = recipe
        self.folder = folder
        self.step = 0
        self.average = copy.deepcopy(model).eval()
        self.trained = [*model.unet.parameters(), *model.condition_head.parameters()]
        for parameter in model.parameters():
            parameter.requires_grad_(False)
        for parameter in self.trained:
            parameter.requires_grad_(True)
        norms = [
            module
            for module in model.modules()
            if isinstance(
                module,
                torch.nn.BatchNorm2d,
            )
        ]
        means, variances = (
            [norm.running_mean for norm in norms],
            [norm.running_var for norm in norms],
        )
        self.statistics = [statistic for statistic in (*means, *variances) if statistic is not None]
        self.optimiser = Optimiser(model, recipe.loop)
        self.rank = dist.get_rank() if dist.is_initialized() else 0
        self.world_size = dist.get_world_size() if dist.is_initialized() else 1

    @property
    def checkpoint(self) -> Path:
        """Everything a resumed run needs."""
        return self.folder / "checkpoint.safetensors"

    def run(
        self, bank: Bank, embeddings: list[NDArray[np.float32]], progress: Progress
    ) -> SeparatorModel:
        """Train to the last step and return the averaged weights."""
        recipe = self.recipe.loop
        torch.set_num_threads(self.recipe.n_threads)
        torch.manual_seed(self.recipe.seed)
        passes = Passes.of(self.model, compiled=self.recipe.compile)
        numbers = range(
            self.rank * recipe.accumulate,
            (self.rank + 1) * recipe.accumulate,
        )
        plans = [Episodes(bank, embeddings, self.recipe, number) for number in numbers]
        mixdown = Mixdown(
            bank,
            plans[0].n_samples,
            self.device,
            compiled=self.recipe.compile,
        )
        streams = [
            BatchStream(number, self.model, episodes, mixdown, self.recipe, self.step)
            for number, episodes in zip(numbers, plans, strict=True)
        ]
        self.model.train()
        self.model.clip_encoder.eval()
        seconds = (
            self.world_size
            * len(streams)
            * recipe.batch
            * self.recipe.episodes.seconds
            / recipe.windows
        )
        saved = time.monotonic()
        while self.step < recipe.n_steps:
            loss, decibels = self._advance(streams, passes)
            if self.rank == 0:
                progress.report(
                    self.step,
                    recipe.n_steps,
                    {"loss": loss, "db": decibels},
                    seconds,
                )
                # Where the memory is empty, for that is not saved.
                at_start = not self.step % recipe.steps_per_stream
                if at_start and time.monotonic() - saved > 60 * recipe.checkpoint_minutes:
                    self.save()
                    saved = time.monotonic()
        if self.rank == 0:
            self.save()
        return self.average

    def _advance(
        self,
        streams: list[BatchStream],
        passes: Passes,
    ) -> tuple[Tensor, Tensor]:
        """One step; gives the loss and the mean SDR of targets that sound, of all streams.

        Nothing here waits for the device.
        """
        recipe = self.recipe.loop
        self.optimiser.set_rate(learning_rate(self.step, recipe))
        self.optimiser.zero_grad()
        before = [statistic.clone() for statistic in self.statistics]
        sums = [torch.zeros_like(statistic) for statistic in before]
        figures = torch.zeros(3, device=self.device)
        for stream in streams:
            # Every stream starts from the same running statistics, which are averaged as gradients
            # are.
            for statistic, value in zip(self.statistics, before, strict=True):
                statistic.copy_(value)
            loss, error, sounds = stream.next_window(passes)
            torch.autograd.backward(loss / len(streams))
            # Absent targets are easy: among them a run that learns nothing would look healthy.
            decibels = -10 * torch.log10(error + 1e-9) * sounds
            figures += torch.stack(
                [
                    loss.detach() / len(streams),
                    decibels.sum(),
                    sounds.sum(),
                ]
            )
            for total, statistic in zip(sums, self.statistics, strict=True):
                total.add_(statistic / len(streams))
        gradients = [p.grad for p in self.trained if p.grad is not None]
        self._share([*gradients, *sums, figures])
        for statistic, total in zip(self.statistics, sums, strict=True):
            statistic.copy_(total)
        self.update()
        return figures[0], figures[1] / figures[2].clamp_min(1e-6)

    def update(self) -> None:
        """Take one step along the gradients, and move the average."""
        recipe = self.recipe.loop
        norm = torch.nn.utils.clip_grad_norm_(self.trained, recipe.clip_norm)
        self.optimiser.step(norm)
        self.step += 1
        with torch.no_grad():
            decay = min(
                recipe.ema_decay,
                (self.step + 1) / (self.step + 10),
            )
            pairs = zip(
                self.average.state_dict().values(), self.model.state_dict().values(), strict=True
            )
            for mean, value in pairs:
                mean.lerp_(value, 1 - decay) if mean.is_floating_point() else mean.copy_(value)

    def _share(self, tensors: list[Tensor]) -> None:
        """Put the mean over all processes in the place of each tensor."""
        if self.world_size == 1:
            return
        flat = torch.cat([tensor.flatten() for tensor in tensors])
        dist.all_reduce(flat)
        flat /= self.world_size
        for tensor, mean in zip(
            tensors,
            torch.split(
                flat,
                [tensor.numel() for tensor in tensors],
            ),
            strict=True,
        ):
            tensor.copy_(mean.view_as(tensor))

    def save(self) -> None:
        """Write the checkpoint, and the averaged weights beside it."""
        tensors = {f"model.{k}": v.contiguous() for k, v in self.model.state_dict().items()}
        tensors |= {f"average.{k}": v.contiguous() for k, v in self.average.state_dict().items()}
        tensors |= {f"optimiser.{k}": v for k, v in self.optimiser.state().items()}
        partial = self.checkpoint.with_suffix(".partial")
        save_file(tensors, partial, metadata={"step": str(self.step)})
        partial.replace(self.checkpoint)
        save_model(
            self.folder / "weights.safetensors",
            self.average,
            {"steps": str(self.step)},
        )

    def resume(self) -> None:
        """Take up the folder's checkpoint."""
        with safe_open(self.checkpoint, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
            self.step = int(file.metadata()["step"])
        for prefix, module in (("model.", self.model), ("average.", self.average)):
            module.load_state_dict(
                {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
            )
        self.optimiser.load_state(
            {
                k.removeprefix("optimiser."): v
                for k, v in tensors.items()
                if k.startswith("optimiser.")
            }
        )


def start_model(recipe: Recipe, folder: Path) -> tuple[SeparatorModel, bool]:
    """The model a run starts from, and whether its clip encoder is trained already."""
    torch.manual_seed(recipe.seed)
    if recipe.start_from is not None:
        weights = folder / recipe.start_from
        is_grown = "model" in recipe.model_fields_set
        return grow_model(weights, recipe.model) if is_grown else load_model(weights)[0], True
    return SeparatorModel(recipe.model), False
