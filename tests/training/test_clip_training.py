"""Training of the clip encoder: segments as users' clips are, the contrast of sources, tuning."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from rich.console import Console
from safetensors.torch import load_file
from torch import Tensor
from torch.nn.functional import normalize

from rtmss.config import SeparatorConfig
from rtmss.model.checkpoint import save_model
from rtmss.model.separator import SeparatorModel
from rtmss.training.classify import SegmentBatches, class_heads, contrast, embed_bank
from rtmss.training.mixtures.bank import Bank
from rtmss.training.recipe import EncoderRecipe, EpisodeRecipe, Recipe
from rtmss.training.run import prepare
from rtmss.training.segments import Segments
from rtmss.training.tune import refit

PAIRS = EncoderRecipe(n_steps=3, batch=8, contrast_weight=1.0, bleed=0.0)


def segment_recipe(tiny_config: SeparatorConfig, encoder: EncoderRecipe) -> Recipe:
    return Recipe(
        model=tiny_config,
        encoder=encoder,
        episodes=EpisodeRecipe(seconds=1.0),
        n_workers=0,
        n_threads=1,
    )


def level_of(audio: Tensor, frequency: float) -> float:
    """Share of the power around a frequency, at 8 kHz."""
    power = torch.fft.rfft(audio * torch.hann_window(len(audio))).abs().square()
    place = round(frequency * len(audio) / 8000)
    return float(power[place - 8 : place + 9].sum() / power.sum())


def test_with_contrast_segments_come_in_pairs_of_one_source(
    band: Bank, tiny_config: SeparatorConfig
) -> None:
    batch = next(iter(SegmentBatches(band, segment_recipe(tiny_config, PAIRS))))
    assert torch.equal(
        batch.source[::2],
        batch.source[1::2],
    )
    assert len(set(batch.source.tolist())) > 2
    assert (batch.audio[::2] - batch.audio[1::2]).abs().amax(1).min() > 1e-3


def test_a_share_of_batches_is_of_short_segments_half_a_second_or_more(
    band: Bank, tiny_config: SeparatorConfig
) -> None:
    for share, is_short in ((0.0, False), (1.0, True)):
        recipe = segment_recipe(tiny_config, PAIRS.model_copy(update={"short": share}))
        batches = iter(SegmentBatches(band, recipe))
        lengths = [next(batches).audio.shape[1] for _ in range(5)]
        assert all(4000 <= length < 8000 for length in lengths) == is_short
        assert len(set(lengths)) == (5 if is_short else 1)


def test_bleed_lies_at_its_level_below_the_segment(band: Bank) -> None:
    """Tracks are tones with a little noise, so that the others' tones are what bleeds."""
    recipe = EncoderRecipe(
        bleed=1.0,
        bleed_db=(-12.0, -12.0),
        semitones=0.0,
    )
    clean = Segments(band, recipe.model_copy(update={"bleed": 0.0}))
    bleeding = Segments(band, recipe)
    shares = {}
    for name, segments in (("clean", clean), ("bleeding", bleeding)):
        rng = np.random.default_rng(3)
        drawn = [segments.draw(0, 8000, rng) for _ in range(30)]
        # The first track's tone; equalisers change the balance, each time in another way.
        shares[name] = np.median([1 - level_of(audio, 546) for audio in drawn])
    assert shares["clean"] < 0.05
    assert 0.03 < shares["bleeding"] < 0.2


def test_contrast_is_least_where_sources_lie_apart_and_their_segments_together() -> None:
    source, family = (
        torch.tensor(
            [
                0,
                0,
                1,
                1,
            ]
        ),
        torch.tensor([0, 0, 0, 0]),
    )
    apart, mixed = (
        torch.eye(2)[rows]
        for rows in (
            [
                0,
                0,
                1,
                1,
            ],
            [0, 1, 0, 1],
        )
    )
    assert contrast(apart, source, family, PAIRS) < 0.01
    assert contrast(mixed, source, family, PAIRS) > 5


def test_contrast_is_the_share_of_the_likeness_that_is_of_the_same_source() -> None:
    torch.manual_seed(0)
    embedding = normalize(torch.randn(5, 4), dim=1)
    source, family = (
        [
            0,
            0,
            1,
            2,
            0,
        ],
        [0, 0, 0, 1, 0],
    )
    losses = []
    for a in (0, 1, 4):
        share = {b: float(torch.exp(embedding[a] @ embedding[b] / 0.1)) for b in range(5) if b != a}
        weight = {b: 4 if family[b] == family[a] and source[b] != source[a] else 1 for b in share}
        total = sum(share[b] * weight[b] for b in share)
        same = [b for b in share if source[b] == source[a]]
        losses.append(-np.mean([np.log(share[b] / total) for b in same]))
    recipe = PAIRS.model_copy(update={"family_weight": 4.0})
    found = contrast(
        embedding,
        torch.tensor(source),
        torch.tensor(family),
        recipe,
    )
    assert float(found) == pytest.approx(
        np.mean(losses),
        rel=1e-4,
    )


def test_the_instruments_of_a_trained_encoder_stay_where_it_has_them(
    tiny: SeparatorModel, band: Bank, tiny_config: SeparatorConfig
) -> None:
    batches = SegmentBatches(band, segment_recipe(tiny_config, PAIRS))
    instruments, sources = class_heads(tiny.clip_encoder, batches, is_trained=True)
    assert not instruments.requires_grad
    assert sources.requires_grad
    tracks = [
        rows.mean(0)
        for rows in embed_bank(
            tiny.clip_encoder,
            band,
            3,
        )
    ]
    for label, centre in zip(batches.labels, instruments, strict=True):
        own = np.mean(
            [
                row
                for row, track in zip(
                    tracks,
                    band.tracks,
                    strict=True,
                )
                if track.label == label
            ],
            axis=0,
        )
        assert np.allclose(centre.numpy(), own, atol=1e-5)
    assert all(
        head.requires_grad for head in class_heads(tiny.clip_encoder, batches, is_trained=False)
    )


@pytest.mark.slow
@pytest.mark.parametrize("tune", [False, True])
def test_a_run_from_weights_trains_their_clip_encoder_only_where_the_recipe_says_so(
    tiny: SeparatorModel,
    band_folder: Path,
    tiny_config: SeparatorConfig,
    tmp_path: Path,
    tune: bool,
) -> None:
    save_model(tmp_path / "start.safetensors", tiny, {})
    encoder = PAIRS.model_copy(update={"tune": tune})
    recipe = segment_recipe(tiny_config, encoder).model_copy(
        update={"start_from": Path("start.safetensors")}
    )
    _, model, embeddings = prepare(
        recipe, tmp_path, [band_folder], tmp_path / "run", Console(quiet=True)
    )
    same = torch.equal(
        model.clip_encoder.project.weight,
        tiny.clip_encoder.project.weight,
    )
    assert same != tune
    assert (
        torch.equal(
            model.condition_head.project.weight,
            tiny.condition_head.project.weight,
        )
        != tune
    )
    assert (tmp_path / "run" / "encoder.safetensors").exists() == tune
    if tune:
        kept = load_file(tmp_path / "run" / "encoder.safetensors")
        assert torch.equal(kept["project.weight"], model.clip_encoder.project.weight)
        _, again, _ = prepare(
            recipe, tmp_path, [band_folder], tmp_path / "run", Console(quiet=True)
        )
        for one, other in zip(
            model.state_dict().values(), again.state_dict().values(), strict=True
        ):
            assert torch.equal(one, other)
    assert len(embeddings) > 4


def test_a_refitted_head_makes_of_turned_embeddings_what_it_made_of_the_old_ones(
    tiny: SeparatorModel,
) -> None:
    torch.manual_seed(0)
    old = normalize(torch.randn(200, 16), dim=1)
    new = old @ torch.linalg.qr(torch.randn(16, 16))[0]
    head, nothing = copy.deepcopy(tiny.condition_head), torch.zeros_like(old)
    wanted = [head(old, nothing), head(nothing, old)]
    refit(head, old.numpy(), new.numpy())
    for one, other in zip(
        wanted,
        (head(new, nothing), head(nothing, new)),
        strict=True,
    ):
        assert one.abs().max() > 0.1
        assert (one - other).abs().max() < 1e-2


def test_a_share_of_the_banks_embeddings_is_of_rough_clips(
    tiny: SeparatorModel, band: Bank
) -> None:
    clean = embed_bank(tiny.clip_encoder, band, 4)
    rough = embed_bank(
        tiny.clip_encoder,
        band,
        4,
        EncoderRecipe(rough=0.5, bleed=1.0),
    )
    for one, both in zip(clean, rough, strict=True):
        assert np.array_equal(both[: len(one)], one)
        n_rough = len(both) - len(one)
        assert len(one) // 2 <= n_rough <= len(one)
        assert np.allclose(
            np.linalg.norm(both, axis=1),
            1,
            atol=1e-5,
        )
        assert np.abs(both[len(one) :, None] - one).max(2).min() > 1e-3
    assert sum(
        len(both) - len(one)
        for one, both in zip(
            clean,
            rough,
            strict=True,
        )
    ) > 0.8 * sum(map(len, clean))
