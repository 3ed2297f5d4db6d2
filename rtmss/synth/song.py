"""One song from its seed to its folder: stems and song.yaml, under its final name only when all is
there.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from pedalboard.io import AudioFile

from rtmss.audio import Audio
from rtmss.files import read_audio
from rtmss.synth.arrange import arrange
from rtmss.synth.instruments import LEFT_OUT
from rtmss.synth.mixing import mix_stems
from rtmss.synth.own import play_own
from rtmss.synth.play import play_part
from rtmss.synth.score import Part, Song
from rtmss.synth.soundfonts import Soundfont

SAMPLE_RATE = 44100
OWN_LICENCE = "CC0-1.0"
"""Of the arrangement and of what rtmss's oscillators play."""
HIGHEST_PEAK = 0.98
"""Of the sum of stems in a folder of stems."""


@dataclass(frozen=True)
class SongOrder:
    """What to make."""

    folder: Path
    """The song's final folder; its name is the song's id."""
    seed: int
    soundfonts: tuple[Soundfont, ...]
    leave_out: tuple[int, ...] = LEFT_OUT
    max_seconds: float = 600.0
    """Cut the song here."""

    @property
    def partial(self) -> Path:
        """Where the song grows, outside of what is read as songs."""
        return self.folder.parents[2] / ".partial" / self.folder.name


def make_song(order: SongOrder) -> float:
    """Arrange, play, mix and write a song; returns its length in seconds.

    Raises:
        UserError: fluidsynth fails.
    """
    song = arrange(
        order.seed, {font.name: font.sounds for font in order.soundfonts}, order.leave_out
    )
    n_samples = int(min(song.seconds, order.max_seconds) * SAMPLE_RATE)
    played = [
        _play(
            part,
            i,
            order,
            n_samples,
        )
        for i, part in enumerate(song.parts)
    ]
    stems = mix_stems(
        song,
        played,
        SAMPLE_RATE,
        np.random.default_rng([order.seed, 1]),
    )
    stems = {name: audio for name, audio in stems.items() if np.abs(audio).max() > 1e-3}
    partial = order.partial
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    _write_stems(partial, stems)
    described = describe(song, order, list(stems), n_samples / SAMPLE_RATE)
    (partial / "song.yaml").write_text(
        yaml.safe_dump(described, sort_keys=False, allow_unicode=True), encoding="utf-8"
    )
    order.folder.parent.mkdir(parents=True, exist_ok=True)
    partial.rename(order.folder)
    return n_samples / SAMPLE_RATE


def _play(
    part: Part,
    index: int,
    order: SongOrder,
    n_samples: int,
) -> Audio:
    if part.instrument.is_own:
        return play_own(
            part,
            n_samples,
            SAMPLE_RATE,
            np.random.default_rng([order.seed, 2, index]),
        )
    path = next(font.path for font in order.soundfonts if font.name == part.library)
    return play_part(part, path, n_samples, SAMPLE_RATE)


def _write_stems(folder: Path, stems: Mapping[str, Audio]) -> None:
    """Write stems, and again softer while lossy coding makes their sum louder than a mix may be."""
    gain = 1.0
    while (peak := _write(folder, stems, gain)) >= HIGHEST_PEAK:
        gain *= 0.97 * HIGHEST_PEAK / peak


def _write(
    folder: Path,
    stems: Mapping[str, Audio],
    gain: float,
) -> float:
    """Write every stem; returns the peak of the sum as it is read again."""
    mix = np.zeros_like(next(iter(stems.values())))
    for name, audio in stems.items():
        path = folder / f"{name}.ogg"
        with AudioFile(
            str(path),
            "w",
            SAMPLE_RATE,
            2,
            quality="192 kbps",
        ) as file:
            file.write(audio * np.float32(gain))
        mix += read_audio(path)[0]
    return float(np.abs(mix).max())


def describe(
    song: Song,
    order: SongOrder,
    stems: list[str],
    seconds: float,
) -> dict[str, Any]:
    """The content of song.yaml."""
    licences = {font.name: font.licence for font in order.soundfonts}
    by_stem = {
        name: [part for part in song.parts if part.instrument.stem == name] for name in stems
    }
    described = {
        name: _describe_stem(
            parts,
            licences,
            order.folder.name,
        )
        for name, parts in by_stem.items()
    }
    used = {licence for stem in described.values() for licence in stem["licence"].split(" AND ")}
    return {
        "id": order.folder.name,
        "title": f"{song.style} in {song.key}",
        "kind": "synthesized",
        "source": "rtmss data synth",
        "licence": " AND ".join(sorted(used | {OWN_LICENCE})),
        "seed": song.seed,
        "style": song.style,
        "bpm": song.bpm,
        "key": str(song.key),
        "steps_per_bar": song.grid.n_steps,
        "sections": [
            {
                "start": start,
                "name": name,
            }
            for start, name in song.sections
        ],
        "stems": described,
        "seconds": round(seconds, 2),
        "samplerate": SAMPLE_RATE,
        "mix": "sum of all stems",
    }


def _describe_stem(
    parts: list[Part],
    licences: Mapping[str, str],
    song_id: str,
) -> dict[str, Any]:
    """Label, library and licence of a stem; two parts of one label are one instrument to the
    bank.
    """
    labels = {part.instrument.label for part in parts}
    rows = [
        {
            "instrument": part.instrument.name,
            "role": part.role,
            "library": _library(part, song_id),
        }
        for part in parts
    ]
    used = sorted({licences[part.library] if part.library else OWN_LICENCE for part in parts})
    return {
        "instrument": labels.pop() if len(labels) == 1 else parts[0].instrument.stem,
        "library": " + ".join(sorted({row["library"] for row in rows})),
        "licence": " AND ".join(used),
        "parts": rows,
    }


def _library(part: Part, song_id: str) -> str:
    """Who plays: the soundfont and its preset; the oscillators are others in every song."""
    if not part.library:
        return f"oscillators {song_id}"
    bank = f"{part.instrument.bank}:" if part.instrument.bank else ""
    return f"{part.library}:{bank}{part.instrument.program}"
