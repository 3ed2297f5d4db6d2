"""The pieces that the separator is judged on: validation songs, and unknown voices over their backings.

Folder layout as in `rtmss.training.datasets.folder`, split `valid`. Axes: C channels, S samples.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch

from rtmss.conditions.preset import find
from rtmss.config import ConfigError
from rtmss.evaluation.metrics import block_levels, sounding_level
from rtmss.files import Audio, read_audio
from rtmss.training.datasets import find_takes
from rtmss.training.datasets.take import SUFFIXES
from rtmss.training.datasets.taxonomy import FAMILY_OF, HIDES, MIXTURE
from rtmss.training.dynamics import master_gains

TARGETS = ("vocals", "drums", "bass", "guitar")
VOICE_BELOW_DB = 2.0
BACKINGS_PER_VOICE = 2
MASTER = (4.0, 3.0, 0.01, 0.15, 8.0, 0.06)
"""A loud record's compressor and limiter, as `training.dynamics.draw_master` gives them."""
KNOWN_SINGER = "pjs"
"""The singer of the band songs, in training and validation: no unknown voice."""

HIDING = {"backing": TARGETS, "synth": ("bass", "keys"), "percussion": ("drums",), "keys": ("piano", "synth")}
"""Stems that may hold a target without being called so, and the targets they may hold."""

JUDGED = {label: label for label, family in FAMILY_OF.items() if family != "other"}
"""What may be asked for: families and instruments."""


@dataclass(frozen=True)
class Piece:
    """A mixture whose parts are known."""

    name: str
    stems: dict[str, Audio]
    """(2, S) by stem name, all of one length."""
    voice: str = ""
    """The unknown voice that was laid over the song; empty for a song as it is."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """The instrument of a stem, where it is known."""

    @cached_property
    def mixture(self) -> Audio:
        """(2, S) the sum of all stems."""
        return add(self.stems.values())

    def truth(self, target: str) -> Audio | None:
        """(2, S) the sum of the stems of a target's family, so `vocals` holds the backing vocals, or of an instrument;
        None if absent.
        """
        parts = [audio for stem, audio in self.stems.items() if target in {FAMILY_OF[stem], self.label(stem)}]
        return add(parts) if any(np.abs(part).max() > 1e-4 for part in parts) else None

    def may_hide(self, target: str) -> bool:
        """Whether a target without a stem could still sound in another stem."""
        if target in TARGETS:
            return any(target in HIDING.get(stem, ()) for stem in self.stems)
        family = FAMILY_OF[target]
        labels = {self.label(stem) for stem in self.stems}
        return any(label in {*HIDES, family} or family in HIDING.get(label, ()) for label in labels)

    def label(self, stem: str) -> str:
        """The instrument of a stem, or else what the stem is called."""
        return self.labels.get(stem, stem)

    def families(self) -> list[str]:
        """The families that play."""
        return sorted({FAMILY_OF[stem] for stem in self.stems})


def find_songs(data: Path, names: Sequence[str] | None = None) -> list[Path]:
    """Folders of the validation songs.

    Raises:
        ConfigError: there are none, or a name is unknown.
    """
    folders = {path.name: path for path in sorted((data / "songs" / "valid").glob("*")) if path.is_dir()}
    if not folders:
        raise ConfigError(f"{data}: no songs to evaluate on; expected songs/valid/<song>/<stem>.ogg")
    return [find(name, folders, "song") for name in names] if names else list(folders.values())


def find_labels(data: Path) -> dict[str, dict[str, str]]:
    """The instrument of every stem of every validation song, by song and stem."""
    labels: dict[str, dict[str, str]] = {}
    for take in find_takes(data, "valid"):
        if take.song:
            labels.setdefault(take.song, {})[take.stem] = take.label
    return labels


def find_unseen(data: Path) -> list[str]:
    """Instruments of the split `valid` that `train` does not have, and that have recordings alone to take clips from.

    Raises:
        ConfigError: there are none, or a split is missing.
    """
    alone = {take.label for take in find_takes(data, "valid") if not take.song}
    unseen = sorted(alone - {take.label for take in find_takes(data, "train")})
    if not unseen:
        raise ConfigError(
            f"{data}: no unseen instrument; expected performances/valid/<instrument>/*.ogg of one that `train` has not"
        )
    return unseen


def read_song(
    folder: Path, sample_rate: int, max_seconds: float | None = None, labels: Mapping[str, str] | None = None
) -> Piece:
    """Read a song's stems.

    Args:
        folder: the song.
        sample_rate: Hz, to read at.
        max_seconds: read at most this much, from the moment when all stems have begun to sound.
        labels: the instruments of its stems, as far as they are known.

    Raises:
        ConfigError: it holds no audio, a stem with an unknown name, or stems of different lengths.
    """
    files = sorted(p for p in folder.glob("*") if p.suffix.lower() in SUFFIXES and p.stem != MIXTURE)
    for path in files:
        find(path.stem, FAMILY_OF, f"stem known for {path}:")
    stems = {path.stem: as_stereo(read_audio(path, sample_rate)[0]) for path in files}
    lengths = {audio.shape[-1] for audio in stems.values()}
    if len(lengths) != 1:
        raise ConfigError(f"{folder}: expected stems of one length, got {sorted(lengths) or 'none'} samples")
    if max_seconds is not None:
        n = int(max_seconds * sample_rate)
        start = max(0, min(max(_first_sound(a, sample_rate) for a in stems.values()), lengths.pop() - n))
        stems = {name: audio[:, start : start + n] for name, audio in stems.items()}
    return Piece(folder.name, stems, labels=labels or {})


def find_voices(data: Path) -> list[Path]:
    """Folders of the validation voices that the training never heard."""
    folders = sorted((data / "voice" / "valid").glob("*"))
    return [path for path in folders if path.is_dir() and not path.name.startswith(KNOWN_SINGER)]


def pair_voices(voices: Sequence[Path], songs: Sequence[Path]) -> Iterator[tuple[Path, Path]]:
    """Two backings for each voice, taken in turn from the songs of rendered bands."""
    bands = [song for song in songs if song.name.startswith("band-")]
    for index, voice in enumerate(voices):
        for turn in range(min(BACKINGS_PER_VOICE, len(bands))):
            yield voice, bands[(index * BACKINGS_PER_VOICE + turn) % len(bands)]


def lay_voice(song: Piece, voice: Path, sample_rate: int) -> Piece:
    """Replace a song's vocals by a dry voice, on both sides, 2 dB under the rest where each of them sounds.

    Args:
        song: whose vocals are left out.
        voice: a folder of recordings, played one after the other until the song ends.
        sample_rate: Hz of the song.
    """
    stems = {name: audio for name, audio in song.stems.items() if FAMILY_OF[name] != "vocals"}
    backing = add(stems.values())
    n = backing.shape[-1]
    files = sorted(path for path in voice.glob("*") if path.suffix.lower() in SUFFIXES)
    mono = np.concatenate([read_audio(path, sample_rate)[0].mean(0) for path in files])[:n]
    audio = as_stereo(np.pad(mono, (0, n - len(mono)))[None])
    wanted = sounding_level(backing, sample_rate) * 10 ** (-VOICE_BELOW_DB / 20)
    audio = audio * np.float32(wanted / max(sounding_level(audio, sample_rate), 1e-9))
    gain = np.float32(min(1.0, 0.98 / np.abs(backing + audio).max()))
    return Piece(
        song.name, {name: part * gain for name, part in (stems | {"vocals": audio}).items()}, voice.name, song.labels
    )


def master(piece: Piece, sample_rate: int) -> Piece:
    """A piece compressed, limited and at full scale, as records are. All stems have one gain, so they still add up."""
    mixture = torch.from_numpy(piece.mixture)[None]
    gains = master_gains(mixture, torch.tensor([MASTER]), sample_rate)[0].numpy()
    gains *= 0.99 / max(1e-6, np.abs(piece.mixture * gains).max())
    return replace(piece, stems={name: audio * gains for name, audio in piece.stems.items()})


def add(parts: Iterable[Audio]) -> Audio:
    """Mix (C, S) parts of one length."""
    return np.asarray(sum(parts, np.zeros(1, np.float32)), np.float32)


def as_stereo(audio: Audio) -> Audio:
    """(1 or 2, S) -> (2, S)."""
    return np.repeat(audio, 2, axis=0) if audio.shape[0] == 1 else audio


def _first_sound(audio: Audio, sample_rate: int) -> int:
    """First sample of the half second in which audio comes within 30 dB of its loudest."""
    levels = block_levels(audio, sample_rate)
    return int(np.argmax(levels >= levels.max(initial=0) * 10 ** (-30 / 20))) * (sample_rate // 2)
