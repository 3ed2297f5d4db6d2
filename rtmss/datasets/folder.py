"""Any folder of stems. `split` is `train`, `valid` or `test`; audio has a suffix of `SUFFIXES`:

    songs/<split>/<song>/<stem>.<ext>            sample-aligned stems of one song that add up to it
    songs/<split>/<song>/song.yaml               optional: `stems: {<stem>: {instrument, library,
    licence}}`, `licence` songs/<split>/<song>/mixture.<ext>           optional: what the stems are
    to add up to; never trained on performances/<split>/<instrument>/<source>__*.<ext>   one
    instrument alone; <source> is the player or library voice/<split>/<voice>/*.<ext>
    one voice alone index.csv                                    optional: a table with `path` and
    `licence`

Stems and instruments are called as in `taxonomy.FAMILIES`.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from io import StringIO
from itertools import groupby
from pathlib import Path
from typing import Any

from rtmss.bounded import MAX_TABLE_BYTES, UnreadableError, read_text
from rtmss.datasets.taxonomy import FAMILY_OF, MIXTURE
from rtmss.datasets.track import SUFFIXES, Dataset, Note, Problem, Track, tracks_of_song
from rtmss.plain_yaml import load_description

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


def recognize(folder: Path) -> bool:
    """Whether one of its three folders is there."""
    return any((folder / name).is_dir() for name in ("songs", "performances", "voice"))


def read(
    folder: Path,
    split: str,
    note: Note,
) -> Iterator[Track]:
    """Tracks of a split: stems of songs, performances, voices."""
    licences = _licences(folder / "index.csv", note)
    yield from _songs(folder, split, licences, note)
    yield from _performances(folder, split, licences, note)
    for path in _audio_files(folder / "voice" / split):
        name = path.relative_to(folder).as_posix()
        licence = licences.get(name, "")
        yield Track(
            name,
            "vocals",
            path.parent.name,
            "",
            split=split,
            stem=path.parent.name,
            licence=licence,
        )


def _songs(
    folder: Path,
    split: str,
    licences: dict[str, str],
    note: Note,
) -> Iterator[Track]:
    for song, paths in groupby(
        _audio_files(folder / "songs" / split), key=lambda path: path.parent
    ):
        content = _song_yaml(song, note)
        tracks = _stems(folder, list(paths), content, split, licences, note)
        yield from tracks_of_song(tracks, song.name, song / "song.yaml", note)


def _stems(
    folder: Path,
    paths: list[Path],
    content: dict[str, Any],
    split: str,
    licences: dict[str, str],
    note: Note,
) -> Iterator[Track]:
    described = content.get("stems") or {}
    for path in paths:
        name = path.relative_to(folder).as_posix()
        licence = licences.get(name) or str(content.get("licence", ""))
        yield from _stem(
            path,
            name,
            described.get(path.stem) or {},
            split,
            licence,
            note,
        )


def _stem(
    path: Path, name: str, described: dict[str, Any], split: str, licence: str, note: Note
) -> Iterator[Track]:
    stem, song = path.stem, path.parent.name
    if stem == MIXTURE:
        yield Track(name, MIXTURE, song, song, split=split, stem=stem)
    elif stem not in FAMILY_OF:
        note(
            Problem("unknown instrument", name, f"{path}: unknown stem '{stem}'; known: {_known()}")
        )
    else:
        label = _LABEL_OF_INSTRUMENT.get(
            described.get("instrument", ""), described.get("instrument", stem)
        )
        label = label if FAMILY_OF.get(label) == FAMILY_OF[stem] else stem
        licence = str(described.get("licence") or licence)
        yield Track(
            name,
            label,
            described.get("library", song),
            song,
            split=split,
            stem=stem,
            licence=licence,
        )


def _song_yaml(folder: Path, note: Note) -> dict[str, Any]:
    path = folder / "song.yaml"
    try:
        content = load_description(path) if path.exists() else {}
    except UnreadableError as error:
        note(Problem("unreadable", path.name, f"{path}: {error}"))
        return {}
    return content if isinstance(content, dict) else {}


def _performances(
    folder: Path, split: str, licences: dict[str, str], note: Note
) -> Iterator[Track]:
    for path in _audio_files(folder / "performances" / split):
        label, name = path.parent.name, path.relative_to(folder).as_posix()
        if label not in FAMILY_OF:
            note(
                Problem(
                    "unknown instrument",
                    name,
                    f"{path}: unknown instrument '{label}'; known: {_known()}",
                )
            )
            continue
        source = path.stem.split("__")[0]
        yield Track(
            name, label, source, "", split=split, stem=label, licence=licences.get(name, "")
        )


def _audio_files(folder: Path) -> list[Path]:
    return sorted(p for p in folder.glob("*/*") if p.suffix.lower() in SUFFIXES)


def _licences(table: Path, note: Note) -> dict[str, str]:
    if not table.exists():
        return {}
    try:
        rows = list(
            csv.DictReader(
                StringIO(
                    read_text(table, MAX_TABLE_BYTES),
                    newline="",
                )
            )
        )
    except (UnreadableError, csv.Error) as error:
        note(Problem("unreadable", table.name, f"{table}: {error}"))
        return {}
    return {row["path"]: row["licence"] for row in rows if row.get("path") and row.get("licence")}


def _known() -> str:
    return ", ".join(sorted(FAMILY_OF))


FOLDER = Dataset(
    "folder of stems",
    "songs/<split>/<song>/<stem>.ogg, performances/<split>/<instrument>/<player>__*.ogg, "
    "voice/<split>/<voice>/*.ogg",
    "your own stems; `rtmss data split` and `rtmss data synth` make some",
    "as each file says",
    recognize,
    read,
)
