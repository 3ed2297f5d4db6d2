"""Recurrences within and across bands."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from helpers.streaming import verify_streaming
from rtmss.config import SeparatorConfig
from rtmss.model.checkpoint import CheckpointError, grow_model, save_model
from rtmss.model.dual_path import DualPath
from rtmss.model.separator import SeparatorModel


def make(dilation: int = 1) -> DualPath:
    torch.manual_seed(0)
    block = DualPath(5, 8, 6, dilation)
    for path in (block.over_frames, block.over_bands):
        torch.nn.init.normal_(path.project.weight)
    return block.eval()


def by_hand(
    block: DualPath,
    x: Tensor,
    film: tuple[Tensor, Tensor] | None,
) -> Tensor:
    """One (B, C, T, F) block from silence, by the textbook's equations, a step at a time."""
    for path, over_frames in ((block.over_frames, True), (block.over_bands, False)):
        rows = x.permute(0, 2, 3, 1)
        normed = (rows - rows.mean(-1, keepdim=True)) / (
            rows.var(-1, correction=0, keepdim=True) + 1e-5
        ).sqrt()
        if film is not None:
            normed = normed * (1 + film[0][:, None, None]) + film[1][:, None, None]
        logit, value, gate = (normed @ path.gates.weight.T + path.bias).chunk(
            3,
            dim=-1,
        )
        keep = torch.sigmoid(logit)
        new = (1 - keep) * value
        if over_frames:
            states = loop(keep, new, 1)
        else:
            up, down = (
                loop(
                    keep[..., :4],
                    new[..., :4],
                    2,
                ),
                loop(
                    keep[..., 4:].flip(2),
                    new[..., 4:].flip(2),
                    2,
                ),
            )
            states = torch.cat(
                [up, down.flip(2)],
                dim=-1,
            )
        y = (states * gate * torch.sigmoid(gate)) @ path.project.weight.T
        x = x + y.permute(0, 3, 1, 2)
    return x


def loop(keep: Tensor, new: Tensor, axis: int) -> Tensor:
    state, states = torch.zeros_like(new.select(axis, 0)), []
    for kept, added in zip(
        keep.unbind(axis),
        new.unbind(axis),
        strict=True,
    ):
        state = kept * state + added
        states.append(state)
    return torch.stack(states, axis)


@pytest.mark.parametrize("with_film", [False, True])
def test_it_is_what_the_equations_say(with_film: bool) -> None:
    block, x = make(), torch.randn(2, 5, 7, 6)
    film = (torch.randn(2, 5), torch.randn(2, 5)) if with_film else None
    y, _ = block(x, block.init_state(2), film)
    assert torch.allclose(y, by_hand(block, x, film), atol=1e-5)


def test_a_fresh_block_changes_nothing() -> None:
    block, x = (
        DualPath(5, 8, 6),
        torch.randn(
            2,
            5,
            7,
            6,
        ),
    )
    assert torch.equal(
        block(x, block.init_state(2))[0],
        x,
    )


def test_interleaved_sequences_know_nothing_of_each_other() -> None:
    plain, dilated, x = (
        make(),
        make(dilation=2),
        torch.randn(
            2,
            5,
            8,
            6,
        ),
    )
    whole, _ = dilated(x, dilated.init_state(2))
    for first in (0, 1):
        alone, _ = plain(
            x[:, :, first::2],
            plain.init_state(2),
        )
        assert torch.allclose(
            whole[:, :, first::2],
            alone,
            atol=1e-6,
        )


@pytest.mark.parametrize("dilation", [1, 2])
def test_a_block_is_the_same_however_it_is_cut(dilation: int) -> None:
    block = make(dilation).requires_grad_(False)
    verify_streaming(
        lambda: block.init_state(2),
        block,
        torch.randn(
            2,
            5,
            12,
            6,
        ),
        axis=2,
    )


def larger(config: SeparatorConfig, n: int) -> SeparatorConfig:
    unet = config.unet.model_copy(update={"n_paths": n, "n_target_paths": n})
    return config.model_copy(update={"unet": unet})


def test_a_grown_network_plays_as_before(tmp_path: Path, tiny: SeparatorModel) -> None:
    small = SeparatorModel(larger(tiny.config, 0)).eval()
    save_model(tmp_path / "small.safetensors", small)
    grown = grow_model(
        tmp_path / "small.safetensors",
        larger(tiny.config, 2),
    ).eval()
    audio, condition = (
        torch.randn(
            1,
            2,
            64 * 20,
        ),
        torch.rand(1, 2, 12),
    )
    with torch.no_grad():
        before, _ = small(audio, condition, small.init_state(1, 2))
        after, _ = grown(audio, condition, grown.init_state(1, 2))
    assert before.abs().max() > 0.01
    assert torch.allclose(before, after, atol=1e-3)  # weights are kept in half precision


def test_other_differences_are_named(tmp_path: Path, tiny: SeparatorModel) -> None:
    save_model(tmp_path / "tiny.safetensors", tiny)
    wider = tiny.config.unet.model_copy(update={"n_hidden": 20})
    with pytest.raises(CheckpointError, match=r"unet\.squeeze\.weight"):
        grow_model(
            tmp_path / "tiny.safetensors",
            tiny.config.model_copy(update={"unet": wider}),
        )
