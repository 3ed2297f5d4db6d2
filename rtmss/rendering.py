"""Files through the session: streamed, with flat memory, aligned to the input to the sample.

Axes: C channels, S samples.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from pedalboard.io import AudioFile, WriteableAudioFile

from rtmss.audio import Audio
from rtmss.bounded import is_there
from rtmss.chain import FileMixer, SeparatedPiece, Separation
from rtmss.conditions.condition import Condition
from rtmss.conditions.preset import Effect, Preset
from rtmss.config import ConfigError
from rtmss.engine.backends.protocol import Backend
from rtmss.engine.control import Scene, Stem
from rtmss.files import AudioFileError, AudioReader, OnDamage, open_audio, warn_of_damage
from rtmss.model.separator import N_CHANNELS, SeparatorModel
from rtmss.ownership import remove_orphans, try_lock

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
    def from_preset(
        cls,
        preset: Preset,
        scene: Scene,
        *,
        stems: bool,
        format: str,  # noqa: A002
    ) -> RenderPlan:
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
    n_bad_outputs: int = 0
    """Samples of targets, effects and outputs that were not finite, and were written as silence."""

    @property
    def real_time_factor(self) -> float:
        """Time taken over the length of the audio."""
        return self.wall_seconds / max(self.seconds, 1e-9)


@dataclass(frozen=True)
class RenderOrder:
    """One plan for a file, and where its files go."""

    folder: Path
    """Made if need be. Files appear under their names only when all are whole."""
    plan: RenderPlan


def render(
    source: str | Path,
    folder: str | Path,
    model: SeparatorModel,
    plan: RenderPlan,
    report: Callable[[float], None] = lambda _: None,
    *,
    backend: Backend | None = None,
) -> RenderReport:
    """Render a file by one plan; see `render_all`."""
    order = RenderOrder(Path(folder), plan)
    return render_all(
        Path(source),
        [order],
        model,
        report,
        backend=backend,
    )[0]


def render_all(
    source: Path,
    orders: Sequence[RenderOrder],
    model: SeparatorModel,
    report: Callable[[float], None] = lambda _: None,
    *,
    backend: Backend | None = None,
    on_damage: OnDamage = warn_of_damage,
) -> list[RenderReport]:
    """Render a file by several plans in one pass: it is decoded once, and each condition that
    occurs in them is separated once.

    Args:
        source: any readable format, 1 or 2 channels, any sample rate.
        orders: what to write, with at most `MAX_STEMS` conditions in all.
        model: the weights.
        report: called with the fraction done.
        backend: what runs the model; None for eager torch, which is as fast as any in long blocks
            and uses all cores.
        on_damage: called where a damage of the source begins, once.

    Returns:
        What was done, in the order of `orders`; every report has the time that all took.

    Raises:
        AudioFileError: the input cannot be used, or an output cannot be written.
        ConfigError: an effect cannot be made, or the format is unknown.
        ValueError: the plans have too many conditions.
    """
    _check_formats(orders)
    started = time.monotonic()
    with (
        open_audio(source, most_channels=N_CHANNELS, on_damage=on_damage) as reader,
        contextlib.ExitStack() as stack,
    ):
        rate = reader.sample_rate
        conditions = all_conditions(order.plan for order in orders)
        targets = Scene(
            tuple(
                Stem(
                    str(i),
                    c,
                )
                for i, c in enumerate(conditions)
            )
        )
        separation = Separation(model, targets, rate, backend)
        outputs = [_Output(source, order, conditions, reader, stack) for order in orders]
        for block in reader.blocks(BLOCK):
            piece = separation.push(block)
            for output in outputs:
                output.write(piece)
            report(reader.progress)
        piece = separation.finish()
        for output in outputs:
            output.finish(piece, reader.n_read)  # known only now: headers lie
        report(1.0)
    wall_seconds, seconds = time.monotonic() - started, reader.n_read / rate
    return [output.report(seconds, wall_seconds, separation) for output in outputs]


def _check_formats(orders: Sequence[RenderOrder]) -> None:
    for order in orders:
        if order.plan.format not in FORMATS:
            raise ConfigError(f"no format '{order.plan.format}'; known: {', '.join(FORMATS)}")


def all_conditions(plans: Iterable[RenderPlan]) -> list[Condition]:
    """What the stems of these plans separate by, each once, in the order in which they occur."""
    stems = (stem for plan in plans for stem in plan.scene.stems)
    return list(dict.fromkeys(stem.target for stem in stems))


class _Output:
    """The mix of one plan and its files, which are open until the stack ends."""

    def __init__(
        self,
        source: Path,
        order: RenderOrder,
        conditions: Sequence[Condition],
        reader: AudioReader,
        stack: contextlib.ExitStack,
    ) -> None:
        plan, rate = order.plan, reader.sample_rate
        slots = [conditions.index(stem.target) for stem in plan.scene.stems]
        self._mixer = FileMixer(plan.scene, plan.effects, rate, slots)
        channels = dict.fromkeys(plan.names, reader.n_channels)
        files = Files(source, order.folder, channels, rate, plan.format)
        self.files = stack.enter_context(files)

    def write(self, piece: SeparatedPiece) -> None:
        self.files.write(self._mixer.push(piece))

    def finish(self, piece: SeparatedPiece, n_total: int) -> None:
        self.files.n_total = n_total
        self.write(piece)
        for pieces in self._mixer.finish(n_total):
            self.files.write(pieces)

    def report(self, seconds: float, wall_seconds: float, separation: Separation) -> RenderReport:
        return RenderReport(
            self.files.paths,
            seconds,
            wall_seconds,
            self.files.peak,
            separation.n_bad_samples,
            separation.n_bad_outputs + self._mixer.n_bad_outputs,
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
        if is_there(folder) and not folder.is_dir():
            raise AudioFileError(f"{folder}: is a file, expected a folder for the output")
        self.paths = [folder / f"{name}.{format}" for name in channels]
        for path in self.paths:
            if is_there(path) and path.samefile(source):
                raise AudioFileError(f"{path}: is the input itself; choose another output folder")
            if is_there(path) and path.is_dir():
                raise AudioFileError(f"{path}: is a directory, a file is to be written there")
        self.folder = folder
        self.peak = 0.0
        self.n_total: int | None = None
        """Samples of every file, once they are known: what comes after is not written, and fewer
        are an error.
        """
        self._rate, self._channels, self._format = rate, channels, format
        # Of this process, so that two renders into one folder do not write into one file.
        ending = f"{os.getpid()}.partial.{format}"
        self._partial = {name: folder / f".{name}.{ending}" for name in channels}
        self._made: list[Path] = []
        """Hidden files that are this render's own."""
        self._written = dict.fromkeys(channels, 0)
        self._open: dict[str, WriteableAudioFile] = {}
        self._raw = contextlib.ExitStack()

    def __enter__(self) -> Files:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            remove_orphans(self.folder, ".*.partial.*")
            for name, path in self._partial.items():
                self._open[name] = self._create(path, self._channels[name])
        except (OSError, RuntimeError, ValueError) as error:
            self._discard()
            raise AudioFileError(f"{self.folder}: cannot write there ({_reason(error)})") from error
        return self

    def _create(self, path: Path, n_channels: int) -> WriteableAudioFile:
        """A file to write to: opened here, as pedalboard knows only names that are Unicode."""
        raw = self._raw.enter_context(path.open("x+b"))
        self._made.append(path)
        try_lock(raw)  # so that nobody takes it for one that was left behind
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
                self.peak = max(
                    self.peak,
                    float(np.abs(audio).max(initial=0)),
                )
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
            for partial, path in zip(
                self._partial.values(),
                self.paths,
                strict=True,
            ):
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
        for path in self._made:
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)


def _reason(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
