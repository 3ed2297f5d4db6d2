"""Between the device's blocks and the engine's hops: two rings on one time line, and what plays
when a hop is late.

Every sample has a place on the time line, and what is heard at a place never moves: a hop that
comes too late for its place is not heard, and the next one is in time again without any delay
having grown.

The device's side (`exchange`) only copies, counts and fades; it takes no lock and makes no objects
that last. The engine's side (`hops`, `deliver`) runs in another thread. Each counter has one
writer.

Axes: C input channels, O output channels, S samples.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from rtmss.audio import Audio
from rtmss.conditions.preset import Fallback
from rtmss.config import UserError
from rtmss.live.buffers.declick import Declicker, Gate
from rtmss.live.buffers.ring import HopRing, Ring

HOLD_HOPS = 8
"""Late hops in a row for which the fallback `hold` is played; then nothing."""
MOST_WAITING = 1 << 14
"""Largest backlog in samples. An engine further behind drops older input; settings that need more
are refused.
"""
MOST_WAITING_HOPS = 32
"""The same in hops, where that is more: at higher rates hops are longer."""
RING_BACKLOGS = 4
"""What the rings hold beside twice the engine's delay: more than the longest silence of a jump."""
LEAST_HOP_SHARE = 0.9
"""Share of a hop's time that a step is given at the least. At 48 kHz a hop is a little longer than
two blocks of 256, and a third would only come later.
"""
N_LATE = 1024
"""Late hops that are remembered."""
PLAYED, DRY, HELD, NOTHING = range(4)
"""Where what is heard comes from; from one to another the sound fades."""


def adaptation(block: int, hop: int, n_queued: int = 0) -> int:
    """Samples that an output lags behind its input because blocks are not hops.

    A hop can be stepped once the block with its last sample is there, and is heard `n_queued`
    blocks later at the earliest; without a queue it would have to be ready in no time at all.

    Args:
        block: samples that the device brings and takes at once.
        hop: samples that the engine steps by.
        n_queued: blocks that a step may take.
    """
    return n_queued * block + hop - math.gcd(block, hop)


def blocks_per_hop(block: int, hop: int) -> int:
    """The queue that gives every step the time of a hop, or nearly so."""
    return max(1, math.ceil(LEAST_HOP_SHARE * hop / block))


class Timeline:
    """Input ring, output ring, and the place that both have reached."""

    def __init__(
        self,
        n_outputs: int,
        hop: int,
        block: int,
        delay: int,
        n_queued: int | None = None,
        n_resampler: int = 0,
    ) -> None:
        """Start with silence.

        Args:
            n_outputs: output channels.
            hop: samples per hop.
            block: samples per block, at most.
            delay: samples that the engine's output lags behind its input.
            n_queued: blocks that a step may take; None gives it the time of one hop.
            n_resampler: samples for which a block is on its way before it comes in.

        Raises:
            UserError: that would be more than may wait.
        """
        self.hop, self.block, self.delay = hop, block, delay
        self.n_queued = blocks_per_hop(block, hop) if n_queued is None else n_queued
        self.lag = adaptation(block, hop, self.n_queued)
        self._n_resampler = n_resampler
        self.most_waiting = max(MOST_WAITING, MOST_WAITING_HOPS * hop)
        """Largest backlog in samples."""
        self.n_hops = -(-(RING_BACKLOGS * self.most_waiting + 2 * delay) // hop)
        """Length of the rings."""
        self._check_waits()
        self.fallback: Fallback = "silence"
        self.is_silent: Callable[[], bool] = lambda: False
        """Panic: asked once per block, and while it is true the outputs are silent."""
        self.is_fed = False
        """Whether `write_input` gives the input instead of the device."""
        self.n_fed = 0
        """Frame up to which it is written."""
        self.n_late = 0
        """Hops that were not ready for their place."""
        self.late_hops = np.zeros(N_LATE, np.int64)
        """Which ones: the i-th stands at i modulo N_LATE."""
        self.n_fallbacks = 0
        """Times that the fallback was faded in."""
        self.n_in = 0
        """Samples that have come in: the device's place on the time line."""
        self.n_stepped = 0
        """Samples that the engine has taken."""
        self._input = Ring(2, self.n_hops * hop)
        self._output = HopRing(n_outputs, hop, self.n_hops)
        self._held = HopRing(n_outputs, hop, self.n_hops)
        """What the fallback `hold` plays."""
        self._n_late_in_a_row = 0
        self._is_late = False
        self._source = PLAYED
        self._counted = -1
        """The latest hop that was counted as late."""
        self._declicker = Declicker(n_outputs)
        self._panic_gate = Gate()

    def _check_waits(self) -> None:
        if self.lag + 2 * self.block > self.most_waiting:
            raise UserError(
                f"{self.n_queued} blocks of {self.block} samples are too many to wait for: choose "
                "fewer or shorter"
            )

    @property
    def latency(self) -> int:
        """Samples from a sound at the input to the same sound at the output; constant."""
        return self._n_resampler + self.delay + self.lag

    def exchange(self, block: Audio, out: Audio) -> None:
        """Take (C, S) from the device and fill (O, S) for it; called once per block, by the
        device's thread.

        Nothing is taken where the input is fed.
        """
        n, place = out.shape[1], self.n_in
        if not self.is_fed:
            self._input.write(block, place)
        self.n_in = place + n  # only now: the engine reads up to here
        start = place - self.lag
        while start < place + n - self.lag:
            end = min(
                (start // self.hop + 1) * self.hop,
                place + n - self.lag,
            )
            self._play(
                start,
                out[:, start - place + self.lag : end - place + self.lag],
            )
            start = end
        self._panic_gate.apply(out, is_open=not self.is_silent())

    def write_input(self, hop: int, audio: Audio) -> None:
        """Write (1 or 2, S) as the input from a hop on, also ahead of time; the engine's thread
        only.
        """
        self._input.write(audio, hop * self.hop)
        self.n_fed = hop * self.hop + audio.shape[1]

    def hops(self) -> tuple[int, int]:
        """First hop that has come in and was not taken, and how many have."""
        first = self.n_stepped // self.hop
        return first, self.n_in // self.hop - first

    def read_input(self, n_hops: int) -> Audio:
        """(2, n_hops * hop) the next input; the engine's thread only."""
        start = self.n_stepped
        self.advance(n_hops)
        return self._input.read(start, n_hops * self.hop)

    def advance(self, n_hops: int) -> None:
        """Go on by hops whose input comes from elsewhere; the engine's thread only."""
        self.n_stepped += n_hops * self.hop

    def deliver(self, hop: int, mix: Audio) -> None:
        """Give the (O, hop) output of a hop that was taken; one that comes too late is not
        heard.
        """
        self._output.write(hop, mix)

    def write_fallback(self, hop: int, mix: Audio) -> None:
        """Give what the fallback `hold` plays should the (O, hop) output of a hop come too late."""
        self._held.write(hop, mix)

    def skip_to(self, hop: int) -> None:
        """Give up the hops before `hop`, whose input the ring no longer holds."""
        self.n_stepped = hop * self.hop

    def _play(self, start: int, out: Audio) -> None:
        """Fill one stretch that lies within one hop; a hop that arrives half-way through is heard
        from there on.
        """
        hop = start // self.hop
        is_late = start >= 0 and not self._output.has(hop)
        source = PLAYED
        if not is_late:
            out[:] = (
                self._output.read(
                    start,
                    out.shape[1],
                )
                if start >= 0
                else 0
            )
        else:
            if hop != self._counted:
                self.late_hops[self.n_late % N_LATE] = hop
                self.n_late += 1
                self._n_late_in_a_row = self._n_late_in_a_row + 1 if self._is_late else 1
            self._counted = hop
            source = self._play_fallback(start, out)
        if is_late != self._is_late:
            self._is_late = is_late
            self.n_fallbacks += int(is_late)
        self._declicker.join(out, is_new=source != self._source)
        self._source = source

    def _play_fallback(self, start: int, out: Audio) -> int:
        n = out.shape[1]
        if self.fallback == "dry" and not (self.is_fed and start - self.delay + n > self.n_fed):
            out[:] = 0
            out[:2] = self._input.read(
                start - self.delay,
                n,
            )[: len(out)]
            return DRY
        may_hold = self.fallback == "hold" and self._n_late_in_a_row <= HOLD_HOPS
        if may_hold and self._held.has(start // self.hop):
            out[:] = self._held.read(start, n)
            return HELD
        out[:] = 0
        return NOTHING
