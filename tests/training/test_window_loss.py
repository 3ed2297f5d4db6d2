"""The loss of a window: what it masks, where it looks ahead, and how precise it is."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from pydantic import ValidationError

from helpers.models import make_open
from rtmss.model.separator import SeparatorModel, compress, to_planes
from rtmss.signal.stft import analyze
from rtmss.training.mixtures.bank import Bank
from rtmss.training.mixtures.draw import Episode, Episodes
from rtmss.training.mixtures.mixdown import Mixdown
from rtmss.training.recipe import LoopRecipe, Recipe
from rtmss.training.windows import Crop, Memory, Passes, half_precision, masked_errors, window_loss


@pytest.fixture
def episode(
    band: Bank,
    embeddings: list[NDArray[np.float32]],
    recipe: Recipe,
) -> Episode:
    plans = Episodes(band, embeddings, recipe)
    return Mixdown(
        band,
        plans.n_samples,
        torch.device("cpu"),
    )(plans[0])


def test_the_loss_masks_what_the_stream_masks(tiny: SeparatorModel, episode: Episode) -> None:
    state = tiny.init_state(2, 2)
    condition = tiny.condition_head(episode.positive, episode.negative)
    streamed, _ = tiny(episode.mixture, condition, state)
    frames, _ = analyze(
        episode.mixture,
        state.past,
        tiny.analysis,
        tiny.config.stft,
    )
    features, _ = tiny.unet.encode(
        compress(frames[..., 1:], 0.4),
        state.encoder,
    )
    masks, _ = tiny.unet.decode(features, condition, state.targets.decoder)
    planes = to_planes(frames[..., 1:])
    masked, *_ = masked_errors(
        masks,
        planes,
        torch.zeros_like(masks).reshape(
            4,
            2,
            2,
            *masks.shape[3:],
        ),
    )
    assert streamed.abs().max() > 0.01
    assert (
        tiny.synthesize(
            masked,
            state.targets.overlap,
        )[0]
        - streamed
    ).abs().max() < 1e-5


@pytest.mark.parametrize("look_ahead", [0, 3])
def test_the_waveform_error_is_aligned(look_ahead: int) -> None:
    open_model = make_open(look_ahead)
    torch.manual_seed(0)
    mixture = 0.1 * torch.randn(2, 2, 40 * 512)
    episode = Episode(
        mixture,
        mixture[:, None] * 1.1,
        torch.rand(2, 1, 16),
        torch.zeros(2, 1, 16),
    )
    passes = Passes.of(open_model, compiled=False)
    crop = Crop.of(episode, open_model)
    for is_cold in (False, True):
        memory = Memory.empty(open_model, 2, 1)
        for start in (0, 20):
            window = range(start, start + 20)
            _, error, _, memory = window_loss(
                open_model, crop, memory, window, is_cold, LoopRecipe(), passes
            )
            # What is left is the missing DC.
            assert (error < 0.02).all()


def test_the_loss_of_a_network_that_looks_ahead_is_that_of_the_frames_it_masks() -> None:
    open_model = make_open(3)
    torch.manual_seed(0)
    mixture = 0.1 * torch.randn(2, 2, 40 * 512)
    mixture[..., 20 * 512 :] *= 8  # frames that were compared with others would differ by far
    episode = Episode(
        mixture,
        mixture[:, None] * 1.1,
        torch.rand(2, 1, 16),
        torch.zeros(2, 1, 16),
    )
    passes, crop = Passes.of(open_model, compiled=False), Crop.of(episode, open_model)
    assert open_model.config.unet.n_ahead == 7
    memory = Memory.empty(open_model, 2, 1)
    for start in (0, 20):
        loss, _, _, memory = window_loss(
            open_model,
            crop,
            memory,
            range(start, start + 20),
            False,
            LoopRecipe(log_weight=0.0),
            passes,
        )
        assert loss < 0.2


def test_the_errors_of_waveform_and_magnitudes_have_the_weights_of_the_recipe(
    tiny: SeparatorModel, episode: Episode
) -> None:
    passes, crop = Passes.of(tiny, compiled=False), Crop.of(episode, tiny)
    memory = Memory.empty(tiny, *episode.targets.shape[:2])

    def loss(wave: float, magnitude: float) -> float:
        recipe = LoopRecipe(wave_weight=wave, magnitude_weight=magnitude)
        value, *_ = window_loss(tiny, crop, memory, range(8), False, recipe, passes)
        return float(value)

    wave, magnitude = loss(1, 0) - loss(0, 0), loss(0, 1) - loss(0, 0)
    assert abs(wave) > 0.01
    assert abs(magnitude) > 0.01
    assert loss(3, 0.25) == pytest.approx(loss(0, 0) + 3 * wave + 0.25 * magnitude, rel=1e-4)


@pytest.mark.parametrize(
    ("capability", "is_half"),
    [("AVX2", False), ("AVX512", True)],
)
def test_training_is_in_half_precision_where_the_processor_is_fast_at_it(
    monkeypatch: pytest.MonkeyPatch, capability: str, is_half: bool
) -> None:
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    with half_precision(torch.device("cpu")):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == (
            torch.bfloat16 if is_half else torch.float32
        )


def test_a_window_shorter_than_what_is_looked_ahead_is_refused() -> None:
    content = {
        "model": {"unet": {"look_ahead": 30}},
        "loop": {"windows": 4, "n_steps": 4},
    }
    with pytest.raises(
        ValidationError, match=r"a window of 22016 samples is not longer than .* delay, 23040"
    ):
        Recipe.model_validate(content | {"episodes": {"seconds": 2.0}})
    assert Recipe.model_validate(content | {"episodes": {"seconds": 4.0}}).model.delay == 23040
