"""The optimisation of the U-Net on few-shot episodes.

Runs alone or under `torchrun` (data parallel over gloo). A run is resumed from its checkpoint, to the step.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.distributed as dist
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor
from torch.utils.data import DataLoader

from rtmss.model.checkpoint import load_model, save_model
from rtmss.model.separator import SeparatorModel, apply_masks, compress, to_planes
from rtmss.model.unet import Features, bound_masks
from rtmss.signal.stft import analyze
from rtmss.training.bank import Bank
from rtmss.training.episodes import Episode, Episodes
from rtmss.training.losses import spectral_errors, tamed, waveform_errors
from rtmss.training.pool import revisit
from rtmss.training.progress import Progress
from rtmss.training.recipe import LoopRecipe, Recipe


def masked_errors(masks: Tensor, mixture: Tensor, targets: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The masked planes and their three relative errors, in planar real arithmetic, which compiles well.

    Args:
        masks: (B, N, 2 * C, T, F) before `bound_masks`.
        mixture: (B, 2, C, T, F) planes.
        targets: (B * N, 2, C, T, F) planes.
    """
    n = masks.shape[1]
    masked = apply_masks(bound_masks(masks), mixture)
    whole = mixture[:, None].expand(-1, n, -1, -1, -1, -1).flatten(0, 1)
    return masked, *spectral_errors(masked.flatten(0, 1), targets, whole)


class Passes(NamedTuple):
    """The three costly parts of a step, each compiled or not."""

    encode: Callable[..., Any]
    decode: Callable[..., Any]
    errors: Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor, Tensor, Tensor]]

    @classmethod
    def of(cls, model: SeparatorModel, *, compiled: bool) -> Passes:
        """Those of a model. Compiled ones are made for the shapes that they meet, one after the other."""
        parts = cls(model.unet.encode, model.unet.decode, masked_errors)
        return cls(*(torch.compile(part, dynamic=False) for part in parts)) if compiled else parts


def episode_loss(
    model: SeparatorModel, episode: Episode, recipe: LoopRecipe, passes: Passes, first_frame: int
) -> tuple[Tensor, Tensor]:
    """Loss of one batch, and the relative waveform error of each item.

    Args:
        model: in training mode.
        episode: a batch.
        recipe: the weights of the terms.
        passes: those of `model`.
        first_frame: where the decoders start, cold.
    """
    hop, delay = model.config.stft.hop_length, model.config.stft.delay
    mixture, targets = episode.mixture, episode.targets
    batch, n_targets = targets.shape[:2]
    state = model.init_state(batch, n_targets)
    with torch.no_grad():
        frames, _ = analyze(mixture, state.past, model.analysis, model.config.stft)
        wanted, _ = analyze(targets.flatten(0, 1), torch.zeros(1).expand(batch * n_targets, *state.past.shape[1:]),
                            model.analysis, model.config.stft)  # fmt: skip
        planes = to_planes(frames[..., first_frame:, 1:])
        wanted_planes = to_planes(wanted[..., first_frame:, 1:])
    with torch.autocast("cpu", torch.bfloat16):
        condition = model.condition_head(episode.positive, episode.negative)
        features, _ = passes.encode(compress(frames[..., 1:], model.config.unet.compression), state.encoder)
        skips = tuple(skip[:, :, first_frame:] for skip in features.skips)
        features = Features(skips, features.bottleneck[:, first_frame:])
        masks, _ = passes.decode(features, condition, state.targets.decoder)
    masked, complex_error, magnitude_error, remainder_error = passes.errors(masks, planes, wanted_planes)
    audio, _ = model.synthesize(masked, state.targets.overlap)
    start = first_frame * hop
    estimate = audio[..., delay:].flatten(0, 1)
    truth = targets[..., start : targets.shape[-1] - delay].flatten(0, 1)
    whole = mixture[:, None, :, start : mixture.shape[-1] - delay].expand(-1, n_targets, -1, -1).flatten(0, 1)
    wave_error, wave_remainder = waveform_errors(estimate, truth, whole)
    w = recipe.log_weight
    loss = tamed(complex_error, w) + 0.5 * tamed(magnitude_error, w) + 0.5 * tamed(wave_error, w)
    remainder = tamed(remainder_error, w) + 0.5 * tamed(wave_remainder, w)
    return (loss + recipe.remainder_weight * remainder).mean(), wave_error.detach()


def learning_rate(step: int, recipe: LoopRecipe) -> float:
    """Linear warm-up, constant, and a cosine to nothing over the last part of the run."""
    decay_start = recipe.n_steps * (1 - recipe.decay_share)
    warm = min(1.0, (step + 1) / max(1, recipe.warmup_steps))
    done = max(0.0, (step - decay_start) / max(1.0, recipe.n_steps - decay_start))
    return recipe.learning_rate * warm * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))


class Trainer:
    """One run: weights, their moving average, the optimiser, and the step reached."""

    def __init__(self, model: SeparatorModel, recipe: Recipe, folder: Path) -> None:
        self.model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.recipe = recipe
        self.folder = folder
        self.step = 0
        self.average = copy.deepcopy(model).eval()
        self.trained = [*model.unet.parameters(), *model.condition_head.parameters()]
        for parameter in model.parameters():
            parameter.requires_grad_(False)
        for parameter in self.trained:
            parameter.requires_grad_(True)
        recurrent = [*model.unet.gru.parameters(), *model.unet.target_gru.parameters()]
        other = [p for p in self.trained if not any(p is r for r in recurrent)]
        groups = [{"params": other, "share": 1.0}, {"params": recurrent, "share": recipe.loop.recurrent_share}]
        self.optimiser = torch.optim.AdamW(groups, betas=(0.9, 0.99), weight_decay=recipe.loop.weight_decay, fused=True)
        self.rank = dist.get_rank() if dist.is_initialized() else 0
        self.world_size = dist.get_world_size() if dist.is_initialized() else 1

    @property
    def checkpoint(self) -> Path:
        """Everything a resumed run needs."""
        return self.folder / "checkpoint.safetensors"

    def run(self, bank: Bank, embeddings: list[NDArray[np.float32]], progress: Progress) -> SeparatorModel:
        """Train to the last step and return the averaged weights."""
        recipe = self.recipe.loop
        torch.set_num_threads(self.recipe.n_threads)
        torch.manual_seed(self.recipe.seed)
        # A resumed run draws on, it does not repeat its first episodes.
        seeded = self.recipe.model_copy(update={"seed": self.recipe.seed + self.step})
        episodes = Episodes(bank, embeddings, seeded, self.rank)
        n_workers = self.recipe.n_workers
        ahead = 4 if n_workers else None
        loader: Any = DataLoader(episodes, batch_size=None, num_workers=n_workers, prefetch_factor=ahead)
        passes = Passes.of(self.model, compiled=self.recipe.compile)
        rng = np.random.default_rng([seeded.seed, self.rank, 99])
        n_first = recipe.first_batches + int(recipe.fresh * self.step)  # a resumed run fills its pool again
        drawn = revisit(map(Episode._make, loader), n_first, recipe.fresh, rng)
        n_frames = episodes.n_samples // self.recipe.model.stft.hop_length
        self.model.train()
        self.model.clip_encoder.eval()
        saved = time.monotonic()
        for episode in drawn:
            if self.step >= recipe.n_steps:
                break
            # One place only, so that few shapes are compiled.
            first_frame = n_frames // 4 if rng.random() < recipe.cold_share else 0
            loss, wave_error = self._advance(episode, passes, first_frame)
            if self.rank == 0:
                # Absent targets are easy: among them a run that learns nothing would look healthy.
                present = wave_error[episode.targets.flatten(0, 1).square().mean((1, 2)) > 1e-7]
                decibels = -10 * torch.log10(present + 1e-9)
                figures = {"loss": loss, "db": float(decibels.mean()) if len(decibels) else 0.0}
                seconds = self.world_size * recipe.batch * self.recipe.episodes.seconds
                progress.report(self.step, recipe.n_steps, figures, seconds)
                if time.monotonic() - saved > 60 * recipe.checkpoint_minutes:
                    self.save()
                    saved = time.monotonic()
        if self.rank == 0:
            self.save()
        return self.average

    def _advance(self, episode: Episode, passes: Passes, first_frame: int) -> tuple[float, Tensor]:
        recipe = self.recipe.loop
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(self.step, recipe) * group["share"]
        loss, wave_error = episode_loss(self.model, episode, recipe, passes, first_frame)
        self.optimiser.zero_grad()
        torch.autograd.backward(loss)
        self._share_gradients()
        norm = torch.nn.utils.clip_grad_norm_(self.trained, recipe.clip_norm)
        if torch.isfinite(norm):
            self.optimiser.step()
        self.step += 1
        with torch.no_grad():
            decay = min(recipe.ema_decay, (self.step + 1) / (self.step + 10))
            pairs = zip(self.average.state_dict().values(), self.model.state_dict().values(), strict=True)
            for mean, value in pairs:
                mean.lerp_(value, 1 - decay) if mean.is_floating_point() else mean.copy_(value)
        return loss.item(), wave_error

    def _share_gradients(self) -> None:
        if self.world_size == 1:
            return
        flat = torch.cat([p.grad.flatten() for p in self.trained if p.grad is not None])
        dist.all_reduce(flat)
        flat /= self.world_size
        position = 0
        for parameter in self.trained:
            if parameter.grad is not None:
                parameter.grad.copy_(flat[position : position + parameter.numel()].view_as(parameter))
                position += parameter.numel()

    def save(self) -> None:
        """Write the checkpoint, and the averaged weights beside it."""
        tensors = {f"model.{k}": v.contiguous() for k, v in self.model.state_dict().items()}
        tensors |= {f"average.{k}": v.contiguous() for k, v in self.average.state_dict().items()}
        for i, parameter in enumerate(self.trained):
            for name, value in self.optimiser.state[parameter].items():
                tensors[f"optimiser.{i}.{name}"] = value.contiguous()
        partial = self.checkpoint.with_suffix(".partial")
        save_file(tensors, partial, metadata={"step": str(self.step)})
        partial.replace(self.checkpoint)
        save_model(self.folder / "weights.safetensors", self.average, {"steps": str(self.step)})

    def resume(self) -> None:
        """Take up the folder's checkpoint."""
        with safe_open(self.checkpoint, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
            self.step = int(file.metadata()["step"])
        for prefix, module in (("model.", self.model), ("average.", self.average)):
            module.load_state_dict({k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)})
        for i, parameter in enumerate(self.trained):
            state = {k.split(".", 2)[2]: v for k, v in tensors.items() if k.startswith(f"optimiser.{i}.")}
            self.optimiser.state[parameter] = {
                k: v.contiguous(memory_format=torch.channels_last) if v.dim() == 4 else v for k, v in state.items()
            }


def start_model(recipe: Recipe, folder: Path) -> tuple[SeparatorModel, bool]:
    """The model a run starts from, and whether its clip encoder is trained already."""
    torch.manual_seed(recipe.seed)
    if recipe.start_from is not None:
        return load_model(folder / recipe.start_from)[0], True
    return SeparatorModel(recipe.model), False
