"""A file's name for what is in it."""

from __future__ import annotations

import hashlib
from pathlib import Path

from rtmss.bounded import UnreadableError, open_regular
from rtmss.files.damage import AudioFileError


def digest_file(path: Path) -> str:
    """BLAKE2b of a file's bytes: 32 hexadecimal digits.

    Raises:
        AudioFileError: it cannot be read.
    """
    try:
        with open_regular(path) as file:
            return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
    except UnreadableError as error:
        raise AudioFileError(f"{path}: {error}") from error
    except OSError as error:
        raise AudioFileError(f"{path}: cannot be read ({error.strerror})") from error
