"""The clip encoder's training: telling instruments apart, and the players and singers of each."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import DataLoader, IterableDataset

from rtmss.datasets.taxonomy import FAMILIES, FAMILY_OF
from rtmss.model.clip_encoder import ClipEncoder, segment_clip
from rtmss.training.mixtures.bank import Bank, Urn, draw_track
from rtmss.training.progress import Progress
from rtmss.training.recipe import EncoderRecipe, Recipe
from rtmss.training.segments import Segments
from rtmss.training.windows import half_precision


class SegmentBatch(NamedTuple):
    """Augmented segments, all of one length."""

    audio: Tensor
    """(B, S) mono."""
    label: Tensor
    """(B,) number of each one's instrument, ..."""
    source: Tensor
    """... of its player or singer, ..."""
    family: Tensor
    """... and of its family."""


class SegmentBatches(IterableDataset[SegmentBatch]):
    """Endless batches of augmented segments."""

    def __init__(self, bank: Bank, recipe: Recipe) -> None:
        self.bank = bank
        self.recipe = recipe.encoder
        self.seed = recipe.seed
        self.segments = Segments(bank, recipe.encoder)
        self.n_samples = round(recipe.model.clip_encoder.segment_seconds * bank.sample_rate)
        self.tracks_of = {
            k: v for k, v in self.segments.tracks_of.items() if FAMILY_OF[k] != "other"
        }
        self.labels = sorted(self.tracks_of)
        self.tracks_by: dict[tuple[str, str], list[int]] = {}
        """Tracks of each player or singer on each instrument."""
        for index in itertools.chain(*self.tracks_of.values()):
            self.tracks_by.setdefault(
                self._source(index),
                [],
            ).append(index)
        self.sources = sorted(self.tracks_by)
        self.urns = [
            Urn(
                bank,
                self.tracks_of[label],
            )
            for label in self.labels
        ]
        weights = np.array([recipe.encoder.label_weights.get(label, 1.0) for label in self.labels])
        self.weights = weights / weights.sum()

    def __iter__(self) -> Iterator[SegmentBatch]:
        worker = torch.utils.data.get_worker_info()
        if worker is not None:
            torch.set_num_threads(1)
        rng = np.random.default_rng(
            [
                self.seed,
                17,
                worker.id if worker else 0,
            ]
        )
        while True:
            yield self._draw(rng)

    def _draw(self, rng: np.random.Generator) -> SegmentBatch:
        n = self.n_samples
        if self.recipe.short and rng.random() < self.recipe.short:
            n = round(
                rng.uniform(
                    min(n, self.bank.sample_rate // 2),
                    n,
                )
            )
        tracks: list[int] = []
        while len(tracks) < self.recipe.batch:
            tracks.append(
                self.urns[
                    rng.choice(
                        len(self.urns),
                        p=self.weights,
                    )
                ].draw(rng)
            )
            if self.recipe.contrast_weight:
                tracks.append(
                    draw_track(
                        self.bank,
                        self.tracks_by[self._source(tracks[-1])],
                        rng,
                    )
                )
        tracks = tracks[: self.recipe.batch]
        names = [self.bank.tracks[track].label for track in tracks]
        return SegmentBatch(
            torch.stack([self.segments.draw(track, n, rng) for track in tracks]),
            torch.tensor([self.labels.index(name) for name in names]),
            torch.tensor([self.sources.index(self._source(track)) for track in tracks]),
            torch.tensor([list(FAMILIES).index(FAMILY_OF[name]) for name in names]),
        )

    def _source(self, track: int) -> tuple[str, str]:
        return self.bank.tracks[track].source, self.bank.tracks[track].label


def train_clip_encoder(
    encoder: ClipEncoder,
    bank: Bank,
    recipe: Recipe,
    progress: Progress,
    *,
    is_trained: bool = False,
) -> None:
    """Train `encoder` in place: cross-entropy with label smoothing on two cosine heads, and the
    contrast of sources.

    One that is trained already keeps its instruments where they are: the head that tells these
    apart stays at the means of what the encoder says of them now.
    """
    torch.manual_seed(recipe.seed)
    torch.set_num_threads(recipe.n_threads)
    batches, device = SegmentBatches(bank, recipe), encoder.window.device
    heads = class_heads(encoder, batches, is_trained=is_trained)
    trained = [*encoder.parameters(), *(head for head in heads if head.requires_grad)]
    optimiser = torch.optim.AdamW(trained, recipe.encoder.learning_rate, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, recipe.encoder.learning_rate, total_steps=recipe.encoder.n_steps, pct_start=0.1
    )
    loader: Any = DataLoader(batches, batch_size=None, num_workers=recipe.n_workers)
    encoder.requires_grad_(True).train()
    for step, drawn in enumerate(
        itertools.islice(loader, recipe.encoder.n_steps),
        1,
    ):
        batch = SegmentBatch(*(column.to(device) for column in drawn))
        with half_precision(device):
            embedding = encoder(batch.audio)
        losses = [
            _class_loss(embedding, head, truth)
            for head, truth in zip(heads, (batch.label, batch.source), strict=True)
        ]
        shown = {"label": losses[0], "source": losses[1]}
        loss = losses[0] + recipe.encoder.source_weight * losses[1]
        if recipe.encoder.contrast_weight:
            shown["contrast"] = contrast(embedding, batch.source, batch.family, recipe.encoder)
            loss = loss + recipe.encoder.contrast_weight * shown["contrast"]
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        optimiser.step()
        schedule.step()
        progress.report(
            step, recipe.encoder.n_steps, {name: value.item() for name, value in shown.items()}
        )
    encoder.eval()


def _class_loss(embedding: Tensor, head: Tensor, truth: Tensor) -> Tensor:
    """() cross-entropy of cosines with the rows of `head`."""
    logits = 15 * embedding @ nn.functional.normalize(head, dim=-1).T
    return nn.functional.cross_entropy(logits, truth, label_smoothing=0.1)


def contrast(
    embedding: Tensor,
    source: Tensor,
    family: Tensor,
    recipe: EncoderRecipe,
) -> Tensor:
    """() loss that draws segments of one source together and others apart, those of its own family
    above all.

    Supervised contrastive learning (Khosla et al., NeurIPS 2020, "out").

    Args:
        embedding: (B, E) of length 1.
        source: (B,) numbers; what is alone of its source has no part but as another.
        family: (B,) numbers.
        recipe: weights and temperature.
    """
    itself = torch.eye(
        len(source),
        dtype=torch.bool,
        device=source.device,
    )
    is_same = (source[:, None] == source) & ~itself
    is_distractor = (family[:, None] == family) & (source[:, None] != source)
    likeness = embedding @ embedding.T / recipe.temperature
    against = likeness + is_distractor * float(np.log(recipe.family_weight))
    log_share = likeness - torch.logsumexp(
        against.masked_fill(itself, -torch.inf),
        1,
        keepdim=True,
    )
    n_same = is_same.sum(1)
    return -((log_share * is_same).sum(1)[n_same > 0] / n_same[n_same > 0]).mean()


def class_heads(
    encoder: ClipEncoder,
    batches: SegmentBatches,
    *,
    is_trained: bool,
) -> list[Tensor]:
    """(classes, E) of instruments and of sources, to be trained from chance, or from what a trained
    encoder says.
    """
    n_embedding, device = encoder.config.n_embedding, encoder.window.device
    groups = [
        [batches.tracks_of[label] for label in batches.labels],
        [batches.tracks_by[s] for s in batches.sources],
    ]
    if not is_trained:
        linear = [
            nn.Linear(
                n_embedding,
                len(group),
                bias=False,
            ).to(device)
            for group in groups
        ]
        return [head.weight for head in linear]
    tracks = [
        embedded.mean(0)
        for embedded in embed_bank(
            encoder.eval(),
            batches.bank,
            3,
        )
    ]
    labels, sources = (
        torch.from_numpy(
            np.stack(
                [
                    np.mean(
                        [tracks[index] for index in group],
                        axis=0,
                    )
                    for group in one
                ]
            )
        ).to(device)
        for one in groups
    )
    return [labels, sources.requires_grad_()]


def class_embedding(family: str, n_embedding: int) -> NDArray[np.float32]:
    """(1, E) in the place of a clip's embedding: nothing but which family it is. What the condition
    head makes of it is a learnt embedding of the class label.
    """
    return np.eye(
        1,
        n_embedding,
        list(FAMILIES).index(family),
        dtype=np.float32,
    )


@torch.no_grad()
def embed_bank(
    encoder: ClipEncoder, bank: Bank, max_segments: int = 40, recipe: EncoderRecipe | None = None
) -> list[NDArray[np.float32]]:
    """Per track: (n, E) embeddings of up to `max_segments` of its segments that sound, spread over
    the track; then, by the `rough` share of the recipe, those of further segments that are
    augmented.
    """
    length = round(encoder.config.segment_seconds * bank.sample_rate)
    embeddings = []
    segments = Segments(bank, recipe or EncoderRecipe())
    for index, track in enumerate(bank.tracks):
        audio = torch.from_numpy(
            bank.crop(
                index,
                0,
                track.n_samples,
            )
        ).mean(0)
        clean = segment_clip(audio, length)
        chosen = (
            torch.linspace(
                0,
                len(clean) - 1,
                min(len(clean), max_segments),
            )
            .round()
            .long()
        )
        rows = [_embedded(encoder, clean[chosen])]
        if recipe is not None and recipe.rough and len(bank.active_blocks(index)):
            n_rough = round(len(chosen) * recipe.rough / (1 - recipe.rough))
            rows += [
                _embedded(encoder, clip) for clip in _rough_clips(segments, index, n_rough, length)
            ]
        embeddings.append(np.concatenate(rows))
    return embeddings


def _rough_clips(
    segments: Segments,
    index: int,
    n_segments: int,
    length: int,
) -> Iterator[Tensor]:
    """(n, S) segments of clips of one to four segments, each clip augmented as one; a quarter of
    clips are short.
    """
    rng = np.random.default_rng([index, 61])
    shortest = min(length, segments.bank.sample_rate // 2)
    while n_segments > 0:
        n = min(n_segments, int(rng.integers(1, 5)))
        n_segments -= n
        if rng.random() < 0.25:
            yield segments.draw(
                index,
                round(rng.uniform(shortest, length)),
                rng,
            )[None]
        else:
            yield segments.draw(index, n * length, rng).view(n, length)


def _embedded(encoder: ClipEncoder, segments: Tensor) -> NDArray[np.float32]:
    """(n, S) -> (n, E)."""
    device = encoder.window.device
    return torch.cat([encoder(part.to(device)) for part in torch.split(segments, 16)]).cpu().numpy()
