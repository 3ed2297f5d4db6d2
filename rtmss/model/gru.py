"""A gated recurrent unit over many frames, as training on a processor needs it.

`nn.GRU` steps through autograd frame by frame there, and breaks a compiled network in two. Here the
input product of all frames comes first, the gates work in place, and the backward forms every
pointwise factor for all frames at once, so that a step of it is one product of its own; weight
gradients are one product each. After Appleyard, Kocisky, Blunsom, "Optimizing Performance of
Recurrent Neural Networks on GPUs", arXiv 1604.01946.

Axes: B batch, T frames, H hidden. Gates are in torch's order: reset, update, new.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


def run_gru(gru: nn.GRU, x: Tensor, hidden: Tensor) -> Tensor:
    """What `gru` gives.

    Args:
        gru: one layer, one direction, batch first.
        x: (B, T, H_in).
        hidden: (B, H) the state before.

    Returns:
        (B, T, H).
    """
    y: Tensor
    if x.is_cuda:
        # Autocast would make it float16, in which small gradients are lost.
        with torch.autocast("cuda", enabled=False):
            y, _ = gru(
                x.float(),
                hidden[None].float(),
            )
        return y
    if not torch.is_grad_enabled() or torch.compiler.is_exporting():
        y, _ = gru(x, hidden[None].to(x.dtype))
        return y
    given_weight, weight, given_bias, bias = gru.parameters()
    given = nn.functional.linear(
        x.transpose(0, 1),
        given_weight,
        given_bias,
    )
    states, _ = _gru(
        given.float(),
        hidden.float(),
        weight,
        bias,
    )
    y = states.transpose(0, 1).to(given.dtype)
    return y


@torch.library.custom_op("rtmss::gru", mutates_args=())
def _gru(
    given: Tensor,
    hidden: Tensor,
    weight: Tensor,
    bias: Tensor,
) -> tuple[Tensor, Tensor]:
    """(T, B, 3 H) input products, (B, H), (3 H, H), (3 H) -> (T, B, H) states and (4, T, B, H) what
    backward needs.
    """
    n_frames, batch, width = given.shape
    n_hidden = width // 3
    states = given.new_empty(n_frames, batch, n_hidden)
    gates = given.new_empty(n_frames, batch, 2 * n_hidden)
    kept_new = given.new_empty(n_frames, batch, n_hidden)
    new = given.new_empty(n_frames, batch, n_hidden)
    kept = given.new_empty(batch, width)
    # As `addmm` reads it fastest.
    transposed = weight.t().contiguous()
    for t in range(n_frames):
        torch.addmm(bias, hidden, transposed, out=kept)
        torch.add(
            given[t, :, : 2 * n_hidden],
            kept[:, : 2 * n_hidden],
            out=gates[t],
        ).sigmoid_()
        kept_new[t] = kept[:, 2 * n_hidden :]
        torch.addcmul(
            given[t, :, 2 * n_hidden :], gates[t, :, :n_hidden], kept_new[t], out=new[t]
        ).tanh_()
        hidden = torch.lerp(
            new[t],
            hidden,
            gates[t, :, n_hidden:],
            out=states[t],
        )
    return states, torch.stack(
        [
            *gates.chunk(2, dim=-1),
            kept_new,
            new,
        ]
    )


@_gru.register_fake
def _(given: Tensor, *_others: Tensor) -> tuple[Tensor, Tensor]:
    n_frames, batch, width = given.shape
    shape = (n_frames, batch, width // 3)
    return given.new_empty(shape), given.new_empty(4, *shape)


@torch.library.custom_op("rtmss::gru_backward", mutates_args=())
def _gru_backward(
    gradient: Tensor, factors: Tensor, update: Tensor, weight: Tensor
) -> tuple[Tensor, Tensor]:
    """Gradients of all states, (T + 1, B, H) with the one before the first, and of what the gates
    got, (T, B, 3 H).

    Args:
        gradient: (T, B, H) of the states, from what is made of each.
        factors: (T, B, 3, H) from the gradient of a state to that of each gate's recurrent product.
        update: (T, B, H) the update gates.
        weight: (3 H, H).
    """
    n_frames, batch, n_hidden = gradient.shape
    total = gradient.new_empty(n_frames + 1, batch, n_hidden)
    gates = gradient.new_empty(n_frames, batch, 3, n_hidden)
    rows = gates.flatten(2)
    carried = torch.zeros_like(gradient[0])
    for t in range(n_frames - 1, -1, -1):
        torch.add(gradient[t], carried, out=total[t + 1])
        torch.mul(
            factors[t],
            total[t + 1][:, None],
            out=gates[t],
        )
        torch.mul(total[t + 1], update[t], out=carried)
        carried.addmm_(rows[t], weight)
    total[0] = carried
    return total, rows


@_gru_backward.register_fake
def _(gradient: Tensor, *_others: Tensor) -> tuple[Tensor, Tensor]:
    n_frames, batch, n_hidden = gradient.shape
    return gradient.new_empty(n_frames + 1, batch, n_hidden), gradient.new_empty(
        n_frames, batch, 3 * n_hidden
    )


def _keep_for_backward(
    ctx: Any,
    inputs: tuple[Tensor, ...],
    output: tuple[Tensor, Tensor],
) -> None:
    _, hidden, weight, _ = inputs
    ctx.save_for_backward(hidden, weight, *output)
    ctx.set_materialize_grads(True)


def _backward(
    ctx: Any,
    gradient: Tensor,
    _: Tensor,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    hidden, weight, states, gates = ctx.saved_tensors
    reset, update, kept_new, new = gates.unbind(0)
    before = torch.cat([hidden[None], states[:-1]])
    of_new = (1 - update) * (1 - new.square())
    of_reset = of_new * kept_new * reset * (1 - reset)
    of_update = (before - new) * update * (1 - update)
    factors = torch.stack([of_reset, of_update, of_new * reset], dim=2)
    total, recurrent = _gru_backward(
        gradient.contiguous(),
        factors,
        update.contiguous(),
        weight,
    )
    n_hidden = hidden.shape[1]
    given = torch.cat(
        [recurrent[..., : 2 * n_hidden], total[1:] * of_new],
        dim=-1,
    )
    rows = recurrent.flatten(0, 1)
    return given, total[0], rows.t() @ before.flatten(0, 1), rows.sum(0)


_gru.register_autograd(_backward, setup_context=_keep_for_backward)
