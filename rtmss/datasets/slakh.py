"""Slakh2100: songs played from MIDI by sample libraries, mono stems.

    {train,validation,test,omitted}/Track00001/metadata.yaml
    {train,validation,test,omitted}/Track00001/stems/S00.flac      and mix.flac, all_src.mid,
    MIDI/S00.mid

Source: github.com/ethman/slakh-utils. Instruments are General MIDI programs; `omitted` holds songs
that are elsewhere too, and is not read. BabySlakh has wav files and no split: by song.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

from rtmss.bounded import UnreadableError
from rtmss.datasets.taxonomy import MIXTURE
from rtmss.datasets.track import (
    Dataset,
    Note,
    Problem,
    Track,
    split_of,
    tracks_of_song,
)
from rtmss.plain_yaml import load_description

_FOLDERS = {"train": "train", "validation": "valid", "test": "test"}

_PROGRAMS = {
    "piano": [range(4)],
    "electric_piano": [range(4, 6)],
    "harpsichord": [range(6, 7)],
    "clavinet": [range(7, 8)],
    "mallets": [
        range(8, 11),
        range(13, 15),
        range(108, 109),
        range(114, 115),
    ],
    "vibraphone": [range(11, 12)],
    "marimba": [range(12, 13)],
    "plucked": [
        range(15, 16),
        range(104, 105),
        range(106, 108),
    ],
    "organ": [range(16, 21)],
    "accordion": [range(21, 22), range(23, 24)],
    "harmonica": [range(22, 23)],
    "acoustic_guitar": [range(24, 26)],
    "electric_guitar": [range(26, 32)],
    "upright_bass": [range(32, 33)],
    "bass": [range(33, 38)],
    "synth_bass": [range(38, 40)],
    "violin": [range(40, 41), range(110, 111)],
    "viola": [range(41, 42)],
    "cello": [range(42, 43)],
    "double_bass": [range(43, 44)],
    "string_section": [range(44, 46), range(48, 52)],
    "harp": [range(46, 47)],
    "percussion": [
        range(47, 48),
        range(112, 114),
        range(115, 119),
    ],
    # Sampled choirs are neither singers nor synthesizers: heard, never asked for.
    "fx": [range(52, 56), range(119, 128)],
    "trumpet": [range(56, 57), range(59, 60)],
    "trombone": [range(57, 58)],
    "tuba": [range(58, 59)],
    "french_horn": [range(60, 61)],
    "brass_section": [range(61, 64)],
    "saxophone": [range(64, 68)],
    "oboe": [range(68, 70)],
    "bassoon": [range(70, 71)],
    "clarinet": [range(71, 72)],
    "flute": [range(72, 80)],
    "synth_lead": [range(80, 88)],
    "synth_pad": [range(88, 96)],
    "synth": [range(96, 104)],
    "banjo": [range(105, 106)],
    "winds": [range(109, 110), range(111, 112)],
    "drums": [range(128, 129)],
}

LABELS = {
    program: label
    for label, ranges in _PROGRAMS.items()
    for programs in ranges
    for program in programs
}
"""Label of each MIDI program, counted from 0; 128 is the drum kit."""


def _tracks(folder: Path) -> list[tuple[str, Path]]:
    """(split, metadata.yaml) of all songs."""
    name = "Track*/metadata.yaml"
    tracks = [
        (split, path)
        for place, split in _FOLDERS.items()
        for path in sorted((folder / place).glob(name))
    ]
    return tracks + [(split_of(path.parent.name), path) for path in sorted(folder.glob(name))]


def _read(
    folder: Path,
    split: str,
    note: Note,
) -> Iterator[Track]:
    for own, path in _tracks(folder):
        if own != split:
            continue
        song = path.parent
        try:
            stems = dict(load_description(path)["stems"])
        except (UnreadableError, KeyError, TypeError, ValueError):
            note(Problem("unreadable", song.name, f"{path}: not a description of a Slakh song"))
            continue
        if (mix := _audio(song / "mix")) is not None:
            yield Track(
                mix.relative_to(folder).as_posix(),
                MIXTURE,
                song.name,
                song.name,
                split=split,
                stem="mix",
            )
        tracks = chain.from_iterable(
            _stem(
                folder,
                song,
                name,
                stem,
                split,
                note,
            )
            for name, stem in stems.items()
        )
        yield from tracks_of_song(tracks, song.name, path, note)


def _stem(
    folder: Path, song: Path, name: str, stem: dict[str, Any], split: str, note: Note
) -> Iterator[Track]:
    if not stem.get("audio_rendered", True):
        return
    audio = _audio(song / "stems" / name)
    program = 128 if stem.get("is_drum") else stem.get("program_num")
    if audio is None:
        text = (
            f"{song / 'stems' / name}.flac: missing, though {song.name}/metadata.yaml has "
            "it as rendered"
        )
        note(Problem("missing", song.name, text, spoils=False))
    elif program not in LABELS:
        note(
            Problem("unknown instrument", song.name, f"{audio}: no General MIDI program {program}")
        )
    else:
        source = str(stem.get("plugin_name") or stem.get("midi_program_name") or song.name)
        yield Track(
            audio.relative_to(folder).as_posix(),
            LABELS[program],
            source,
            song.name,
            split=split,
            stem=str(stem.get("midi_program_name", name)),
            licence="CC BY 4.0",
        )


def _audio(stem: Path) -> Path | None:
    files = (stem.with_name(stem.name + suffix) for suffix in (".flac", ".wav"))
    return next((path for path in files if path.exists()), None)


SLAKH = Dataset(
    "Slakh2100",
    "train/Track00001/metadata.yaml and train/Track00001/stems/S00.flac",
    "zenodo.org/records/4599666",
    "CC BY 4.0",
    lambda folder: bool(_tracks(folder)),
    _read,
    "slakh",
)
