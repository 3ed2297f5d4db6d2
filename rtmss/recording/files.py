"""The files of one recording: `session.jsonl`, `input.wav`, `mix.wav`, `remainder.wav`, and one per
stem.

All have the same length and are aligned: what came of an input sample stands at the same place as
it. A sample's place follows from its hop, so whatever is never written is silence: a stem before
its coming and after its going, and hops that were given up or lost.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from itertools import groupby
from pathlib import Path
from typing import Protocol

from rtmss.audio import Audio
from rtmss.ownership import try_lock
from rtmss.recording.hop import Hop, Position
from rtmss.recording.log import LOG, VECTORS, Event, EventKind, Header, Vectors
from rtmss.recording.wav import WavFile

MAX_OPEN = 64
"""Files that are open at once: a system gives 256 or so, and presets may bring ever new stems."""
FLUSH_SECONDS = 1.0
"""So much is missing at most where all processes were killed at once."""


class AudioOut(Protocol):
    """What a take needs of a file."""

    def put(self, start: int, audio: Audio) -> None:
        """Write (C, S) at a place."""

    def end_at(self, n_samples: int) -> None:
        """Let it be readable, and that long."""

    def close(self) -> None:
        """Let go of it."""


OpenAudio = Callable[[Path, int, int], AudioOut]


class Take:
    """A recording that is being written."""

    def __init__(
        self, folder: Path, hop_length: int, delay: int, open_audio: OpenAudio = WavFile
    ) -> None:
        """Begin one in a folder, or go on with the one that is there.

        Args:
            folder: it exists.
            hop_length: samples per hop.
            delay: samples by which outputs lag behind the input.
            open_audio: opens or makes a file, by path, rate and channels.

        Raises:
            OSError: the folder cannot be used.
        """
        self.folder = folder
        self._hop, self._delay, self._open_audio = hop_length, delay, open_audio
        self._vectors = Vectors(folder / VECTORS)
        _drop_half_a_line(folder / LOG)
        self._log = (folder / LOG).open(
            "a",
            encoding="utf-8",
            buffering=1,
        )
        try_lock(self._log.buffer)  # so that nobody else takes it for one that was left behind
        self._files: dict[str, AudioOut] = {}
        """Those that are open, the one that was written to last at the end."""
        self._forms: dict[str, tuple[int, int]] = {}
        """Rate and channels of every file, open or not."""
        self._due = time.monotonic() + FLUSH_SECONDS

    def begin(self, header: Header) -> None:
        """Write the first line of the log, or open the files of a take that has it already.

        Raises:
            OSError: the disk is full, or the like.
        """
        if not self._log.tell():
            self._log.write(header.model_dump_json() + "\n")
        for path in self.folder.glob("*.wav"):
            self._file(
                path.stem,
                header.sample_rate,
                header.n_outputs if path.stem == "mix" else 2,
            )

    def note(self, event: Event) -> None:
        """Write a line of the log.

        Raises:
            OSError: the disk is full, or the like.
        """
        self._log.write(event.line())

    def note_late(self, hops: Sequence[int]) -> None:
        """Log hops that came too late, those in a row on one line."""
        for _, row in groupby(enumerate(hops), key=lambda pair: pair[1] - pair[0]):
            run = [hop for _, hop in row]
            self.note(
                Event(
                    event="late",
                    hop=run[0],
                    hops=len(run),
                )
            )

    def write(self, hop: Hop, before: Position, n_lost: int) -> None:
        """Write one hop and all that is new about it.

        Args:
            hop: the next that there is.
            before: what was known before it.
            n_lost: hops that the recorder has missed since.

        Raises:
            OSError: the disk is full, or the like.
        """
        if hop.hop > before.hop:
            self.note(
                Event(
                    event="lost" if n_lost else "gave_up", hop=before.hop, hops=hop.hop - before.hop
                )
            )
        self._note_changes(hop, before)
        place, rate = hop.hop * self._hop, hop.run.sample_rate
        stems = {
            stem.name: audio
            for stem, audio in zip(
                hop.scene.stems,
                hop.stems,
                strict=True,
            )
        }
        self._file(
            "input",
            rate,
            len(hop.input),
        ).put(place, hop.input)
        for name, audio in {
            "mix": hop.mix,
            "remainder": hop.remainder,
            **stems,
        }.items():
            self._file(
                name,
                rate,
                len(audio),
            ).put(place - self._delay, audio)
        if time.monotonic() >= self._due:
            self.flush(hop.hop + 1)

    def flush(self, n_hops: int) -> None:
        """Let all files be readable, and `n_hops` long."""
        self._due = time.monotonic() + FLUSH_SECONDS
        for file in self._files.values():
            file.end_at(n_hops * self._hop)

    def close(self, n_hops: int, reason: str) -> None:
        """End all files, as far as the disk lets them."""
        for name, form in self._forms.items():
            with contextlib.suppress(OSError):
                file = self._file(name, *form)
                if name != "input":  # of a hop that was not whole, nothing remains
                    file.end_at(max(0, n_hops * self._hop - self._delay))
                file.end_at(n_hops * self._hop)
        for file in self._files.values():
            file.close()
        with contextlib.suppress(OSError):  # there may be no room for another line
            self.note(Event(event="end", hop=n_hops, reason=reason))
        with contextlib.suppress(OSError):
            self._log.close()

    def _note_changes(self, hop: Hop, before: Position) -> None:
        if hop.start is not None:
            self.note(
                Event(
                    event="start",
                    hop=hop.hop,
                    scene=self._vectors.record(hop.start),
                )
            )
        if hop.scene_number != before.scene:
            self.note(
                Event(
                    event="scene",
                    hop=hop.hop,
                    scene=self._vectors.record(hop.scene),
                )
            )
        info = hop.info
        if info.step > 1:
            self.note(
                Event(
                    event="step",
                    hop=hop.hop,
                    hops=info.step,
                )
            )
        counts: dict[EventKind, int] = {
            "bad_samples": info.n_bad_samples - before.n_bad_samples,
            "bad_outputs": info.n_bad_outputs - before.n_bad_outputs,
            "xruns": info.n_xruns - before.n_xruns,
        }
        for kind, count in counts.items():
            if count > 0:
                self.note(
                    Event(
                        event=kind,
                        hop=hop.hop,
                        count=count,
                    )
                )
        if info.is_panic != bool(before.is_panic):
            self.note(
                Event(
                    event="panic",
                    hop=hop.hop,
                    on=info.is_panic,
                )
            )
        if info.is_transport != bool(before.is_transport):
            self.note(
                Event(
                    event="transport",
                    hop=hop.hop,
                    on=info.is_transport,
                )
            )

    def _file(self, name: str, sample_rate: int, n_channels: int) -> AudioOut:
        """An open file; the one that was not written to for longest is closed for it, if need be.

        Raises:
            OSError: it cannot be opened.
        """
        file = self._files.pop(name, None)
        if file is None:
            while len(self._files) >= MAX_OPEN:
                self._files.pop(next(iter(self._files))).close()
            path, form = self.folder / f"{name}.wav", (sample_rate, n_channels)
            file, self._forms[name] = self._open_audio(path, *form), form
        self._files[name] = file
        return file


def _drop_half_a_line(log: Path) -> None:
    """What a recorder that was killed has left at the end."""
    if log.exists():
        data = log.read_bytes()
        with log.open("r+b") as file:
            file.truncate(data.rfind(b"\n") + 1)
