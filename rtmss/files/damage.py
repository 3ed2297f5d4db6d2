"""What is wrong with a file that can be read in part: a warning, or a refusal."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from rtmss.config import DamagedFileWarning, UserError


class AudioFileError(UserError):
    """An audio file that cannot be used; the message says which and what to do."""


class Damage(NamedTuple):
    """The first place where a file is not what it should be."""

    path: Path
    seconds: float
    """Where it begins, on the time line of what was read."""
    text: str
    """What was found there."""

    def __str__(self) -> str:
        return f"{self.path}: damaged from {self.seconds:.2f} s on: {self.text}"


OnDamage = Callable[[Damage], None]
"""Called once for a damaged file, when the damage is reached; what it raises ends the reading."""


def warn_of_damage(damage: Damage) -> None:
    """Issue a `DamagedFileWarning`; where warnings are errors, refuse the file.

    Raises:
        AudioFileError: a filter of `warnings` makes an error of it.
    """
    try:
        warnings.warn(DamagedFileWarning(str(damage)), stacklevel=2)
    except DamagedFileWarning as warning:
        raise AudioFileError(str(warning)) from None


def refuse_damage(damage: Damage) -> None:
    """Refuse the file.

    Raises:
        AudioFileError: always.
    """
    raise AudioFileError(str(damage))


def ignore_damage(_: Damage) -> None:
    """Take what can be read: the damage is reported elsewhere."""
