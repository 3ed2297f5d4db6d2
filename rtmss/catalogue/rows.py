"""The report: a row for everything that was to be made.

Rows are kept in small files while a run goes on, each written whole, so that a run that is killed
loses a few seconds of them, which the records of the songs give back.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from rtmss.catalogue.songs import Song
from rtmss.catalogue.store import RECORD, Store
from rtmss.config import UserError

REPORT = "report.jsonl"
TABLE = "report.parquet"
_JOURNAL = "journal"
_FLUSH_SECONDS = 5.0
_FLUSH_ROWS = 200
_TABLE_ROWS = 500
"""Rows put into the table at once."""


@dataclass(frozen=True)
class Row:
    """What became of one render of one song."""

    id: str
    path: str
    preset: str
    making: str
    """Preset, model id and digest of the settings."""
    status: str
    """`done` or `failed`."""
    seconds: float | None = None
    """Of audio."""
    wall_seconds: float | None = None
    """That its pass took, shared with the other presets of the song."""
    real_time_factor: float | None = None
    level_db: float | None = None
    """Of the mix: root mean square, full scale 0."""
    loudness_lufs: float | None = None
    """Of the mix as it was written; None for silence."""
    true_peak_db: float | None = None
    """Of the mix; with a loudness asked for, of the highest file."""
    gain_db: float | None = None
    """That all files were given to reach the loudness."""
    n_bad_samples: int = 0
    """Input samples that were not finite or absurdly loud."""
    n_bad_outputs: int = 0
    """Samples of targets, effects and outputs that were not finite, and were written as silence."""
    damage: str = ""
    """Where the input is damaged."""
    error: str = ""
    content: str = ""
    """BLAKE2b of the input."""
    files: dict[str, str] = field(default_factory=dict)
    """Where each file is in the output."""
    hashes: dict[str, str] = field(default_factory=dict)
    """BLAKE2b of each file."""
    version: str = ""
    """Of rtmss."""
    worker: str = ""
    finished: str = ""
    """UTC."""
    stamp: str = ""
    """Of the input: size and time of change."""

    def to_json(self) -> str:
        """One line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Row:
        """The row of a line; what another version wrote beside is left out.

        Raises:
            ValueError: it is none.
        """
        content = json.loads(text)
        known = {each.name for each in fields(cls)}
        try:
            return cls(**{name: value for name, value in content.items() if name in known})
        except (TypeError, AttributeError) as error:
            raise ValueError(f"not a row of a report: {text[:80]}") from error

    def of(self, song: Song) -> Row:
        """The same for another path with the same content."""
        return replace(
            self,
            id=song.id,
            path=song.path,
            stamp=song.stamp,
        )


class Journal:
    """All rows of a catalogue, the newest of each path and making."""

    def __init__(self, store: Store, run: str) -> None:
        """Read what earlier runs left.

        Args:
            store: of the catalogue.
            run: a name that comes after those of earlier runs.
        """
        self._store, self._run = store, run
        self._rows: dict[tuple[str, str], str] = {}
        self._new: list[str] = []
        self._n_parts, self._flushed = 0, time.monotonic()
        for name in (REPORT, *store.names(_JOURNAL)):
            for number, line in enumerate(
                (store.read(name) or "").splitlines(),
                1,
            ):
                self._keep(_read_row(line, f"{name}, line {number}"))

    def get(self, song: Song, making: str) -> Row | None:
        """What became of a song, if it has not changed since."""
        text = self._rows.get((song.path, making))
        row = None if text is None else Row.from_json(text)
        return row if row is not None and row.stamp == song.stamp else None

    def add(self, rows: Iterable[Row]) -> None:
        """Take more rows; now and then they are written."""
        self._new += [self._keep(row) for row in rows]
        is_due = time.monotonic() - self._flushed > _FLUSH_SECONDS
        if is_due or len(self._new) >= _FLUSH_ROWS:
            self.flush()

    def flush(self) -> None:
        """Write what is new."""
        if self._new:
            text = "\n".join([*self._new, ""])
            self._store.write(f"{_JOURNAL}/{self._run}-{self._n_parts:06d}.jsonl", text)
            self._new, self._n_parts = [], self._n_parts + 1
        self._flushed = time.monotonic()

    def finish(self) -> list[str]:
        """Write the report in the place of its parts; gives the names of its files."""
        names = [REPORT]
        with self._store.scratch() as folder:
            lines = folder / "lines"
            with lines.open("w", encoding="utf-8") as file:
                file.writelines(f"{text}\n" for text in self._rows.values())
            if _has_pyarrow():
                _write_table(self._rows.values(), folder / "table")
                self._store.put(TABLE, folder / "table")
                names.append(TABLE)
            self._store.put(REPORT, lines)
        for name in self._store.names(_JOURNAL):
            self._store.remove(name)
        self._new = []
        return names

    def _keep(self, row: Row) -> str:
        text = row.to_json()
        self._rows[row.path, row.making] = text
        return text


def places(store: Store) -> set[str]:
    """Sets that are there, by the names of their folders."""
    ending = f"/{RECORD}"
    return {name.removesuffix(ending) for name in store.names("songs") if name.endswith(ending)}


def place(content: str, making: str) -> str:
    """Where a making of a song goes."""
    return f"songs/{content[:2]}/{content}/{making}"


def _read_row(line: str, where: str) -> Row:
    try:
        return Row.from_json(line)
    except ValueError as error:
        raise UserError(
            f"{where}: not a row of a report; without that file, what is there is found by itself"
        ) from error


def _has_pyarrow() -> bool:
    from importlib.util import find_spec

    return find_spec("pyarrow") is not None


def _write_table(lines: Iterable[str], path: Path) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    kinds = {
        "int": pa.int64(),
        "str": pa.string(),
        "dict[str, str]": pa.map_(pa.string(), pa.string()),
    }
    schema = pa.schema(
        [
            (
                each.name,
                kinds.get(
                    str(each.type),
                    pa.float64(),
                ),
            )
            for each in fields(Row)
        ]
    )
    with parquet.ParquetWriter(path, schema) as writer:
        for rows in _batches(lines):
            writer.write_table(pa.Table.from_pylist(rows, schema))


def _batches(lines: Iterable[str]) -> Iterator[list[dict[str, Any]]]:
    rows: list[dict[str, Any]] = []
    for line in lines:
        rows.append({name: _cell(value) for name, value in json.loads(line).items()})
        if len(rows) == _TABLE_ROWS:
            yield rows
            rows = []
    yield rows


def _cell(value: Any) -> Any:
    """A value for the table, in which texts are Unicode and nothing else."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode("utf-8")
    return list(value.items()) if isinstance(value, dict) else value
