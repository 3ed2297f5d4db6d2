"""The addresses under /rtmss/transport: what they do to a song, and what they say of it."""

from __future__ import annotations

from rtmss.live.control.osc.arguments import Value
from rtmss.live.control.osc.state import Values
from rtmss.live.shared.song_state import Transport, TransportChange, loop, play, seek

PREFIX = "/rtmss/transport/"
FEEDBACK_SECONDS = 0.2
"""Subscribers are told the position no more often than this."""


def song_change(address: str, value: Value) -> TransportChange:
    """What setting an address changes."""
    match address.removeprefix(PREFIX):
        case "play":
            return play(bool(value))
        case "position":
            return seek(float(value))
        case "loop":
            return loop(is_looping=bool(value))
        case "loops":
            return loop(n_loops=int(value))
        case "a" | "b" as end:
            return loop(**{f"{end}_seconds": float(value)})
    raise AssertionError(address)


def song_values(transport: Transport) -> Values:
    """Everything that is known of the song; nothing where none is played."""
    if not transport.song:
        return {}
    command, seconds = transport.command.read(), transport.seconds
    values: Values = {
        "play": (int(transport.is_playing),),
        "position": (transport.position_seconds,),
        "length": (seconds,),
        "loop": (int(command.is_looping),),
        "a": (command.a_seconds,),
        "b": (min(command.b_seconds, seconds),),
        "loops": (command.n_loops,),
        "passes": (transport.playback.read().n_passes,),
    }
    return {PREFIX + name: value for name, value in values.items()}


class SongFeedback:
    """What subscribers are told of the song."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._place: Values = {}
        self._due = 0.0

    def values(self, now: float) -> Values:
        """The same, with a position that stands still in between; `now` is in seconds of
        `time.monotonic()`.
        """
        values = song_values(self._transport)
        if values and now >= self._due:
            self._place, self._due = (
                {PREFIX + "position": values[PREFIX + "position"]},
                now + FEEDBACK_SECONDS,
            )
        return values | (self._place if values else {})
