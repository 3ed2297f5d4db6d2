"""The streaming session: samples in, mixed stems out, with the same delay whatever is switched on
the way.

Cutting the input into other blocks changes nothing, and at every sample the stems plus the
remainder are the delayed input. A stem whose condition is switched starts afresh at the next hop;
its old target only rings out over the synthesis overlap, which is its fade.

Axes: N stems, C channels, O output channels, S samples.
"""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from rtmss.audio import Audio
from rtmss.conditions.encode import limits_of
from rtmss.config import UserError, shown
from rtmss.engine.backends.protocol import Backend
from rtmss.engine.backends.resampled import ResampledBackend
from rtmss.engine.backends.torch import TorchBackend
from rtmss.engine.control import Scene, Stem
from rtmss.engine.frames import StreamFrames
from rtmss.engine.mixer import Mixer, replace_bad
from rtmss.files import as_block, check_rate
from rtmss.model.separator import N_CHANNELS, SeparatorModel

MAX_OUTPUTS = 64
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


def _checked_outputs(n_outputs: Any) -> int:
    """How many outputs there are.

    Raises:
        UserError: it is no number, or not from 2 to `MAX_OUTPUTS`.
    """
    if isinstance(n_outputs, bool) or not isinstance(n_outputs, Integral):
        raise UserError(f"expected a number of outputs, got {shown(n_outputs)}")
    number = int(n_outputs)
    if number < 2:
        raise UserError(f"a session needs at least 2 outputs, got {number}")
    if number > MAX_OUTPUTS:
        raise UserError(f"a session has at most {MAX_OUTPUTS} outputs, got {number}")
    return number


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
        *,
        resample: bool = True,
    ) -> None:
        """Start a stream.

        Args:
            model: the weights.
            scene: what plays at first; None passes the input on as the remainder.
            n_outputs: output channels.
            sample_rate: Hz, of the stream; None for the model's. The model always hears its own.
            backend: what runs the model, for this stream alone; None for eager torch.
            resample: False lets the model hear another rate as if it were its own, everything
                higher or lower, as recordings of before were made.

        Raises:
            ValueError: fewer than 2 outputs or more than 64, no sample rate, or one of less than a
                sample per hop.
            ConditionError: the scene has a condition that the model does not take.
        """
        self.config = model.config
        self.n_outputs = _checked_outputs(n_outputs)
        self.limits = limits_of(model)
        self.scene = Scene() if scene is None else scene
        self.n_bad_samples = 0
        """Input samples that were not finite or absurdly loud, since the start."""
        self.n_bad_outputs = 0
        """Samples of targets and outputs that were not finite, and are silence, since the start."""
        self.n_starts = 0
        """Streams begun."""
        model_rate = model.config.sample_rate
        self.sample_rate = model_rate if sample_rate is None else check_rate(sample_rate)
        """Hz."""
        self._frames = StreamFrames.at(self.sample_rate if resample else model_rate, model.config)
        self.backend: Backend = backend or TorchBackend(model)
        if resample and self.sample_rate != model_rate:
            self.backend = ResampledBackend(
                self.backend, self._frames.hop_length, model.config.stft.hop_length
            )
        self._mixer = Mixer(n_outputs, self.sample_rate)
        self.reset()

    @property
    def scene(self) -> Scene:
        """What is to play; it may be set from any thread.

        Raises:
            UserError: it is no scene.
            ConditionError: it has a condition that the model does not take. The scene before stays.
        """
        return self._scene

    @scene.setter
    def scene(self, scene: Scene) -> None:
        if not isinstance(scene, Scene):
            raise UserError(f"expected a scene, got {shown(scene)}")
        scene.check(self.limits)
        self._scene = scene

    @property
    def hop_length(self) -> int:
        """Samples the session steps by; blocks are multiples of it."""
        return self._frames.hop_length

    @property
    def latency(self) -> int:
        """Samples from the arrival of a sound to its output, the wait for its hop to fill included;
        constant.
        """
        return self.delay + self.hop_length

    @property
    def delay(self) -> int:
        """Samples by which output arrays lag behind input arrays: the latency less one hop;
        constant.
        """
        return self._frames.delay

    def reset(self) -> None:
        """Start a new stream: silence before it, the scene as it is, no glide under way."""
        self.backend.reset()
        self._past: Audio = np.zeros(
            (N_CHANNELS, self.delay),
            np.float32,
        )
        self._tails: list[_Tail] = []
        self._playing = self.first_scene = self.scene
        """The scene with which the stream began."""
        self.n_starts += 1
        self.backend.arrange(
            [None] * len(self.scene.stems),
            self.scene.stems,
        )
        self._mixer.snap(self.scene)

    def step(self, block: ArrayLike) -> Output:
        """Play the next samples.

        Args:
            block: (1 or 2, k * hop_length), full scale 1; see `rtmss.files.arrays`.

        Raises:
            ValueError: it is no audio, or of another shape.
        """
        sound = self._checked(block)
        self._take_up(self.scene)
        n = sound.shape[-1]
        stems = self._separate(sound)
        samples = np.concatenate([self._past, sound], axis=-1)
        dry, self._past = samples[:, :n], samples[:, n:]
        ringing = self._ring_out(n)
        remainder = dry - stems.sum(0) - ringing.sum(0)
        mix = self._mixer.mix(
            np.concatenate(
                [
                    stems,
                    ringing,
                    remainder[None],
                    dry[None],
                ]
            )
        )
        self.n_bad_outputs += self._mixer.n_bad
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

    def hold(self, block: ArrayLike) -> Audio:
        """(O, S) what the next step would play if masks and gains stayed as they are; changes
        nothing.

        A fraction of a step's work: for when there is no time for one.

        Raises:
            ValueError: the shape is another than a step takes.
        """
        sound = make_sane(_stereo(as_block(block, self.hop_length)))[0]
        n, ringing = sound.shape[-1], self._ring_out(sound.shape[-1])
        stems = replace_bad(self.backend.hold(sound))[0]
        dry = np.concatenate(
            [self._past, sound],
            axis=-1,
        )[:, :n]
        remainder = dry - stems.sum(0) - ringing.sum(0)
        return self._mixer.peek(
            np.concatenate(
                [
                    stems,
                    ringing,
                    remainder[None],
                    dry[None],
                ]
            )
        )

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
        is_same_order = order == list(range(len(old.stems)))
        if is_same_order and not _have_same_targets(scene.stems, old.stems):
            self.backend.arrange(order, scene.stems)  # a morph: the memory stays
        if not is_same_order:
            leaving = sorted(set(range(len(old.stems))) - set(order))
            self._tails += [
                _Tail(
                    replace_bad(self.backend.tail(slot))[0],
                    old.stems[slot].name,
                )
                for slot in leaving
            ]
            self.backend.arrange(order, scene.stems)
            self._mixer.rearrange(order, leaving, scene)
        self._mixer.glide(scene)
        self._playing = scene

    def _separate(self, block: Audio) -> Audio:
        """(N, C, S) the targets, all of them finite.

        A target that was not begins afresh, as its memory may be spoiled; where all were not, what
        they share begins afresh too.
        """
        stems = self.backend.step(block)
        sound, n_bad = replace_bad(stems)
        if n_bad:
            self.n_bad_outputs += n_bad
            is_whole = [bool(np.isfinite(stem).all()) for stem in stems]
            if not any(is_whole):
                self.backend.reset()
            order = [slot if whole else None for slot, whole in enumerate(is_whole)]
            self.backend.arrange(order, self._playing.stems)
        return sound

    def _checked(self, block: ArrayLike) -> Audio:
        given = as_block(block, self.hop_length)
        n_channels = len(given)
        sound, n_bad = make_sane(_stereo(given))
        self.n_bad_samples += n_bad // (N_CHANNELS // n_channels)
        return sound

    def _ring_out(self, n: int) -> Audio:
        """(tails, C, n) the next samples of every tail."""
        audio = np.zeros(
            (len(self._tails), N_CHANNELS, n),
            np.float32,
        )
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


def _stereo(block: Audio) -> Audio:
    """(1 or 2, S) -> (2, S), a copy."""
    return np.array(
        np.broadcast_to(block, (N_CHANNELS, block.shape[1])),
        np.float32,
        order="C",
    )


def make_sane(audio: Audio) -> tuple[Audio, int]:
    """Replace samples that are not finite by silence, clip absurdly loud ones, and count both."""
    if np.abs(audio).max(initial=0) <= LOUDEST:  # false for NaN too
        return audio, 0
    n_bad = int(audio.size - np.count_nonzero(np.abs(audio) <= LOUDEST))
    return np.clip(
        np.nan_to_num(audio, nan=0.0, posinf=0.0, neginf=0.0),
        -LOUDEST,
        LOUDEST,
    ), n_bad


def _have_same_targets(
    stems: Sequence[Stem],
    playing: Sequence[Stem],
) -> bool:
    return all(stem.target == before.target for stem, before in zip(stems, playing, strict=True))


def _match(
    stems: Sequence[Stem],
    playing: Sequence[Stem],
) -> list[int | None]:
    """For every stem the slot where its condition plays already, preferably under its name; None
    for a fresh one.
    """
    free = list(range(len(playing)))
    order: list[int | None] = []
    for stem in stems:
        same = [slot for slot in free if stem.goes_on(playing[slot])]
        slot = next(
            (i for i in same if playing[i].name == stem.name),
            same[0] if same else None,
        )
        if slot is not None:
            free.remove(slot)
        order.append(slot)
    return order
