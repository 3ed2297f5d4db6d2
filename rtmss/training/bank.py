"""A bank of takes: all training audio decoded once to one int16 array that lies on disk and is mapped into memory.

Layout of a data folder (split is `train` or `valid`):
    songs/<split>/<song>/<stem>.<ext>            sample-aligned stems of one song, and song.yaml (optional)
    performances/<split>/<instrument>/<source>__*.<ext>   one instrument alone; <source> is the player or library
    voice/<split>/<voice>/*.<ext>                one voice alone
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from rtmss.config import ConfigError
from rtmss.files import Audio, read_audio

SUFFIXES = {".ogg", ".wav", ".flac", ".mp3", ".aiff"}

FAMILIES = {
    "vocals": "vocals backing_vocals",
    "drums": "drums",
    "percussion": "percussion",
    "bass": "bass double_bass synth_bass upright_bass",
    "guitar": "guitar acoustic_guitar electric_guitar banjo",
    "piano": "piano",
    "keys": "keys accordion clavinet electric_piano harmonica marimba organ vibraphone",
    "synth": "synth synth_lead synth_pad",
    "strings": "strings cello harp string_section viola violin",
    "winds": "winds clarinet flute oboe saxophone",
    "brass": "brass brass_section french_horn trombone trumpet",
    "other": "backing fx",
}
"""Labels of each family. `other` is heard in mixes and never a target."""

FAMILY_OF = {label: family for family, labels in FAMILIES.items() for label in labels.split()}

_LABEL_OF_INSTRUMENT = {
    "male voice": "vocals",
    "drum kit": "drums",
    "drum machine": "drums",
    "hand percussion": "percussion",
    "electric bass": "bass",
    "upright bass": "upright_bass",
    "synth bass": "synth_bass",
    "grand piano": "piano",
    "electric piano": "electric_piano",
    "electric piano 2": "electric_piano",
    "drawbar organ": "organ",
    "rock organ": "organ",
    "alto sax": "saxophone",
    "soprano sax": "saxophone",
    "tenor sax": "saxophone",
    "french horn": "french_horn",
    "brass section": "brass_section",
    "ensemble": "string_section",
    "section": "string_section",
    "pad": "synth_pad",
    "lead": "synth_lead",
    "poly": "synth_lead",
    "overdriven (amp in samples)": "electric_guitar",
    "distorted": "electric_guitar",
    "clean electric guitar": "electric_guitar",
    "archtop guitar, pickup": "electric_guitar",
    "archtop guitar, mic": "acoustic_guitar",
    "steel-string guitar": "acoustic_guitar",
    "nylon guitar": "acoustic_guitar",
    "classical guitar": "acoustic_guitar",
}


@dataclass(frozen=True)
class Take:
    """One continuous recording of one instrument."""

    path: str
    label: str
    source: str
    """The player, singer, or sample library."""
    song: str
    """Empty for solo recordings."""
    start: int = 0
    """First value in the bank."""
    n_samples: int = 0
    n_channels: int = 1

    @property
    def family(self) -> str:
        """The family of the take's label."""
        return FAMILY_OF[self.label]


@dataclass(frozen=True)
class Bank:
    """Takes and their audio."""

    takes: list[Take]
    samples: NDArray[np.int16]
    levels: list[NDArray[np.float32]]
    """Per take: RMS of each half second, full scale 1."""
    sample_rate: int

    def crop(self, index: int, start: int, length: int) -> Audio:
        """(C, length) float32 of a take, silence where it has ended or not begun."""
        take = self.takes[index]
        audio = self.samples[take.start : take.start + take.n_samples * take.n_channels].reshape(take.n_samples, -1)
        piece = audio[max(0, start) : max(0, start + length)]
        out = np.zeros((take.n_channels, length), np.float32)
        offset = max(0, -start)
        out[:, offset : offset + piece.shape[0]] = piece.T
        return out / np.float32(32768)

    def active_blocks(self, index: int) -> NDArray[np.int64]:
        """Half-second blocks of a take that sound: within 30 dB of its loudest and above -55 dBFS."""
        levels = self.levels[index]
        return np.flatnonzero(levels > max(10 ** (-55 / 20), float(levels.max(initial=0)) * 10 ** (-30 / 20)))


def find_takes(folder: Path, split: str) -> list[Take]:
    """List the takes of a data folder, not yet decoded.

    Raises:
        ConfigError: the folder holds none; names the expected layout.
    """
    takes = [*_songs(folder / "songs" / split), *_performances(folder / "performances" / split)]
    takes += [
        Take(str(path.relative_to(folder)), "vocals", path.parent.name, "")
        for path in _audio_files(folder / "voice" / split)
    ]
    if not takes:
        raise ConfigError(f"{folder}: no takes for '{split}'; expected songs/{split}/<song>/<stem>.ogg or the like")
    return takes


def load_bank(folder: Path, split: str, cache: Path, sample_rate: int, n_workers: int = 2) -> Bank:
    """Map a data folder into memory, decoding it into `cache` the first time.

    Raises:
        ConfigError: the folder holds no takes.
    """
    takes = find_takes(folder, split)
    files = [(take.path, (folder / take.path).stat().st_size) for take in takes]
    key = hashlib.sha256(json.dumps([files, sample_rate]).encode()).hexdigest()[:12]
    index_file, audio_file = cache / f"{split}-{key}.json", cache / f"{split}-{key}.int16"
    if not index_file.exists():
        cache.mkdir(parents=True, exist_ok=True)
        rows = _decode(folder, takes, sample_rate, audio_file, n_workers)
        index_file.write_text(json.dumps(rows))
    index = json.loads(index_file.read_text())
    samples = np.memmap(audio_file, np.int16, mode="r")
    levels = [np.asarray(row["levels"], np.float32) for row in index]
    return Bank([Take(**row["take"]) for row in index], samples, levels, sample_rate)


def _decode(
    folder: Path, takes: list[Take], sample_rate: int, audio_file: Path, n_workers: int
) -> list[dict[str, Any]]:
    """Write the audio of all takes and return the rows of the index."""
    rows, position, half = [], 0, sample_rate // 2
    with audio_file.open("wb") as out, ThreadPoolExecutor(n_workers) as pool:
        audios = pool.map(_read_int16, [folder / take.path for take in takes], [sample_rate] * len(takes), chunksize=4)
        for take, audio in zip(takes, audios, strict=True):
            n_samples, n_channels = audio.shape
            out.write(audio.tobytes())
            blocks = audio[: n_samples // half * half].reshape(-1, half * n_channels).astype(np.float32) / 32768
            described = asdict(take) | {"start": position, "n_samples": n_samples, "n_channels": n_channels}
            rows.append({"take": described, "levels": [float(x) for x in np.sqrt(np.mean(blocks**2, 1))]})
            position += audio.size
    return rows


def _read_int16(path: Path, sample_rate: int) -> NDArray[np.int16]:
    audio, _ = read_audio(path, sample_rate)
    return np.ascontiguousarray(np.clip(np.round(audio.T * 32768), -32768, 32767).astype(np.int16))


def _audio_files(folder: Path) -> list[Path]:
    return sorted(p for p in folder.glob("*/*") if p.suffix.lower() in SUFFIXES)


def _songs(folder: Path) -> Iterator[Take]:
    for path in _audio_files(folder):
        stem = path.stem
        if stem not in FAMILY_OF:
            raise ConfigError(f"{path}: unknown stem '{stem}'; known: {', '.join(sorted(FAMILY_OF))}")
        described = _song_yaml(path.parent).get(stem) or {}
        label = _LABEL_OF_INSTRUMENT.get(described.get("instrument", ""), described.get("instrument", stem))
        label = label if FAMILY_OF.get(label) == FAMILY_OF[stem] else stem
        source = described.get("library", path.parent.name)
        yield Take(str(path.relative_to(folder.parent.parent)), label, source, path.parent.name)


def _song_yaml(folder: Path) -> dict[str, Any]:
    path = folder / "song.yaml"
    content = yaml.safe_load(path.read_text(encoding="utf-8")) if path.exists() else {}
    return dict(content.get("stems", {}))


def _performances(folder: Path) -> Iterator[Take]:
    for path in _audio_files(folder):
        label = path.parent.name
        if label not in FAMILY_OF:
            raise ConfigError(f"{path}: unknown instrument '{label}'; known: {', '.join(sorted(FAMILY_OF))}")
        yield Take(str(path.relative_to(folder.parent.parent)), label, path.stem.split("__")[0], "")
