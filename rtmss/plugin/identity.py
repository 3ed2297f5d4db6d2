"""Which sources bundles are made of. The build of the wheel reads this file too, where there is
Python's own library only.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

NAME = "identity"
"""The file in a folder of bundles that says what they are made of."""
MAKERS = ("build.py", "patches.py")
"""Files beside this one that decide what becomes of the sources."""


def source_files(sources: Path) -> list[Path]:
    """Every file of the sources that the bundles are made of, in order."""
    texts = [sources / "Makefile", sources / "LICENSES.txt"]
    return [*texts, *sorted(sources.glob("src/*")), *sorted(sources.glob("host/*"))]


def content_id(sources: Path, version: str) -> str:
    """Changes with everything that the bundles are made of, and with the version that they show."""
    digest = hashlib.sha256(version.encode())
    makers = [Path(__file__).with_name(name) for name in MAKERS]
    for path in [*source_files(sources), *makers]:
        digest.update(path.name.encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def said(folder: Path) -> str:
    """What the bundles of a folder say of themselves; nothing where there are none."""
    try:
        return (folder / NAME).read_text(encoding="ascii").strip()
    except (OSError, UnicodeError):
        return ""
