"""A recording's log played again, on its own input or on another file: the live engine's steps, one
after the other.

Axes: N stems, C channels, O output channels, S samples.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from rtmss.audio import Audio
from rtmss.engine.backends.protocol import Backend
from rtmss.engine.session import Session
from rtmss.files import AudioReader, ignore_damage, open_audio
from rtmss.model.separator import N_CHANNELS, SeparatorModel
from rtmss.recording.log_reader import ReplayStep, SessionLog, SessionLogError
from rtmss.rendering import Files, RenderReport


def replay(
    source: Path,
    folder: Path,
    model: SeparatorModel,
    log: SessionLog,
    *,
    stems: bool = False,
    backend: Backend | None = None,
    report: Callable[[float], None] = lambda _: None,
) -> RenderReport:
    """Render a file as a log says, hop by hop.

    With one thread, on the same machine and on the input that was recorded, every sample is that of
    the recording. Files are aligned to the input; as nothing comes after its end, the session's
    delay at the end is silent.

    Args:
        source: 1 or 2 channels at the log's sample rate.
        folder: where the files go; made if need be. They appear under their names only when all are
            whole.
        model: the weights of the log.
        log: the log.
        stems: write every stem and the remainder too.
        backend: what runs the model; None for eager torch. To get the same samples, the one that
            the log names.
        report: called with the fraction done.

    Raises:
        AudioFileError: the input cannot be used, or an output cannot be written.
        SessionLogError: the input has another sample rate than the log.
    """
    header, started = log.header, time.monotonic()
    n_total = _check(source, log)
    with open_audio(source, on_damage=ignore_damage) as reader:
        hop = header.hop_length
        session = _begin(model, log, backend)
        strips = [*log.stems, "remainder"] if stems else []
        channels = {"mix": header.n_outputs} | dict.fromkeys(strips, N_CHANNELS)
        n_skipped = session.delay
        with Files(source, folder, channels, header.sample_rate) as files:
            files.n_total = n_total
            for step in log.steps(-(-n_total // hop)):
                audio = _play(session, step, _read(reader, step.n * hop), channels)
                files.write({name: samples[:, n_skipped:] for name, samples in audio.items()})
                n_skipped = max(0, n_skipped - step.n * hop)
                report(min(1.0, (step.hop + step.n) * hop / n_total))
            files.write({name: _silence(n, session.delay) for name, n in channels.items()})
    return RenderReport(
        files.paths,
        n_total / header.sample_rate,
        time.monotonic() - started,
        files.peak,
        session.n_bad_samples,
        session.n_bad_outputs,
    )


def _begin(model: SeparatorModel, log: SessionLog, backend: Backend | None) -> Session:
    """A session as that of the recording was."""
    header = log.header
    return Session(
        model,
        None,
        header.n_outputs,
        header.sample_rate,
        backend,
        resample=header.is_resampled,
    )


def _check(source: Path, log: SessionLog) -> int:
    """Samples of the input, counted."""
    rate = log.header.sample_rate
    with open_audio(source, most_channels=N_CHANNELS) as reader:
        if reader.sample_rate != rate:
            raise SessionLogError(
                f"{source}: has {reader.sample_rate} Hz, the log {rate} Hz, and its hops would "
                "fall elsewhere; "
                "resample it"
            )
        return sum(block.shape[-1] for block in reader.blocks())


def _read(reader: AudioReader, n: int) -> Audio:
    """(C, n) the next samples, with silence where the file has ended."""
    block = reader.read(n)
    return np.pad(
        block,
        ((0, 0), (0, n - block.shape[-1])),
    )


def _silence(n_channels: int, n_samples: int) -> Audio:
    return np.zeros((n_channels, n_samples), np.float32)


def _play(
    session: Session, step: ReplayStep, block: Audio, channels: dict[str, int]
) -> dict[str, Audio]:
    """What every file gets of a piece; silence for stems that are not there."""
    if step.start is not None:
        session.scene = step.start
        session.reset()
    if step.scene is not None:
        session.scene = step.scene
    audio = {name: _silence(n, block.shape[-1]) for name, n in channels.items()}
    if not step.is_missing:
        output = session.step(block)
        stems = zip(
            (stem.name for stem in session.scene.stems),
            output.stems,
            strict=True,
        )
        played = dict(stems) | {"remainder": output.remainder, "mix": output.mix}
        audio |= {name: samples for name, samples in played.items() if name in channels}
    return audio
