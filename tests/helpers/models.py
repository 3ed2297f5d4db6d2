"""Tiny models with random weights, and conditions out of thin air."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from rtmss.conditions.condition import Condition, ConditionHeader
from rtmss.config import ClipEncoderConfig, SeparatorConfig, StftConfig, UNetConfig
from rtmss.model.dual_path import DualPath
from rtmss.model.separator import SeparatorModel

if TYPE_CHECKING:  # they need conftest themselves, or a JACK server
    pass


CLIP_ENCODER = ClipEncoderConfig(
    n_fft=512, hop_length=256, n_mels=24, channels=(4, 8), n_embedding=16, segment_seconds=1.0
)


TINY = SeparatorConfig(
    sample_rate=8000,
    stft=StftConfig(n_fft=256, n_synthesis=128, hop_length=64),
    unet=UNetConfig(
        bands=((16, 2), (8, 12)),
        channels=(6, 8, 10),
        n_hidden=16,
        n_paths=1,
        n_target_paths=1,
        path_width=6,
        n_condition=12,
    ),
    clip_encoder=CLIP_ENCODER,
)

LIGHT = SeparatorConfig(
    unet=UNetConfig(
        channels=(6, 8, 10), n_hidden=16, n_paths=1, n_target_paths=1, path_width=6, n_condition=12
    ),
    clip_encoder=CLIP_ENCODER,
)
"""At 44.1 kHz, and so narrow that no machine is too slow for it."""


def make_model(config: SeparatorConfig) -> SeparatorModel:
    """Random weights in which norms and biases do something, ready to infer."""
    torch.manual_seed(0)
    model = SeparatorModel(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                assert module.running_mean is not None
                assert module.running_var is not None
                module.running_mean.normal_(0, 0.1)
                module.running_var.uniform_(0.5, 1.5)
            if isinstance(module, DualPath):
                # Of some hops, so that what a test spoils is forgotten before it ends.
                module.over_frames.bias[:, : module.n_hidden].clamp_(max=0.0)
    return model.eval().requires_grad_(False)


def make_open(look_ahead: int) -> SeparatorModel:
    """Another one, which may look ahead."""
    unet = UNetConfig(
        channels=(4, 4), dilations=(1, 1), n_hidden=8, n_condition=12, look_ahead=look_ahead
    )
    model = make_model(SeparatorConfig(unet=unet, clip_encoder=CLIP_ENCODER))
    for weight in model.unet.merge.weights:
        weight.zero_()
    model.unet.merge.bias.zero_()
    model.unet.merge.bias[:2] = 30.0
    return model


def make_condition(
    name: str = "vocals", seed: int = 0, n_condition: int = 12, model_id: str = "0123456789ab"
) -> Condition:
    """A condition with a random vector."""
    rng = np.random.default_rng(seed)
    vector = (
        np.abs(
            rng.standard_normal(
                n_condition,
                dtype=np.float32,
            )
        )
        * 2
    )
    clips = rng.standard_normal((2, 16), dtype=np.float32)
    clips /= np.linalg.norm(clips, axis=1, keepdims=True)
    header = ConditionHeader(name=name, model_id=model_id)
    return Condition(
        header,
        vector,
        clips,
        np.zeros((0, 16), np.float32),
    )
