"""Finding presets and conditions by name."""

from __future__ import annotations

import contextlib
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from importlib.resources import files
from pathlib import Path

from rtmss.conditions.condition import Condition, load_condition
from rtmss.conditions.preset import Preset
from rtmss.config import ConfigError, read_yaml
from rtmss.lookup import find

MAX_KEPT = 64
"""Conditions that a library keeps in memory."""
_Stamp = tuple[int, int, int] | None


def shipped() -> Path:
    """The folder of presets, conditions and clips that come with rtmss."""
    package = Path(str(files("rtmss")))
    inside = package / "presets"
    return inside if inside.is_dir() else package.parent / "presets"


class Library:
    """Presets and conditions by name: the user's folder first, then those shipped with rtmss."""

    def __init__(self, folders: Iterable[Path]) -> None:
        self.folders = [*folders, shipped()]
        self._loaded: OrderedDict[Path, tuple[_Stamp, Condition]] = OrderedDict()
        """Conditions that were read lately, and of which file each of them is."""

    def presets(self) -> dict[str, Path]:
        """Every preset by name."""
        return self._by_name("*.yaml")

    def readable_presets(self) -> Iterator[Preset]:
        """Every preset that can be read; a broken one is in nobody's way before it is asked for."""
        for path in self.presets().values():
            with contextlib.suppress(ConfigError):
                yield read_yaml(path, Preset)

    def conditions(self) -> dict[str, Path]:
        """Every condition by name."""
        return self._by_name("conditions/*.safetensors")

    def own_instead_of_shipped(self) -> set[str]:
        """Names of conditions that come with rtmss and are found in another folder first."""
        folder = shipped() / "conditions"
        ours = {path.stem for path in folder.glob("*.safetensors")}
        return {
            name
            for name, path in self.conditions().items()
            if name in ours and path.parent != folder
        }

    def _by_name(self, pattern: str) -> dict[str, Path]:
        found = (path for folder in reversed(self.folders) for path in sorted(folder.glob(pattern)))
        return {path.stem: path for path in found}

    def load_preset(self, name: str) -> Preset:
        """Read a preset by name or by file.

        Raises:
            ConfigError: there is none of this name (names near misses), or it is not valid.
        """
        path = Path(name)
        if path.suffix in {".yaml", ".yml"}:
            return read_yaml(path, Preset)
        return self.preset_named(name)

    def preset_named(self, name: str) -> Preset:
        """Read a preset by name; no name opens a file elsewhere.

        Raises:
            ConfigError: there is none of this name (names near misses), or it is not valid.
        """
        return read_yaml(find(name, self.presets(), "preset"), Preset)

    def load_condition(self, name: str, model_id: str | None = None) -> Condition:
        """Read a condition by name; the same object for the same file, so that a stem that stays is
        known to stay.

        Raises:
            ConfigError: there is none of this name.
            ConditionError: it was made for other weights than `model_id`.
        """
        path = find(name, self.conditions(), "condition")
        stamp, kept = _stamp(path), self._loaded.get(path)
        if kept is None or kept[0] != stamp or stamp is None:
            self._loaded[path] = stamp, load_condition(path)
        self._loaded.move_to_end(path)
        while len(self._loaded) > MAX_KEPT:
            self._loaded.popitem(last=False)
        condition = self._loaded[path][1]
        if model_id is not None:
            condition.header.check_model(model_id)
        return condition


def _stamp(path: Path) -> _Stamp:
    """What changes when a file is written again; None where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
