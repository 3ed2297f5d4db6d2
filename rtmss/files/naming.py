"""Names for files: of their folders, and of what is in them."""

from __future__ import annotations

import hashlib
from pathlib import Path

from rtmss.bounded import UnreadableError, open_regular
from rtmss.files.damage import AudioFileError


def folder_name(path: Path) -> str:
    """What a folder for a file's results is called: the file's name less its ending.

    Of `...wav` that would be the folder above; such a name stays whole.
    """
    return path.stem if path.stem.strip(".") else path.name


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
