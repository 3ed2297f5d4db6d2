from __future__ import annotations

import pytest
import torch
from torch import nn

from helpers.streaming import verify_streaming
from rtmss.model.layers import BandMerge, BandSplit, CausalBlock, CausalConv2d

BANDS = ((4, 2), (3, 5))


def block() -> CausalBlock:
    torch.manual_seed(0)
    layer = CausalBlock(4, dilation=2).eval().requires_grad_(False)
    assert isinstance(layer.norm, nn.BatchNorm2d)
    for values in (
        layer.norm.weight,
        layer.norm.bias,
        layer.norm.running_mean,
    ):
        assert values is not None
        values.add_(0.3 * torch.randn(4))
    assert layer.norm.running_var is not None
    layer.norm.running_var.uniform_(0.5, 1.5)
    return layer


def test_band_split_is_one_linear_map_per_band() -> None:
    layer = BandSplit(3, 6, BANDS).requires_grad_(False)
    layer.bias.normal_()
    x = torch.randn(2, 3, 5, 23)
    y = layer(x)
    for band in range(7):
        width, start = (2, 2 * band) if band < 4 else (5, 8 + 5 * (band - 4))
        weight = layer.weights[0][band] if band < 4 else layer.weights[1][band - 4]
        expected = torch.einsum(
            "bctw,cwo->bot", x[..., start : start + width], weight.view(3, width, 6)
        )
        assert torch.allclose(
            y[..., band],
            expected + layer.bias[:, :, band],
            atol=1e-5,
        )


def test_band_merge_is_one_linear_map_per_band() -> None:
    layer = BandMerge(6, 3, BANDS).requires_grad_(False)
    layer.bias.normal_()
    x = torch.randn(2, 6, 5, 7)
    y = layer(x)
    for band in range(7):
        width, start = (2, 2 * band) if band < 4 else (5, 8 + 5 * (band - 4))
        weight = layer.weights[0][band] if band < 4 else layer.weights[1][band - 4]
        expected = torch.einsum(
            "bct,cow->botw",
            x[..., band],
            weight.view(6, 3, width),
        )
        bins = slice(start, start + width)
        assert torch.allclose(
            y[..., bins],
            expected + layer.bias[..., bins],
            atol=1e-5,
        )


@pytest.mark.parametrize("dilation", [1, 3])
def test_the_causal_convolution_is_a_sum_over_its_taps(dilation: int) -> None:
    layer = CausalConv2d(4, dilation=dilation).requires_grad_(False)
    x = torch.randn(2, 4, 9, 6)
    y, _ = layer(x, layer.init_state(2, 6))
    weight = layer.conv.weight
    for t in range(9):
        expected = torch.zeros(2, 4, 6)
        for tap in range(3):
            frame = t - (2 - tap) * dilation
            for shift in (-1, 0, 1):
                for f in range(6):
                    if frame >= 0 and 0 <= f + shift < 6:
                        expected[:, :, f] += (
                            x[:, :, frame, f + shift] @ weight[:, :, tap, shift + 1].T
                        )
        assert torch.allclose(y[:, :, t], expected, atol=1e-5)


def test_the_block_norms_films_and_adds_its_input() -> None:
    layer = block()
    norm = layer.norm
    assert norm.running_mean is not None
    assert norm.running_var is not None
    x, scale, shift = (
        torch.randn(
            2,
            4,
            5,
            6,
        ),
        torch.randn(2, 4),
        torch.randn(2, 4),
    )
    past = torch.randn_like(layer.init_state(2, 6))
    y, _ = layer(x, past, (scale, shift))
    inner, _ = layer.conv(x, past)
    for c in range(4):
        z = (inner[:, c] - norm.running_mean[c]) / (norm.running_var[c] + norm.eps).sqrt()
        z = z * norm.weight[c] + norm.bias[c]
        z = z * (1 + scale[:, c, None, None]) + shift[:, c, None, None]
        assert torch.allclose(
            y[:, c],
            x[:, c] + z.clamp_min(0),
            atol=1e-5,
        )


def test_without_film_the_block_is_a_film_of_nothing() -> None:
    layer = block()
    x, past = (
        torch.randn(
            2,
            4,
            5,
            6,
        ),
        layer.init_state(2, 6),
    )
    nothing = (torch.zeros(2, 4), torch.zeros(2, 4))
    assert torch.allclose(
        layer(x, past)[0],
        layer(x, past, nothing)[0],
    )


def test_the_first_state_is_all_zeros() -> None:
    state = block().init_state(3, 6)
    assert state.shape == (3, 4, 4, 6)
    assert not state.any()


@pytest.mark.parametrize("dilation", [1, 3])
def test_a_convolution_is_the_same_however_it_is_cut(dilation: int) -> None:
    layer = CausalConv2d(4, dilation=dilation).requires_grad_(False)
    verify_streaming(
        lambda: layer.init_state(3, 6),
        layer,
        torch.randn(
            3,
            4,
            12,
            6,
        ),
        axis=2,
    )


def test_a_block_is_the_same_however_it_is_cut() -> None:
    layer = block()
    verify_streaming(
        lambda: layer.init_state(3, 6),
        layer,
        torch.randn(
            3,
            4,
            12,
            6,
        ),
        axis=2,
    )
