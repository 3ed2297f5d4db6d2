"""Scenes as rows of shared memory."""

from __future__ import annotations

from typing import Any

import numpy as np

from rtmss.conditions.condition import Condition, ConditionHeader
from rtmss.conditions.preset import MAX_NAME, MAX_STEMS
from rtmss.engine.control import Scene, Stem, Strip

NAME_BYTES = MAX_NAME
"""Names of presets given as files may be longer, and are cut."""
FALLBACKS = ("dry", "silence", "hold")
MAX_CONDITIONS = 256
"""Conditions that a reader remembers, so that one that comes again is the same object."""

_STRIP = [("gain_db", "f8"), ("mute", "?"), ("solo", "?"), ("channels", "u8")]


def scene_fields(n_condition: int) -> list[Any]:
    """Fields of a structured type that hold a scene, with conditions of `n_condition` numbers."""
    stem = [("name", f"S{NAME_BYTES}"), ("condition", f"S{NAME_BYTES}"), ("vector", "f4", n_condition), *_STRIP]
    return [
        ("n_stems", "u8"), ("stems", stem, MAX_STEMS), ("remainder", _STRIP), ("master_db", "f8"), ("fade_ms", "f8"),
        ("bypass", "?"), ("fallback", "u1"), ("master_mute", "?"),
    ]  # fmt: skip


def write_scene(row: Any, scene: Scene) -> None:
    """Put a scene into a row that has those fields."""
    row["n_stems"] = len(scene.stems)
    for place, stem in zip(row["stems"], scene.stems, strict=False):
        place["name"], place["condition"] = encode_name(stem.name), encode_name(stem.condition.name)
        place["vector"] = stem.condition.vector
        _write_strip(place, stem.strip)
    _write_strip(row["remainder"], scene.remainder)
    row["master_db"], row["fade_ms"], row["bypass"] = scene.master_db, scene.fade_ms, scene.bypass
    row["fallback"], row["master_mute"] = FALLBACKS.index(scene.fallback), scene.master_mute


class SceneReader:
    """Makes scenes of such rows."""

    def __init__(self) -> None:
        self._conditions: dict[tuple[bytes, bytes], Condition] = {}

    def read(self, row: Any) -> Scene:
        """The scene in a row."""
        stems = tuple(
            Stem(decode_name(place["name"]), self._condition(place), _read_strip(place))
            for place in row["stems"][: row["n_stems"]]
        )
        numbers = float(row["master_db"]), float(row["fade_ms"])
        fallback, is_mute = FALLBACKS[row["fallback"]], bool(row["master_mute"])
        return Scene(stems, _read_strip(row["remainder"]), *numbers, bool(row["bypass"]), fallback, is_mute)  # type: ignore[arg-type]

    def _condition(self, place: Any) -> Condition:
        """The same object for the same vector, so that a stem that stays is known to stay."""
        key = (bytes(place["condition"]), place["vector"].tobytes())
        if key in self._conditions:
            self._conditions[key] = self._conditions.pop(key)  # the latest used is the last to be forgotten
        else:
            if len(self._conditions) >= MAX_CONDITIONS:
                self._conditions.pop(next(iter(self._conditions)))
            nothing = np.zeros((0, 0), np.float32)
            header = ConditionHeader(name=decode_name(place["condition"]), model_id="")
            self._conditions[key] = Condition(header, place["vector"].copy(), nothing, nothing)
        return self._conditions[key]


def encode_name(text: str) -> bytes:
    """A name as it stands in a row."""
    return text.encode()[:NAME_BYTES]


def decode_name(name: Any) -> str:
    """A name out of a row."""
    return bytes(name).decode(errors="replace")


def _write_strip(row: Any, strip: Strip) -> None:
    row["gain_db"], row["mute"], row["solo"] = strip.gain_db, strip.mute, strip.solo
    row["channels"] = sum(1 << (channel - 1) for channel in set(strip.channels) if channel <= 64)


def _read_strip(row: Any) -> Strip:
    bits = int(row["channels"])
    channels = tuple(channel for channel in range(1, 65) if bits >> (channel - 1) & 1)
    return Strip(float(row["gain_db"]), bool(row["mute"]), bool(row["solo"]), channels)
