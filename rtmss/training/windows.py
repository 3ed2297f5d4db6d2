"""A crop played window by window, as a stream is: the memory goes on, the gradient does not.

Truncated backpropagation through time. A network that has only ever heard two seconds from silence
does worse the longer it plays: its memory gets to where training never was. Within a crop, and
where one crop follows another, it gets there.

Axes: B items, N targets, C channels, T frames, F bins, S samples.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from rtmss.engine.backends.tree import map_tree
from rtmss.model.separator import SeparatorModel, apply_masks, compress_planes, to_planes
from rtmss.model.unet import DecoderState, EncoderState, bound_masks
from rtmss.signal.stft import analyze
from rtmss.training.losses import spectral_errors, tamed, waveform_errors
from rtmss.training.mixtures.draw import Episode
from rtmss.training.recipe import LoopRecipe


def masked_errors(
    masks: Tensor, mixture: Tensor, targets: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The masked planes and their three relative errors, in planar real arithmetic, which compiles
    well.

    Args:
        masks: (B, N, 2 * C, T, F) before `bound_masks`.
        mixture: (B, 2, C, T, F) planes.
        targets: (B * N, 2, C, T, F) planes.
    """
    n = masks.shape[1]
    masked = apply_masks(bound_masks(masks), mixture)
    whole = (
        mixture[:, None]
        .expand(
            -1,
            n,
            -1,
            -1,
            -1,
            -1,
        )
        .flatten(0, 1)
    )
    return masked, *spectral_errors(masked.flatten(0, 1), targets, whole)


def half_precision(device: torch.device) -> torch.autocast:
    """Autocast to bfloat16 where that is faster: on a processor without AVX-512 it is many times
    slower.
    """
    is_faster = device.type != "cpu" or "AVX512" in torch.backends.cpu.get_cpu_capability()
    return torch.autocast(device.type, torch.bfloat16, enabled=is_faster)


class Passes(NamedTuple):
    """The costly parts of a step, each compiled or not."""

    compress: Callable[[Tensor, float], Tensor]
    encode: Callable[..., Any]
    decode: Callable[..., Any]
    errors: Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor, Tensor, Tensor]]
    waves: Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]

    @classmethod
    def of(cls, model: SeparatorModel, *, compiled: bool) -> Passes:
        """Those of a model. Compiled ones are made for the shapes that they meet, one after the
        other.
        """
        parts = cls(
            compress_planes, model.unet.encode, model.unet.decode, masked_errors, waveform_errors
        )
        return cls(*(torch.compile(part, dynamic=False) for part in parts)) if compiled else parts


class Memory(NamedTuple):
    """What goes on from one window to the next; no gradient passes."""

    encoder: EncoderState
    decoder: DecoderState
    overlap: Tensor
    """(B, N, C, n_synthesis - hop_length) of the synthesis."""

    @classmethod
    def empty(cls, model: SeparatorModel, batch: int, n_targets: int) -> Memory:
        """That before any sound."""
        state = model.init_state(batch, n_targets)
        memory = cls(state.encoder, state.targets.decoder, state.targets.overlap)
        return map_tree(lambda leaf: leaf.to(model.analysis.device), memory)


class Crop(NamedTuple):
    """A batch, analysed."""

    episode: Episode
    frames: Tensor
    """(B, C, T, F) complex, of the mixture."""
    wanted: Tensor
    """(B * N, 2, C, T, F - 1) planes of the targets."""

    @classmethod
    def of(cls, episode: Episode, model: SeparatorModel) -> Crop:
        """Analyse a batch, from silence."""
        stft, targets = model.config.stft, episode.targets.flatten(0, 1)
        with torch.no_grad():
            silence = targets.new_zeros(1).expand(
                len(targets), targets.shape[1], stft.n_fft - stft.hop_length
            )
            frames, _ = analyze(
                episode.mixture, silence[: len(episode.mixture)], model.analysis, stft
            )
            wanted, _ = analyze(targets, silence, model.analysis, stft)
        return cls(episode, frames, to_planes(wanted[..., 1:]))

    def waves(
        self,
        begin: int,
        end: int,
    ) -> tuple[Tensor, Tensor]:
        """(B * N, C, S) targets, and the mixture of each, from one sample to another."""
        targets = self.episode.targets[..., begin:end]
        mixture = self.episode.mixture[:, None, :, begin:end].expand_as(targets)
        return targets.flatten(0, 1), mixture.flatten(0, 1)


def _earlier(frames: Tensor, window: range, n: int) -> Tensor:
    """(..., T, F) frames of the window `n` frames before this one, silence before the crop."""
    missing = max(0, n - window.start)
    found = frames[
        ...,
        max(
            0,
            window.start - n,
        ) : window.stop - n,
        :,
    ]
    return (
        torch.nn.functional.pad(
            found,
            (0, 0, missing, 0),
        )
        if missing
        else found
    )


def window_loss(
    model: SeparatorModel,
    crop: Crop,
    memory: Memory,
    window: range,
    is_cold: bool,
    recipe: LoopRecipe,
    passes: Passes,
) -> tuple[Tensor, Tensor, Tensor, Memory]:
    """Loss of one window of a batch.

    Args:
        model: in training mode.
        crop: the batch.
        memory: of the window before, or empty.
        window: its frames.
        is_cold: the decoders start with empty memory, as those of new conditions do after a live
            switch.
        recipe: the weights of the terms.
        passes: those of `model`.

    Returns:
        The loss, the relative waveform error of each target (B * N,), whether it sounds, and the
        next memory.
    """
    hop = model.config.stft.hop_length
    delay = model.config.delay  # by which audio lags
    n_ahead = model.config.unet.n_ahead
    decoder, overlap = memory.decoder, memory.overlap
    if is_cold:
        _, decoder, overlap = Memory.empty(model, *crop.episode.targets.shape[:2])
    frames = crop.frames[:, :, window.start : window.stop, 1:]
    planes = to_planes(_earlier(crop.frames[..., 1:], window, n_ahead))
    wanted = _earlier(crop.wanted, window, n_ahead)
    with half_precision(frames.device):
        condition = model.condition_head(crop.episode.positive, crop.episode.negative)
        compressed = passes.compress(to_planes(frames), model.config.unet.compression)
        features, encoder = passes.encode(compressed, memory.encoder)
        masks, decoder = passes.decode(features, condition, decoder)
    masked, complex_error, magnitude_error, remainder_error = passes.errors(masks, planes, wanted)
    audio, overlap = model.synthesize(masked, overlap)
    # What a cold start fades in is not judged.
    n_skipped = delay if not window.start else model.config.stft.delay if is_cold else 0
    begin, end = window.start * hop - delay + n_skipped, window.stop * hop - delay
    truth, whole = crop.waves(begin, end)
    judged = audio[..., n_skipped:].flatten(0, 1)
    wave_error, wave_remainder = passes.waves(judged, truth, whole)
    w = recipe.log_weight
    loss = (
        tamed(complex_error, w)
        + recipe.magnitude_weight * tamed(magnitude_error, w)
        + recipe.wave_weight * tamed(wave_error, w)
    )
    remainder = tamed(remainder_error, w) + recipe.wave_weight * tamed(wave_remainder, w)
    sounds = truth.square().mean((1, 2)) > 1e-7
    kept = map_tree(lambda leaf: leaf.detach().float(), Memory(encoder, decoder, overlap))
    return (loss + recipe.remainder_weight * remainder).mean(), wave_error.detach(), sounds, kept
