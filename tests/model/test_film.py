"""Where conditions act in the network."""

from __future__ import annotations

import copy

import pytest
import torch

from rtmss.model.separator import SeparatorModel
from rtmss.model.unet import UNet


@pytest.fixture
def unet(tiny: SeparatorModel) -> UNet:
    return tiny.unet


def test_another_condition_gives_another_mask(unet: UNet) -> None:
    features, _ = unet.encode(
        torch.randn(1, 4, 7, 128),
        unet.init_encoder_state(1),
    )
    masks, _ = unet.decode(
        features, torch.tensor([[[0.0] * 12, [1.0] * 12]]), unet.init_decoder_state(1, 2)
    )
    assert (masks[:, 0] - masks[:, 1]).abs().max() > 0.01


PARTS = ["bottleneck", "deepest", "middle", "top", "gates", "paths"]


@pytest.mark.parametrize("part", PARTS)
def test_film_acts_at_the_bottleneck_and_at_every_decoder_level(unet: UNet, part: str) -> None:
    features, _ = unet.encode(
        torch.randn(1, 4, 7, 128),
        unet.init_encoder_state(1),
    )
    modulation = unet.modulate(torch.rand(1, 2, 12))
    gates = sum(unet.film_sizes[1:])
    sizes = [*unet.film_sizes, gates, sum(unet.path_sizes)]
    pieces = torch.split(modulation, sizes, dim=-1)
    alone = [
        piece * (name == part)
        for name, piece in zip(
            PARTS,
            pieces,
            strict=True,
        )
    ]
    state = unet.init_decoder_state(1, 2)
    masks, _ = unet.decode_modulated(
        features,
        torch.cat(alone, dim=-1),
        state,
    )
    assert (masks[:, 0] - masks[:, 1]).abs().max() > 1e-4


def test_film_at_the_bottleneck_alone_leaves_the_decoder_to_itself(tiny: SeparatorModel) -> None:
    torch.manual_seed(0)
    unet = UNet(tiny.config.unet.model_copy(update={"film": "bottleneck"})).eval()
    assert unet.modulate(torch.rand(1, 2, 12)).shape == (
        1,
        2,
        2 * unet.config.n_hidden,
    )
    features, _ = unet.encode(
        torch.randn(1, 4, 7, 128),
        unet.init_encoder_state(1),
    )
    masks, _ = unet.decode(
        features,
        torch.rand(1, 2, 12),
        unet.init_decoder_state(1, 2),
    )
    assert (masks[:, 0] - masks[:, 1]).abs().max() > 1e-4
    # Without what comes from the bottleneck every target is the same.
    unet.expand.weight.data.zero_()
    masks, _ = unet.decode(
        features,
        torch.rand(1, 2, 12),
        unet.init_decoder_state(1, 2),
    )
    assert torch.equal(masks[:, 0], masks[:, 1])


def test_film_in_the_blocks_leaves_what_comes_over_the_skips_as_it_is(tiny: SeparatorModel) -> None:
    torch.manual_seed(0)
    unet = UNet(tiny.config.unet.model_copy(update={"film": "blocks"})).eval()
    assert unet.modulate(torch.rand(1, 2, 12)).shape == (
        1,
        2,
        sum(unet.film_sizes) + sum(unet.path_sizes),
    )
    features, _ = unet.encode(
        torch.randn(1, 4, 7, 128),
        unet.init_encoder_state(1),
    )
    unet.expand.weight.data.zero_()
    masks, _ = unet.decode(
        features,
        torch.rand(1, 2, 12),
        unet.init_decoder_state(1, 2),
    )
    assert (masks[:, 0] - masks[:, 1]).abs().max() > 1e-4
    unet.film.weight.data[unet.film_sizes[0] :].zero_()  # all but the bottleneck's
    masks, _ = unet.decode(
        features,
        torch.rand(1, 2, 12),
        unet.init_decoder_state(1, 2),
    )
    assert torch.equal(masks[:, 0], masks[:, 1])


def test_the_condition_picks_what_comes_over_the_skips(unet: UNet) -> None:
    unet = copy.deepcopy(unet)
    unet.film.weight.data.zero_()
    features, _ = unet.encode(
        torch.randn(1, 4, 7, 128),
        unet.init_encoder_state(1),
    )
    conditions = torch.rand(1, 2, 12)
    gated, _ = unet.decode(
        features,
        conditions,
        unet.init_decoder_state(1, 2),
    )
    unet.get_parameter("gate.weight").data.zero_()
    unet.get_parameter("path_film.weight").data.zero_()
    alike, _ = unet.decode(
        features,
        conditions,
        unet.init_decoder_state(1, 2),
    )
    assert (gated[:, 0] - gated[:, 1]).abs().max() > 1e-2
    assert torch.allclose(
        alike[:, 0],
        alike[:, 1],
        atol=1e-6,
    )
