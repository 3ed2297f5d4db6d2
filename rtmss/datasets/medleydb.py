"""MedleyDB, versions 1 and 2: songs with stems and the raw recordings that the stems were made of.

    [Audio/|V1/|V2/]<Artist>_<Title>/<Artist>_<Title>_MIX.wav
    [Audio/|V1/|V2/]<Artist>_<Title>/<Artist>_<Title>_STEMS/<Artist>_<Title>_STEM_01.wav
    [Audio/|V1/|V2/]<Artist>_<Title>/<Artist>_<Title>_RAW/<Artist>_<Title>_RAW_01_01.wav
    <Artist>_<Title>_METADATA.yaml         in the song's folder or in Metadata/

Source: github.com/marl/medleydb, multitrack.py for the names of files, resources/taxonomy.yaml for
the instruments; mirdata has only the melody and pitch subsets. Songs in which microphones hear
other instruments (`has_bleed`) are left out. Raw recordings are solo tracks; those of drums, each a
microphone on one kit, are not used. There is no official split: by artist.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rtmss.bounded import UnreadableError
from rtmss.datasets.taxonomy import MIXTURE, common_label
from rtmss.datasets.track import (
    Dataset,
    Note,
    Problem,
    Track,
    split_of,
    tracks_of_song,
)
from rtmss.plain_yaml import load_description

_INSTRUMENTS = {
    "vocals": "male singer, female singer, male speaker, female speaker, male rapper, female "
    "rapper, male screamer, "
    "female screamer, beatboxing",
    "backing_vocals": "vocalists",
    "choir": "choir",
    "drums": "drum set, drum machine, kick drum, snare drum, toms, bass drum, high hat, cymbal",
    "percussion": "triangle, sleigh bells, cowbell, cabasa, gong, guiro, gu, castanet, claps, "
    "rattle, shaker, maracas, "
    "snaps, whistle, timpani, bongo, conga, tambourine, darbuka, doumbek, tabla, auxiliary "
    "percussion",
    "bass": "electric bass",
    "double_bass": "double bass",
    "acoustic_guitar": "acoustic guitar",
    "electric_guitar": "clean electric guitar, distorted electric guitar",
    "guitar": "slide guitar, lap steel guitar",
    "banjo": "banjo",
    "plucked": "guzheng, liuqin, mandolin, oud, ukulele, zhongruan, sitar, dulcimer, yangqin",
    "piano": "piano, tack piano",
    "electric_piano": "electric piano",
    "harpsichord": "harpsichord",
    "organ": "electronic organ, pipe organ, harmonium",
    "accordion": "accordion, concertina, bandoneon",
    "harmonica": "harmonica, melodica",
    "mallets": "xylophone, glockenspiel, chimes",
    "vibraphone": "vibraphone",
    "marimba": "marimba",
    "synth": "synthesizer",
    "synth_lead": "theremin",
    "violin": "violin",
    "viola": "viola",
    "cello": "cello",
    "harp": "harp",
    "strings": "erhu, dilruba",
    "string_section": "violin section, viola section, cello section, string section",
    "flute": "dizi, flute, flute section, piccolo, bamboo flute, panpipes, recorder",
    "saxophone": "alto saxophone, baritone saxophone, tenor saxophone, soprano saxophone",
    "clarinet": "bass clarinet, clarinet, clarinet section",
    "oboe": "oboe, english horn",
    "bassoon": "bassoon",
    "winds": "bagpipe, woodwind section",
    "trumpet": "trumpet, cornet, trumpet section",
    "trombone": "trombone, trombone section",
    "french_horn": "french horn, french horn section",
    "tuba": "tuba, euphonium",
    "brass_section": "brass section, horn section",
    "fx": "fx/processed sound, scratches, crowd",
    "rest": "sampler, Main System, Unlabeled",
}

LABELS = {name: label for label, names in _INSTRUMENTS.items() for name in names.split(", ")}
"""Label of each instrument."""

_PLACES = ("", "Audio/", "V1/", "V2/", "Audio/V1/", "Audio/V2/")


def _songs(folder: Path) -> list[Path]:
    """Folders of the songs."""
    stems = (path for place in _PLACES for path in sorted(folder.glob(f"{place}*/*_STEMS")))
    return [path.parent for path in stems if path.name == f"{path.parent.name}_STEMS"]


def _read(
    folder: Path,
    split: str,
    note: Note,
) -> Iterator[Track]:
    for song in _songs(folder):
        path = _metadata(folder, song)
        try:
            content = load_description(path) if path else None
            stems = dict(content["stems"]) if content else {}
        except (UnreadableError, KeyError, TypeError, ValueError):
            note(Problem("unreadable", song.name, f"{path}: not a description of a MedleyDB song"))
            continue
        if content is None:
            places = f"there or in {folder / 'Metadata'}; github.com/marl/medleydb has them"
            note(Problem("missing", song.name, f"{song}: no {song.name}_METADATA.yaml {places}"))
            continue
        artist = str(content.get("artist") or song.name.split("_")[0])
        if split_of(artist) != split:
            continue
        if content.get("has_bleed") in {"yes", True}:
            text = f"{song.name}: microphones hear other instruments; left out"
            note(Problem("bleed", song.name, text, spoils=False))
            continue
        assert path is not None
        tracks = _song(folder, song, artist, stems, split, note)
        yield from tracks_of_song(tracks, song.name, path, note)


def _metadata(folder: Path, song: Path) -> Path | None:
    name = f"{song.name}_METADATA.yaml"
    places = (
        song,
        folder / "Metadata",
        folder / "Audio" / "Metadata",
        folder / "medleydb" / "data" / "Metadata",
    )
    return next(
        (place / name for place in places if (place / name).exists()),
        None,
    )


def _song(
    folder: Path, song: Path, artist: str, stems: dict[str, Any], split: str, note: Note
) -> Iterator[Track]:
    mix = song / f"{song.name}_MIX.wav"
    if mix.exists():
        yield Track(
            mix.relative_to(folder).as_posix(), MIXTURE, artist, song.name, split=split, stem="MIX"
        )
    for stem in stems.values():
        path = song / f"{song.name}_STEMS" / str(stem["filename"])
        yield from _tracks(
            folder,
            path,
            stem["instrument"],
            artist,
            song.name,
            split,
            note,
        )
        for raw in (stem.get("raw") or {}).values():
            path = song / f"{song.name}_RAW" / str(raw["filename"])
            if not path.parent.exists():  # whoever needs no raw recordings may have deleted them
                continue
            for track in _tracks(
                folder,
                path,
                raw["instrument"],
                artist,
                "",
                split,
                note,
            ):
                if track.family not in {"drums", "other"}:
                    yield track


def _tracks(
    folder: Path,
    path: Path,
    instrument: str | list[str],
    artist: str,
    song: str,
    split: str,
    note: Note,
) -> Iterator[Track]:
    names = [instrument] if isinstance(instrument, str) else instrument
    unknown = [name for name in names if name not in LABELS]
    if not path.exists():
        note(
            Problem(
                "missing",
                path.name,
                f"{path}: missing; unpack the dataset again, or take the song away",
            )
        )
        return
    if unknown or not names:
        text = f"{path}: unknown instrument '{', '.join(unknown)}'; taken as `rest`"
        note(Problem("unknown instrument", path.name, text, spoils=False))
    label = common_label(LABELS.get(name, "rest") for name in names or ["Unlabeled"])
    yield Track(
        path.relative_to(folder).as_posix(),
        label,
        artist,
        song,
        split=split,
        stem=", ".join(names),
        licence="CC BY-NC-SA 4.0",
    )


MEDLEYDB = Dataset(
    "MedleyDB",
    "<Artist>_<Title>/<Artist>_<Title>_STEMS/ with its _METADATA.yaml there or in Metadata/",
    "zenodo.org/records/1649325 (version 1), zenodo.org/records/1715175 (version 2), both on "
    "request; "
    "metadata: github.com/marl/medleydb",
    "CC BY-NC-SA 4.0",
    lambda folder: bool(_songs(folder)),
    _read,
    "medley",
    residual_db=-6.0,  # the mixes are mastered, the stems are not
)
