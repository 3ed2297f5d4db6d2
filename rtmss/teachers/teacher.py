"""What a teacher is.

Axes: C channels, S samples.
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import Protocol

from rtmss.audio import Audio
from rtmss.config import ConfigError


class Teacher(Protocol):
    """A separator of finished songs."""

    @property
    def name(self) -> str:
        """As `--by` has it."""

    @property
    def version(self) -> str:
        """Package, its version, and the model where it has several."""

    @property
    def licence(self) -> str:
        """Of the weights; empty if unknown."""

    @property
    def stems(self) -> tuple[str, ...]:
        """What its parts are called, as in `taxonomy.FAMILIES`; the last is all the rest."""

    @property
    def rest(self) -> str:
        """Label of the last stem, by which `taxonomy.HIDES` knows what may sound in it and is not
        taught as absent.
        """

    @property
    def sample_rate(self) -> int:
        """Hz, at which it hears."""

    def separate(self, audio: Audio) -> dict[str, Audio]:
        """(2, S) of a song -> (2, S) of every stem."""


def version_of(package: str, teacher: str) -> str:
    """Version of an installed package.

    Raises:
        ConfigError: it is not installed.
    """
    try:
        return version(package)
    except PackageNotFoundError as error:
        raise missing(package, teacher) from error


def missing(package: str, teacher: str) -> ConfigError:
    """One line that says what a teacher needs."""
    return ConfigError(
        f"the teacher '{teacher}' needs the package {package}: pip install {package}"
    )
