"""From example clips to embeddings, and from embeddings to a condition vector.

Positives and negatives are each averaged, then `FC + ReLU(concat(mean positive, mean negative))`,
after Wang, Stoller, Bittner, Bello, "Few-Shot Musical Source Separation", ICASSP 2022. A side
without clips is a zero vector.

Axes: B batch, S samples, E embedding.
"""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor, nn

from rtmss.config import ClipEncoderConfig


class ClipEncoder(nn.Module):
    """Log-mel convolutional network: mono audio in, unit-length embeddings out."""

    filterbank: Tensor
    window: Tensor

    def __init__(self, config: ClipEncoderConfig, sample_rate: int) -> None:
        super().__init__()
        self.config = config
        self.sample_rate = sample_rate
        filterbank = mel_filterbank(config.n_fft // 2 + 1, config.n_mels, sample_rate)
        self.register_buffer("filterbank", filterbank, persistent=False)
        self.register_buffer("window", torch.hann_window(config.n_fft), persistent=False)
        sizes = [1, *config.channels]
        layers: list[nn.Module] = []
        for n_in, n_out in pairwise(sizes):
            layers += [
                nn.Conv2d(n_in, n_out, 3, 2, 1, bias=False),
                nn.BatchNorm2d(n_out),
                nn.ReLU(),
            ]
        self.layers = nn.Sequential(*layers)
        n_rest = math.ceil(config.n_mels / 2 ** len(config.channels))
        self.project = nn.Linear(
            2 * config.channels[-1] * n_rest,
            config.n_embedding,
        )

    def forward(self, audio: Tensor) -> Tensor:
        """(B, S) mono audio at any level, all of one length -> (B, E) of length 1 each."""
        config = self.config
        level = (
            audio.square()
            .mean(
                -1,
                keepdim=True,
            )
            .sqrt()
            .clamp_min(1e-6)
        )
        spectrum = torch.stft(
            audio / level,
            config.n_fft,
            config.hop_length,
            window=self.window,
            center=True,
            return_complex=True,
        )
        mel = torch.log1p(10 * (self.filterbank @ spectrum.abs()))  # (B, n_mels, frames)
        x = self.layers(mel[:, None] - 2.0).flatten(1, 2)
        pooled = torch.cat(
            [x.mean(-1), x.amax(-1)],
            dim=-1,
        )
        return nn.functional.normalize(
            self.project(pooled).float(),
            dim=-1,
        )

    @torch.no_grad()
    def embed_clip(self, audio: Tensor) -> Tensor:
        """(S,) mono audio of any length -> (E,), the mean over its segments that sound, made unit
        length.
        """
        segments = segment_clip(audio, round(self.config.segment_seconds * self.sample_rate))
        return nn.functional.normalize(
            self(segments).mean(0),
            dim=-1,
        )


class ConditionHead(nn.Module):
    """Mean positive and mean negative embedding -> condition vector."""

    def __init__(self, n_embedding: int, n_condition: int) -> None:
        super().__init__()
        self.project = nn.Linear(2 * n_embedding, n_condition)

    def forward(self, positive: Tensor, negative: Tensor) -> Tensor:
        """Two of (..., E), zeros where a side has no clips -> (..., n_condition)."""
        # Entries of a unit vector are small; at the size of one the condition is heard from the
        # first step of training.
        embeddings = (
            torch.cat(
                [positive, negative],
                dim=-1,
            )
            * positive.shape[-1] ** 0.5
        )
        return torch.relu(self.project(embeddings))

    @property
    def largest_norm(self) -> float:
        """No condition is longer: of two embeddings that are not longer than 1, by the triangle
        inequality and the largest singular value.
        """
        weight, bias = self.project.weight.double(), self.project.bias.double()
        n_inputs = self.project.in_features
        with torch.no_grad():
            longest = torch.linalg.matrix_norm(weight, 2) * n_inputs**0.5 + bias.norm()
        return 1.001 * float(longest)


def segment_clip(audio: Tensor, length: int) -> Tensor:
    """(S,) -> (n, min(S, length)): half-overlapping segments, those 30 dB under the loudest left
    out.
    """
    if audio.shape[0] <= length:
        return audio[None]
    n = math.ceil((audio.shape[0] - length) / (length / 2)) + 1
    starts = (
        torch.linspace(
            0,
            audio.shape[0] - length,
            n,
        )
        .round()
        .long()
        .tolist()
    )
    segments = torch.stack([audio[start : start + length] for start in starts])
    energy = segments.square().mean(-1)
    return segments[energy >= 1e-3 * energy.max()]


def mel_filterbank(n_bins: int, n_mels: int, sample_rate: int) -> Tensor:
    """(n_mels, n_bins) triangles with unit sums, from 30 Hz to 16 kHz or Nyquist, equally spaced in
    mel (HTK).
    """
    top = min(16000.0, sample_rate / 2)
    low, high = (2595 * math.log10(1 + f / 700) for f in (30.0, top))
    edges = 700 * (
        10
        ** (
            torch.linspace(
                low,
                high,
                n_mels + 2,
                dtype=torch.float64,
            )
            / 2595
        )
        - 1
    )
    bins = torch.linspace(0, sample_rate / 2, n_bins, dtype=torch.float64)
    left, centre, right = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    triangles = torch.minimum(
        (bins - left) / (centre - left), (right - bins) / (right - centre)
    ).clamp_min(0)
    # A band narrower than a bin takes its nearest bin rather than nothing.
    nearest = torch.nn.functional.one_hot(
        (bins - centre).abs().argmin(1),
        n_bins,
    ).double()
    triangles = torch.where(
        triangles.sum(1, keepdim=True) > 0,
        triangles,
        nearest,
    )
    return (triangles / triangles.sum(1, keepdim=True)).float()
