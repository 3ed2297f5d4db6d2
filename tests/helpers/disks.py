"""A disk that fills up."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 200 kB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if os.name != "posix" or os.geteuid() != 0:
        pytest.skip("only root can make a small disk")
    made = subprocess.run(
        [
            "mount",
            "-t",
            "tmpfs",
            "-o",
            "size=200k",
            "tmpfs",
            str(folder),
        ],
        check=False,
    )
    if made.returncode:
        pytest.skip("no small disk can be made here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)
