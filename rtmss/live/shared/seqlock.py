"""The one protocol by which processes share rows of memory without locks: one writer, any number of
readers.

Every row has a `version`. It is odd while the row is being written, and stays odd if the writer is
killed. A reader takes a copy between two looks at the version, and the copy is whole if both were
the same even number. Method: the sequence lock of the Linux kernel.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeVar

N_TRIES = 20
PAUSE_SECONDS = 1e-5
VERSION = ("version", "u8")
"""The field that every row has to have."""

Value = TypeVar("Value")


@contextlib.contextmanager
def writing(row: Any, version: int) -> Iterator[None]:
    """Write fields of a row inside of this; afterwards it has this even version."""
    row["version"] = version - 1
    yield
    row["version"] = version


def snapshot(row: Any) -> tuple[Any, int]:
    """A copy of a row, and its version; an odd version means that the copy may be torn."""
    before = int(row["version"])
    copy = row.copy()
    after = int(row["version"])
    return copy, before if before == after else after | 1


class SeqLock(Generic[Value]):
    """One value, of which only the latest counts."""

    def __init__(
        self,
        row: Any,
        write: Callable[[Any, Value], None],
        read: Callable[[Any], Value],
        empty: Value | None = None,
    ) -> None:
        """Share a row.

        Args:
            row: memory with a field `version`.
            write: puts a value into the row's other fields.
            read: makes a value of a row.
            empty: what is read before anything has been written; None for a row of zeros.
        """
        self._row = row
        self._write = write
        self._read = read
        self._empty = empty
        self._latest: Value | None = None
        """The latest whole value that was read here."""

    def write(self, value: Value) -> None:
        """Publish a value; the writer's process only."""
        version = int(self._row["version"])
        following = (version | 1) + 1  # even again, also after a writer that was killed
        with writing(self._row, following):
            self._write(self._row, value)

    def try_read(self) -> Value | None:
        """The latest value, or None while it is being written: for a reader that cannot wait."""
        copy, version = snapshot(self._row)
        if version % 2:
            return None
        is_empty = version == 0 and self._empty is not None
        self._latest = self._empty if is_empty else self._read(copy)
        return self._latest

    def read(self) -> Value:
        """The latest value; the one before it if a writer does not get on, or was killed half-way.

        Who has not read any value by then gets what such a writer has left.
        """
        for _ in range(N_TRIES):
            value = self.try_read()
            if value is not None:
                return value
            time.sleep(PAUSE_SECONDS)
        return self._read(self._row.copy()) if self._latest is None else self._latest


class Slots:
    """A ring of numbered rows. Whoever falls behind by the whole ring finds rows overwritten."""

    def __init__(self, rows: Any) -> None:
        """Share an array of rows with a field `version`; numbers count from 1."""
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    @contextlib.contextmanager
    def writing(self, number: int) -> Iterator[Any]:
        """The row to write under a number; readers have it afterwards."""
        row = self._rows[number % len(self._rows)]
        with writing(row, 2 * number):
            yield row

    def read(self, number: int) -> Any | None:
        """A copy of the row of a number; None if it is not there yet, is being written, or was
        overwritten.
        """
        copy, version = snapshot(self._rows[number % len(self._rows)])
        return copy if number and version == 2 * number else None


def record(kind: type[tuple[Any, ...]]) -> list[Any]:
    """Fields of a row for a named tuple of numbers that has defaults."""
    return [VERSION, ("numbers", "f8", len(kind()))]


Record = TypeVar("Record", bound=tuple[Any, ...])


def record_lock(row: Any, empty: Record) -> SeqLock[Record]:
    """A lock on such a row; values have the types of the defaults again."""
    make: Callable[..., Record] = type(empty)
    types = [type(default) for default in empty]

    def write(row: Any, value: Record) -> None:
        row["numbers"] = value

    def read(row: Any) -> Record:
        numbers = row["numbers"].tolist()
        return make(
            *(
                kind(number)
                for kind, number in zip(
                    types,
                    numbers,
                    strict=True,
                )
            )
        )

    return SeqLock(row, write, read, empty)
