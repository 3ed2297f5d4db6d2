"""Where a song is, and at which hop a place of it will be heard.

A song of `--file` moves with the transport; a song over the input moves with the hops since it
began. Positions are samples at the stream's rate.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from rtmss.live.shared.song_state import Playback, SongInfo, Transport, TransportCommand
from rtmss.live.song.jump import loop_jump


class Anchor(NamedTuple):
    """Ties hops to places: the output of `hop` begins at `sample` of the song."""

    hop: int
    sample: int
    rate: int
    """Hz."""
    hop_length: int
    """Samples."""

    def hop_of(self, seconds: float) -> int:
        """The hop in whose output a place is heard."""
        return self.hop + (round(seconds * self.rate) - self.sample) // self.hop_length

    @property
    def seconds(self) -> float:
        """The place where the hop's output begins."""
        return self.sample / self.rate


class Pass(NamedTuple):
    """A loop that will go back from B to A."""

    hop: int
    """The first one after it."""
    a_seconds: float
    after: Anchor


class SongPlace(NamedTuple):
    """All that is to be known of a song, read once."""

    command: TransportCommand
    playback: Playback
    info: SongInfo
    hop_length: int

    @classmethod
    def read(cls, transport: Transport, hop_length: int) -> SongPlace:
        """As it is now."""
        playback = transport.playback.read()
        return cls(transport.command.read(), playback, transport.info.read(), hop_length)

    @property
    def is_there(self) -> bool:
        """Whether the song that is asked for is decoded."""
        return bool(self.info.number) and self.info.song == self.command.song

    @property
    def is_held(self) -> bool:
        """Whether it stands still, or is about to."""
        command, playback = self.command, self.playback
        is_asked = command.n_plays > playback.n_plays
        return not (command.is_playing if is_asked else playback.is_playing)

    @property
    def is_on_its_way(self) -> bool:
        """Whether the engine has not followed yet."""
        command, playback = self.command, self.playback
        return command.n_seeks != playback.n_seeks or command.song != playback.song

    @property
    def anchor(self) -> Anchor | None:
        """None while it is silent, stands, or goes elsewhere."""
        playback = self.playback
        if not playback.hop or self.is_on_its_way or self.is_held or not self.hop_length:
            return None
        sample = round(playback.position_seconds * playback.sample_rate) - playback.delay
        return Anchor(playback.hop, sample, playback.sample_rate, self.hop_length)

    def next_pass(self, anchor: Anchor) -> Pass | None:
        """When the loop goes back next; None if it does not."""
        command, playback = self.command, self.playback
        is_followed = command.n_loop_changes == playback.n_loop_changes
        is_over = 0 < command.n_loops <= playback.n_passes + 1
        if not command.is_looping or is_over or not is_followed:
            return None
        position = anchor.sample + playback.delay
        jump = loop_jump(command, position, self.info.n_samples, anchor.rate, anchor.hop_length)
        if jump is None:
            return None
        hop = anchor.hop + jump[0]
        after = anchor._replace(hop=hop, sample=jump[1] - playback.delay)
        return Pass(hop, command.a_seconds, after)


def hops_of(milliseconds: float, rate: int, hop_length: int) -> int:
    """Hops until a fade that begins with one is over."""
    return math.ceil(milliseconds * rate / 1000 / hop_length) if hop_length else 0
