"""The streaming session: samples in, mixed stems out, with the same delay whatever is switched on
the way.

Cutting the input into other blocks changes nothing, and at every sample the stems plus the
remainder are the delayed input. A stem whose condition is switched starts afresh at the next hop;
its old target only rings out over the synthesis overlap, which is its fade.

Axes: N stems, C channels, O output channels, S samples.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from rtmss.audio import Audio
from rtmss.engine.backends.protocol import Backend
from rtmss.engine.backends.torch import TorchBackend
from rtmss.engine.control import Scene, Stem
from rtmss.engine.mixer import Mixer
from rtmss.model.separator import N_CHANNELS, SeparatorModel

LOUDEST = 16.0
"""Input beyond 24 dB over full scale is no music; it is clipped and counted."""


class Output(NamedTuple):
    """What one step gives; everything lags behind the input by `Session.delay` samples."""

    mix: Audio
    """(O, S) what the outputs play."""
    stems: Audio
    """(N, C, S) the targets before their strips, in the scene's order."""
    remainder: Audio
    """(C, S) the input less the stems, before its strip."""
    dry: Audio
    """(C, S) the delayed input."""


class _Tail(NamedTuple):
    """What is left of a target that was switched away."""

    audio: Audio
    """(C, S) for the next samples, then nothing."""
    name: str
    """The stem that it belonged to."""


class Session:
    """One stream through the separator and the mixer.

    Set `scene` at any time, from any thread; the next step takes it up.
    """

    def __init__(
        self,
        model: SeparatorModel,
        scene: Scene | None = None,
        n_outputs: int = 2,
        sample_rate: int | None = None,
        backend: Backend | None = None,
    ) -> None:
        """Start a stream.

        Args:
            model: the weights.
            scene: what plays at first; None passes the input on as the remainder.
            n_outputs: output channels.
            sample_rate: Hz, if the stream runs at another rate than the model was trained at; the
                model then hears everything a little higher or lower.
            backend: what runs the model, for this stream alone; None for eager torch.

        Raises:
            ValueError: fewer than 2 outputs.
        """
        if n_outputs < 2:
            raise ValueError(f"a session needs at least 2 outputs, got {n_outputs}")
        self.config = model.config
        self.n_outputs = n_outputs
        self.scene = scene or Scene()
        self.n_bad_samples = 0
        """Input samples that were not finite or absurdly loud, since the start."""
        self.n_starts = 0
        """Streams begun."""
        self.backend: Backend = backend or TorchBackend(model)
        self.sample_rate = sample_rate or model.config.sample_rate
        """Hz."""
        self._mixer = Mixer(n_outputs, self.sample_rate)
        self.reset()

    @property
    def hop_length(self) -> int:
        """Samples the session steps by; blocks are multiples of it."""
        return self.config.stft.hop_length

    @property
    def latency(self) -> int:
        """Samples from the arrival of a sound to its output, the wait for its hop to fill included;
        constant.
        """
        return self.config.latency

    @property
    def delay(self) -> int:
        """Samples by which output arrays lag behind input arrays: the latency less one hop;
        constant.
        """
        return self.config.delay

    def reset(self) -> None:
        """Start a new stream: silence before it, the scene as it is, no glide under way."""
        self.backend.reset()
        self._past: Audio = np.zeros((N_CHANNELS, self.delay), np.float32)
        self._tails: list[_Tail] = []
        self._playing = self.first_scene = self.scene
        """The scene with which the stream began."""
        self.n_starts += 1
        self.backend.arrange([None] * len(self.scene.stems), self.scene.stems)
        self._mixer.snap(self.scene)

    def step(self, block: Audio) -> Output:
        """Play the next samples.

        Args:
            block: (1 or 2, k * hop_length) float32, full scale 1.

        Raises:
            ValueError: the shape is another.
        """
        self._take_up(self.scene)
        block = self._checked(block)
        n = block.shape[-1]
        stems = self.backend.step(block)
        samples = np.concatenate([self._past, block], axis=-1)
        dry, self._past = samples[:, :n], samples[:, n:]
        ringing = self._ring_out(n)
        remainder = dry - stems.sum(0) - ringing.sum(0)
        mix = self._mixer.mix(np.concatenate([stems, ringing, remainder[None], dry[None]]))
        names = [stem.name for stem in self._playing.stems]
        for tail, audio in zip(self._tails, ringing, strict=True):
            # A stem's old target belongs to the stem while it rings out; that of a stem that left,
            # to the remainder.
            if tail.name in names:
                stems[names.index(tail.name)] += audio
            else:
                remainder = remainder + audio
        self._forget_tails(n)
        return Output(mix, stems, remainder, dry)

    def hold(self, block: Audio) -> Audio:
        """(O, S) what the next step would play if masks and gains stayed as they are; changes
        nothing.

        A fraction of a step's work: for when there is no time for one.

        Raises:
            ValueError: the shape is another than a step takes.
        """
        block = make_sane(self._shaped(block))[0]
        n, ringing = block.shape[-1], self._ring_out(block.shape[-1])
        stems = self.backend.hold(block)
        dry = np.concatenate([self._past, block], axis=-1)[:, :n]
        remainder = dry - stems.sum(0) - ringing.sum(0)
        return self._mixer.peek(np.concatenate([stems, ringing, remainder[None], dry[None]]))

    def go_on_gliding(self, other: Session) -> None:
        """Take over the faders of another stream where they are, if it has the same scene and
        nothing rings out.
        """
        if self._playing is other._playing and not self._tails and not other._tails:
            self._mixer, other._mixer = other._mixer, self._mixer

    def _take_up(self, scene: Scene) -> None:
        old = self._playing
        if scene is old:
            return
        order = _match(scene.stems, old.stems)
        if order != list(range(len(old.stems))):
            leaving = sorted(set(range(len(old.stems))) - set(order))
            self._tails += [
                _Tail(self.backend.tail(slot), old.stems[slot].name) for slot in leaving
            ]
            self.backend.arrange(order, scene.stems)
            self._mixer.rearrange(order, leaving, scene)
        self._mixer.glide(scene)
        self._playing = scene

    def _checked(self, block: Audio) -> Audio:
        n_channels = len(block)
        block, n_bad = make_sane(self._shaped(block))
        self.n_bad_samples += n_bad // (N_CHANNELS // n_channels)
        return block

    def _shaped(self, block: Audio) -> Audio:
        """A stereo copy."""
        if (
            block.ndim != 2
            or block.shape[0] not in (1, 2)
            or block.shape[1] % self.hop_length
            or not block.shape[1]
        ):
            raise ValueError(f"expected (1 or 2, k * {self.hop_length}) samples, got {block.shape}")
        return np.array(np.broadcast_to(block, (N_CHANNELS, block.shape[1])), np.float32, order="C")

    def _ring_out(self, n: int) -> Audio:
        """(tails, C, n) the next samples of every tail."""
        audio = np.zeros((len(self._tails), N_CHANNELS, n), np.float32)
        for row, tail in zip(audio, self._tails, strict=True):
            m = min(n, tail.audio.shape[-1])
            row[:, :m] = tail.audio[:, :m]
        return audio

    def _forget_tails(self, n: int) -> None:
        """Move on by `n` samples; tails are as long as one another, so the oldest end first."""
        left = [
            tail._replace(audio=tail.audio[:, n:])
            for tail in self._tails
            if tail.audio.shape[-1] > n
        ]
        self._mixer.drop_tails(len(self._tails) - len(left))
        self._tails = left


def make_sane(audio: Audio) -> tuple[Audio, int]:
    """Replace samples that are not finite by silence, clip absurdly loud ones, and count both."""
    if np.abs(audio).max(initial=0) <= LOUDEST:  # false for NaN too
        return audio, 0
    n_bad = int(audio.size - np.count_nonzero(np.abs(audio) <= LOUDEST))
    return np.clip(np.nan_to_num(audio, nan=0.0, posinf=0.0, neginf=0.0), -LOUDEST, LOUDEST), n_bad


def _match(stems: Sequence[Stem], playing: Sequence[Stem]) -> list[int | None]:
    """For every stem the slot where its condition plays already, preferably under its name; None
    for a fresh one.
    """
    free = list(range(len(playing)))
    order: list[int | None] = []
    for stem in stems:
        same = [slot for slot in free if playing[slot].condition == stem.condition]
        slot = next((i for i in same if playing[i].name == stem.name), same[0] if same else None)
        if slot is not None:
            free.remove(slot)
        order.append(slot)
    return order
