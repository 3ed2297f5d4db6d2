"""None"""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from helpers.streaming import leaves, verify_streaming
from rtmss.config import StftConfig
from rtmss.model.separator import SeparatorModel, apply_masks, compress, to_planes
from rtmss.model.unet import UNet, bound_masks


@pytest.fixture
def unet(tiny: SeparatorModel) -> UNet:
    return tiny.unet


def gru_by_hand(gru: nn.GRU, x: Tensor) -> Tensor:
    """(B, T, H) -> (B, T, H) by the textbook's equations, from silence."""
    weights = dict(gru.named_parameters())
    hidden, rows = (
        torch.zeros(
            x.shape[0],
            x.shape[2],
        ),
        [],
    )
    for t in range(x.shape[1]):
        given = (x[:, t] @ weights["weight_ih_l0"].T + weights["bias_ih_l0"]).chunk(3, dim=1)
        kept = (hidden @ weights["weight_hh_l0"].T + weights["bias_hh_l0"]).chunk(3, dim=1)
        reset, update = torch.sigmoid(given[0] + kept[0]), torch.sigmoid(given[1] + kept[1])
        hidden = (1 - update) * torch.tanh(given[2] + reset * kept[2]) + update * hidden
        rows.append(hidden)
    return torch.stack(rows, dim=1)


def test_the_first_states_are_all_zeros(unet: UNet) -> None:
    states = leaves(unet.init_encoder_state(2)) + leaves(unet.init_decoder_state(2, 3))
    assert len(states) == 10
    assert not any(state.any() for state in states)


def test_the_bottleneck_is_a_gru_beside_a_straight_path(unet: UNet) -> None:
    features, _ = unet.encode(
        torch.randn(3, 4, 7, 128),
        unet.init_encoder_state(3),
    )
    deep = (
        features.skips[-1]
        .permute(
            0,
            2,
            1,
            3,
        )
        .reshape(3, 7, -1)
    )
    deep = deep @ unet.squeeze.weight.T + unet.squeeze.bias
    deep = (deep - deep.mean(-1, keepdim=True)) / (
        deep.var(-1, correction=0, keepdim=True) + 1e-5
    ).sqrt()
    deep = deep * unet.squeeze_norm.weight + unet.squeeze_norm.bias
    assert torch.allclose(
        features.bottleneck,
        deep + gru_by_hand(unet.gru, deep),
        atol=1e-5,
    )


def test_the_skips_halve_the_bands_and_keep_the_frames(unet: UNet) -> None:
    features, _ = unet.encode(
        torch.randn(3, 4, 7, 128),
        unet.init_encoder_state(3),
    )
    assert [skip.shape for skip in features.skips] == [
        (3, 6, 7, 24),
        (3, 8, 7, 12),
        (3, 10, 7, 6),
    ]


def test_every_target_is_decoded_as_if_it_were_alone(unet: UNet) -> None:
    features, _ = unet.encode(
        torch.randn(3, 4, 7, 128),
        unet.init_encoder_state(3),
    )
    condition = torch.rand(3, 4, 12)
    together, _ = unet.decode(
        features,
        condition,
        unet.init_decoder_state(3, 4),
    )
    assert together.shape == (3, 4, 4, 7, 128)
    for n in range(4):
        alone, _ = unet.decode(
            features,
            condition[:, n : n + 1],
            unet.init_decoder_state(3, 1),
        )
        assert (together[:, n] - alone[:, 0]).abs().max() <= 1e-5


def test_all_ways_through_a_network_that_looks_ahead_are_as_late(tiny: SeparatorModel) -> None:
    torch.manual_seed(0)
    unet = UNet(
        tiny.config.unet.model_copy(
            update={
                "look_ahead": 5,
                "dilations": (1, 3, 2),
            }
        )
    ).eval()
    assert unet.config.n_ahead == 5 + 2 * (1 + 3 + 2)
    assert unet.waits == (
        1 + 3 + 2 - 1 + 5 + 2 + 3,
        3 + 2 - 3 + 5 + 2,
        5,
    )
    # Nothing is left but what passes straight through.
    for block in (*unet.encoder, *unet.decoder):
        block.get_parameter("conv.conv.weight").data.zero_()
    for weight in (*unet.gru.parameters(), *unet.target_gru.parameters()):
        weight.data.zero_()
    condition, masks = torch.rand(1, 1, 12), []
    for level in (0.0, 1.0):
        planes = torch.zeros(1, 4, 40, 128)
        planes[:, :, 8] = level
        features, _ = unet.encode(planes, unet.init_encoder_state(1))
        masks.append(
            unet.decode(
                features,
                condition,
                unet.init_decoder_state(1, 1),
            )[0]
        )
    differs = (masks[0] != masks[1]).any(
        dim=(
            0,
            1,
            2,
            4,
        )
    )
    assert differs.nonzero()[:, 0].tolist() == [8 + unet.config.n_ahead]


@pytest.mark.parametrize(
    "cut",
    [
        (14,),
        (1,) * 14,
        (3, 1, 5, 5),
    ],
)
def test_retimed_every_second_frame_is_the_next_one_to_the_same_weights(
    tiny: SeparatorModel, cut: tuple[int, ...]
) -> None:
    torch.manual_seed(0)
    twice = SeparatorModel(
        tiny.config.retimed(
            StftConfig(
                n_fft=256,
                n_synthesis=64,
                hop_length=32,
            )
        )
    ).eval()
    twice.load_state_dict(tiny.state_dict())
    condition, streams, planes = (
        torch.rand(1, 2, 12),
        [],
        torch.randn(
            1,
            4,
            14,
            128,
        ),
    )
    for unet, pieces in (
        (tiny.unet, (planes[:, :, ::2],)),
        (tiny.unet, (planes[:, :, 1::2],)),
        (
            twice.unet,
            torch.split(
                planes,
                list(cut),
                dim=2,
            ),
        ),
    ):
        heard, state, masks = unet.init_encoder_state(1), unet.init_decoder_state(1, 2), []
        for piece in pieces:
            features, heard = unet.encode(piece, heard)
            said, state = unet.decode(features, condition, state)
            masks.append(said)
        streams.append(torch.cat(masks, dim=3))
    even, odd, both = streams
    assert both.std() > 0.01
    assert (both[:, :, :, ::2] - even).abs().max() <= 1e-5
    assert (both[:, :, :, 1::2] - odd).abs().max() <= 1e-5


def test_masks_are_the_same_however_the_frames_are_cut(unet: UNet) -> None:
    condition = torch.rand(1, 2, 12)

    def step(planes: Tensor, state: Any) -> tuple[Tensor, Any]:
        features, encoder = unet.encode(planes, state[0])
        masks, decoder = unet.decode(features, condition, state[1])
        return masks, (encoder, decoder)

    verify_streaming(
        lambda: (unet.init_encoder_state(1), unet.init_decoder_state(1, 2)),
        step,
        torch.randn(1, 4, 12, 128),
        axis=2,
        out_axis=3,
    )


def test_masks_are_bounded() -> None:
    masks = bound_masks(
        torch.randn(
            1,
            2,
            4,
            3,
            5,
        )
        * 50
    )
    real, imaginary = masks.chunk(2, dim=2)
    assert real.min() >= 0
    assert real.max() <= 1.1 + 1e-6
    assert imaginary.abs().max() <= 0.5


def test_masks_multiply_as_complex_numbers() -> None:
    masks, frames = (
        torch.randn(2, 3, 4, 5, 6),
        torch.randn(
            2,
            2,
            5,
            6,
            dtype=torch.complex64,
        ),
    )
    expected = (
        torch.complex(
            masks[:, :, :2],
            masks[:, :, 2:],
        )
        * frames[:, None]
    )
    got = apply_masks(masks, to_planes(frames))
    assert torch.allclose(
        torch.complex(
            got[:, :, 0],
            got[:, :, 1],
        ),
        expected,
        atol=1e-5,
    )


def test_compression_keeps_the_phase_and_raises_the_magnitude() -> None:
    frames = torch.randn(2, 2, 5, 6, dtype=torch.complex64)
    expected = torch.polar(frames.abs() ** 0.4, frames.angle())
    got = compress(frames, 0.4)
    assert torch.allclose(
        torch.complex(
            got[:, :2],
            got[:, 2:],
        ),
        expected,
        atol=1e-4,
    )
