"""The song that plays, in words and in numbers, for the terminal."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from rtmss.live.control.cues.player import CuePlayer
from rtmss.live.shared.song_state import Transport

MAX_SHOWN = 26
"""Characters of a cue's name."""


def clock(seconds: float) -> str:
    """`1:02.5`, cut to tenths."""
    tenths = int(seconds * 10 + 1e-6)
    return f"{tenths // 600}:{tenths // 10 % 60:02d}.{tenths % 10}"


def song_state(transport: Transport) -> str:
    """`playing`, `paused`, or `reading`."""
    if not transport.seconds:
        return "reading"
    return "playing" if transport.is_playing else "paused"


def song_line(transport: Transport) -> str:
    """Where a song is, its length, its loop, its name."""
    seconds = transport.seconds
    return (
        f"{clock(transport.position_seconds)} of {clock(seconds)}{_loop(transport)}  "
        f"{Path(transport.song).name}"
    )


def cue_line(cues: CuePlayer) -> str:
    """The cue that came last, and the one that follows, with its place if it has one."""
    seconds = cues.upcoming_seconds
    when = "" if seconds is None else f" at {clock(seconds)}"
    name = cues.upcoming.removeprefix(cues.name.partition("/")[0] + "/")
    following = f"next {_short(name)}{when}" if name else "the last one"
    return f"{_short(cues.name or 'none yet')}   {following}"


def _short(name: str) -> str:
    """A name that leaves room for another one on the line."""
    return name if len(name) <= MAX_SHOWN else f"{name[: MAX_SHOWN - 1]}…"


def song_numbers(transport: Transport) -> dict[str, Any] | None:
    """The same for a script, in seconds; None where the device's input plays."""
    if not transport.song:
        return None
    command, seconds = transport.command.read(), transport.seconds
    return {
        "file": transport.song,
        "state": song_state(transport),
        "position": round(transport.position_seconds, 3),
        "length": round(seconds, 3),
        "loop": command.is_looping,
        "a": command.a_seconds,
        "b": min(command.b_seconds, seconds),
        "loops": command.n_loops,
        "passes": transport.playback.read().n_passes,
    }


def _loop(transport: Transport) -> str:
    command, n_passes = transport.command.read(), transport.playback.read().n_passes
    if not command.is_looping:
        return f"  A {clock(command.a_seconds)}" if command.a_seconds else ""
    end = "the end" if command.b_seconds == math.inf else clock(command.b_seconds)
    count = f" of {command.n_loops}" if command.n_loops else ""
    return f"  loop {clock(command.a_seconds)} to {end}, pass {n_passes + 1}{count}"
