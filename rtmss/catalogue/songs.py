"""What there is to render: files, folders, globs, addresses of object storage, and manifests."""

from __future__ import annotations

import csv
import glob
import hashlib
import io
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rtmss.config import ConfigError
from rtmss.datasets.track import SUFFIXES

MANIFESTS = {".csv", ".jsonl"}
COLUMNS = ("id", "path", "preset", "conditions")
"""Of a manifest. All but `path` may be missing or empty; others are left alone."""

_RENDERS = r"(songs/[0-9a-f]{2}/[0-9a-f]{32}|\.partial)/"
"""Folders of an output."""


@dataclass(frozen=True)
class Song:
    """One input."""

    id: str
    path: str
    """A file's whole path, or an address that fsspec knows, such as `s3://bucket/song.flac`."""
    n_bytes: int = 0
    stamp: str = ""
    """Another one when the file has changed."""
    presets: tuple[str, ...] = ()
    """Of its own; none means those of the command."""
    conditions: tuple[tuple[str, str], ...] = ()
    """Stems of the presets, and the condition that each has for this song."""
    makings: tuple[str, ...] = ()
    """What is to be made of it, by name."""

    @property
    def suffix(self) -> str:
        """Ending of its name, in lower case."""
        return Path(self.path).suffix.lower()

    @property
    def key(self) -> str:
        """A short name for its path."""
        path = self.path.encode("utf-8", "surrogateescape")
        return hashlib.blake2b(path, digest_size=12).hexdigest()


def is_address(path: str) -> bool:
    """Whether a path is an address for fsspec and no file of this machine."""
    return bool(re.match(r"[a-z][a-z0-9+.-]+://", path))


def find_songs(
    inputs: Sequence[str],
    output: str = "",
) -> list[Song]:
    """Every song that the inputs name, each path once.

    Args:
        inputs: audio files, folders (with their subfolders), globs, addresses of any of these, or
            manifests in CSV or JSON lines.
        output: where renders go; those that are there are no songs.

    Raises:
        ConfigError: an input names nothing, or a manifest cannot be used.
    """
    found: dict[str, Song] = {}
    is_render = re.compile(f"{re.escape(output.rstrip('/'))}/{_RENDERS}").match if output else None
    for name in inputs:
        songs = list(_read_manifest(name) if _suffix(name) in MANIFESTS else _expand(name))
        songs = [song for song in songs if not (is_render and is_render(song.path))]
        if not songs:
            known = ", ".join(sorted(SUFFIXES))
            raise ConfigError(f"{name}: names no audio; expected any of {known}")
        for song in songs:
            found.setdefault(song.path, song)
    return list(found.values())


def _expand(name: str) -> Iterator[Song]:
    if is_address(name):
        yield from _expand_address(name)
    elif Path(name).is_dir():
        yield from map(_local, _audio_in(name))
    elif not Path(name).exists() and glob.has_magic(name):
        for found in sorted(glob.glob(name, recursive=True)):  # noqa: PTH207 (also of whole paths)
            yield from map(
                _local,
                _audio_in(found) if Path(found).is_dir() else [found],
            )
    else:
        yield _local(name)


def _audio_in(folder: str) -> Iterator[str]:
    for place, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            if _suffix(name) in SUFFIXES:
                yield str(Path(place, name))


def _local(path: str) -> Song:
    """A file of this machine; one that is not there is found out when it is to be read."""
    place = str(Path(path).absolute())
    try:
        stat = Path(place).stat()
    except (OSError, ValueError):
        return Song(path, place)
    return Song(path, place, stat.st_size, f"{stat.st_size}-{stat.st_mtime_ns}")


def _expand_address(address: str) -> Iterator[Song]:
    from fsspec.core import url_to_fs

    system, path = url_to_fs(address)
    if glob.has_magic(path):
        details = system.glob(path, detail=True)
    elif system.isdir(path):
        details = system.find(path, detail=True)
        details = {name: info for name, info in details.items() if _suffix(name) in SUFFIXES}
    else:
        details = {path: _details(system, path)}
    for name, info in sorted(details.items()):
        if info.get("type", "file") == "file":
            yield _remote(system.unstrip_protocol(name), info)


def _details(system: Any, path: str) -> Mapping[str, Any]:
    try:
        return dict(system.info(path))
    except OSError:
        return {}


def _remote(address: str, info: Mapping[str, Any]) -> Song:
    marks = ("ETag", "etag", "mtime", "LastModified", "updated", "created")
    mark = next(
        (info[name] for name in marks if info.get(name)),
        "",
    )
    size = int(info.get("size") or 0)
    return Song(address, address, size, f"{size}-{mark}" if info else "")


def _read_manifest(name: str) -> Iterator[Song]:
    ids: set[str] = set()
    for number, row in enumerate(_rows(name), 1):
        where = f"{name}, row {number}"
        if not row.get("path"):
            raise ConfigError(f"{where}: no `path`; columns are {', '.join(COLUMNS)}")
        song = _one(_beside(name, str(row["path"])))
        song = replace(
            song,
            id=str(row.get("id") or row["path"]),
            presets=tuple(_words(row.get("preset"), where)),
            conditions=tuple(
                sorted(
                    _pairs(
                        row.get("conditions"),
                        where,
                    ).items()
                )
            ),
        )
        if song.id in ids:
            raise ConfigError(f"{where}: the id '{song.id}' is there twice")
        ids.add(song.id)
        yield song


def _rows(name: str) -> list[dict[str, Any]]:
    try:
        text = _text(name)
        if _suffix(name) == ".csv":
            return list(csv.DictReader(io.StringIO(text, newline="")))
        # Not `splitlines`: in JSON, other separators of lines are letters of a name.
        rows = [json.loads(line) for line in text.split("\n") if line.strip()]
    except (OSError, UnicodeDecodeError, csv.Error, json.JSONDecodeError) as error:
        raise ConfigError(f"{name}: not a readable manifest ({error})") from error
    if not all(isinstance(row, dict) for row in rows):
        raise ConfigError(f"{name}: expected an object on every line, with {', '.join(COLUMNS)}")
    return rows


def _text(name: str) -> str:
    if not is_address(name):
        return Path(name).read_bytes().decode("utf-8-sig")
    from fsspec.core import url_to_fs

    system, path = url_to_fs(name)
    return str(system.cat_file(path).decode("utf-8-sig"))


def _beside(manifest: str, path: str) -> str:
    """A path of a manifest: relative ones are relative to its folder."""
    if is_address(path) or Path(path).is_absolute():
        return path
    folder = manifest.rpartition("/")[0] if is_address(manifest) else str(Path(manifest).parent)
    return f"{folder}/{path}" if is_address(manifest) else str(Path(folder, path))


def _one(path: str) -> Song:
    if not is_address(path):
        return _local(path)
    return next(_expand_address(path), Song(path, path))


def _words(value: Any, where: str) -> Iterable[str]:
    """Names in a list, or between semicolons."""
    words = value.split(";") if isinstance(value, str) else value or []
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise ConfigError(f"{where}: `preset` is a name, or several: a list, or `a;b`")
    return [word.strip() for word in words if word.strip()]


def _pairs(value: Any, where: str) -> dict[str, str]:
    """Conditions by stem in an object, or as `stem=condition` between semicolons."""
    pairs = value or {}
    if isinstance(pairs, str):
        parts = [part.partition("=") for part in pairs.split(";") if part.strip()]
        pairs = {stem.strip(): condition.strip() for stem, _, condition in parts}
    is_usable = isinstance(pairs, dict) and all(
        isinstance(word, str) and word for pair in pairs.items() for word in pair
    )
    if not is_usable:
        raise ConfigError(
            f"{where}: `conditions` are stems and their conditions: an object, or "
            "`vocals=anna;bass=bass`"
        )
    return dict(pairs)


def _suffix(name: str) -> str:
    return Path(name).suffix.lower()
