"""Audio in, targets out: analysis, U-Net, masks, synthesis, with all memory passed in and out.

Axes: B batch, N targets, C channels, T frames, F bins, S samples.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from rtmss.config import SeparatorConfig
from rtmss.model.clip_encoder import ClipEncoder, ConditionHead
from rtmss.model.unet import DecoderState, EncoderState, Features, UNet, bound_masks
from rtmss.signal.stft import analyze, synthesize
from rtmss.signal.windows import analysis_window, synthesis_window

N_CHANNELS = 2
"""The separator works on stereo; mono is played on both sides."""
POWER_FLOOR = 1e-12
"""Added to the power of a bin before it is compressed, so that silence stays silence."""


class TargetState(NamedTuple):
    """Memory that belongs to single targets: every tensor is (B, N, ...)."""

    decoder: DecoderState
    overlap: Tensor
    """(B, N, C, n_synthesis - hop_length) what is already known of the coming samples."""
    masks: Tensor
    """(B, N, 2 * C, bins) the latest complex masks, for `hold`."""


class SeparatorState(NamedTuple):
    """All memory of a stream."""

    past: Tensor
    """(B, C, n_fft - hop_length, and a hop for each frame looked ahead) the latest samples."""
    encoder: EncoderState
    targets: TargetState


class SeparatorModel(nn.Module):
    """The weights: causal U-Net, clip encoder and condition head. Holds no memory of any stream."""

    analysis: Tensor
    synthesis: Tensor

    def __init__(self, config: SeparatorConfig) -> None:
        super().__init__()
        self.config = config
        self.unet = UNet(config.unet, N_CHANNELS)
        self.clip_encoder = ClipEncoder(config.clip_encoder, config.sample_rate)
        self.condition_head = ConditionHead(
            config.clip_encoder.n_embedding, config.unet.n_condition
        )
        self.register_buffer("analysis", analysis_window(config.stft), persistent=False)
        self.register_buffer("synthesis", synthesis_window(config.stft), persistent=False)

    def init_state(self, batch: int, n_targets: int) -> SeparatorState:
        """The memory before any sound: all zeros."""
        stft = self.config.stft
        past = torch.zeros(
            batch, N_CHANNELS, stft.n_fft + (self.config.unet.n_ahead - 1) * stft.hop_length
        )
        return SeparatorState(
            past, self.unet.init_encoder_state(batch), self.init_targets(batch, n_targets)
        )

    def init_targets(self, batch: int, n_targets: int) -> TargetState:
        """The memory of fresh targets: all zeros."""
        stft = self.config.stft
        overlap = torch.zeros(batch, n_targets, N_CHANNELS, stft.n_synthesis - stft.hop_length)
        masks = torch.zeros(batch, n_targets, 2 * N_CHANNELS, stft.n_bins - 1)
        return TargetState(self.unet.init_decoder_state(batch, n_targets), overlap, masks)

    def forward(
        self, audio: Tensor, condition: Tensor, state: SeparatorState
    ) -> tuple[Tensor, SeparatorState]:
        """Separate the next piece of a stream.

        Args:
            audio: (B, C, T * hop_length).
            condition: (B, N, n_condition).
            state: from `init_state` or the call before; left as it was.

        Returns:
            (B, N, C, T * hop_length) targets, `config.delay` samples behind `audio`, and the next
            state.

        Raises:
            ValueError: the number of samples is not a multiple of hop_length.
        """
        frames, features, past, encoder = self.encode(
            audio,
            state.past,
            state.encoder,
        )
        if not condition.shape[1]:  # the inverse FFT refuses to do nothing
            nothing = audio.new_zeros(
                audio.shape[0],
                0,
                *audio.shape[1:],
            )
            return nothing, SeparatorState(past, encoder, state.targets)
        targets, target_state = self.decode(frames, features, condition, state.targets)
        return targets, SeparatorState(past, encoder, target_state)

    def encode(
        self, audio: Tensor, past: Tensor, state: EncoderState
    ) -> tuple[Tensor, Features, Tensor, EncoderState]:
        """The part that all targets share: (B, C, T, F) frames to be masked, features, and the next
        memory.
        """
        inputs, frames, past = self.analyze(audio, past)
        features, state = self.unet.encode(
            compress(inputs[..., 1:], self.config.unet.compression), state
        )
        return frames, features, past, state

    def analyze(
        self,
        audio: Tensor,
        past: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """(B, C, T, F) the latest frames, those `n_ahead` before them, which are to be masked, and
        the next past.
        """
        stft, n = self.config.stft, self.config.unet.n_ahead * self.config.stft.hop_length
        inputs, latest = analyze(
            audio,
            past[..., n:],
            self.analysis,
            stft,
        )
        if not n:
            return inputs, inputs, latest
        samples, start = (
            torch.cat(
                [past, audio],
                dim=-1,
            ),
            past.shape[-1] - n,
        )
        masked, _ = analyze(
            samples[..., start:-n],
            samples[..., :start],
            self.analysis,
            stft,
        )
        return inputs, masked, samples[..., audio.shape[-1] :]

    def decode(
        self, frames: Tensor, features: Features, condition: Tensor, state: TargetState
    ) -> tuple[Tensor, TargetState]:
        """The part that every target has to itself: (B, N, C, S) audio and the next memory."""
        masks, decoder = self.unet.decode(features, condition, state.decoder)
        masks = bound_masks(masks)
        audio, overlap = self.synthesize(
            apply_masks(masks, to_planes(frames[..., 1:])), state.overlap
        )
        return audio, TargetState(decoder, overlap, masks[..., -1, :])

    def hold(self, audio: Tensor, state: SeparatorState) -> Tensor:
        """What `forward` would give if the masks stayed as they are; a fraction of its work, and no
        next state.

        Args:
            audio: (B, C, T * hop_length).
            state: as for `forward`.

        Returns:
            (B, N, C, T * hop_length).
        """
        _, frames, _ = self.analyze(audio, state.past)
        masks = state.targets.masks[..., None, :].expand(
            -1,
            -1,
            -1,
            frames.shape[2],
            -1,
        )
        return self.synthesize(
            apply_masks(
                masks,
                to_planes(frames[..., 1:]),
            ),
            state.targets.overlap,
        )[0]

    def synthesize(
        self,
        planes: Tensor,
        overlap: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """(B, N, 2, C, T, bins) planes above DC -> (B, N, C, S) audio and the next overlap."""
        frames = torch.complex(*planes.unbind(2))
        return synthesize(
            torch.nn.functional.pad(
                frames,
                (1, 0),
            ),
            overlap,
            self.synthesis,
            self.config.stft,
        )


def to_planes(frames: Tensor) -> Tensor:
    """(B, C, T, F) complex -> (B, 2, C, T, F) real parts and imaginary parts."""
    return torch.stack([frames.real, frames.imag], dim=1)


def compress(frames: Tensor, exponent: float) -> Tensor:
    """(B, C, T, F) complex -> (B, 2 * C, T, F) real then imaginary parts, magnitudes raised to
    `exponent`.
    """
    return compress_planes(to_planes(frames), exponent)


def compress_planes(planes: Tensor, exponent: float) -> Tensor:
    """The same from (B, 2, C, T, F) real and imaginary parts."""
    return (
        planes * (planes.square().sum(1, keepdim=True) + POWER_FLOOR).pow((exponent - 1) / 2)
    ).flatten(1, 2)


def apply_masks(masks: Tensor, planes: Tensor) -> Tensor:
    """(B, N, 2 * C, T, F) complex masks times the (B, 2, C, T, F) mixture -> (B, N, 2, C, T, F)."""
    mask_re, mask_im = torch.unflatten(
        masks,
        2,
        (2, -1),
    ).unbind(2)
    re, im = planes[:, None].unbind(2)
    return torch.stack(
        [mask_re * re - mask_im * im, mask_re * im + mask_im * re],
        dim=2,
    )
