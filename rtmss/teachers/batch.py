"""Many songs: each whole or not there at all, those that are there skipped, a damaged one no end
for the others.
"""

from __future__ import annotations

import contextlib
import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from io import StringIO
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from rtmss.bounded import MAX_TABLE_BYTES, UnreadableError, read_text
from rtmss.config import ConfigError, UserError
from rtmss.datasets.track import SPLITS, SUFFIXES
from rtmss.files import AudioFileError, digest_file
from rtmss.plain_yaml import load_description
from rtmss.teachers.song import SplitOrder, split_song
from rtmss.teachers.teacher import Teacher


@dataclass
class Outcome:
    """What became of the songs."""

    made: list[Path] = field(default_factory=list)
    """Folders of the songs split now."""
    kept: list[Path] = field(default_factory=list)
    """Of those that were there."""
    failed: list[str] = field(default_factory=list)
    """What is wrong with the others, one line each."""
    seconds: float = 0.0
    """Of the songs split now."""


def find_songs(inputs: Sequence[Path]) -> list[Path]:
    """Audio files, and those in folders and their subfolders, each once.

    Raises:
        ConfigError: a folder holds none.
    """
    found: dict[Path, Path] = {}
    for path in inputs:
        files = (
            sorted(p for p in path.rglob("*") if p.suffix.lower() in SUFFIXES)
            if path.is_dir()
            else [path]
        )
        if not files:
            raise ConfigError(
                f"{path}: holds no audio; expected any of {', '.join(sorted(SUFFIXES))}"
            )
        found |= {file.resolve(): file for file in files}
    return list(found.values())


def read_about(table: Path) -> dict[str, dict[str, str]]:
    """What a CSV table knows of songs, by file name: its columns are `path`, and any of `licence`,
    `artist`, `title`.

    Raises:
        ConfigError: it cannot be read, or has no such column.
    """
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
        raise ConfigError(f"{table}: not a readable table ({error})") from error
    if rows and "path" not in rows[0]:
        raise ConfigError(
            f"{table}: no column `path`; expected path, and any of licence, artist, title"
        )
    known = ("licence", "artist", "title")
    return {
        Path(row["path"]).name: {key: row.get(key) or "" for key in known}
        for row in rows
        if row["path"]
    }


def split_songs(
    songs: Sequence[Path],
    output: Path,
    teacher: Teacher,
    *,
    split: str = "train",
    licence: str = "",
    about: Mapping[str, Mapping[str, str]] | None = None,
    console: Console | None = None,
) -> Outcome:
    """Split songs into `output/songs/<split>/<name>`.

    A song that is there, by its content and from the same teacher, is kept; others of its name get
    another name.

    Args:
        songs: files.
        output: a folder of stems, made if need be.
        teacher: splits them.
        split: `train`, `valid` or `test`.
        licence: of songs of which `about` says none.
        about: licence, artist and title by file name.
        console: for the progress bar; None is silent.

    Raises:
        UserError: there is no such split.
    """
    if split not in SPLITS:
        raise UserError(f"no split '{split}'; known: {', '.join(SPLITS)}")
    outcome = Outcome()
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
    )
    with Progress(
        *columns, TimeRemainingColumn(), console=console, disable=console is None, transient=True
    ) as bar:
        task = bar.add_task("", total=len(songs))
        for number, song in enumerate(songs):
            bar.update(task, description=song.name, completed=number)
            told = (about or {}).get(song.name, {})
            known = {"licence": licence} | {key: value for key, value in told.items() if value}
            try:
                content = digest_file(song)
                names = song.stem, f"{song.stem}-{content[:8]}"
                there = _find(song, content, names, output, split, teacher)
                if there is not None:
                    outcome.kept.append(there)
                    continue
                folder = _free_folder(output / "songs" / split, names)
                order = SplitOrder(song, folder, content, **known)
                outcome.seconds += split_song(order, teacher, partial(_tell, bar, task, number))
                outcome.made.append(folder)
            except AudioFileError as error:
                outcome.failed.append(str(error))
    with contextlib.suppress(OSError):  # another run may be writing there
        (output / ".partial").rmdir()
    return outcome


def _tell(
    bar: Progress,
    task: TaskID,
    number: int,
    done: float,
) -> None:
    bar.update(task, completed=number + done)


def _find(
    song: Path, content: str, names: Sequence[str], output: Path, split: str, teacher: Teacher
) -> Path | None:
    """The folder of a song that is there, known by its content.

    Raises:
        AudioFileError: it lies in another split, or is from another teacher.
    """
    for other, folder in _folders(output, names):
        header = _header(folder)
        if header.get("digest") != content:
            continue
        if other != split:
            raise AudioFileError(
                f"{song}: is in '{other}' already, as {folder.name}; a song belongs to one split"
            )
        if header["teacher"] != teacher.version:
            raise AudioFileError(
                f"{song}: was split by {header['teacher']}; choose another output, or take "
                f"{folder} away"
            )
        return folder
    return None


def _free_folder(folder: Path, names: Sequence[str]) -> Path:
    """The first of a song's names that no other song has.

    Raises:
        AudioFileError: there is none.
    """
    for name in names:
        if not (folder / name).exists():
            return folder / name
    raise AudioFileError(
        f"{folder / names[-1]}: is there, and no song that was split; take it away"
    )


def _folders(
    output: Path,
    names: Sequence[str],
) -> Iterator[tuple[str, Path]]:
    """Songs of these names that are there, with their splits."""
    for split in SPLITS:
        yield from (
            (split, folder)
            for name in names
            if (folder := output / "songs" / split / name).is_dir()
        )


def _header(folder: Path) -> dict[str, str]:
    """Digest and teacher of a song that was split, nothing of another."""
    try:
        content = load_description(folder / "song.yaml")
        return {
            "digest": str(content["file"]["blake2b"]),
            "teacher": str(content["teacher"]["version"]),
        }
    except (UnreadableError, KeyError, TypeError):
        return {}
