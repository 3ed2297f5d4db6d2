"""Plays a tape through a session, in the place of an input: position, loop, and jumps that are warmed up.

A jump goes to a second session, which first hears what comes before the place, so that it then sounds like a stream
that began there. For a seek the sound falls silent meanwhile; before the end of a loop the second session gets ready
while the first still plays, if the machine has the time, and the loop closes without a gap. Either way a jump lies
between two hops, and the ends of what is heard are faded.

The engine's thread only. Axes: O output channels, S samples; positions are samples of the tape.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from enum import Enum, auto

import numpy as np

from rtmss.engine.control import Scene
from rtmss.engine.session import Output, Session
from rtmss.files import Audio
from rtmss.live.buffers.declick import FADE
from rtmss.live.buffers.timeline import Timeline
from rtmss.live.shared.song_state import Playback, Transport, Wish
from rtmss.live.song.jump import Jump, WarmUp, loop_jump
from rtmss.live.song.samples import Tape

AHEAD = 16
"""Hops of the tape that the dry fallback can go on with while the engine is stuck."""
MANY = 64
"""More hops than are ever stepped together."""
MAX_OVERLAP_LOAD = 0.45
"""Two sessions may take turns while a step takes no more than this share of a hop."""


class _Phase(Enum):
    """What the next hops are."""

    PLAY = auto()
    FALL = auto()
    """The last hop before silence."""
    WAIT = auto()
    """Silence: paused, or on the way to another place."""
    LAND = auto()
    """The first hop at another place."""


class Deck:
    """Takes the place of a session at a player, and feeds its timeline."""

    def __init__(self, session: Session, spare: Session, timeline: Timeline, transport: Transport) -> None:
        """Begin where the transport says that the song is, as soon as there is a tape.

        Args:
            session: what plays first.
            spare: another of the same kind.
            timeline: its input is the tape from now on.
            transport: wishes, the tape that is offered, and where the position goes.
        """
        self.session, self._spare = session, spare
        self.scene = session.scene
        self._warm_up = WarmUp.of(session.config.unet)
        self.timeline, self.transport = timeline, transport
        timeline.is_fed = True
        self.has_time: Callable[[], bool] = lambda: self._load < MAX_OVERLAP_LOAD
        """Whether both sessions can be stepped within one hop."""
        self._load = 0.0
        """Time of a step over that of a hop, lately."""
        self._tape: Tape | None = None
        self._n_tapes = 0
        self._wish, before = transport.wish.read(), transport.playback.read()
        self._obeyed = (before.n_plays, before.n_seeks, before.n_loop_changes)
        self.is_playing, self._n_passes = before.is_playing, before.n_passes
        self._position = round(before.position_seconds * session.sample_rate)
        self._jump: Jump | None = None
        self._phase = _Phase.WAIT
        self._is_heard = False
        self._is_cold = False
        """Whether the session has just begun, and comes in by itself."""
        self.is_plain = True
        """Whether the latest hops are what the session alone gives: not silence, nor the ends of a jump."""
        self._first = self._promised = 0
        """The next hop, and the one up to which silence has been delivered."""
        self._farewell: Audio | None = None
        """What the old session hears in the hop in which the new one takes over, if it is to be heard."""
        self._publish()

    # What a player needs of a session.

    @property
    def scene(self) -> Scene:
        """What plays."""
        return self.session.scene

    @scene.setter
    def scene(self, scene: Scene) -> None:
        self.session.scene = self._spare.scene = scene

    @property
    def sample_rate(self) -> int:
        """Hz."""
        return self.session.sample_rate

    @property
    def n_outputs(self) -> int:
        """Output channels."""
        return self.session.n_outputs

    @property
    def n_bad_samples(self) -> int:
        """Samples of the song that were not finite or absurdly loud."""
        return self.session.n_bad_samples

    def hold(self, block: Audio) -> Audio:
        """(O, S) what the next step would play with the masks as they are."""
        if self._phase is _Phase.WAIT:
            return np.zeros((self.n_outputs, block.shape[1]), np.float32)
        return self.session.hold(block)

    def feed(self, first: int, n: int) -> int:
        """Lay the input of the next hops; return how many of them are of one kind.

        Args:
            first: the hop that is stepped next.
            n: hops that could be stepped together.
        """
        if self._is_heard:
            self._position += (first - self._first) * self.timeline.hop  # hops that the player has given up
        self._first = first
        self._obey()
        self._stop_at_the_end()
        self._plan_loop()
        self._phase, n_most = self._next()
        n = max(1, min(n, n_most))
        self._lay(n)
        return n

    def step(self, block: Audio) -> Output:
        """Play the hops that were fed; (C, S) is their input."""
        n = block.shape[1] // self.timeline.hop
        if self._phase is _Phase.WAIT:
            self.is_plain = self._tape is None
            output = self._wait(n)
        else:
            output = self._sound(block)
            self._position += block.shape[1]
            if self._jump and self._tape and self._phase is _Phase.PLAY:
                self._deliver(output.mix)  # before the other session takes its time
                self._jump.warm(self._spare, self._tape, n)
        self._first += n
        self._publish()
        return output

    def warm_up(self) -> None:
        """Let everything be allocated and chosen that the first jump would pay for."""
        for n in (1, self._warm_up.block, self._warm_up.block, 2 * self._warm_up.block):
            self._spare.step(np.zeros((2, n * self.timeline.hop), np.float32))
        self._spare.reset()

    # What is asked for.

    def _obey(self) -> None:
        self._take_tape()
        wish = self.transport.wish.glance()
        if wish is None or self._tape is None:
            return
        (n_plays, n_seeks, n_loop_changes), self._wish = self._obeyed, wish
        if wish.n_loop_changes != n_loop_changes:
            self._n_passes = 0
            self._put_loop_off()
        if wish.n_seeks != n_seeks:
            self._go_to(wish.seek_seconds)
        if wish.n_plays != n_plays:
            self._obey_play(self._tape, wish)
        self._obeyed = (wish.n_plays, wish.n_seeks, wish.n_loop_changes)

    def _obey_play(self, tape: Tape, wish: Wish) -> None:
        self.is_playing = wish.is_playing
        if not wish.is_playing:
            self._put_loop_off()
        elif self._jump is None and self._position >= tape.n_samples:
            self._go_to(wish.a_seconds if wish.is_looping else 0.0)

    def _put_loop_off(self) -> None:
        """Forget a jump from B to A while the sound still goes on to B."""
        if self._jump and self._jump.is_loop and self._is_heard:
            self._jump = None

    def _take_tape(self) -> None:
        offer = self.transport.offer.glance()
        if offer and offer.number != self._n_tapes and offer.sample_rate == self.sample_rate:
            self._n_tapes, self._tape = offer.number, Tape(self.transport.tape, offer)
            self._go_to(self._position / self.sample_rate)

    def _stop_at_the_end(self) -> None:
        if self._tape is not None and self._jump is None:
            self.is_playing &= self._position < self._tape.n_samples + self.session.delay

    # Jumps.

    def _go_to(self, seconds: float) -> None:
        """Fall silent, get ready, and go on at a place."""
        assert self._tape is not None
        target = min(round(seconds * self.sample_rate), self._tape.n_samples)
        self._prepare(Jump(target, self._first, self._first, self._warm_up.before(target, self.timeline.hop)))

    def _prepare(self, jump: Jump) -> None:
        assert self._tape is not None
        self._jump = jump
        self._spare.reset()
        self._tape.look_ahead(jump.target - jump.n_warm * self.timeline.hop)

    def _plan_loop(self) -> None:
        """Begin to get ready for the jump from B to A when it is time."""
        due, target = self._loop_end()
        if self._jump is not None or due is None:
            return
        n_warm, n_left = self._warm_up.before(target, self.timeline.hop), due - self._first
        if self.has_time() and n_left > min(n_warm, self._warm_up.least):
            if n_left <= n_warm + 1:
                self._prepare(Jump(target, due, due, min(n_warm, n_left - 1), is_loop=True))
        elif n_left <= 1 + self._warm_up.silence(n_warm):
            self._prepare(Jump(target, due, self._first, n_warm, is_loop=True))

    def _loop_end(self) -> tuple[int | None, int]:
        """The hop before which the loop goes back, if it does, and where to."""
        wish = self._wish
        is_over = 0 < wish.n_loops <= self._n_passes + 1
        if self._tape is None or not self.is_playing or not wish.is_looping or is_over:
            return None, 0
        jump = loop_jump(wish, self._position, self._tape.n_samples, self.sample_rate, self.timeline.hop)
        return (None, 0) if jump is None else (self._first + jump[0], jump[1])

    def _land(self, jump: Jump) -> None:
        """The other session takes over."""
        assert self._tape is not None
        hop = self.timeline.hop
        self._farewell = self._tape.read(self._position, hop) if self._is_heard else None
        self._spare.n_bad_samples = self.session.n_bad_samples
        self.session, self._spare = self._spare, self.session
        self._position, self._jump, self._is_cold = jump.target, None, not jump.n_warm
        self._n_passes += jump.is_loop
        n_dry = -(-self.session.delay // hop)  # for the dry fallback
        self.timeline.feed(self._first - n_dry, self._tape.read(jump.target - n_dry * hop, n_dry * hop))

    # The next hops.

    def _next(self) -> tuple[_Phase, int]:
        """What the next hop is, and for how many that holds at most; lands if it is time."""
        jump, first = self._jump, self._first
        if jump and first >= max(jump.due, self._promised) and not jump.n_left:
            self._land(jump)
            if self.is_playing:
                return _Phase.LAND, 1
            jump = None
        if not self.is_playing or self._tape is None or (jump and first >= jump.quiet_from):
            if self._is_heard:
                return _Phase.FALL, 1
            n_left = max(self._promised, jump.due) - first if jump else 0
            return _Phase.WAIT, n_left if n_left > 0 else MANY
        return _Phase.PLAY, self._n_alike(self._tape)

    def _n_alike(self, tape: Tape) -> int:
        """Hops until something may change."""
        n_left = -(-(tape.n_samples + self.session.delay - self._position) // self.timeline.hop)
        due = self._jump.quiet_from if self._jump else self._loop_end()[0]
        return n_left if due is None else min(n_left, due - self._first - (0 if self._jump else self._warm_up.most + 1))

    def _lay(self, n: int) -> None:
        """Write the input of the next `n` hops, and what would follow if nobody came for a while."""
        hop, n_all = self.timeline.hop, n + AHEAD
        audio = np.zeros((2, n_all * hop), np.float32)
        if self._phase is not _Phase.WAIT and self._tape is not None:
            n_here = n if self._phase is _Phase.FALL else n_all
            if self._jump and self._phase is _Phase.PLAY:
                n_here = min(n_all, self._jump.due - self._first)
                audio[:, n_here * hop :] = self._tape.read(self._jump.target, (n_all - n_here) * hop)
            audio[:, : n_here * hop] = self._tape.read(self._position, n_here * hop)
            self._tape.look_ahead(self._position)
        self.timeline.feed(self._first, audio)

    def _sound(self, block: Audio) -> Output:
        """The next hops, faded where they begin or end."""
        samples = np.arange(1, block.shape[1] + 1, dtype=np.float32)
        rise = np.minimum(samples / FADE, 1)
        before = None if self._farewell is None else _scaled(self._spare.step(self._farewell), 1 - rise)
        if self._phase is _Phase.LAND:
            self.session.go_on_gliding(self._spare)
        output = faded = self._timed_step(block)
        if self._phase is _Phase.FALL:
            faded = _scaled(output, 1 - samples / block.shape[1])
        elif before is not None:
            faded = Output(*(old + new for old, new in zip(before, _scaled(output, rise), strict=True)))
        elif not self._is_heard and not self._is_cold:
            faded = _scaled(output, rise)
        self.is_plain = faded is output
        self._is_heard, self._is_cold, self._farewell = self._phase is not _Phase.FALL, False, None
        return faded

    def _timed_step(self, block: Audio) -> Output:
        started = time.perf_counter()
        output = self.session.step(block)
        load = (time.perf_counter() - started) * self.sample_rate / block.shape[1]
        self._load += (load - self._load) * (0.05 if self._load else 1.0)
        return output

    def _deliver(self, mix: Audio) -> None:
        for i, part in enumerate(np.split(mix, mix.shape[1] // self.timeline.hop, axis=1)):
            self.timeline.deliver(self._first + i, part)

    def _wait(self, n: int) -> Output:
        if self._jump and self._tape:
            self._promise(self._first + max(n, self._warm_up.silence(self._jump.n_left)))
            self._jump.warm(self._spare, self._tape, n * self._warm_up.block)
        n_samples, n_stems = n * self.timeline.hop, len(self.scene.stems)
        nothing = np.zeros((n_stems + 2, 2, n_samples), np.float32)
        mix = np.zeros((self.n_outputs, n_samples), np.float32)
        return Output(mix, nothing[:n_stems], nothing[-2], nothing[-1])

    def _promise(self, hop: int) -> None:
        """Deliver silence for every hop before `hop`: none of them will be late, and none sounds earlier."""
        if self._jump and self._jump.n_left:
            silence = np.zeros((self.n_outputs, self.timeline.hop), np.float32)
            for early in range(max(self._first, self._promised), hop):
                self.timeline.deliver(early, silence)
            self._promised = max(self._promised, hop)

    def _publish(self) -> None:
        is_coming = self._jump is not None and not self._jump.is_loop
        place = self._jump.target if self._jump and is_coming else self._position
        end = self._tape.n_samples if self._tape else max(0, place)
        seconds = min(max(0, place), end) / self.sample_rate
        self.transport.playback.write(
            Playback(seconds, self.is_playing, self._n_passes, *self._obeyed, self.sample_rate)
        )


def _scaled(output: Output, gains: Audio) -> Output:
    return Output(*(audio * gains for audio in output))
