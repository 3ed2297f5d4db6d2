"""A bank of tracks: all training audio decoded once to one int16 array that lies on disk and is
mapped into memory.

The tracks come from the readers in `rtmss.datasets`, which know the layouts on disk.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich import progress
from rich.console import Console
from rich.markup import escape

from rtmss.audio import Audio
from rtmss.config import ConfigError
from rtmss.datasets import find_tracks
from rtmss.datasets.taxonomy import FAMILIES, FAMILY_OF
from rtmss.datasets.track import SUFFIXES, Track, read_track
from rtmss.training.mixtures.bandwidth import bandwidth_hz

__all__ = [
    "FAMILIES",
    "FAMILY_OF",
    "SUFFIXES",
    "Bank",
    "Track",
    "Urn",
    "choose_share",
    "draw_start",
    "draw_track",
    "find_tracks",
    "load_bank",
    "load_banks",
]


@dataclass(frozen=True)
class Bank:
    """Tracks and their audio."""

    tracks: list[Track]
    audio: list[NDArray[np.int16]]
    """Per track: (S, C), mapped from disk."""
    levels: list[NDArray[np.float32]]
    """Per track: RMS of each half second, full scale 1."""
    sample_rate: int
    _active: dict[int, NDArray[np.int64]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def crop(self, index: int, start: int, length: int) -> Audio:
        """(C, length) float32 of a track, silence where it has ended or not begun.

        Its transpose lies in one piece, as tracks do.
        """
        piece = self.audio[index][max(0, start) : max(0, start + length)]
        out = np.empty(
            (length, self.tracks[index].n_channels),
            np.float32,
        )
        first = min(max(0, -start), length)
        last = first + len(piece)
        out[:first] = 0
        np.multiply(
            piece,
            np.float32(1 / 32768),
            out=out[first:last],
            dtype=np.float32,
        )
        out[last:] = 0
        return out.T

    def active_blocks(self, index: int) -> NDArray[np.int64]:
        """Half-second blocks of a track that sound: within 30 dB of its loudest and above -55
        dBFS.
        """
        if index not in self._active:
            levels = self.levels[index]
            threshold = max(
                10 ** (-55 / 20),
                float(levels.max(initial=0)) * 10 ** (-30 / 20),
            )
            self._active[index] = np.flatnonzero(levels > threshold)
        return self._active[index]


def choose_share(
    tracks: Sequence[Track], among: Iterable[int], share: float, seed: int
) -> list[int]:
    """Those `among` numbers of tracks that belong to a share of the songs, or to a share of the
    sources of each family's solo recordings.

    At least one of each is kept. A smaller share of the same seed is part of a larger one. A source
    that is left out may still play in a song that is kept.
    """
    groups: dict[str, dict[str, list[int]]] = {}
    for index in among:
        track = tracks[index]
        kind, unit = ("song", track.song) if track.song else (track.family, track.source)
        groups.setdefault(kind, {}).setdefault(unit, []).append(index)
    rng = np.random.default_rng([seed, 97])
    kept: list[int] = []
    for units in (list(group.values()) for group in groups.values()):
        for number in rng.permutation(len(units))[: math.ceil(share * len(units))]:
            kept += units[number]
    return sorted(kept)


class Urn:
    """Tracks to draw from: the source first (by the square root of its length), then one of its
    tracks (by length).
    """

    def __init__(self, bank: Bank, indices: list[int]) -> None:
        self.indices = indices
        sources = np.array([bank.tracks[i].source for i in indices])
        lengths = np.array(
            [bank.tracks[i].n_samples for i in indices],
            float,
        )
        _, source = np.unique(sources, return_inverse=True)
        of_source = np.bincount(source, lengths)
        weights = np.sqrt(of_source)[source] * lengths / of_source[source]
        self.total = weights.sum()
        self.ends = np.cumsum(weights)

    def draw(self, rng: np.random.Generator) -> int:
        """Number of a track."""
        place = int(
            np.searchsorted(
                self.ends,
                rng.random() * self.total,
                side="right",
            )
        )
        return self.indices[min(place, len(self.indices) - 1)]


def draw_track(
    bank: Bank,
    indices: list[int],
    rng: np.random.Generator,
) -> int:
    """One of them, drawn as from an `Urn`, which is for many draws."""
    return Urn(bank, indices).draw(rng)


def draw_start(
    bank: Bank,
    index: int,
    length: int,
    rng: np.random.Generator,
) -> int:
    """First sample of a crop in which the track sounds at some point."""
    half = bank.sample_rate // 2
    blocks = bank.active_blocks(index)
    position = int(rng.choice(blocks)) * half if len(blocks) else 0
    start = position - int(
        rng.integers(
            0,
            max(1, length - half),
        )
    )
    return max(
        0,
        min(start, bank.tracks[index].n_samples - length),
    )


def load_banks(
    folders: Sequence[Path],
    split: str,
    cache: Path,
    sample_rate: int,
    console: Console | None = None,
) -> Bank:
    """Map several data folders into memory as one bank, in their order; songs of one name stay
    songs of their own.

    Decoding, which happens once, shows its progress on `console`.

    Raises:
        AudioFileError: a file cannot be used.
        ConfigError: no folder, or one that holds no tracks.
    """
    if not folders:
        raise ConfigError("no data folder: name at least one")
    banks = [
        load_bank(
            folder,
            split,
            cache,
            sample_rate,
            console=console,
        )
        for folder in folders
    ]
    tracks: list[Track] = []
    for number, bank in enumerate(banks, 1):
        taken = {track.song for track in tracks} - {""}
        tracks += [
            replace(t, song=f"{t.song} ({number})") if t.song in taken else t for t in bank.tracks
        ]
    audio = [audio for bank in banks for audio in bank.audio]
    return Bank(
        tracks,
        audio,
        [levels for bank in banks for levels in bank.levels],
        sample_rate,
    )


def load_bank(
    folder: Path,
    split: str,
    cache: Path,
    sample_rate: int,
    n_workers: int | None = None,
    console: Console | None = None,
) -> Bank:
    """Map a data folder into memory, decoding it into `cache` the first time.

    Raises:
        AudioFileError: a file cannot be used.
        ConfigError: the folder holds no tracks.
    """
    tracks = find_tracks(folder, split)
    about = json.dumps([[_signature(folder, track) for track in tracks], sample_rate])
    key = hashlib.sha256(about.encode()).hexdigest()[:12]
    index_file = cache / f"{split}-{key}.json"
    audio_file = cache / f"{split}-{key}.int16"
    if not index_file.exists():
        cache.mkdir(parents=True, exist_ok=True)
        rows = _decode(
            folder,
            tracks,
            sample_rate,
            audio_file,
            n_workers or os.cpu_count() or 1,
            console or Console(quiet=True),
        )
        index_file.write_text(json.dumps(rows))
    index = json.loads(index_file.read_text())
    samples = np.asarray(np.memmap(audio_file, np.int16, mode="r"))
    tracks = [_placed(track, row["take"]) for track, row in zip(tracks, index, strict=True)]
    audio = [
        samples[t.start : t.start + t.n_samples * t.n_channels].reshape(t.n_samples, t.n_channels)
        for t in tracks
    ]
    tracks = _with_bandwidths(tracks, audio, sample_rate, cache / f"bandwidths-{split}-{key}.json")
    levels = [np.asarray(row["levels"], np.float32) for row in index]
    return Bank(tracks, audio, levels, sample_rate)


def _signature(
    folder: Path,
    track: Track,
) -> tuple[str | int, ...]:
    """What has to be the same for decoded audio to be used again."""
    sizes = [(folder / file).stat().st_size for file in track.files]
    stream = () if track.stream is None else (f"stream {track.stream}",)
    gapless = ("gapless",) if any(file.lower().endswith(".mp3") for file in track.files) else ()
    return track.path, *sizes, *track.more, *stream, *gapless


def _placed(track: Track, row: dict[str, Any]) -> Track:
    return replace(
        track, start=row["start"], n_samples=row["n_samples"], n_channels=row["n_channels"]
    )


def _with_bandwidths(
    tracks: list[Track], audio: list[NDArray[np.int16]], sample_rate: int, kept: Path
) -> list[Track]:
    """The tracks with the bandwidths that are kept in a file, measured the first time."""
    if not kept.exists():
        kept.write_text(json.dumps([bandwidth_hz(samples, sample_rate) for samples in audio]))
    return [
        replace(t, bandwidth_hz=hz)
        for t, hz in zip(
            tracks,
            json.loads(kept.read_text()),
            strict=True,
        )
    ]


def _decode(
    folder: Path,
    tracks: list[Track],
    sample_rate: int,
    audio_file: Path,
    n_workers: int,
    console: Console,
) -> list[dict[str, Any]]:
    """Write the audio of all tracks and return the rows of the index."""
    rows, position, half = [], 0, sample_rate // 2
    with audio_file.open("wb") as out, ThreadPoolExecutor(n_workers) as pool:
        audios = pool.map(
            lambda track: _read_int16(folder, track, sample_rate), tracks, chunksize=4
        )
        shown = progress.track(
            audios, escape(f"Decoding {folder}"), len(tracks), console=console, transient=True
        )
        for track, audio in zip(tracks, shown, strict=True):
            n_samples, n_channels = audio.shape
            out.write(audio.tobytes())
            blocks = (
                audio[: n_samples // half * half]
                .reshape(
                    -1,
                    half * n_channels,
                )
                .astype(np.float32)
                / 32768
            )
            place = {"start": position, "n_samples": n_samples, "n_channels": n_channels}
            described = {
                "path": track.path,
                "label": track.label,
                "source": track.source,
                "song": track.song,
            }
            rows.append(
                {
                    "take": described | place,
                    "levels": [float(x) for x in np.sqrt(np.mean(blocks**2, 1))],
                }
            )
            position += audio.size
    return rows


def _read_int16(
    folder: Path,
    track: Track,
    sample_rate: int,
) -> NDArray[np.int16]:
    audio = read_track(folder, track, sample_rate)
    return np.ascontiguousarray(
        np.clip(
            np.round(audio.T * 32768),
            -32768,
            32767,
        ).astype(np.int16)
    )
