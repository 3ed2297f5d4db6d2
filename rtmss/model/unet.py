"""The causal conditional U-Net: complex spectra and condition vectors in, complex masks out.

The encoder never sees the condition, so N targets share one encoder pass. Frequency is strided,
time never. FiLM at the bottleneck after Wang, Stoller, Bittner, Bello, "Few-Shot Musical Source
Separation", ICASSP 2022; here also in the decoder.

Axes: B batch, N targets, C channels, T frames, F bands or bins.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import accumulate, pairwise
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from rtmss.config import UNetConfig
from rtmss.model.dual_path import DualPath
from rtmss.model.gru import run_gru
from rtmss.model.layers import BandMerge, BandSplit, CausalBlock, delay


class Features(NamedTuple):
    """What the encoder says of a piece of audio, for any number of decoders."""

    skips: tuple[Tensor, ...]
    """One per level, (B, C, T, F)."""
    bottleneck: Tensor
    """(B, T, n_hidden)."""


class EncoderState(NamedTuple):
    """Memory of the encoder."""

    convs: tuple[Tensor, ...]
    """One per level, (B, C, n_past, F)."""
    hidden: Tensor
    """(B, recurrent_dilation, n_hidden), the next to go on first."""
    delays: tuple[Tensor, ...] = ()
    """What waits until enough is heard of what comes after it, where the network looks ahead: of
    every level (B, C, frames, F), and of the bottleneck (B, look_ahead, n_hidden)."""
    paths: tuple[Tensor, ...] = ()
    """One per dual-path block, (B, recurrent_dilation, F, path_width)."""


class DecoderState(NamedTuple):
    """Memory of the decoders, one per target."""

    hidden: Tensor
    """(B, N, recurrent_dilation, n_hidden)."""
    convs: tuple[Tensor, ...]
    """One per level, deepest first, (B, N, C, n_past, F)."""
    paths: tuple[Tensor, ...] = ()
    """One per dual-path block, (B, N, recurrent_dilation, F, path_width)."""


class UNet(nn.Module):
    """Shared encoder, one conditioned decoder per target, masks for every bin above DC."""

    def __init__(self, config: UNetConfig, n_audio_channels: int = 2) -> None:
        super().__init__()
        self.config = config
        n_planes = 2 * n_audio_channels
        n_levels = len(config.channels)
        self.level_bands = [config.n_bands >> level for level in range(n_levels)]
        # In this order, which decides what chance gives to each.
        self._add_encoder(n_planes)
        self._add_recurrences()
        self._add_decoder(n_planes)
        self._add_conditioning()

    def _add_encoder(self, n_planes: int) -> None:
        """From bands to the deepest level."""
        config, channels = self.config, self.config.channels
        self.split = BandSplit(n_planes, channels[0], config.bands)
        ahead = self._ahead()
        self.encoder = nn.ModuleList(
            map(
                CausalBlock,
                channels,
                config.dilations,
                ahead,
            )
        )
        self.waits = _waits(ahead, config.look_ahead)
        """Frames that each level's skip waits for the decoder."""
        self.down = nn.ModuleList(
            nn.Conv2d(
                a,
                b,
                (1, 4),
                (1, 2),
                (0, 1),
            )
            for a, b in pairwise(channels)
        )

    def _add_recurrences(self) -> None:
        """What remembers at the deepest level: shared, and of each target."""
        config = self.config
        n_deep = config.channels[-1] * self.level_bands[-1]
        path = (
            config.channels[-1],
            config.path_width,
            self.level_bands[-1],
            config.recurrent_dilation,
        )
        self.paths = nn.ModuleList(DualPath(*path) for _ in range(config.n_paths))
        self.target_paths = nn.ModuleList(DualPath(*path) for _ in range(config.n_target_paths))
        self.squeeze = nn.Linear(n_deep, config.n_hidden)
        # Without it the recurrent layers saturate within minutes of training and never come back.
        self.squeeze_norm = nn.LayerNorm(config.n_hidden)
        self.gru = nn.GRU(config.n_hidden, config.n_hidden, batch_first=True)
        self.target_gru = nn.GRU(config.n_hidden, config.n_hidden, batch_first=True)
        self.expand = nn.Linear(config.n_hidden, n_deep)

    def _add_decoder(self, n_planes: int) -> None:
        """From the deepest level back to bands."""
        config, channels = self.config, self.config.channels
        ahead = self._ahead()
        self.decoder = nn.ModuleList(
            map(
                CausalBlock,
                channels[::-1],
                config.dilations[::-1],
                ahead[::-1],
            )
        )
        self.up = nn.ModuleList(
            nn.ConvTranspose2d(
                b,
                a,
                (1, 4),
                (1, 2),
                (0, 1),
            )
            for a, b in list(pairwise(channels))[::-1]
        )
        self.merge = BandMerge(channels[0], n_planes, config.bands)

    def _add_conditioning(self) -> None:
        """What a condition changes: features, what comes over the skips, and targets' paths."""
        config, channels = self.config, self.config.channels
        conditioned = () if config.film == "bottleneck" else channels[::-1]
        self.film_sizes = [2 * n for n in (config.n_hidden, *conditioned)]
        self.film = nn.Linear(config.n_condition, sum(self.film_sizes))
        # The condition also picks what comes over the skips: without it every target gets the same
        # features there.
        is_gated = config.film == "decoder"
        self.gate = (
            nn.Linear(
                config.n_condition,
                sum(self.film_sizes[1:]),
            )
            if is_gated
            else None
        )
        if self.gate is not None:
            nn.init.zeros_(self.gate.weight)
            nn.init.zeros_(self.gate.bias)
        has_path_film = config.n_target_paths > 0 and config.film != "bottleneck"
        self.path_sizes = [2 * channels[-1]] * config.n_target_paths if has_path_film else []
        self.path_film = (
            nn.Linear(config.n_condition, sum(self.path_sizes)) if has_path_film else None
        )

    def _ahead(self) -> tuple[int, ...]:
        """Frames that the convolutions of each level look ahead."""
        config = self.config
        return config.dilations if config.n_ahead else (0,) * len(config.channels)

    def init_encoder_state(self, batch: int) -> EncoderState:
        """The memory before any sound: all zeros."""
        config = self.config
        blocks: Iterable[tuple[Any, int]] = zip(
            self.encoder,
            self.level_bands,
            strict=True,
        )
        convs = tuple(block.init_state(batch, n) for block, n in blocks)
        sizes = zip(config.channels, self.waits, self.level_bands, strict=True)
        deep = torch.zeros(batch, config.look_ahead, config.n_hidden)
        delays = (*(torch.zeros(batch, *size) for size in sizes), deep) if config.n_ahead else ()
        hidden = torch.zeros(batch, config.recurrent_dilation, config.n_hidden)
        paths = tuple(path.init_state(batch) for path in self._paths(self.paths))
        return EncoderState(convs, hidden, delays, paths)

    def init_decoder_state(self, batch: int, n_targets: int) -> DecoderState:
        """The memory of fresh targets: all zeros."""
        blocks: Iterable[tuple[Any, int]] = zip(
            self.decoder,
            self.level_bands[::-1],
            strict=True,
        )
        convs = tuple(
            block.init_state(batch * n_targets, n).unflatten(
                0,
                (batch, n_targets),
            )
            for block, n in blocks
        )
        hidden = torch.zeros(
            batch,
            n_targets,
            self.config.recurrent_dilation,
            self.config.n_hidden,
        )
        starts = (path.init_state(batch * n_targets) for path in self._paths(self.target_paths))
        return DecoderState(
            hidden,
            convs,
            tuple(
                torch.unflatten(
                    start,
                    0,
                    (batch, n_targets),
                )
                for start in starts
            ),
        )

    @staticmethod
    def _paths(modules: nn.ModuleList) -> Iterable[DualPath]:
        paths: Iterable[Any] = modules
        return paths

    def encode(
        self,
        planes: Tensor,
        state: EncoderState,
    ) -> tuple[Features, EncoderState]:
        """Run the shared encoder.

        Args:
            planes: (B, C, T, bins) compressed real and imaginary parts, DC left out.
            state: from `init_encoder_state` or the call before.
        """
        x = self.split(planes)
        skips, pasts = [], []
        for level, (block, past) in enumerate(
            zip(
                self.encoder,
                state.convs,
                strict=True,
            )
        ):
            if level:
                x = self.down[level - 1](x)
            x, latest = block(x, past)
            skips.append(x)
            pasts.append(latest)
        path_states = []
        for path, before in zip(self.paths, state.paths, strict=True):
            x, after = path(x, before)
            path_states.append(after)
        skips[-1] = x
        deep = self.squeeze_norm(
            self.squeeze(
                x.permute(
                    0,
                    2,
                    1,
                    3,
                ).flatten(2)
            )
        )
        y, hidden = _recur(self.gru, deep, state.hidden)
        waiting: tuple[Tensor, ...] = ()
        if state.delays:
            pairs = [
                delay(x, before, x.dim() - 2)
                for x, before in zip(
                    (*skips, deep),
                    state.delays,
                    strict=True,
                )
            ]
            (*skips, deep), waiting = map(
                tuple,
                zip(*pairs, strict=True),
            )
        features = Features(tuple(skips), deep + y)
        return features, EncoderState(tuple(pasts), hidden, waiting, tuple(path_states))

    def modulate(self, condition: Tensor) -> Tensor:
        """(B, N, n_condition) -> (B, N, all scales and shifts): what the decoders need to know of a
        condition.
        """
        parts = (self.film, self.gate, self.path_film)
        return torch.cat(
            [part(condition) for part in parts if part is not None],
            dim=-1,
        )

    def decode(
        self, features: Features, condition: Tensor, state: DecoderState
    ) -> tuple[Tensor, DecoderState]:
        """Run one decoder per condition.

        Args:
            features: from `encode`.
            condition: (B, N, n_condition).
            state: from `init_decoder_state` or the call before.

        Returns:
            (B, N, C, T, bins) masks before `bound_masks`, real parts first, and the next state.
        """
        return self.decode_modulated(features, self.modulate(condition), state)

    def decode_modulated(
        self, features: Features, modulation: Tensor, state: DecoderState
    ) -> tuple[Tensor, DecoderState]:
        """`decode` with what `modulate` says of the conditions, which changes only when they do."""
        shape = modulation.shape[:2]
        films, gates, path_films = self._scales_and_shifts(modulation.flatten(0, 1))
        scale, shift = (f[:, None] for f in films[0])
        x = _per_target(features.bottleneck, shape) * (1 + scale) + shift
        y, hidden = _recur(
            self.target_gru,
            x,
            state.hidden.flatten(0, 1),
        )
        x = torch.relu(self.expand(x + y))
        x = torch.unflatten(
            x,
            2,
            (self.config.channels[-1], -1),
        ).permute(0, 2, 1, 3)
        pasts = []
        for level, (block, past) in enumerate(
            zip(
                self.decoder,
                state.convs,
                strict=True,
            )
        ):
            if level:
                x = self.up[level - 1](x)
            skip, film = _per_target(features.skips[-1 - level], shape), None
            if len(films) > 1:
                film = films[level + 1]
            if gates:
                gain, offset = (f[:, :, None, None] for f in gates[level])
                skip = skip * (1 + gain) + offset
            x, latest = block(
                x + skip,
                past.flatten(0, 1),
                film,
            )
            pasts.append(latest.unflatten(0, shape))
            if not level:
                x, paths = self._follow_paths(x, path_films, state.paths, shape)
        masks = self.merge(x).unflatten(0, shape)
        return masks, DecoderState(
            torch.unflatten(hidden, 0, shape),
            tuple(pasts),
            paths,
        )

    def _scales_and_shifts(self, modulation: Tensor) -> tuple[list[tuple[Tensor, ...]], ...]:
        """What `modulate` says, (B * N, all sizes), as pairs: of features, of skips, of paths."""
        gate_sizes = self.film_sizes[1:] if self.gate is not None else []
        kinds = (self.film_sizes, gate_sizes, self.path_sizes)
        sizes = [size for kind in kinds for size in kind]
        pairs = (part.chunk(2, dim=-1) for part in torch.split(modulation, sizes, dim=-1))
        films, gates, path_films = ([next(pairs) for _ in kind] for kind in kinds)
        return films, gates, path_films

    def _follow_paths(
        self,
        x: Tensor,
        films: Sequence[tuple[Tensor, ...]],
        state: tuple[Tensor, ...],
        shape: torch.Size,
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """(B * N, C, T, F) through the targets' dual-path blocks, with their next memory."""
        states = []
        for number, (path, before) in enumerate(
            zip(
                self.target_paths,
                state,
                strict=True,
            )
        ):
            film = films[number] if films else None
            x, after = path(x, before.flatten(0, 1), film)
            states.append(torch.unflatten(after, 0, shape))
        return x, tuple(states)


def bound_masks(masks: Tensor) -> Tensor:
    """(B, N, C, T, bins) raw -> bounded complex masks: real parts in 0..1.1, imaginary parts within
    0.5.
    """
    real, imaginary = masks.float().chunk(2, dim=2)
    return torch.cat(
        [1.1 * torch.sigmoid(real), 0.5 * torch.tanh(imaginary)],
        dim=2,
    )


def _waits(
    ahead: Sequence[int],
    look_ahead: int,
) -> tuple[int, ...]:
    """How many frames of each level's skip the decoder is behind, where every block of a level is
    so many behind.
    """
    encoder = list(accumulate(ahead))
    decoder = accumulate((encoder[-1] + look_ahead, *ahead[:0:-1]))
    return tuple(
        late - early
        for late, early in zip(
            reversed(list(decoder)),
            encoder,
            strict=True,
        )
    )


def _per_target(x: Tensor, shape: torch.Size) -> Tensor:
    """(B, ...) -> (B * N, ...): the same features for every target."""
    return (
        x[:, None]
        .expand(
            -1,
            shape[1],
            *x.shape[1:],
        )
        .flatten(0, 1)
    )


def _recur(
    gru: nn.GRU,
    x: Tensor,
    hidden: Tensor,
) -> tuple[Tensor, Tensor]:
    """(B, T, H) through a recurrent layer of which D sequences take turns, with the latest D states
    (B, D, H).
    """
    n_frames, dilation = x.shape[1], hidden.shape[1]
    if n_frames == 1 or dilation == 1:
        # Copied, for torch cannot export the view, whose strides are those of all sequences.
        y = run_gru(
            gru,
            x,
            hidden[:, 0].clone(memory_format=torch.contiguous_format),
        )
    else:
        y = torch.empty_like(x)
        for i in range(min(dilation, n_frames)):
            y[:, i::dilation] = run_gru(
                gru,
                x[:, i::dilation],
                hidden[:, i],
            )
    # The output of a step is its state.
    return y, y[:, -1:] if dilation == 1 else torch.cat(
        [hidden.to(y.dtype), y],
        dim=1,
    )[:, -dilation:]
