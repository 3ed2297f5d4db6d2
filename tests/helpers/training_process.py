"""What a process of a training run does. Imports no more than that: each process does it again."""

from __future__ import annotations

import copy
import os
import signal
from collections.abc import Mapping
from pathlib import Path

import torch.distributed as dist
from rich.console import Console
from torch import Tensor

from rtmss.model.separator import SeparatorModel
from rtmss.training.classify import embed_bank
from rtmss.training.loop import Trainer
from rtmss.training.mixtures.bank import Bank
from rtmss.training.progress import Progress
from rtmss.training.recipe import Recipe


def train_in_process(
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
