"""Plays a song through a session instead of the input: position, loop, and jumps that are warmed
up.

A jump goes to a second session. It is first stepped through the samples before the target, so that
it then sounds like a stream that began there. A seek is silent meanwhile. Before the end of a loop
the second session warms up while the first still plays, if there is time for both, and the loop
closes without a gap. A jump falls between two hops, and the output is faded out before it and in
after it.

The engine's thread only. Axes: O output channels, S samples; positions are samples of the song.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from enum import Enum, auto

import numpy as np

from rtmss.audio import Audio
from rtmss.engine.control import Scene
from rtmss.engine.session import Output, Session
from rtmss.live.buffers.declick import FADE
from rtmss.live.buffers.timeline import Timeline
from rtmss.live.shared.song_state import Playback, Transport, TransportCommand
from rtmss.live.song.jump import Jump, WarmUp, loop_jump
from rtmss.live.song.samples import DecodedSong

AHEAD = 16
"""Hops of the song that the dry fallback can go on with while the engine is stuck."""
MANY = 64
"""More hops than are ever stepped together."""
MAX_OVERLAP_LOAD = 0.45
"""Two sessions may take turns while a step takes no more than this share of a hop."""


class _Phase(Enum):
    """What the next hops are."""

    PLAY = auto()
    FADE_OUT = auto()
    """The last hop before silence."""
    WAIT = auto()
    """Silence: paused, or on the way to another place."""
    FADE_IN = auto()
    """The first hop at another place."""


class SongSource:
    """A source of a player that plays a song; see `realtime.source.Source`."""

    def __init__(
        self, session: Session, spare: Session, timeline: Timeline, transport: Transport
    ) -> None:
        """Begin where the transport says that the song is, as soon as the song is decoded.

        Args:
            session: what plays first.
            spare: another of the same kind.
            timeline: its input is the song from now on.
            transport: commands come from it, and the position goes to it.
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
        self._song: DecodedSong | None = None
        self._is_elsewhere = False
        """Whether another song is asked for, and not there yet."""
        self._n_songs = 0
        self._command, before = transport.command.read(), transport.playback.read()
        self._acknowledged = (before.n_plays, before.n_seeks, before.n_loop_changes)
        self.is_playing, self._n_passes = before.is_playing, before.n_passes
        self._position = round(before.position_seconds * session.sample_rate)
        self._number = before.song
        """Which of the songs the position is one of."""
        self._jump: Jump | None = None
        self._phase = _Phase.WAIT
        self._is_audible = False
        self._is_cold = False
        """Whether the session has just begun, and comes in by itself."""
        self.is_plain = True
        """Whether the latest hops are what the session alone gives: not silence, nor the ends of a
        jump.
        """
        self._first = self._reserved = 0
        """The next hop, and the one up to which silence has been delivered."""
        self._n_prepared = 0
        """Hops of the other session that may be stepped after the latest output."""
        self._outgoing: Audio | None = None
        """Input of the old session's last hop, which fades out as the new one fades in; None if it
        was silent.
        """
        self._publish()

    # What a player needs of a source.

    @property
    def scene(self) -> Scene:
        """What plays."""
        return self.session.scene

    @scene.setter
    def scene(self, scene: Scene) -> None:
        self.session.scene = self._spare.scene = scene

    def read(self, first: int, n: int, /) -> Audio:
        """(2, k * hop) of the song, for the next hops that are of one kind.

        Args:
            first: the hop that is stepped next.
            n: hops that could be stepped together.
        """
        if self._is_audible:
            self._position += (
                first - self._first
            ) * self.timeline.hop  # hops that the player has given up
        self._first = first
        self._follow_commands()
        self._stop_at_the_end()
        self._plan_loop()
        self._phase, n_most = self._next()
        n = max(1, min(n, n_most))
        self.timeline.advance(n)
        return self._write_fallback(n)

    def hold(self, block: Audio) -> Audio:
        """(O, S) what the next step would play with the masks as they are."""
        if self._phase is _Phase.WAIT:
            return np.zeros(
                (self.session.n_outputs, block.shape[1]),
                np.float32,
            )
        return self.session.hold(block)

    def step(self, block: Audio) -> Output:
        """Play the hops that were read; (2, S) is their input."""
        n = block.shape[1] // self.timeline.hop
        self._n_prepared = 0
        if self._phase is _Phase.WAIT:
            self.is_plain = self._song is None
            output = self._wait(n)
            self._n_prepared = n * self._warm_up.block
        else:
            output = self._sound(block)
            self._position += block.shape[1]
            if self._phase is _Phase.PLAY:
                self._n_prepared = n
        self._first += n
        self._publish()
        return output

    def prepare(self) -> None:
        """Step the other session towards the place of a jump, if one is coming."""
        if self._jump and self._song:
            self._jump.warm(self._spare, self._song, self._n_prepared)

    def warm_up(self) -> None:
        """Let everything be allocated and chosen that the first jump would pay for."""
        for n in (
            1,
            self._warm_up.block,
            self._warm_up.block,
            2 * self._warm_up.block,
        ):
            self._spare.step(
                np.zeros(
                    (2, n * self.timeline.hop),
                    np.float32,
                )
            )
        self._spare.reset()

    # What is asked for.

    def _follow_commands(self) -> None:
        command = self.transport.command.try_read()
        self._take_song(command)
        if command is None or self._song is None:
            return
        self._is_elsewhere = command.song != self._number
        if self._is_elsewhere:
            self._jump = None  # silent until the other song is there
            return
        (n_plays, n_seeks, n_loop_changes), self._command = self._acknowledged, command
        if command.n_loop_changes != n_loop_changes:
            self._n_passes = 0
            self._put_loop_off()
        if command.n_seeks != n_seeks:
            self._go_to(command.seek_seconds)
        if command.n_plays != n_plays:
            self._follow_play(self._song, command)
        self._acknowledged = (command.n_plays, command.n_seeks, command.n_loop_changes)

    def _follow_play(self, song: DecodedSong, command: TransportCommand) -> None:
        self.is_playing = command.is_playing
        if not command.is_playing:
            self._put_loop_off()
        elif self._jump is None and self._position >= song.n_samples:
            self._go_to(command.a_seconds if command.is_looping else 0.0)

    def _put_loop_off(self) -> None:
        """Forget a jump from B to A while the sound still goes on to B."""
        if self._jump and self._jump.is_loop and self._is_audible:
            self._jump = None

    def _take_song(self, command: TransportCommand | None) -> None:
        info = self.transport.info.try_read()
        if not info or info.number == self._n_songs:
            return
        if info.sample_rate != self.session.sample_rate:
            return
        is_other = info.song != self._number
        if is_other and (self._is_audible or command is None or command.song != info.song):
            return  # what plays fades out first
        self._n_songs, self._song = (
            info.number,
            DecodedSong(
                self.transport.samples_path,
                info,
            ),
        )
        if is_other:  # a seek to its place comes with it
            self._number, self._position = info.song, 0
        self._go_to(self._position / self.session.sample_rate)

    def _stop_at_the_end(self) -> None:
        if self._song is not None and self._jump is None:
            self.is_playing &= self._position < self._song.n_samples + self.session.delay

    # Jumps.

    def _go_to(self, seconds: float) -> None:
        """Fall silent, get ready, and go on at a place."""
        assert self._song is not None
        target = min(
            round(seconds * self.session.sample_rate),
            self._song.n_samples,
        )
        self._prepare(
            Jump(
                target,
                self._first,
                self._first,
                self._warm_up.before(target, self.timeline.hop),
            )
        )

    def _prepare(self, jump: Jump) -> None:
        assert self._song is not None
        self._jump = jump
        self._spare.reset()
        self._song.look_ahead(jump.target - jump.n_warm * self.timeline.hop)

    def _plan_loop(self) -> None:
        """Begin to get ready for the jump from B to A when it is time."""
        due, target = self._loop_end()
        if self._jump is not None or due is None:
            return
        n_warm, n_left = (
            self._warm_up.before(
                target,
                self.timeline.hop,
            ),
            due - self._first,
        )
        if self.has_time() and n_left > min(n_warm, self._warm_up.least):
            if n_left <= n_warm + 1:
                self._prepare(
                    Jump(
                        target,
                        due,
                        due,
                        min(n_warm, n_left - 1),
                        is_loop=True,
                    )
                )
        elif n_left <= 1 + self._warm_up.silence(n_warm):
            self._prepare(
                Jump(
                    target,
                    due,
                    self._first,
                    n_warm,
                    is_loop=True,
                )
            )

    def _loop_end(self) -> tuple[int | None, int]:
        """The hop before which the loop goes back, if it does, and where to."""
        command = self._command
        is_over = 0 < command.n_loops <= self._n_passes + 1 or self._is_elsewhere
        if self._song is None or not self.is_playing or not command.is_looping or is_over:
            return None, 0
        jump = loop_jump(
            command,
            self._position,
            self._song.n_samples,
            self.session.sample_rate,
            self.timeline.hop,
        )
        return (None, 0) if jump is None else (self._first + jump[0], jump[1])

    def _swap_sessions(self, jump: Jump) -> None:
        """The other session takes over."""
        assert self._song is not None
        hop = self.timeline.hop
        self._outgoing = self._song.read(self._position, hop) if self._is_audible else None
        self._spare.n_bad_samples = self.session.n_bad_samples
        self._spare.n_bad_outputs = self.session.n_bad_outputs
        self.session, self._spare = self._spare, self.session
        self._position, self._jump, self._is_cold = jump.target, None, not jump.n_warm
        self._n_passes += jump.is_loop
        n_dry = -(-self.session.delay // hop)  # for the dry fallback
        self.timeline.write_input(
            self._first - n_dry,
            self._song.read(
                jump.target - n_dry * hop,
                n_dry * hop,
            ),
        )

    # The next hops.

    def _next(self) -> tuple[_Phase, int]:
        """What the next hop is, and for how many that holds at most; swaps the sessions when it is
        time.
        """
        jump, first = self._jump, self._first
        if (
            jump
            and first
            >= max(
                jump.due,
                self._reserved,
            )
            and not jump.n_left
        ):
            self._swap_sessions(jump)
            if self.is_playing:
                return _Phase.FADE_IN, 1
            jump = None
        is_held = not self.is_playing or self._is_elsewhere
        if is_held or self._song is None or (jump and first >= jump.quiet_from):
            if self._is_audible:
                return _Phase.FADE_OUT, 1
            n_left = max(self._reserved, jump.due) - first if jump else 0
            return _Phase.WAIT, n_left if n_left > 0 else MANY
        return _Phase.PLAY, self._n_alike(self._song)

    def _n_alike(self, song: DecodedSong) -> int:
        """Hops until something may change."""
        n_left = -(-(song.n_samples + self.session.delay - self._position) // self.timeline.hop)
        due = self._jump.quiet_from if self._jump else self._loop_end()[0]
        return (
            n_left
            if due is None
            else min(
                n_left,
                due - self._first - (0 if self._jump else self._warm_up.most + 1),
            )
        )

    def _write_fallback(self, n: int) -> Audio:
        """The input of the next `n` hops; the timeline gets it too, with what would follow if the
        engine was stuck.
        """
        hop, n_all = self.timeline.hop, n + AHEAD
        audio = np.zeros((2, n_all * hop), np.float32)
        if self._phase is not _Phase.WAIT and self._song is not None:
            n_here = n if self._phase is _Phase.FADE_OUT else n_all
            if self._jump and self._phase is _Phase.PLAY:
                n_here = min(n_all, self._jump.due - self._first)
                audio[:, n_here * hop :] = self._song.read(
                    self._jump.target, (n_all - n_here) * hop
                )
            audio[:, : n_here * hop] = self._song.read(
                self._position,
                n_here * hop,
            )
            self._song.look_ahead(self._position)
        self.timeline.write_input(self._first, audio)
        return audio[:, : n * hop]

    def _sound(self, block: Audio) -> Output:
        """The next hops, faded where they begin or end."""
        samples = np.arange(
            1,
            block.shape[1] + 1,
            dtype=np.float32,
        )
        rise = np.minimum(samples / FADE, 1)
        before = (
            None
            if self._outgoing is None
            else _scaled(
                self._spare.step(self._outgoing),
                1 - rise,
            )
        )
        if self._phase is _Phase.FADE_IN:
            self.session.go_on_gliding(self._spare)
        output = faded = self._timed_step(block)
        if self._phase is _Phase.FADE_OUT:
            faded = _scaled(output, 1 - samples / block.shape[1])
        elif before is not None:
            faded = Output(
                *(
                    old + new
                    for old, new in zip(
                        before,
                        _scaled(output, rise),
                        strict=True,
                    )
                )
            )
        elif not self._is_audible and not self._is_cold:
            faded = _scaled(output, rise)
        self.is_plain = faded is output
        self._is_audible, self._is_cold, self._outgoing = (
            self._phase is not _Phase.FADE_OUT,
            False,
            None,
        )
        return faded

    def _timed_step(self, block: Audio) -> Output:
        started = time.perf_counter()
        output = self.session.step(block)
        load = (time.perf_counter() - started) * self.session.sample_rate / block.shape[1]
        self._load += (load - self._load) * (0.05 if self._load else 1.0)
        return output

    def _wait(self, n: int) -> Output:
        if self._jump and self._song:
            self._reserve_silence(
                self._first
                + max(
                    n,
                    self._warm_up.silence(self._jump.n_left),
                )
            )
        n_samples, n_stems = n * self.timeline.hop, len(self.scene.stems)
        nothing = np.zeros((n_stems + 2, 2, n_samples), np.float32)
        mix = np.zeros((self.session.n_outputs, n_samples), np.float32)
        return Output(
            mix,
            nothing[:n_stems],
            nothing[-2],
            nothing[-1],
        )

    def _reserve_silence(self, hop: int) -> None:
        """Deliver silence for every hop before `hop`: none of them will be late, and none sounds
        earlier.
        """
        if self._jump and self._jump.n_left:
            silence = np.zeros(
                (self.session.n_outputs, self.timeline.hop),
                np.float32,
            )
            for early in range(max(self._first, self._reserved), hop):
                self.timeline.deliver(early, silence)
            self._reserved = max(self._reserved, hop)

    def _publish(self) -> None:
        is_coming = self._jump is not None and not self._jump.is_loop
        is_steady = self._is_audible and not is_coming and self.is_playing
        place = self._jump.target if self._jump and is_coming else self._position
        end = self._song.n_samples if self._song else max(0, place)
        seconds = min(max(0, place), end) / self.session.sample_rate
        self.transport.playback.write(
            Playback(
                seconds,
                self.is_playing,
                self._n_passes,
                *self._acknowledged,
                self.session.sample_rate,
                self._number,
                self._first if is_steady and not self._is_elsewhere else 0,
                self.session.delay,
            )
        )


def _scaled(output: Output, gains: Audio) -> Output:
    return Output(*(audio * gains for audio in output))
