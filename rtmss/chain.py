"""From a file's samples to its strips and mixes, in pieces as they become ready.

The session runs at the file's rate, as it does live, once for all plans: the remainder is the
untouched input less the targets, so it keeps the input's full bandwidth.

Axes: N targets, C channels, S samples.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from rtmss.audio import Audio
from rtmss.conditions.preset import Effect
from rtmss.effects import EffectChain
from rtmss.engine.backends.protocol import Backend
from rtmss.engine.control import Scene
from rtmss.engine.mixer import Mixer, replace_bad
from rtmss.engine.session import Session, make_sane
from rtmss.model.separator import N_CHANNELS, SeparatorModel
from rtmss.separator import BLOCK_HOPS


class SeparatedPiece(NamedTuple):
    """The next samples of a file."""

    dry: Audio
    """(C, S) the input."""
    targets: Audio
    """(N, C, S) what was separated from it."""


class Separation:
    """Samples in at the file's rate; the same samples and all targets out, aligned."""

    def __init__(
        self, model: SeparatorModel, scene: Scene, rate: int, backend: Backend | None = None
    ) -> None:
        """Start a file.

        Args:
            model: the weights.
            scene: its stems are the targets; strips are none of its business.
            rate: of the file, in Hz.
            backend: what runs the model; None for eager torch.
        """
        self.session = Session(model, scene, sample_rate=rate, backend=backend)
        self.n_bad_samples = 0
        self.n_targets = len(scene.stems)
        self._waiting: Audio = np.zeros((N_CHANNELS, 0), np.float32)
        self._skip = self.session.delay
        self._dry = EffectChain(N_CHANNELS, rate)
        self._targets = EffectChain(N_CHANNELS * self.n_targets, rate)

    @property
    def n_bad_outputs(self) -> int:
        """Samples of targets that were not finite."""
        return self.session.n_bad_outputs

    def push(self, block: Audio) -> SeparatedPiece:
        """Take (1 or 2, S) more samples of the file, give what is ready."""
        block, n_bad = make_sane(block)
        self.n_bad_samples += n_bad
        block = (
            np.repeat(
                block,
                N_CHANNELS,
                axis=0,
            )
            if block.shape[0] == 1
            else block
        )
        self._dry.push(block)
        self._separate(block)
        return self._take()

    def finish(self) -> SeparatedPiece:
        """Push silence until everything has come out."""
        hop = self.session.hop_length
        n_hops = -(-(self._waiting.shape[-1] + self.session.delay) // hop)
        self._separate(
            np.zeros(
                (N_CHANNELS, n_hops * hop - self._waiting.shape[-1]),
                np.float32,
            )
        )
        return self._take()

    def _separate(self, samples: Audio) -> None:
        hop = self.session.hop_length
        samples = np.concatenate([self._waiting, samples], axis=-1)
        n = samples.shape[-1] // hop * hop
        self._waiting = samples[:, n:]
        for start in range(0, n, BLOCK_HOPS * hop):
            end = min(start + BLOCK_HOPS * hop, n)
            targets = self.session.step(samples[:, start:end]).stems.reshape(
                self._targets.n_channels, end - start
            )
            kept = targets[:, self._skip :]
            self._skip -= targets.shape[-1] - kept.shape[-1]
            self._targets.push(kept)

    def _take(self) -> SeparatedPiece:
        n = min(self._dry.n_ready, self._targets.n_ready)
        targets = self._targets.take(n).reshape(
            self.n_targets,
            N_CHANNELS,
            n,
        )
        return SeparatedPiece(self._dry.take(n), targets)


class FileMixer:
    """Pieces in; strips with their effects and the mix out, by name."""

    def __init__(
        self,
        scene: Scene,
        effects: Mapping[str, Sequence[Effect]],
        rate: int,
        slots: Sequence[int] | None = None,
    ) -> None:
        """Start a mix.

        Args:
            scene: stems and strips.
            effects: by strip name; `remainder` and `mix` too.
            rate: Hz.
            slots: which target each stem is; None if they are in the same order.

        Raises:
            ConfigError: an effect cannot be made.
        """
        names = [stem.name for stem in scene.stems]
        self._slots = list(range(len(names)) if slots is None else slots)
        self._mixer = Mixer(N_CHANNELS, rate)
        self._mixer.snap(scene)
        self._strips = {
            name: EffectChain(N_CHANNELS, rate, effects.get(name, ()), name)
            for name in (*names, "remainder")
        }
        self._master = EffectChain(
            N_CHANNELS,
            rate,
            effects.get("mix", ()),
            "mix",
        )
        self._n_mixed = self._n_out = 0
        self.n_bad_outputs = 0
        """Samples of effects and of the mix that were not finite, and are silence."""

    def push(self, piece: SeparatedPiece) -> dict[str, Audio]:
        """Take more samples, give what is ready."""
        stems = piece.targets[self._slots]
        strips = [*stems, piece.dry - stems.sum(0)]
        for chain, audio in zip(
            self._strips.values(),
            strips,
            strict=True,
        ):
            chain.push(audio)
        return self._advance()

    def finish(self, n_total: int) -> Iterator[dict[str, Audio]]:
        """Push silence until everything has come out, `n_total` samples in all."""
        for strip in self._strips.values():
            strip.flush(n_total - self._n_mixed)
        yield self._advance()
        self._master.flush(n_total - self._n_out)
        yield {"mix": self._take(self._master, n_total - self._n_out)}

    def _take(self, chain: EffectChain, n: int) -> Audio:
        """(C, n) of what effects have made, all of it finite."""
        audio, n_bad = replace_bad(chain.take(n))
        self.n_bad_outputs += n_bad
        return audio

    def _advance(self) -> dict[str, Audio]:
        n = min(chain.n_ready for chain in self._strips.values())
        pieces = {name: self._take(chain, n) for name, chain in self._strips.items()}
        silence = np.zeros((1, N_CHANNELS, n), np.float32)
        strips = np.stack([*pieces.values()])
        self._master.push(self._mixer.mix(np.concatenate([strips, silence])))
        # The mixer has replaced what is not finite, and counted it, of this piece.
        self.n_bad_outputs += self._mixer.n_bad
        self._n_mixed += n
        pieces["mix"] = self._take(self._master, self._master.n_ready)
        self._n_out += pieces["mix"].shape[-1]
        return pieces
