"""The clip encoder's training: telling instruments apart, and the players and singers of each."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import DataLoader, IterableDataset

from rtmss.model.clip_encoder import ClipEncoder, segment_clip
from rtmss.training.augment import (
    DRY,
    FADE,
    PLAIN,
    colour,
    draw_drive,
    draw_equaliser,
    draw_room,
    saturate,
    spectra_at_speed,
)
from rtmss.training.bank import Bank, draw_start, draw_take
from rtmss.training.datasets.taxonomy import FAMILIES
from rtmss.training.progress import Progress
from rtmss.training.recipe import Recipe
from rtmss.training.windows import half_precision


class SegmentBatches(IterableDataset[tuple[Tensor, Tensor, Tensor]]):
    """Endless batches of disguised segments: (B, S) mono audio, label numbers, source numbers."""

    def __init__(self, bank: Bank, recipe: Recipe) -> None:
        self.bank = bank
        self.recipe = recipe
        self.takes_of: dict[str, list[int]] = {}
        for index, take in enumerate(bank.takes):
            if take.family != "other" and len(bank.active_blocks(index)):
                self.takes_of.setdefault(take.label, []).append(index)
        self.labels = sorted(self.takes_of)
        self.sources = sorted({bank.takes[i].source for i in itertools.chain(*self.takes_of.values())})

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        worker = torch.utils.data.get_worker_info()
        if worker is not None:
            torch.set_num_threads(1)
        rng = np.random.default_rng([self.recipe.seed, 17, worker.id if worker else 0])
        while True:
            rows = [self._draw(rng) for _ in range(self.recipe.encoder.batch)]
            yield (
                torch.stack([row[0] for row in rows]),
                torch.tensor([row[1] for row in rows]),
                torch.tensor([row[2] for row in rows]),
            )

    def _draw(self, rng: np.random.Generator) -> tuple[Tensor, int, int]:
        # Labels evenly, but voices four times as often: there are more of them to learn.
        weights = np.array([4.0 if label == "vocals" else 1.0 for label in self.labels])
        label = int(rng.choice(len(self.labels), p=weights / weights.sum()))
        index = draw_take(self.bank, self.takes_of[self.labels[label]], rng)
        audio = self._disguised(index, rng)
        if rng.random() < 0.3:
            other = self.labels[rng.integers(len(self.labels))]
            bleed = self._disguised(int(rng.choice(self.takes_of[other])), rng)
            level = 10 ** (rng.uniform(-30, -10) / 20) * audio.std() / bleed.std().clamp_min(1e-5)
            audio = audio + bleed * level
        return audio, label, self.sources.index(self.bank.takes[index].source)

    def _disguised(self, index: int, rng: np.random.Generator) -> Tensor:
        rate = self.bank.sample_rate
        n = round(self.recipe.model.clip_encoder.segment_seconds * rate)
        # The widest filters first: a shift of pitch hardly changes what an instrument is.
        n_in = int((n + 2 * FADE) * 2 ** (rng.uniform(-4, 4) / 12)) // 256 * 256
        start = draw_start(self.bank, index, n_in, rng)
        audio = torch.from_numpy(self.bank.crop(index, start, n_in)).mean(0, keepdim=True)
        spectra = spectra_at_speed(audio, n + 2 * FADE).repeat(1, 2, 1)
        equaliser = torch.tensor([draw_equaliser(rng) if rng.random() < 0.7 else PLAIN])
        room = torch.tensor([draw_room(rng) if rng.random() < 0.4 else DRY])
        noise = torch.Generator().manual_seed(int(rng.integers(2**62)))
        audio = colour(spectra, n + 2 * FADE, rate, equaliser, room, noise)
        if rng.random() < 0.25:
            audio = saturate(audio, torch.tensor([draw_drive(rng)]))
        return audio.mean((0, 1))[FADE:-FADE]


def train_clip_encoder(encoder: ClipEncoder, bank: Bank, recipe: Recipe, progress: Progress) -> None:
    """Train `encoder` in place by classification: cross-entropy with label smoothing on two cosine heads."""
    torch.manual_seed(recipe.seed)
    torch.set_num_threads(recipe.n_threads)
    batches, device = SegmentBatches(bank, recipe), encoder.window.device
    n_classes = (len(batches.labels), len(batches.sources))
    heads = [nn.Linear(encoder.config.n_embedding, n, bias=False).to(device) for n in n_classes]
    parameters = [*encoder.parameters(), *(head.weight for head in heads)]
    optimiser = torch.optim.AdamW(parameters, recipe.encoder.learning_rate, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, recipe.encoder.learning_rate, total_steps=recipe.encoder.n_steps, pct_start=0.1
    )
    loader: Any = DataLoader(batches, batch_size=None, num_workers=recipe.n_workers)
    encoder.train()
    for step, (audio, *truths) in enumerate(itertools.islice(loader, recipe.encoder.n_steps), 1):
        with half_precision(device):
            embedding = encoder(audio.to(device))
        losses = [
            nn.functional.cross_entropy(
                15 * embedding @ nn.functional.normalize(head.weight, dim=-1).T, truth.to(device), label_smoothing=0.1
            )
            for head, truth in zip(heads, truths, strict=True)
        ]
        loss = losses[0] + recipe.encoder.source_weight * losses[1]
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        optimiser.step()
        schedule.step()
        progress.report(step, recipe.encoder.n_steps, {"label": losses[0].item(), "source": losses[1].item()})
    encoder.eval()


def class_embedding(family: str, n_embedding: int) -> NDArray[np.float32]:
    """(1, E) in the place of a clip's embedding: nothing but which family it is. What the condition head makes of it
    is a learnt embedding of the class label.
    """
    return np.eye(1, n_embedding, list(FAMILIES).index(family), dtype=np.float32)


@torch.no_grad()
def embed_bank(encoder: ClipEncoder, bank: Bank, max_segments: int = 40) -> list[NDArray[np.float32]]:
    """Per take: (n, E) embeddings of up to `max_segments` of its segments that sound, spread over the take."""
    length = round(encoder.config.segment_seconds * bank.sample_rate)
    device, embeddings = encoder.window.device, []
    for index, take in enumerate(bank.takes):
        audio = torch.from_numpy(bank.crop(index, 0, take.n_samples)).mean(0)
        segments = segment_clip(audio, length)
        chosen = torch.linspace(0, len(segments) - 1, min(len(segments), max_segments)).round().long()
        embeddings.append(
            torch.cat([encoder(part.to(device)) for part in torch.split(segments[chosen], 16)]).cpu().numpy()
        )
    return embeddings
