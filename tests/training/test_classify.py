"""The clip encoder learns to classify, and embeds a bank."""

from __future__ import annotations

import copy
import json

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from rtmss.datasets.taxonomy import FAMILIES, FAMILY_OF
from rtmss.model.separator import SeparatorModel
from rtmss.training.classify import SegmentBatches, embed_bank, train_clip_encoder
from rtmss.training.mixtures.bank import Bank
from rtmss.training.progress import Progress
from rtmss.training.recipe import Recipe


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


def test_every_track_is_embedded(
    band: Bank,
    embeddings: list[NDArray[np.float32]],
) -> None:
    assert len(embeddings) == len(band.tracks)
    for rows in embeddings:
        assert rows.shape[1] == 16
        assert np.linalg.norm(rows, axis=1) == pytest.approx(1, abs=1e-5)


def test_a_long_track_gives_no_more_embeddings_than_asked(tiny: SeparatorModel, band: Bank) -> None:
    assert {
        len(rows)
        for rows in embed_bank(
            tiny.clip_encoder,
            band,
            max_segments=2,
        )
    } == {2}
