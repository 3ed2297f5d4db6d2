"""Safetensors files of others: sizes, names and depth are known before anything is made of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load

from rtmss.bounded import UnreadableError, parse_json, read_bytes, size_text

MAX_TENSOR_BYTES = 1 << 24
"""Of a file that is read as a whole: the embeddings of some 30,000 clips."""
MAX_HEADER_BYTES = 1 << 22
_LENGTH_BYTES = 8

Arrays = dict[str, NDArray[Any]]


def read_arrays(
    path: Path,
    most: int = MAX_TENSOR_BYTES,
) -> tuple[dict[str, str], Arrays]:
    """The notes in a file's header, and its arrays by name.

    Raises:
        UnreadableError: it cannot be read, is too large, or is no safetensors file.
    """
    data = read_bytes(path, most)
    notes = _notes(data[:_LENGTH_BYTES], data[_LENGTH_BYTES:])
    try:
        return notes, load(data)
    except (SafetensorError, KeyError, TypeError, ValueError) as error:  # of types numpy lacks
        raise UnreadableError(f"not a safetensors file ({error})") from error


def read_notes(file: BinaryIO) -> dict[str, str]:
    """The notes in the header of a file at its beginning.

    Raises:
        UnreadableError: it is no safetensors file.
    """
    length = file.read(_LENGTH_BYTES)
    return _notes(length, file.read(MAX_HEADER_BYTES + 1))


def all_finite(array: NDArray[Any]) -> bool:
    """Whether an array has numbers alone, none of them NaN or infinite."""
    return np.issubdtype(
        array.dtype,
        np.floating,
    ) and bool(np.isfinite(array).all())


def _notes(length: bytes, rest: bytes) -> dict[str, str]:
    """What the header says under `__metadata__`, nothing where it says nothing.

    Args:
        length: the first bytes of a file, the header's length.
        rest: what follows, as much as a header may have or more.
    """
    n_header = int.from_bytes(length, "little")
    if len(length) < _LENGTH_BYTES or n_header > len(rest):
        raise UnreadableError("not a safetensors file (it ends within its header)")
    if n_header > MAX_HEADER_BYTES:
        most = size_text(MAX_HEADER_BYTES)
        raise UnreadableError(f"not a safetensors file for rtmss (a header of more than {most})")
    try:
        header = parse_json(rest[:n_header].decode("utf-8"), MAX_HEADER_BYTES)
    except UnicodeDecodeError as error:
        raise UnreadableError("not a safetensors file (its header is no text)") from error
    except UnreadableError as error:
        raise UnreadableError(f"not a safetensors file (its header: {error})") from error
    notes = header.get("__metadata__", {}) if isinstance(header, dict) else None
    if not isinstance(notes, dict):
        raise UnreadableError("not a safetensors file (its header is no table)")
    return {str(name): str(note) for name, note in notes.items()}
