"""Things that lie where a file is expected, and documents that ask for too much."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path


def make_fifo(path: Path) -> None:
    os.mkfifo(path)


def make_folder(path: Path) -> None:
    path.mkdir()


def make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as sock:
        before = Path.cwd()
        os.chdir(path.parent)  # a socket's path has at most some 100 bytes
        try:
            sock.bind(path.name)
        finally:
            os.chdir(before)


def make_endless_link(path: Path) -> None:
    path.symlink_to("/dev/zero")


def make_giant(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(3 << 30)


def make_empty(path: Path) -> None:
    path.touch()


def make_broken_link(path: Path) -> None:
    path.symlink_to("nowhere")


def make_bytes(path: Path) -> None:
    path.write_bytes(bytes(range(256)) * 4)


ODDITIES: list[Callable[[Path], None]] = [
    make_fifo,
    make_folder,
    make_socket,
    make_endless_link,
    make_giant,
    make_empty,
    make_broken_link,
    make_bytes,
]


def bomb_of_aliases() -> str:
    lines = ["a0: &a0 [x, x]"]
    lines += [f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]" for i in range(1, 60)]
    return "\n".join(lines)
