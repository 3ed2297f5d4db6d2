"""The supervisor's side of a song: decodes it once into a file of samples, which the engine maps.

Axes: C channels (1 or 2), S samples. On the tape, samples of all channels lie side by side.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soxr
from pedalboard.io import ReadableAudioFile

from rtmss.config import UserError
from rtmss.files import Audio, AudioFileError, open_audio
from rtmss.live.shared.song_state import Offer
from rtmss.live.shared.state import Link

BLOCK = 1 << 16
"""Samples decoded at once."""
POLL_SECONDS = 0.02


def song_seconds(song: Path) -> float:
    """Length of a song, as far as its header says.

    Raises:
        AudioFileError: it cannot be played.
    """
    with open_audio(song) as reader:
        _check(song, reader)
        return float(reader.frames / reader.samplerate)


def write_tape(song: Path, path: Path, sample_rate: int, is_cancelled: Callable[[], bool] = lambda: False) -> Offer:
    """Decode a song, block by block.

    Args:
        song: any readable format and rate, 1 or 2 channels, any length.
        path: the tape; four bytes per sample and channel.
        sample_rate: Hz of the tape; soxr resamples where the song has another.
        is_cancelled: asked once per block; the tape then ends there.

    Returns:
        What was written, as tape number 1.

    Raises:
        AudioFileError: the song cannot be read to its end.
        UserError: the tape cannot be written.
    """
    n_samples = 0
    with open_audio(song) as reader:
        _check(song, reader)
        n_channels, rate = reader.num_channels, round(reader.samplerate)
        resampler = soxr.ResampleStream(rate, sample_rate, n_channels) if rate != sample_rate else None
        try:
            with path.open("wb") as tape:
                is_last = False
                while not is_last and not is_cancelled():
                    block = np.ascontiguousarray(_read(song, reader).T)
                    is_last = not len(block)
                    rows = resampler.resample_chunk(block, last=is_last) if resampler else block
                    tape.write(np.ascontiguousarray(rows, np.float32).data)
                    n_samples += len(rows)
        except OSError as error:
            raise UserError(
                f"{song} does not fit into {path.parent}: {error.strerror}; TMPDIR names another folder"
            ) from error
    if not n_samples:
        raise AudioFileError(f"{song}: holds no audio")
    return Offer(1, sample_rate, n_samples, n_channels)


class Loader:
    """Keeps a tape ready at the rate that the engine asks for, in a thread of the supervisor."""

    def __init__(self, song: Path, link: Link, say: Callable[[str], None]) -> None:
        """Begin to wait for an engine; one that cannot be served ends the host.

        Raises:
            UserError: there is nowhere to put the tape.
        """
        self.has_failed = False
        self._song, self._link, self._say = song, link, say
        self._is_closed = False
        try:
            self._folder = Path(tempfile.mkdtemp(prefix="rtmss-tape-", dir=_roomy_folder()))
        except OSError as error:
            raise UserError(f"no folder for a tape: {error.strerror}; TMPDIR names another") from error
        self._thread = threading.Thread(target=self._run, name="rtmss-loader", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop, and remove the tape; who has mapped it keeps it."""
        self._is_closed = True
        self._thread.join()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _run(self) -> None:
        pause = threading.Event()
        try:
            while not self._is_closed:
                self._serve()
                pause.wait(POLL_SECONDS)
        except Exception as error:  # without its song the host has nothing to play
            self.has_failed, self._link.stop = True, True
            self._say(str(error) if isinstance(error, UserError) else f"{type(error).__name__}: {error}")

    def _serve(self) -> None:
        transport = self._link.transport
        offer, wanted = transport.offer.read(), transport.playback.read().sample_rate
        if not wanted or wanted == offer.sample_rate:
            return
        path = self._folder / f"{offer.number + 1}.f32"
        made = write_tape(self._song, path, wanted, lambda: self._is_closed)
        if self._is_closed:
            return
        before, transport.tape = transport.tape, path
        transport.offer.write(made._replace(number=offer.number + 1))
        if offer.number:
            before.unlink(missing_ok=True)


def _roomy_folder() -> str | None:
    """A folder for large files: the usual one for temporary files may be in memory."""
    on_disk = "/var/tmp"
    return None if "TMPDIR" in os.environ or not os.access(on_disk, os.W_OK) else on_disk


def _read(song: Path, reader: ReadableAudioFile) -> Audio:
    try:
        return np.asarray(reader.read(BLOCK), np.float32)
    except Exception as error:  # pedalboard raises by format
        raise AudioFileError(f"{song}: cannot be read to its end: {error}") from error


def _check(song: Path, reader: ReadableAudioFile) -> None:
    if reader.num_channels > 2:
        raise AudioFileError(f"{song}: {reader.num_channels} channels; mix it down to mono or stereo first")
    if not reader.frames:
        raise AudioFileError(f"{song}: holds no audio")
