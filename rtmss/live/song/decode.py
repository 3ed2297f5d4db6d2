"""The supervisor's side of a song: decodes it once into a file of samples, which the engine maps.

Axes: C channels (1 or 2), S samples. In the decoded file, samples of all channels lie side by side.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

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
AHEAD_PAUSE_SECONDS = 0.05
"""After each block of a song that is decoded while another one plays."""


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


class _Decoded(NamedTuple):
    """A decoded song that nobody plays yet."""

    info: SongInfo
    path: Path


class Loader:
    """Keeps the song that is asked for decoded at the engine's sample rate, and the one after it,
    in a thread of the supervisor.
    """

    def __init__(
        self,
        songs: Sequence[Path],
        shared: SharedState,
        say: Callable[[str], None],
    ) -> None:
        """Begin to wait for an engine; one that cannot be served with the first song ends the host.

        Raises:
            UserError: there is nowhere to put the decoded song.
        """
        self.has_failed = False
        self._songs, self._shared, self._say = songs, shared, say
        self._ready: _Decoded | None = None
        """The song that comes next, most likely."""
        self._broken: set[tuple[int, int]] = set()
        """Songs that could not be decoded, and to which rate."""
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
        info, rate = transport.info.read(), transport.playback.read().sample_rate
        song = transport.command.read().song
        if not rate:
            return
        if (song, rate) != (info.song, info.sample_rate) or not info.number:
            decoded = self._take(song, rate)
            if decoded is not None:
                self._publish(decoded, info.number)
        elif self._ready is None and song + 1 < len(self._songs):
            self._ready = self._decode(song + 1, rate)

    def _take(self, song: int, rate: int) -> _Decoded | None:
        """The song that is asked for, decoded; None if it cannot be."""
        ready, self._ready = self._ready, None
        if ready is not None and (ready.info.song, ready.info.sample_rate) == (song, rate):
            return ready
        if ready is not None:
            self._scratch.drop(ready.path)
        return self._decode(song, rate)

    def _decode(self, song: int, rate: int) -> _Decoded | None:
        """A song, decoded; None if it cannot be, which is said once, or nobody waits for it.

        Raises:
            UserError: it is the only one, or nothing plays yet.
        """
        if (song, rate) in self._broken or song >= len(self._songs):
            return None
        transport, path = self._shared.transport, self._scratch.make()
        asked = transport.command.read().song

        def is_cancelled() -> bool:
            wanted = transport.command.read().song
            if wanted != song:
                time.sleep(AHEAD_PAUSE_SECONDS)  # another one plays, and needs the processor
            return self._is_stopped or wanted not in {song, asked}

        try:
            made = decode_song(self._songs[song], path, rate, is_cancelled, self._scratch.folder)
        except UserError as error:
            self._scratch.drop(path)
            if not transport.info.read().number or len(self._songs) == 1:
                raise
            self._broken.add((song, rate))
            self._say(str(error))
            return None
        if is_cancelled():
            self._scratch.drop(path)
            return None
        return _Decoded(made._replace(song=song), path)

    def _publish(self, decoded: _Decoded, number: int) -> None:
        transport = self._shared.transport
        before, transport.samples_path = transport.samples_path, decoded.path
        transport.song = str(self._songs[decoded.info.song])
        transport.info.write(decoded.info._replace(number=number + 1))
        if number:
            self._scratch.drop(before)
