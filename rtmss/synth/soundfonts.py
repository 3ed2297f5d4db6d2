"""Soundfonts: where they lie, which sounds they hold, under which licence."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from rtmss.config import UserError

FOLDERS = ("/usr/share/sounds/sf2", "/usr/share/sounds/sf3", "/usr/share/soundfonts")
INSTALL = "on Debian or Ubuntu: apt install fluidsynth fluid-soundfont-gm timgm6mb-soundfont"
_LICENCES = {
    "FluidR3_GM": "MIT",
    "FluidR3_GS": "MIT",
    "MuseScore_General": "MIT",
    "MuseScore_General_Full": "MIT",
    "TimGM6mb": "GPL-2.0-only",
    "OPL-3_FM_128M": "CC-BY-SA-4.0",
}
"""By name, of those that distributions package."""
_FM = {
    "OPL-3_FM_128M": frozenset(
        (0, p)
        for p in (
            4,
            5,
            7,
            16,
            17,
            18,
            38,
            39,
            *range(80, 105),
        )
    )
}
"""Of soundfonts of an FM chip, only the sounds that are to be synthetic."""
_PRESET = struct.Struct("<20sHHH12x")


@dataclass(frozen=True)
class Soundfont:
    """A file that fluidsynth plays."""

    path: Path
    licence: str
    sounds: frozenset[tuple[int, int]]
    """(bank, program)."""

    @property
    def name(self) -> str:
        """What song.yaml calls the library."""
        return self.path.stem


def find_soundfonts(paths: Iterable[Path] = ()) -> list[Soundfont]:
    """The soundfonts at `paths`, or else of the SOUNDFONT variable, or else of the system.

    Raises:
        UserError: one cannot be read, or there is none that has the General MIDI piano; says what
            to install.
    """
    chosen = list(paths) or [
        Path(part) for part in os.environ.get("SOUNDFONT", "").split(os.pathsep) if part
    ]
    found = chosen or [
        path for folder in FOLDERS for path in sorted(Path(folder).glob("*.[sS][fF][23]"))
    ]
    unique = sorted({path.resolve() if path.exists() else path for path in found})
    fonts = [
        font
        for path in unique
        if (font := read_soundfont(path)).sounds
        & {
            (0, 0),
            (0, 80),
        }
    ]
    if not any((0, 0) in font.sounds for font in fonts):
        where = ", ".join(str(path) for path in chosen) or ", ".join(FOLDERS)
        raise UserError(
            f"no General MIDI soundfont in {where}; give one with --soundfont, or install some "
            f"({INSTALL})"
        )
    return fonts


def read_soundfont(path: Path) -> Soundfont:
    """Read which sounds a soundfont holds (chunk `phdr` of the SoundFont 2.04 specification).

    Raises:
        UserError: it does not exist or is no soundfont.
    """
    try:
        sounds = _presets(_preset_data(path))
    except (OSError, struct.error, ValueError) as error:
        raise UserError(f"{path}: not a readable soundfont (sf2 or sf3 is expected)") from error
    return Soundfont(
        path, _LICENCES.get(path.stem, "see the soundfont"), sounds & _FM.get(path.stem, sounds)
    )


def _preset_data(path: Path) -> bytes:
    """What the chunk list `pdta` holds."""
    with path.open("rb") as file:
        form, _, kind = struct.unpack("<4sI4s", file.read(12))
        if form != b"RIFF" or kind != b"sfbk":
            raise ValueError("not RIFF sfbk")
        while True:
            name, size = struct.unpack("<4sI", file.read(8))
            if name == b"LIST" and file.read(4) == b"pdta":
                return file.read(size - 4)
            file.seek(
                size + size % 2 - (4 if name == b"LIST" else 0),
                os.SEEK_CUR,
            )


def _presets(pdta: bytes) -> frozenset[tuple[int, int]]:
    name, size = struct.unpack_from("<4sI", pdta)
    if name != b"phdr":
        raise ValueError("no phdr")
    rows = list(_PRESET.iter_unpack(pdta[8 : 8 + size]))[:-1]  # the last row only ends the list
    return frozenset((bank, program) for _, program, bank, _ in rows)
