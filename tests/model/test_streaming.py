"""The one law: cutting the audio into other blocks changes nothing."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from helpers.streaming import leaves, verify_streaming
from rtmss.model.separator import SeparatorModel, SeparatorState

every_profile = pytest.mark.parametrize("profile", ["default", "tight", "tighter", "ahead"])


def material(
    model: SeparatorModel, n_hops: int, n_targets: int, batch: int = 3
) -> tuple[Tensor, Tensor]:
    torch.manual_seed(5)
    audio = 0.2 * torch.randn(
        batch,
        2,
        n_hops * model.config.stft.hop_length,
    )
    return audio, 2 * torch.rand(batch, n_targets, 12)


def stream(
    model: SeparatorModel, audio: Tensor, condition: Tensor, hops: tuple[int, ...]
) -> tuple[Tensor, SeparatorState]:
    state, pieces = model.init_state(*condition.shape[:2]), []
    for piece in torch.split(
        audio,
        [n * model.config.stft.hop_length for n in hops],
        dim=-1,
    ):
        out, state = model(piece, condition, state)
        pieces.append(out)
    return torch.cat(pieces, dim=-1), state


@pytest.mark.slow
@every_profile
@pytest.mark.parametrize("n_targets", [1, 4])
def test_cutting_into_blocks_changes_nothing(
    profiles: dict[str, SeparatorModel], profile: str, n_targets: int
) -> None:
    model = profiles[profile]
    audio, condition = material(model, 36, n_targets)
    whole = verify_streaming(
        lambda: model.init_state(3, n_targets),
        lambda block, state: model(block, condition, state),
        audio,
        unit=model.config.stft.hop_length,
    )
    assert whole.shape == (3, n_targets, 2, audio.shape[-1])


@settings(max_examples=25, deadline=None, derandomize=True, database=None)
@given(
    hops=st.lists(
        st.integers(1, 9),
        min_size=1,
        max_size=8,
    ).map(tuple)
)
def test_no_way_of_cutting_changes_anything(tiny: SeparatorModel, hops: tuple[int, ...]) -> None:
    audio, condition = material(tiny, sum(hops), 2)
    whole, _ = stream(tiny, audio, condition, (sum(hops),))
    cut, _ = stream(tiny, audio, condition, hops)
    assert whole.abs().max() > 0.01
    assert (cut - whole).abs().max() <= 1e-5


def test_the_first_state_is_all_zeros(tiny: SeparatorModel) -> None:
    assert not any(leaf.any() for leaf in leaves(tiny.init_state(2, 3)))


@every_profile
def test_output_lags_behind_the_input_by_the_delay(
    profiles: dict[str, SeparatorModel], profile: str
) -> None:
    model = profiles[profile]
    hop, delay = model.config.stft.hop_length, model.config.delay
    audio, condition = (
        torch.zeros(
            1,
            2,
            26 * hop,
        ),
        torch.ones(1, 1, 12),
    )
    audio[..., 5 * hop] = 1.0
    out, _ = stream(model, audio, condition, (26,))
    assert out[0, 0, 0].abs().argmax() == 5 * hop + delay


def test_a_mask_hears_as_far_ahead_as_its_latency_says(profiles: dict[str, SeparatorModel]) -> None:
    model = profiles["ahead"]
    hop, n_ahead = model.config.stft.hop_length, model.config.unet.n_ahead
    assert n_ahead == 3 + 2 * (1 + 2 + 4)
    assert (
        model.config.latency
        == model.config.stft.latency + n_ahead * hop
        == model.config.delay + hop
    )
    audio, condition = material(model, 60, 1)
    other, then = audio.clone(), 40 * hop
    other[..., then:] = -0.9
    a, b = (
        stream(
            model,
            x,
            condition,
            (60,),
        )[0][..., model.config.delay :]
        for x in (audio, other)
    )
    differs = (a != b).any(dim=(0, 1, 2)).nonzero()[:, 0]
    # Its own frame reaches from the last sample back to a whole synthesis window before it.
    assert differs[0] >= then - n_ahead * hop - model.config.stft.n_synthesis
    assert differs[0] < then - n_ahead * hop


def test_the_encoder_does_not_see_the_condition(tiny: SeparatorModel) -> None:
    audio, condition = material(tiny, 6, 2)
    _, one = tiny(audio, condition, tiny.init_state(3, 2))
    _, other = tiny(
        audio,
        torch.rand(3, 1, 12) * 9,
        tiny.init_state(3, 1),
    )
    pairs = zip(
        leaves(one.encoder),
        leaves(other.encoder),
        strict=True,
    )
    assert all(torch.equal(a, b) for a, b in pairs)


def test_streams_of_a_batch_do_not_hear_each_other(tiny: SeparatorModel) -> None:
    audio, condition = material(tiny, 6, 2)
    whole, _ = stream(tiny, audio, condition, (6,))
    alone, _ = stream(
        tiny,
        audio[1:2],
        condition[1:2],
        (6,),
    )
    assert (whole[1:2] - alone).abs().max() <= 1e-5


def test_a_part_of_a_hop_is_refused(tiny: SeparatorModel) -> None:
    with pytest.raises(ValueError, match="65 samples are not a multiple of hop_length 64"):
        tiny(
            torch.zeros(1, 2, 65),
            torch.zeros(1, 1, 12),
            tiny.init_state(1, 1),
        )


def test_without_targets_the_encoder_goes_on_listening(tiny: SeparatorModel) -> None:
    audio, condition = material(tiny, 6, 1)
    nothing, state = tiny(
        audio,
        condition[:, :0],
        tiny.init_state(3, 0),
    )
    _, expected = tiny(audio, condition, tiny.init_state(3, 1))
    assert nothing.shape == (3, 0, 2, 6 * 64)
    assert all(
        torch.equal(a, b)
        for a, b in zip(
            leaves(state.encoder),
            leaves(expected.encoder),
            strict=True,
        )
    )
