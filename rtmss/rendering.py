"""Files through the session: streamed, with flat memory, aligned to the input to the sample.

The separator hears the file at its own rate; targets come back to the file's rate, and everything
else happens there:
the remainder is the untouched input less the targets, so it keeps the input's full bandwidth.

Axes: N stems, C channels, S samples.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import soxr
from pedalboard.io import AudioFile, WriteableAudioFile

from rtmss.audio import Audio
from rtmss.conditions.preset import Effect, Preset
from rtmss.config import ConfigError
from rtmss.effects import Lane
from rtmss.engine.backends.protocol import Backend
from rtmss.engine.control import Scene
from rtmss.engine.mixer import Mixer
from rtmss.engine.session import Session, make_sane
from rtmss.files import AudioFileError, open_audio
from rtmss.model.separator import N_CHANNELS, SeparatorModel
from rtmss.separator import BLOCK_HOPS

BLOCK = 1 << 15
"""Samples read from the file at once."""
FORMATS: dict[str, dict[str, Any]] = {
    "wav": {"bit_depth": 32},
    "flac": {"bit_depth": 24},
    "ogg": {"quality": "256 kbps"},
}
"""File formats and how they are written: 32-bit float, 24-bit, and Vorbis at about 256 kbit/s."""


@dataclass(frozen=True)
class RenderPlan:
    """What to write: any of the mix, every stem, the remainder."""

    scene: Scene
    effects: Mapping[str, tuple[Effect, ...]] = field(default_factory=dict)
    """By strip name; `remainder` and `mix` too."""
    mix: bool = True
    stems: bool = False
    """Write every stem, and the remainder."""
    format: str = "wav"

    @classmethod
    def from_preset(cls, preset: Preset, scene: Scene, *, stems: bool, format: str) -> RenderPlan:  # noqa: A002
        """A render of a preset."""
        effects = {name: stem.effects for name, stem in preset.stems.items()}
        effects |= {"remainder": preset.remainder.effects, "mix": preset.master.effects}
        return cls(scene, effects, mix=True, stems=stems, format=format)

    @property
    def names(self) -> list[str]:
        """Files to write, without their suffix."""
        stems = [*(stem.name for stem in self.scene.stems), "remainder"] if self.stems else []
        return [*(["mix"] if self.mix else []), *stems]


@dataclass(frozen=True)
class RenderReport:
    """What a render did."""

    files: list[Path]
    seconds: float
    """Of audio."""
    wall_seconds: float
    peak: float
    """Largest sample written, full scale 1; formats other than wav clip what is above."""
    n_bad_samples: int
    """Input samples that were not finite or absurdly loud."""

    @property
    def real_time_factor(self) -> float:
        """Time taken over the length of the audio."""
        return self.wall_seconds / max(self.seconds, 1e-9)


def render(
    source: Path,
    folder: Path,
    model: SeparatorModel,
    plan: RenderPlan,
    report: Callable[[float], None] = lambda _: None,
    *,
    backend: Backend | None = None,
) -> RenderReport:
    """Render a file.

    Args:
        source: any readable format, 1 or 2 channels, any sample rate.
        folder: where the files go; made if need be. They appear under their names only when all are
            whole.
        model: the weights.
        plan: what to write.
        report: called with the fraction done.
        backend: what runs the model; None for eager torch, which is as fast as any in long blocks
            and uses all cores.

    Raises:
        AudioFileError: the input cannot be used, or an output cannot be written.
        ConfigError: an effect cannot be made, or the format is unknown.
    """
    if plan.format not in FORMATS:
        raise ConfigError(f"no format '{plan.format}'; known: {', '.join(FORMATS)}")
    started = time.monotonic()
    with open_audio(source, most_channels=N_CHANNELS) as reader:
        rate = reader.sample_rate
        chain = _Chain(model, plan, rate, backend)
        channels = dict.fromkeys(plan.names, reader.n_channels)
        with Files(source, folder, channels, rate, plan.format) as files:
            for block in reader.blocks(BLOCK):
                files.write(chain.push(block))
                report(reader.progress)
            files.n_total = reader.n_read  # known only now: headers lie
            for pieces in chain.finish(files.n_total):
                files.write(pieces)
            report(1.0)
    seconds = time.monotonic() - started
    return RenderReport(files.paths, reader.n_read / rate, seconds, files.peak, chain.n_bad_samples)


class _Chain:
    """Samples in at the file's rate; aligned pieces of every strip and of the mix out, by name."""

    def __init__(
        self, model: SeparatorModel, plan: RenderPlan, rate: int, backend: Backend | None = None
    ) -> None:
        self.session = Session(model, plan.scene, backend=backend)
        self.n_bad_samples = 0
        self._mixer = Mixer(N_CHANNELS, rate)
        self._mixer.snap(plan.scene)
        names = [stem.name for stem in plan.scene.stems]
        self._to_model = _Resampler(rate, self.session.sample_rate, N_CHANNELS)
        self._from_model = _Resampler(self.session.sample_rate, rate, N_CHANNELS * len(names))
        self._waiting: Audio = np.zeros((N_CHANNELS, 0), np.float32)
        self._skip = self.session.delay
        self._dry = Lane(N_CHANNELS, rate)
        self._targets = Lane(N_CHANNELS * len(names), rate)
        self._strips = {
            name: Lane(N_CHANNELS, rate, plan.effects.get(name, ()), name)
            for name in (*names, "remainder")
        }
        self._master = Lane(N_CHANNELS, rate, plan.effects.get("mix", ()), "mix")
        self._n_mixed = self._n_out = 0

    def push(self, block: Audio) -> dict[str, Audio]:
        """Take (1 or 2, S) more samples of the file, give what is ready."""
        block, n_bad = make_sane(block)
        self.n_bad_samples += n_bad
        block = np.repeat(block, N_CHANNELS, axis=0) if block.shape[0] == 1 else block
        self._dry.push(block)
        self._separate(self._to_model(block))
        return self._advance()

    def finish(self, n_total: int) -> Iterator[dict[str, Audio]]:
        """Push silence until everything has come out, `n_total` samples in all."""
        self._separate(self._to_model(np.zeros((N_CHANNELS, 0), np.float32), last=True))
        hop = self.session.hop_length
        n_hops = (
            -(-(self._waiting.shape[-1] + self.session.delay) // hop) + 1
        )  # one more: resamplers round either way
        silence = np.zeros((N_CHANNELS, n_hops * hop - self._waiting.shape[-1]), np.float32)
        self._separate(silence, last=True)
        yield self._advance()
        for strip in self._strips.values():
            strip.flush(n_total - self._n_mixed)
        yield self._advance()
        self._master.flush(n_total - self._n_out)
        yield {"mix": self._master.take(n_total - self._n_out)}

    def _separate(self, samples: Audio, last: bool = False) -> None:
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
            self._targets.push(self._from_model(kept, last=last and end == n))

    def _advance(self) -> dict[str, Audio]:
        n = min(self._dry.n_ready, self._targets.n_ready)
        stems = self._targets.take(n).reshape(len(self._strips) - 1, N_CHANNELS, n)
        strips = [*stems, self._dry.take(n) - stems.sum(0)]
        for lane, audio in zip(self._strips.values(), strips, strict=True):
            lane.push(audio)
        n = min(lane.n_ready for lane in self._strips.values())
        pieces = {name: lane.take(n) for name, lane in self._strips.items()}
        self._master.push(
            self._mixer.mix(np.stack([*pieces.values(), np.zeros((N_CHANNELS, n), np.float32)]))
        )
        self._n_mixed += n
        pieces["mix"] = self._master.take(self._master.n_ready)
        self._n_out += pieces["mix"].shape[-1]
        return pieces


class _Resampler:
    """A stream from one rate to another, aligned; nothing at all when the rates are equal."""

    def __init__(self, rate: int, new_rate: int, n_channels: int) -> None:
        same = rate == new_rate
        self._stream = (
            None
            if same
            else soxr.ResampleStream(rate, new_rate, n_channels, dtype="float32", quality="VHQ")
        )

    def __call__(self, audio: Audio, last: bool = False) -> Audio:
        """(C, S) -> (C, S'), as many samples as are certain by now; all with `last`."""
        if self._stream is None:
            return audio
        return np.ascontiguousarray(
            self._stream.resample_chunk(np.ascontiguousarray(audio.T), last=last).T
        )


class Files:
    """The files of a render, under hidden names until all are whole."""

    def __init__(
        self,
        source: Path,
        folder: Path,
        channels: Mapping[str, int],
        rate: int,
        format: str = "wav",  # noqa: A002
    ) -> None:
        """Check where they go; nothing is written yet.

        Args:
            source: the input, which no file may replace.
            folder: made if need be.
            channels: of every file, by name without suffix.
            rate: Hz.
            format: one of FORMATS.

        Raises:
            AudioFileError: they cannot go there.
        """
        if folder.exists() and not folder.is_dir():
            raise AudioFileError(f"{folder}: is a file, expected a folder for the output")
        self.paths = [folder / f"{name}.{format}" for name in channels]
        for path in self.paths:
            if path.exists() and path.samefile(source):
                raise AudioFileError(f"{path}: is the input itself; choose another output folder")
            if path.is_dir():
                raise AudioFileError(f"{path}: is a directory, a file is to be written there")
        self.folder = folder
        self.peak = 0.0
        self.n_total: int | None = None
        """Samples of every file, once they are known: what comes after is not written, and fewer
        are an error.
        """
        self._rate, self._channels, self._format = rate, channels, format
        self._partial = {name: folder / f".{name}.partial.{format}" for name in channels}
        self._written = dict.fromkeys(channels, 0)
        self._open: dict[str, WriteableAudioFile] = {}
        self._raw = contextlib.ExitStack()

    def __enter__(self) -> Files:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            for name, path in self._partial.items():
                self._open[name] = self._create(path, self._channels[name])
        except (OSError, RuntimeError, ValueError) as error:
            self._discard()
            raise AudioFileError(f"{self.folder}: cannot write there ({_reason(error)})") from error
        return self

    def _create(self, path: Path, n_channels: int) -> WriteableAudioFile:
        """A file to write to: opened here, as pedalboard knows only names that are Unicode."""
        raw = self._raw.enter_context(path.open("w+b"))
        return AudioFile(
            raw, "w", self._rate, n_channels, format=self._format, **FORMATS[self._format]
        )

    def write(self, pieces: Mapping[str, Audio]) -> None:
        """Append what is ready to each file that is written.

        Raises:
            AudioFileError: the disk is full, or the like.
        """
        try:
            for name in self._open.keys() & pieces.keys():
                n_left = None if self.n_total is None else self.n_total - self._written[name]
                audio = pieces[name][:, :n_left]
                audio = audio.mean(0, keepdims=True) if self._channels[name] == 1 else audio
                self.peak = max(self.peak, float(np.abs(audio).max(initial=0)))
                self._open[name].write(audio)
                self._written[name] += audio.shape[-1]
        except (OSError, RuntimeError) as error:
            raise AudioFileError(
                f"{self.folder}: writing failed, is the disk full? ({_reason(error)})"
            ) from error

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is not None:
            self._discard()
            return
        try:
            for file in self._open.values():
                file.close()
            self._raw.close()
            self._check_whole()
            for partial, path in zip(self._partial.values(), self.paths, strict=True):
                partial.replace(path)
        except (OSError, RuntimeError, AudioFileError) as error:
            self._discard()
            raise AudioFileError(
                f"{self.folder}: writing failed, is the disk full? ({_reason(error)})"
            ) from error

    def _check_whole(self) -> None:
        for path in self._partial.values():
            with (
                path.open("rb") as raw,
                AudioFile(raw) as file,
            ):  # a full disk may go unnoticed until here
                if file.frames != self.n_total:
                    raise AudioFileError(
                        f"{path.name}: {file.frames} of {self.n_total} samples arrived"
                    )

    def _discard(self) -> None:
        for file in self._open.values():
            with contextlib.suppress(OSError, RuntimeError):
                file.close()
        with contextlib.suppress(OSError):
            self._raw.close()
        for path in self._partial.values():
            path.unlink(missing_ok=True)


def _reason(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
