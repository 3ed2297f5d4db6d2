"""The memory that one plug-in instance shares with the engine: the other half is
`plugin/src/Layout.hpp`, which tells what it means. A test compares every offset and size.

Numbers are little endian, every field has one writer, and there is one file for each instance.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any, NamedTuple

import numpy as np

MAGIC = b"rtmss-pl"
VERSION = 2
RING = 1 << 15
"""Samples of a ring."""
HOPS = 512
"""Hops of a table."""
N_STRIPS = 8
"""Stems that a preset may have."""
N_STEM_BUSES = 7
"""Stems with outputs of their own."""
N_BUSES = 2 + N_STEM_BUSES
"""Main, stems, remainder."""
N_OUTPUTS = 2 * N_BUSES
N_PRESETS = 32
NAME_BYTES = 72
"""Of a preset, with at least one zero behind it."""
PLAYING_BYTES = 128
"""Of the preset that plays."""
LEAST_RATE, MOST_RATE = 8000, 192000
"""Hz."""


class Control(IntEnum):
    """What a host may set, in the order of its parameters."""

    BYPASS = 0
    PRESET = 1
    MASTER_GAIN = 2
    FADE = 3
    REMAINDER_GAIN = 4
    REMAINDER_MUTE = 5
    FIRST_GAIN = 6
    """Of every strip a gain and a mute."""
    FIRST_MUTE = 7
    FALLBACK = 22
    WAIT = 23
    FIRST_MORPH = 24
    """Of every strip."""


N_CONTROLS = Control.FIRST_MORPH + N_STRIPS


class PlugInFallback(IntEnum):
    """What the plug-in plays in place of a late hop."""

    AS_PRESET = 0
    SILENCE = 1
    DRY = 2


class EngineState(IntEnum):
    """What the engine says of an instance."""

    NOBODY = 0
    PREPARING = 1
    PLAYING = 2
    NO_PRESET = 3
    REFUSED = 4


STATES = {
    EngineState.NOBODY: "no engine",
    EngineState.PREPARING: "starting",
    EngineState.PLAYING: "plays",
    EngineState.NO_PRESET: "no such preset",
    EngineState.REFUSED: "other weights",
}
"""As the plug-in says it."""


class Field(NamedTuple):
    """Where something stands."""

    name: str
    kind: Any
    """For numpy: a type, and a shape if it is an array."""
    offset: int
    """Bytes."""


FIELDS = (
    Field("magic", "S8", 0),
    Field("version", "<u4", 8),
    Field("n_bytes", "<u4", 12),
    Field("ring", "<u4", 16),
    Field("hops", "<u4", 20),
    Field("n_outputs", "<u4", 24),
    Field("n_controls", "<u4", 28),
    Field("n_presets", "<u4", 32),
    Field("pid", "<u4", 36),
    Field("sample_rate", "<u4", 64),
    Field("hop_length", "<u4", 68),
    Field("delay", "<u4", 72),
    Field("lag", "<u4", 76),
    Field("max_block", "<u4", 80),
    Field("epoch", "<u8", 128),
    Field("n_in", "<u8", 136),
    Field("host_beat", "<u8", 144),
    Field("presets_version", "<u8", 152),
    Field("is_offline", "<u4", 160),
    Field("n_late", "<u4", 164),
    Field("n_fallbacks", "<u4", 168),
    Field("n_waits", "<u4", 172),
    Field("engine_beat", "<u8", 192),
    Field("served", "<u8", 200),
    Field("engine_state", "<u4", 208),
    Field("engine_fallback", "<u4", 212),
    Field("number", "<u4", 216),
    Field("presets", (f"S{NAME_BYTES}", (N_PRESETS,)), 256),
    Field("playing", f"S{PLAYING_BYTES}", 2560),
    Field("controls", ("<f4", (HOPS, N_CONTROLS)), 2688),
    Field("stamps", ("<u8", (HOPS,)), 68224),
    Field("input", ("<f4", (2, RING)), 72320),
    Field("output", ("<f4", (N_OUTPUTS, RING)), 334464),
)
N_BYTES = 2693760
LAYOUT = np.dtype(
    {
        "names": [field.name for field in FIELDS],
        "formats": [field.kind for field in FIELDS],
        "offsets": [field.offset for field in FIELDS],
        "itemsize": N_BYTES,
    }
)
SIZES = {
    "version": VERSION,
    "n_bytes": N_BYTES,
    "ring": RING,
    "hops": HOPS,
    "n_outputs": N_OUTPUTS,
    "n_controls": N_CONTROLS,
    "n_presets": N_PRESETS,
}
"""What the head of every file has to say."""


def stamp(epoch: int, hop: int) -> int:
    """What says that a hop of a stream is there."""
    return (epoch << 32 | (hop + 1) & 0xFFFFFFFF) & 0xFFFFFFFFFFFFFFFF
