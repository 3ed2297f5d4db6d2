"""What a player steps: the device's input here, or a song (`song.source`).

Axes: C channels, O output channels, S samples.
"""

from __future__ import annotations

from typing import Protocol

from rtmss.audio import Audio
from rtmss.engine.control import Scene
from rtmss.engine.session import Output, Session
from rtmss.live.buffers.timeline import Timeline


class Source(Protocol):
    """Gives the next input, and steps a session with it."""

    @property
    def session(self) -> Session:
        """The session that plays now."""

    @property
    def scene(self) -> Scene:
        """What plays."""

    @scene.setter
    def scene(self, scene: Scene) -> None: ...

    @property
    def is_plain(self) -> bool:
        """Whether the latest output is what the session alone gives: not silence, nor the ends of a
        jump.
        """

    def read(self, first: int, n: int, /) -> Audio:
        """(2, k * hop) the input of the next k hops, at least 1 and at most `n`, of which `first`
        is the first.
        """

    def hold(self, block: Audio) -> Audio:
        """(O, S) what a step of these hops would play with the masks as they are."""

    def step(self, block: Audio) -> Output:
        """Play the hops that were read; (2, S) is their input."""

    def prepare(self) -> None:
        """Do what can wait until the output of a step has been delivered."""


class DeviceSource:
    """The input of the sound device."""

    is_plain = True

    def __init__(self, session: Session, timeline: Timeline) -> None:
        self.session = session
        self.timeline = timeline

    @property
    def scene(self) -> Scene:
        """What plays."""
        return self.session.scene

    @scene.setter
    def scene(self, scene: Scene) -> None:
        self.session.scene = scene

    def read(self, _first: int, n: int, /) -> Audio:
        """(2, n * hop) that the device has brought."""
        return self.timeline.read_input(n)

    def hold(self, block: Audio) -> Audio:
        """(O, S) what a step would play with the masks as they are."""
        return self.session.hold(block)

    def step(self, block: Audio) -> Output:
        """Play the next hops."""
        return self.session.step(block)

    def prepare(self) -> None:
        """Nothing."""
