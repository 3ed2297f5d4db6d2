from __future__ import annotations

import pytest
import torch

from rtmss.model.separator import SeparatorModel
from rtmss.training.optimiser import Optimiser, as_matrices, hidden_matrices
from rtmss.training.recipe import LoopRecipe

MUON = LoopRecipe(optimiser="muon", weight_decay=0.0)


@pytest.fixture
def model(tiny: SeparatorModel) -> SeparatorModel:
    """Weights of a model that are trained, in the order of memory that training has."""
    copy = SeparatorModel(tiny.config)
    copy.load_state_dict(tiny.state_dict())
    copy.requires_grad_(True)
    return copy.to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def give_gradients(optimiser: Optimiser) -> None:
    generator = torch.Generator().manual_seed(0)
    for parameter in optimiser.trained:
        parameter.grad = torch.randn(parameter.shape, generator=generator)


def test_a_matrix_shares_the_memory_of_its_weight(model: SeparatorModel) -> None:
    for weight, n_matrices in hidden_matrices(model).items():
        matrices = as_matrices(weight.detach(), n_matrices)
        assert len(matrices) == n_matrices
        assert sum(matrix.numel() for matrix in matrices) == weight.numel()
        for matrix in matrices:
            matrix.fill_(7.0)
        assert (weight == 7.0).all()


def test_a_kernel_in_another_order_is_refused(tiny: SeparatorModel) -> None:
    copy = SeparatorModel(tiny.config)
    kernels = [weight for weight in copy.unet.parameters() if weight.dim() == 4]
    assert not all(kernel.is_contiguous(memory_format=torch.channels_last) for kernel in kernels)
    with pytest.raises(ValueError, match="channels-last order"):
        Optimiser(copy, MUON)


def test_the_ends_of_the_network_are_left_to_adam(model: SeparatorModel) -> None:
    names = {name for name, p in model.named_parameters() if p in hidden_matrices(model)}
    ends = ("split", "merge", "film", "gate.", "condition_head", "clip_encoder", "norm", "bias")
    assert len(names) > 10
    assert [name for name in names if any(end in name for end in ends)] == []


def test_every_weight_moves(model: SeparatorModel) -> None:
    optimiser = Optimiser(model, MUON)
    before = [parameter.detach().clone() for parameter in optimiser.trained]
    give_gradients(optimiser)
    optimiser.set_rate(1e-2)
    optimiser.step(torch.tensor(1.0))
    pairs = zip(optimiser.trained, before, strict=True)
    assert all(not torch.equal(parameter, old) for parameter, old in pairs)


def test_a_matrix_steps_along_its_gradients_orthogonal_factor(model: SeparatorModel) -> None:
    optimiser = Optimiser(model, MUON)
    weight = model.unet.squeeze.weight
    before = weight.detach().clone()
    give_gradients(optimiser)
    assert weight.grad is not None
    left, _, right = torch.linalg.svd(weight.grad, full_matrices=False)
    optimiser.set_rate(1e-2)
    optimiser.step(torch.tensor(1.0))
    moved = before - weight.detach()
    likeness = torch.cosine_similarity(
        moved.flatten(),
        (left @ right).flatten(),
        dim=0,
    )
    assert likeness > 0.9
    # Of the size of Adam's: 0.2 of the rate.
    assert float(moved.square().mean().sqrt()) == pytest.approx(0.2e-2, rel=0.3)


@pytest.mark.parametrize("recipe", [MUON, LoopRecipe()])
def test_gradients_that_are_no_numbers_change_nothing(
    model: SeparatorModel, recipe: LoopRecipe
) -> None:
    optimiser = Optimiser(model, recipe)
    before = [parameter.detach().clone() for parameter in optimiser.trained]
    give_gradients(optimiser)
    optimiser.set_rate(1e-2)
    optimiser.step(torch.tensor(float("nan")))
    pairs = zip(optimiser.trained, before, strict=True)
    assert all(torch.equal(parameter, old) for parameter, old in pairs)


def test_recurrent_layers_have_a_rate_of_their_own(model: SeparatorModel) -> None:
    recipe = MUON.model_copy(update={"recurrent_share": 0.0})
    optimiser = Optimiser(model, recipe)
    weights = [weight for weight in model.unet.gru.parameters() if weight.dim() == 2]
    before = [weight.detach().clone() for weight in weights]
    give_gradients(optimiser)
    optimiser.set_rate(1e-2)
    optimiser.step(torch.tensor(1.0))
    assert len(before) == 2
    assert all(
        torch.equal(weight, old)
        for weight, old in zip(
            weights,
            before,
            strict=True,
        )
    )
