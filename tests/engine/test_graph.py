"""The transforms of the ONNX graph."""

from __future__ import annotations

import pytest
import torch

from helpers.makers import Noise
from rtmss.config import PROFILES, StftConfig
from rtmss.engine.backends.graph import Analysis, Synthesis, factors
from rtmss.signal.stft import analyze, synthesize
from rtmss.signal.windows import analysis_window, synthesis_window

STFTS = [
    *PROFILES.values(),
    StftConfig(n_fft=256, n_synthesis=128, hop_length=64),
    StftConfig(n_fft=1536, n_synthesis=960, hop_length=160),
]


@pytest.mark.parametrize("config", STFTS)
def test_the_transforms_of_the_graph_are_those_of_the_model(
    config: StftConfig, noise: Noise
) -> None:
    audio = torch.from_numpy(noise(config.n_fft))[None]
    window = analysis_window(config)
    frames, _ = analyze(
        audio[..., -config.hop_length :], audio[..., : -config.hop_length], window, config
    )
    planes = Analysis(config, window)(audio)
    assert (planes[:, 0] - frames[:, :, 0, 1:].real).abs().max() <= 1e-4
    assert (planes[:, 1] - frames[:, :, 0, 1:].imag).abs().max() <= 1e-4
    assert frames.abs().max() > 1

    frames[..., 0] = 0  # there is no DC in the graph
    window, silence = (
        synthesis_window(config),
        torch.zeros(1, 2, config.n_synthesis - config.hop_length),
    )
    samples, overlap = synthesize(frames, silence, window, config)
    block = Synthesis(config, window)(planes.transpose(1, 2))
    assert (
        block
        - torch.cat(
            [samples, overlap],
            dim=-1,
        )
    ).abs().max() <= 1e-6
    assert block.abs().max() > 0.1


@pytest.mark.parametrize(
    ("n", "expected"),
    [
        (2048, (32, 64)),
        (256, (16, 16)),
        (1536, (32, 48)),
        (2, (1, 2)),
    ],
)
def test_a_transform_is_split_into_two_nearly_equal_factors(
    n: int, expected: tuple[int, int]
) -> None:
    assert factors(n) == expected
