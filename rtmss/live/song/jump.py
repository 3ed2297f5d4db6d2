"""Jumps in a song: where to, when, how long the other session warms up, and how long there is
silence.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rtmss.config import UNetConfig
from rtmss.live.shared.song_state import TransportCommand

if TYPE_CHECKING:  # the control side needs no torch
    from rtmss.engine.session import Session
    from rtmss.live.song.samples import DecodedSong

SLACK = 2
"""Hops of silence after the last one that is warmed up, in which an engine that fell behind catches
up.
"""


@dataclass(frozen=True)
class WarmUp:
    """How a session gets ready for a place; all in hops."""

    most: int = 64
    """Stepped before a jump's target; what the network remembers of earlier ones is hardly
    audible.
    """
    block: int = 4
    """Of these, in one silent hop: it takes less time than a hop has, and they are cheaper
    together.
    """
    least: int = 16
    """That have to be left before the end of a loop to get ready for its beginning while it
    plays.
    """

    @classmethod
    def of(cls, config: UNetConfig) -> WarmUp:
        """That of a network: where frames come more often, it remembers more of them, and each has
        less time.
        """
        often = config.recurrent_dilation
        return cls(
            cls.most * often,
            max(1, cls.block // often),
            cls.least * often,
        )

    def before(self, target: int, hop: int) -> int:
        """Hops to be stepped before a target; none of them lies before the song."""
        return min(self.most, max(0, target) // hop)

    def silence(self, n_warm: int) -> int:
        """Hops of silence in which so many are stepped, after the one that fades out."""
        return -(-n_warm // self.block) + SLACK if n_warm else 0


@dataclass
class Jump:
    """A jump that is being made."""

    target: int
    """Sample of the song."""
    due: int
    """Not before this hop."""
    quiet_from: int
    """From this hop on there is silence until the jump."""
    n_warm: int
    """Hops before the target to be stepped first."""
    is_loop: bool = False
    n_warmed: int = 0

    @property
    def n_left(self) -> int:
        """Hops that are still to be stepped first."""
        return self.n_warm - self.n_warmed

    def warm(self, session: Session, song: DecodedSong, n: int) -> None:
        """Step a session through up to `n` more of them."""
        n, hop = min(n, self.n_left), session.hop_length
        if n:
            session.step(
                song.read(
                    self.target - self.n_left * hop,
                    n * hop,
                )
            )
            self.n_warmed += n


def loop_jump(
    command: TransportCommand, position: int, n_samples: int, sample_rate: int, hop: int
) -> tuple[int, int] | None:
    """The next jump from B to A: hops until it is due, and its target; None if the position is
    after B.

    Jumps fall on hop boundaries: on the last one before B, to a sample equally far before A. So the
        loop length is
    exact.
    """
    end = round(min(command.b_seconds * sample_rate, n_samples))
    if position > end:
        return None
    n_hops, missed = divmod(end - position, hop)
    return n_hops, round(command.a_seconds * sample_rate) - missed
