"""A song as a tape: decoded once into a file of samples, which the engine maps and never reads.

The supervisor's side (`Loader`, `write_tape`) touches files; the engine's side (`Tape`) copies out of memory. What has
been played leaves the engine's memory again, so it stays small however long the song is.

Axes: C channels (1 or 2), S samples. On the tape, samples of all channels lie side by side.
"""

from __future__ import annotations

import math
import mmap
import os
import shutil
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soxr

from rtmss.config import UserError
from rtmss.files import Audio, ignore_damage, open_audio
from rtmss.live.link import Link
from rtmss.live.transport import Offer

MAX_CHANNELS = 2
BLOCK = 1 << 16
"""Samples decoded at once."""
LOOK_SECONDS = 4
"""So much of what comes next is fetched from the disk beforehand."""
POLL_SECONDS = 0.02


class Tape:
    """A tape in the engine's memory."""

    def __init__(self, path: Path, offer: Offer) -> None:
        """Map it; nothing is read yet."""
        self.n_samples = offer.n_samples
        with path.open("rb") as file:
            self._memory = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self._samples = np.frombuffer(self._memory, np.float32).reshape(-1, offer.n_channels)
        self._row = self._samples.itemsize * offer.n_channels
        self._look = LOOK_SECONDS * offer.sample_rate
        self._looked = -1

    def read(self, start: int, n: int) -> Audio:
        """(C, n) from a place, silence where there is no song."""
        out = np.zeros((self._samples.shape[1], n), np.float32)
        first, last = max(0, start), min(self.n_samples, start + n)
        if first < last:
            out[:, first - start : last - start] = self._samples[first:last].T
        return out

    def look_ahead(self, start: int) -> None:
        """Let the system fetch what follows a place, and take back what lies before; waits for nothing."""
        part = max(0, start) // self._look
        if part == self._looked or not hasattr(self._memory, "madvise"):
            return
        self._looked = part
        self._advise(0, part - 1, mmap.MADV_DONTNEED)
        self._advise(part, part + 2, mmap.MADV_WILLNEED)

    def _advise(self, first: int, last: int, advice: int) -> None:
        """About the parts of LOOK_SECONDS from `first` to before `last`."""
        begin, end = (part * self._look * self._row // mmap.PAGESIZE * mmap.PAGESIZE for part in (first, last))
        end = min(end, len(self._memory))
        if begin < end:
            self._memory.madvise(advice, begin, end - begin)


def song_seconds(song: Path, enough: float = math.inf) -> float:
    """Length of a song, by decoding it: headers lie.

    Args:
        song: any readable format, 1 or 2 channels.
        enough: seconds after which nobody asks for more.

    Raises:
        AudioFileError: it cannot be played.
    """
    with open_audio(song, most_channels=MAX_CHANNELS, on_damage=ignore_damage) as reader:
        for _ in reader.blocks(BLOCK):
            if reader.n_read >= enough * reader.sample_rate:
                break
        return reader.n_read / reader.sample_rate


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
    with open_audio(song, most_channels=MAX_CHANNELS) as reader:
        n_channels, rate = reader.n_channels, reader.sample_rate
        resampler = soxr.ResampleStream(rate, sample_rate, n_channels) if rate != sample_rate else None
        try:
            with path.open("wb") as tape:
                is_last = False
                while not is_last and not is_cancelled():
                    block = np.ascontiguousarray(reader.read(BLOCK).T)
                    is_last = not len(block)
                    rows = resampler.resample_chunk(block, last=is_last) if resampler else block
                    tape.write(np.ascontiguousarray(rows, np.float32).data)
                    n_samples += len(rows)
        except OSError as error:
            raise UserError(
                f"{song} does not fit into {path.parent}: {error.strerror}; TMPDIR names another folder"
            ) from error
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
