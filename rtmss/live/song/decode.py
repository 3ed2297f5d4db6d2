"""The supervisor's side of a song: decodes it once into a file of samples, which the engine maps.

Axes: C channels (1 or 2), S samples. In the decoded file, samples of all channels lie side by side.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soxr

from rtmss.config import UserError
from rtmss.files import ignore_damage, open_audio
from rtmss.live.shared.song_state import SongInfo
from rtmss.live.shared.state import SharedState
from rtmss.live.song.scratch import make_scratch

MAX_CHANNELS = 2
BLOCK = 1 << 16
"""Samples decoded at once."""
POLL_SECONDS = 0.02


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


def decode_song(
    song: Path,
    path: Path,
    sample_rate: int,
    is_cancelled: Callable[[], bool] = lambda: False,
    folder: Path | None = None,
) -> SongInfo:
    """Decode a song, block by block.

    Args:
        song: any readable format and rate, 1 or 2 channels, any length.
        path: the decoded song; four bytes per sample and channel.
        sample_rate: Hz to decode to; soxr resamples if the song has another.
        is_cancelled: asked once per block; the file then ends there.
        folder: where the file takes room; None if that is the folder in its path.

    Returns:
        What was written, with number 1.

    Raises:
        AudioFileError: the song cannot be read to its end.
        UserError: the file cannot be written.
    """
    n_samples = 0
    with open_audio(song, most_channels=MAX_CHANNELS) as reader:
        n_channels, rate = reader.n_channels, reader.sample_rate
        resampler = (
            soxr.ResampleStream(rate, sample_rate, n_channels) if rate != sample_rate else None
        )
        try:
            with path.open("wb") as decoded:
                is_last = False
                while not is_last and not is_cancelled():
                    block = np.ascontiguousarray(reader.read(BLOCK).T)
                    is_last = not len(block)
                    rows = resampler.resample_chunk(block, last=is_last) if resampler else block
                    decoded.write(np.ascontiguousarray(rows, np.float32).data)
                    n_samples += len(rows)
        except OSError as error:
            raise UserError(
                f"{song} does not fit into {folder or path.parent}: {error.strerror}; TMPDIR names "
                "another folder"
            ) from error
    return SongInfo(1, sample_rate, n_samples, n_channels)


class Loader:
    """Keeps the song decoded at the engine's sample rate, in a thread of the supervisor."""

    def __init__(
        self,
        song: Path,
        shared: SharedState,
        say: Callable[[str], None],
    ) -> None:
        """Begin to wait for an engine; one that cannot be served ends the host.

        Raises:
            UserError: there is nowhere to put the decoded song.
        """
        self.has_failed = False
        self._song, self._shared, self._say = song, shared, say
        self._is_stopped = False
        try:
            self._scratch = make_scratch()
        except OSError as error:
            raise UserError(
                f"no folder for the decoded song: {error.strerror}; TMPDIR names another"
            ) from error
        self._thread = threading.Thread(
            target=self._run,
            name="rtmss-loader",
            daemon=True,
        )
        self._thread.start()

    def stop(self) -> None:
        """Decode no more."""
        self._is_stopped = True
        self._thread.join()

    def close(self) -> None:
        """Stop, and remove what was decoded. Some systems do so only once no engine has it."""
        self.stop()
        self._scratch.close()

    def _run(self) -> None:
        pause = threading.Event()
        try:
            while not self._is_stopped:
                self._serve()
                pause.wait(POLL_SECONDS)
        except Exception as error:  # without its song the host has nothing to play
            self.has_failed, self._shared.stop = True, True
            self._say(
                str(error) if isinstance(error, UserError) else f"{type(error).__name__}: {error}"
            )

    def _serve(self) -> None:
        transport = self._shared.transport
        info, wanted = transport.info.read(), transport.playback.read().sample_rate
        if not wanted or wanted == info.sample_rate:
            return
        path = self._scratch.make()
        folder = self._scratch.folder
        made = decode_song(self._song, path, wanted, lambda: self._is_stopped, folder)
        if self._is_stopped:
            return
        before, transport.samples_path = transport.samples_path, path
        transport.info.write(made._replace(number=info.number + 1))
        if info.number:
            self._scratch.drop(before)
