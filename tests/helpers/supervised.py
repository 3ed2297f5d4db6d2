"""A process for a supervisor that is none."""

from __future__ import annotations


class Dummy:
    """A process that ends when told."""

    def __init__(self) -> None:
        self.code: int | None = None

    def exit_code(self) -> int | None:
        return self.code

    def kill(self) -> None:
        self.code = -9
