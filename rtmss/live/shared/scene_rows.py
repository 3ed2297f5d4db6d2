"""Scenes as rows of shared memory."""

from __future__ import annotations

from typing import Any

from rtmss.conditions.condition import Condition, ConditionLimits
from rtmss.conditions.preset import FALLBACKS, MAX_NAME, MAX_STEMS
from rtmss.conditions.strip import Strip, settings
from rtmss.engine.control import Scene, Stem

NAME_BYTES = MAX_NAME
"""Names of presets given as files may be longer, and are cut."""
_TYPES = {float: "f8", bool: "?"}
_STRIP_SETTINGS = settings(Strip)
_MIX_SETTINGS = settings(Scene)
_STRIP = [*((name, _TYPES[kind]) for name, kind, _ in _STRIP_SETTINGS), ("channels", "u8")]
_MIX = [*((name, _TYPES[kind]) for name, kind, _ in _MIX_SETTINGS), ("fallback", "u1")]


def scene_fields(n_condition: int) -> list[Any]:
    """Fields of a structured type that hold a scene, with conditions of `n_condition` numbers."""
    text, vector = f"S{NAME_BYTES}", ("f4", n_condition)
    first = [("name", text), ("condition", text), ("vector", *vector)]
    second = [("has_b", "?"), ("condition_b", text), ("vector_b", *vector), ("morph", "f8")]
    stem = [*first, *second, *_STRIP]
    return [
        ("n_stems", "u8"),
        ("stems", stem, MAX_STEMS),
        ("remainder", _STRIP),
        *_MIX,
    ]


def write_scene(row: Any, scene: Scene) -> None:
    """Put a scene into a row that has those fields.

    Raises:
        ConditionError: a condition has another length; nothing is written then.
    """
    scene.check(ConditionLimits(int(row["stems"]["vector"].shape[-1])))
    row["n_stems"] = len(scene.stems)
    for place, stem in zip(
        row["stems"],
        scene.stems,
        strict=False,
    ):
        place["name"] = encode_name(stem.name)
        place["condition"] = encode_name(stem.condition.name)
        place["vector"] = stem.condition.vector
        place["morph"] = stem.morph
        place["has_b"] = stem.condition_b is not None
        if stem.condition_b is not None:
            place["condition_b"] = encode_name(stem.condition_b.name)
            place["vector_b"] = stem.condition_b.vector
        _write_strip(place, stem.strip)
    _write_strip(row["remainder"], scene.remainder)
    for name, _, _ in _MIX_SETTINGS:
        row[name] = getattr(scene, name)
    row["fallback"] = FALLBACKS.index(scene.fallback)


def read_scene(row: Any) -> Scene:
    """The scene in a row."""
    stems = tuple(
        Stem(
            decode_name(place["name"]),
            Condition.bare(
                decode_name(place["condition"]),
                place["vector"].copy(),
            ),
            _read_strip(place),
            _read_second(place),
            float(place["morph"]),
        )
        for place in row["stems"][: row["n_stems"]]
    )
    mix: dict[str, Any] = {name: kind(row[name]) for name, kind, _ in _MIX_SETTINGS}
    return Scene(
        stems,
        _read_strip(row["remainder"]),
        fallback=FALLBACKS[row["fallback"]],
        **mix,
    )


def _read_second(place: Any) -> Condition | None:
    if not place["has_b"]:
        return None
    return Condition.bare(decode_name(place["condition_b"]), place["vector_b"].copy())


def encode_name(text: str) -> bytes:
    """A name as it stands in a row."""
    return text.encode(errors="replace")[:NAME_BYTES]


def decode_name(name: Any) -> str:
    """A name out of a row."""
    return bytes(name).decode(errors="replace")


def _write_strip(row: Any, strip: Strip) -> None:
    for name, _, _ in _STRIP_SETTINGS:
        row[name] = getattr(strip, name)
    row["channels"] = sum(1 << (channel - 1) for channel in set(strip.channels) if channel <= 64)


def _read_strip(row: Any) -> Strip:
    bits = int(row["channels"])
    channels = tuple(channel for channel in range(1, 65) if bits >> (channel - 1) & 1)
    values: dict[str, Any] = {name: kind(row[name]) for name, kind, _ in _STRIP_SETTINGS}
    return Strip(channels=channels, **values)
