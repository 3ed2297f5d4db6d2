"""The recurrent unit for training against torch's own."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from rtmss.model.gru import run_gru


def outputs_and_gradients(
    gru: nn.GRU,
    x: Tensor,
    hidden: Tensor,
    *,
    plain: bool,
) -> list[Tensor]:
    x, hidden = x.clone().requires_grad_(), hidden.clone().requires_grad_()
    gru.zero_grad()
    y = (
        gru(
            x,
            hidden[None],
        )[0]
        if plain
        else run_gru(gru, x, hidden)
    )
    torch.manual_seed(1)
    (y * torch.randn_like(y)).sum().backward()
    gradients = [
        tensor.grad
        for tensor in (
            x,
            hidden,
            *gru.parameters(),
        )
    ]
    return [y.detach(), *(gradient.clone() for gradient in gradients if gradient is not None)]


def relative(got: Tensor, wanted: Tensor) -> float:
    return float((got - wanted).norm() / wanted.norm())


@pytest.fixture
def material() -> tuple[nn.GRU, Tensor, Tensor]:
    torch.manual_seed(0)
    return (
        nn.GRU(
            24,
            24,
            batch_first=True,
        ),
        torch.randn(3, 40, 24),
        torch.randn(3, 24),
    )


def test_outputs_and_gradients_are_those_of_torch(material: tuple[nn.GRU, Tensor, Tensor]) -> None:
    wanted = outputs_and_gradients(*material, plain=True)
    got = outputs_and_gradients(*material, plain=False)
    assert len(got) == len(wanted) == 7
    for one, other in zip(got, wanted, strict=True):
        assert relative(one, other) < 1e-5


def test_in_half_precision_they_are_nearer_to_the_truth_than_those_of_torch(
    material: tuple[nn.GRU, Tensor, Tensor],
) -> None:
    truth = outputs_and_gradients(*material, plain=True)
    with torch.autocast("cpu", torch.bfloat16):
        plain = outputs_and_gradients(*material, plain=True)
        got = outputs_and_gradients(*material, plain=False)
    for one, other, exact in zip(got, plain, truth, strict=True):
        assert relative(one, exact) < 1e-2
        assert relative(one, exact) <= relative(other, exact)


def test_without_gradients_it_is_torchs_own(material: tuple[nn.GRU, Tensor, Tensor]) -> None:
    gru, x, hidden = material
    with torch.no_grad():
        assert torch.equal(
            run_gru(gru, x, hidden),
            gru(x, hidden[None])[0],
        )
