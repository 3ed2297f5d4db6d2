"""Reading what others have written: nothing waits, and size and depth are known before parsing.

Whoever reads a file here turns an `UnreadableError` into an error of its own kind, with the name.
"""

from __future__ import annotations

import itertools
import json
import os
import re
import stat
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path
from typing import Any, BinaryIO

MAX_DEPTH = 32
"""Of objects in objects: parsers call themselves at each level."""
MAX_TABLE_BYTES = 1 << 26
"""Of a CSV table."""
MAX_JSON_BYTES = 1 << 20
"""Of one JSON document, unless its reader says otherwise."""
_TOKENS = re.compile(r'"(?:[^"\\]|\\.)*"?|[\[\]{}]', re.DOTALL)
"""A text, which may hold brackets, or a bracket."""


class UnreadableError(ValueError):
    """What is not read; the message says why, without the name of the file."""


def is_there(path: Path) -> bool:
    """Whether a path leads somewhere; one that is too long, or is none, does not."""
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def open_regular(path: Path) -> BufferedReader:
    """Open a file for reading. A pipe, a socket or a device is refused, and never waited for.

    Raises:
        UnreadableError: there is no such file, or it is none.
    """
    try:
        handle = os.open(
            path,
            os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | _BINARY,
        )
    except (OSError, ValueError) as error:
        raise UnreadableError(_reason(path, error)) from error
    if stat.S_ISREG(os.fstat(handle).st_mode):
        return os.fdopen(handle, "rb")
    os.close(handle)
    raise UnreadableError("cannot be read (is a folder, a pipe or a device, expected a file)")


_BINARY = getattr(os, "O_BINARY", 0)


def read_bytes(path: Path, most: int) -> bytes:
    """All bytes of a file.

    Raises:
        UnreadableError: it cannot be read, or has more than `most` bytes.
    """
    with open_regular(path) as file:
        try:
            data = file.read(most + 1)
        except OSError as error:
            raise UnreadableError(_reason(path, error)) from error
    if len(data) > most:
        raise UnreadableError(f"larger than {size_text(most)}, the most that is read")
    return data


def read_lines(
    path: Path,
    most_lines: int,
    most: int,
) -> Iterator[bytes]:
    """The lines of a file, with their ends.

    Raises:
        UnreadableError: it cannot be read, or has more lines or longer ones than `most` bytes.
    """
    with open_regular(path) as file:
        for number in itertools.count(1):
            try:
                line = file.readline(most + 1)
            except OSError as error:
                raise UnreadableError(_reason(path, error)) from error
            if len(line) > most or (line and number > most_lines):
                limits = f"{most_lines} lines of {size_text(most)}"
                raise UnreadableError(f"no text of at most {limits}")
            if not line:
                return
            yield line


def check_size(file: BinaryIO, most: int) -> None:
    """Refuse a file that is larger than `most` bytes.

    Raises:
        UnreadableError: it is.
    """
    if os.fstat(file.fileno()).st_size > most:
        raise UnreadableError(f"larger than {size_text(most)}, the most that is read")


def read_text(path: Path, most: int) -> str:
    """All text of a file in UTF-8.

    Raises:
        UnreadableError: it cannot be read, has more than `most` bytes, or is no UTF-8.
    """
    try:
        return read_bytes(path, most).decode("utf-8")
    except UnicodeDecodeError as error:
        raise UnreadableError(f"not UTF-8 text (byte {error.start})") from error


def parse_json(text: str, most: int = MAX_JSON_BYTES) -> Any:
    """The value of a JSON document.

    Raises:
        UnreadableError: it is too long, nested too deep, or no JSON.
    """
    if len(text) > most:
        raise UnreadableError(f"JSON longer than {size_text(most)}, the most that is read")
    if json_depth(text) > MAX_DEPTH:
        raise UnreadableError(f"JSON nested more than {MAX_DEPTH} deep")
    try:
        return json.loads(text)
    except ValueError as error:  # whole numbers of thousands of digits too
        raise UnreadableError(f"not valid JSON: {error}") from error


def json_depth(text: str) -> int:
    """How deep brackets are nested, those in texts left out; found without nesting anything."""
    depth = deepest = 0
    for token in _TOKENS.finditer(text):
        depth += {
            "[": 1,
            "{": 1,
            "]": -1,
            "}": -1,
        }.get(token[0], 0)
        deepest = max(deepest, depth)
    return deepest


def size_text(n_bytes: int) -> str:
    """`64 KiB`."""
    for unit, size in (
        ("GiB", 1 << 30),
        ("MiB", 1 << 20),
        ("KiB", 1 << 10),
    ):
        if n_bytes >= size:
            return f"{n_bytes / size:g} {unit}"
    return f"{n_bytes} bytes"


def _reason(path: Path, error: Exception) -> str:
    if is_there(path) and path.is_dir():
        return "cannot be read (is a folder, expected a file)"
    return f"cannot be read ({getattr(error, 'strerror', None) or error})"
