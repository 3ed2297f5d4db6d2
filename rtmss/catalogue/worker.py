"""One song after the other, or a few at once on a GPU: the same code in a process of this machine
and in an actor of Ray.

A song goes in by its path and comes out as rows of the report; what was made of it appears in the
store before.
"""

from __future__ import annotations

import contextlib
import datetime
import os
import socket
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

from rtmss import __version__
from rtmss.catalogue.attempts import Attempts
from rtmss.catalogue.levels import amplify, gain_db, louder, measure
from rtmss.catalogue.makings import Making, Style, passes
from rtmss.catalogue.rows import Row, place
from rtmss.catalogue.songs import Song, is_address
from rtmss.catalogue.store import RECORD, is_full, open_store
from rtmss.config import UserError
from rtmss.engine.backends.protocol import Backend
from rtmss.engine.backends.together import Member, Together
from rtmss.files import AudioFileError, Damage, digest_file, refuse_damage
from rtmss.rendering import RenderOrder, RenderReport, render_all
from rtmss.separator import Separator


@dataclass(frozen=True)
class Task:
    """What every worker is told once."""

    output: str
    """Path or address of the store."""
    style: Style
    makings: Mapping[str, Making]
    run: str
    """Name of the run: tries of other runs do not count."""
    weights: Path | None = None
    force: bool = False
    """Make again what is there."""
    strict: bool = False
    """Refuse damaged files."""
    device: str = "cpu"
    batch: int = 1
    """Songs at once in one worker."""
    n_threads: int = 1


@dataclass(frozen=True)
class Outcome:
    """What a worker did with a song."""

    song: Song
    rows: list[Row] = field(default_factory=list)
    seconds: float = 0.0
    """Of audio that was rendered now."""
    wall_seconds: float = 0.0
    worker: str = ""


class Worker:
    """Renders songs; calls come one after the other."""

    def __init__(self, task: Task) -> None:
        """Load the weights.

        Raises:
            UserError: they cannot be used here.
        """
        torch.set_num_threads(task.n_threads)
        self.task = task
        self.store = open_store(task.output)
        self.name = f"{socket.gethostname()}:{os.getpid()}"
        separator = Separator.load(task.weights, task.style.profile)
        if separator.model_id != task.style.model_id:
            raise UserError(
                f"{self.name}: has weights {separator.model_id}, expected {task.style.model_id}"
            )
        self.model = separator.model
        is_alone = task.device == "cpu" and task.batch == 1
        self._together = None if is_alone else Together(separator.model, task.device)

    def __call__(self, songs: Sequence[Song]) -> list[Outcome]:
        """Render songs, all at once if there are several.

        Raises:
            UserError: nothing more can be done here, as the disk is full.
        """
        if len(songs) == 1:
            return [self._work(songs[0])]
        with ThreadPoolExecutor(len(songs)) as pool:
            return list(pool.map(self._work, songs))

    def _work(self, song: Song) -> Outcome:
        started = time.monotonic()
        with Attempts(self.store, self.task.run, song) as tries:
            if tries.are_over:
                return Outcome(song, self._failed(song, song.makings, "its worker died twice"))
            rows, seconds = self._rows(song)
        return Outcome(
            song,
            rows,
            seconds,
            time.monotonic() - started,
            self.name,
        )

    def _rows(self, song: Song) -> tuple[list[Row], float]:
        """Of everything that is to be made of a song, now or before; and the seconds of audio that
        were rendered now.
        """
        rows: dict[str, Row] = {}
        seconds = 0.0
        with self.store.scratch() as scratch:
            try:
                source = fetch(song, scratch)
                content = digest_file(source)
                rows |= self._kept(song, content)
                for group in passes(self.task.makings[name] for name in song.makings):
                    missing = {making.name for making in group} - rows.keys()
                    for row in self._render(song, source, content, group, missing, scratch):
                        rows[row.making] = row
                        seconds = row.seconds or 0.0
            except Exception as error:  # a song is never the end of the others
                if is_full(scratch):
                    raise UserError(f"{self.task.output}: the disk is full") from error
                left = [name for name in song.makings if name not in rows]
                failed = self._failed(song, left, _reason(error))
                rows |= {row.making: row for row in failed}
        return [rows[name] for name in song.makings], seconds

    def _kept(
        self,
        song: Song,
        content: str,
    ) -> dict[str, Row]:
        """Rows of what is there, whoever made it from whichever path."""
        rows: dict[str, Row] = {}
        for name in () if self.task.force else song.makings:
            text = self.store.read(f"{place(content, name)}/{RECORD}")
            if text is not None:
                rows[name] = Row.from_json(text).of(song)
        return rows

    def _failed(
        self,
        song: Song,
        makings: Sequence[str],
        error: str,
    ) -> list[Row]:
        return [
            Row(
                song.id,
                song.path,
                self.task.makings[name].preset,
                name,
                "failed",
                error=error,
                version=__version__,
                worker=self.name,
                finished=_now(),
                stamp=song.stamp,
            )
            for name in makings
        ]

    def _render(
        self,
        song: Song,
        source: Path,
        content: str,
        group: Sequence[Making],
        missing: Collection[str],
        scratch: Path,
    ) -> Iterator[Row]:
        """Render a song by several makings in one pass, and publish each that is missing.

        All are rendered even if some are there: the same pass gives the same samples.
        """
        if not missing:
            return
        damages: list[Damage] = []
        is_levelled = self.task.style.loudness_lufs is not None
        format = "wav" if is_levelled else self.task.style.format  # noqa: A001
        orders = [
            RenderOrder(
                scratch / making.name / "made",
                replace(making.plan, format=format),
            )
            for making in group
        ]
        with self._backend() as backend:
            reports = render_all(
                source,
                orders,
                self.model,
                backend=backend,
                on_damage=refuse_damage if self.task.strict else damages.append,
            )
        for making, report in zip(group, reports, strict=True):
            if making.name not in missing:
                continue
            row = Row(
                song.id,
                song.path,
                making.preset,
                making.name,
                "done",
                seconds=round(report.seconds, 3),
                wall_seconds=round(report.wall_seconds, 3),
                real_time_factor=round(report.real_time_factor, 4),
                n_bad_samples=report.n_bad_samples,
                n_bad_outputs=report.n_bad_outputs,
                damage="; ".join(f"from {d.seconds:.2f} s on: {d.text}" for d in damages),
                content=content,
                version=__version__,
                worker=self.name,
                stamp=song.stamp,
            )
            yield self._publish(
                self._level(row, report),
                scratch / making.name / "done",
            )

    def _backend(self) -> contextlib.AbstractContextManager[Backend | None]:
        return contextlib.nullcontext() if self._together is None else Member(self._together)

    def _level(self, row: Row, report: RenderReport) -> Row:
        """Measure the mix, and give all files the gain that is asked for, into the folder `done`.

        The row knows afterwards how loud it is.
        """
        mix, *stems = report.files
        done, wanted = mix.parent.with_name("done"), self.task.style.loudness_lufs
        levels = measure(mix)
        if wanted is None:
            mix.parent.rename(done)
            return _with_levels(row, levels.loudness_lufs, levels.true_peak_db, levels.level_db)
        files = [levels, *(measure(stem) for stem in stems)]
        gain = gain_db(levels, files, wanted)
        for path in report.files:
            amplify(path, done, self.task.style.format, gain)
            path.unlink()
        mixed = louder(levels, gain)
        peaks = [louder(file, gain).true_peak_db for file in files]
        highest = max(
            (peak for peak in peaks if peak is not None),
            default=None,
        )
        row = replace(row, gain_db=round(gain, 2))
        return _with_levels(row, mixed.loudness_lufs, highest, mixed.level_db)

    def _publish(self, row: Row, folder: Path) -> Row:
        """Let a folder appear in the store; if another worker was first, its row counts."""
        goal = place(row.content, row.making)
        paths = sorted(folder.iterdir())
        row = replace(
            row,
            files={path.stem: f"{goal}/{path.name}" for path in paths},
            hashes={path.stem: digest_file(path) for path in paths},
            finished=_now(),
        )
        (folder / RECORD).write_text(f"{row.to_json()}\n", encoding="utf-8")
        if self.store.publish(folder, goal, replace=self.task.force):
            return row
        theirs = Row.from_json(self.store.read(f"{goal}/{RECORD}") or row.to_json())
        return replace(
            theirs,
            id=row.id,
            path=row.path,
            stamp=row.stamp,
        )


def fetch(song: Song, scratch: Path) -> Path:
    """The song as a file of this machine.

    Raises:
        AudioFileError: it cannot be read.
    """
    if not is_address(song.path):
        return Path(song.path)
    from fsspec.core import url_to_fs

    file = scratch / f"source{song.suffix}"
    try:
        system, path = url_to_fs(song.path)
        system.get_file(path, str(file))
    except Exception as error:  # every file system has its own
        raise AudioFileError(f"{song.path}: cannot be read ({_reason(error)})") from error
    return file


def _with_levels(
    row: Row,
    loudness: float | None,
    peak: float | None,
    level: float | None,
) -> Row:
    def rounded(value: float | None) -> float | None:
        return None if value is None else round(value, 2)

    return replace(
        row,
        loudness_lufs=rounded(loudness),
        true_peak_db=rounded(peak),
        level_db=rounded(level),
    )


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def _reason(error: Exception) -> str:
    text = str(error).strip()
    text = text.splitlines()[0] if text else ""
    return text if isinstance(error, UserError) else f"{type(error).__name__}: {text}"
