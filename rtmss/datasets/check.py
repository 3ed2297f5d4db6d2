"""Looking through a dataset for what spoils training: every file is decoded once, in parallel.

Axes: C channels, S samples.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rtmss.audio import Audio
from rtmss.datasets import recognize
from rtmss.datasets.taxonomy import MIXTURE
from rtmss.datasets.track import SPLITS, Dataset, Problem, Track, add, read_file
from rtmss.files import AudioFileError, Damage, resample

SAMPLE_RATE = 44100
"""Hz, at which the default model works."""

SILENT = 10 ** (-60 / 20)
"""Peak below which a track is silent."""

MAX_DIFFERENCE_SECONDS = 1.0
"""Stems of a song that differ by more in length are hardly of one song."""


@dataclass
class Findings:
    """What a dataset holds."""

    folder: Path
    dataset: Dataset
    seconds: dict[tuple[str, str, str], float] = field(default_factory=dict)
    """By label, split and licence."""
    songs: dict[str, int] = field(default_factory=dict)
    """By split."""
    solos: dict[str, int] = field(default_factory=dict)
    problems: list[tuple[str, Problem]] = field(default_factory=list)
    """(split, problem)."""

    def count(
        self,
        split: str,
        tracks: list[Track],
        seconds: list[float],
    ) -> None:
        """Add a song or a solo track with the lengths of its tracks."""
        counts = self.songs if tracks[0].song else self.solos
        counts[split] = counts.get(split, 0) + 1
        for track, length in zip(tracks, seconds, strict=True):
            if track.label != MIXTURE:
                key = track.label, split, track.licence
                self.seconds[key] = self.seconds.get(key, 0.0) + length

    @property
    def spoiled(self) -> bool:
        """Whether something spoils training."""
        return any(problem.spoils for _, problem in self.problems)


def check(
    folder: Path,
    progress: Callable[[int, int], None] | None = None,
) -> Findings:
    """Examine all tracks of a dataset.

    Args:
        folder: the dataset.
        progress: called with the songs and solo tracks done, and how many there are.

    Raises:
        ConfigError: the folder is no dataset that rtmss knows.
    """
    findings = Findings(folder, recognize(folder))
    groups = []
    for split in SPLITS:
        found: list[Problem] = []
        tracks = list(findings.dataset.read(folder, split, found.append))
        findings.problems += [(split, problem) for problem in found]
        groups += [(split, group) for group in _groups(tracks)]
    pool = ThreadPoolExecutor(os.cpu_count())
    try:
        results = pool.map(
            lambda group: _examine(
                findings,
                group[1],
            ),
            groups,
        )
        for done, ((split, group), (seconds, problems)) in enumerate(
            zip(groups, results, strict=True), 1
        ):
            findings.count(split, group, seconds)
            findings.problems += [(split, problem) for problem in problems]
            if progress is not None:
                progress(done, len(groups))
    finally:
        pool.shutdown(
            cancel_futures=True
        )  # who interrupts a check does not wait for the rest of it
    if not any(split == "train" for _, split, _ in findings.seconds):
        text = f"{folder}: nothing to train on; expected {findings.dataset.layout}"
        findings.problems.append(
            (
                "train",
                Problem(
                    "empty",
                    str(folder),
                    text,
                ),
            )
        )
    return findings


def _groups(tracks: list[Track]) -> list[list[Track]]:
    """The tracks of each song together, solo tracks alone."""
    groups: dict[str, list[Track]] = {}
    for track in tracks:
        groups.setdefault(track.song or f"/{track.path}", []).append(track)
    return list(groups.values())


def _examine(
    findings: Findings,
    tracks: list[Track],
) -> tuple[list[float], list[Problem]]:
    """Seconds of each track, and the problems of a song or solo track."""
    problems: list[Problem] = []
    lengths: list[float] = []
    total: Audio | None = None
    mix: Audio | None = None
    where = tracks[0].song or tracks[0].path
    for track in tracks:
        audio, rate = _read(findings.folder, track, problems)
        lengths.append(audio.shape[1] / rate)
        if track.label == MIXTURE:
            mix = resample(audio, rate, SAMPLE_RATE)
        elif audio.size:
            problems += _look(track, audio, rate)
            if any(other.label == MIXTURE for other in tracks):
                stem = resample(audio, rate, SAMPLE_RATE)
                total = stem if total is None else add([total, stem])
    problems += _compare_lengths(where, [length for length in lengths if length])
    if mix is not None and total is not None and mix.size:
        problems += _compare_mix(where, mix, total, findings.dataset.residual_db)
    return lengths, problems


def _read(
    folder: Path,
    track: Track,
    problems: list[Problem],
) -> tuple[Audio, int]:
    """(C, S) audio of a track at its own rate, none of it if it cannot be used."""
    parts: list[Audio] = []
    rate = None

    def note(damage: Damage) -> None:
        problems.append(
            Problem(
                "damaged",
                str(damage.path.relative_to(folder)),
                str(damage),
            )
        )

    for file in track.files:
        try:
            audio, own = read_file(folder, track, file, on_damage=note)
        except AudioFileError as error:
            problems.append(Problem("unreadable", file, str(error)))
            continue
        if not np.isfinite(audio).all():
            problems.append(
                Problem(
                    "not numbers",
                    file,
                    f"{file}: holds values that are not numbers; export it again",
                )
            )
        elif audio.shape[0] > 2:
            problems.append(
                Problem(
                    "channels", file, f"{file}: {audio.shape[0]} channels; expected mono or stereo"
                )
            )
        else:
            rate = rate or own
            parts.append(resample(audio, own, rate))
    return (
        add(parts)
        if parts
        else np.zeros(
            (1, 0),
            np.float32,
        )
    ), rate or SAMPLE_RATE


def _look(
    track: Track,
    audio: Audio,
    rate: int,
) -> Iterator[Problem]:
    """What one track's (C, S) audio shows by itself."""
    if rate != SAMPLE_RATE:
        lost = f": nothing above {rate // 2} Hz" if rate < SAMPLE_RATE else ""
        yield Problem(
            "other sample rate",
            track.path,
            f"{track.path}: {rate} Hz, is resampled{lost}",
            spoils=False,
        )
    peak = float(np.abs(audio).max(initial=0))
    if peak < SILENT:
        yield Problem("silent", track.path, f"{track.path}: silent, is not used", spoils=False)
    share = clipped_share(audio)
    if share > 1e-4 and not track.more:
        text = f"{track.path}: {100 * share:.2g} % of it stands at full scale"
        yield Problem("clipped", track.path, text, spoils=False)


def clipped_share(audio: Audio) -> float:
    """Share of (C, S) samples at full scale between two others there: loud music touches it,
    clipped music stays.
    """
    full: NDArray[np.bool_] = np.abs(audio) >= 0.9995
    return float((full[:, :-2] & full[:, 1:-1] & full[:, 2:]).mean()) if audio.shape[1] > 2 else 0.0


def _compare_lengths(where: str, seconds: list[float]) -> Iterator[Problem]:
    difference = max(seconds, default=0.0) - min(seconds, default=0.0)
    if difference > 1e-9:
        text = f"{where}: stems differ in length by {difference:.3g} s; the shorter end in silence"
        yield Problem("unequal lengths", where, text, spoils=difference > MAX_DIFFERENCE_SECONDS)


def _compare_mix(
    where: str,
    mix: Audio,
    total: Audio,
    wanted_db: float,
) -> Iterator[Problem]:
    residual_db = relative_residual_db(mix, total)
    if residual_db > wanted_db:
        text = (
            f"{where}: the stems miss the mix by {residual_db:.1f} dB of it; up to "
            f"{wanted_db:.0f} dB is usual"
        )
        yield Problem("not the mix", where, text, spoils=False)


def relative_residual_db(mix: Audio, total: Audio) -> float:
    """Power of what a sum of stems lacks of the mix, relative to the mix, in dB, at the gain that
    fits best.

    Args:
        mix: (C, S).
        total: (C, S'), compared as far as both go; either may be mono.

    Returns:
        -120 or more; 0 where the mix is silent.
    """
    n = min(mix.shape[1], total.shape[1])
    one, other = np.broadcast_arrays(
        mix[:, :n],
        total[:, :n],
    )
    gain = np.float32(
        np.vdot(one, other)
        / max(
            np.vdot(other, other),
            1e-30,
        )
    )
    power, residual = float(np.square(one).mean()), float(np.square(one - gain * other).mean())
    return 10 * math.log10(max(residual, 1e-12 * power) / power) if power > 0 else 0.0
