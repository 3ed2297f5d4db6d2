"""A song in any order of seeks, pauses, loops and engines that are late.

The song is noise and bypassed, so that every sample that is heard tells its place in the song.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from helpers.models import TINY, make_model
from helpers.song import RATE, publish_song
from rtmss.audio import Audio
from rtmss.engine.control import Scene
from rtmss.engine.session import Session
from rtmss.live.buffers.timeline import Timeline
from rtmss.live.realtime.player import Player
from rtmss.live.shared.song_state import MIN_LOOP_SECONDS, TransportCommand, loop, play, seek
from rtmss.live.shared.state import SharedState
from rtmss.live.song.jump import SLACK, WarmUp
from rtmss.live.song.source import SongSource

HOP = TINY.stft.hop_length
N_HOPS = 300
MODEL = make_model(TINY)
SONG = (
    np.random.default_rng(0)
    .uniform(
        0.05,
        0.5,
        (2, N_HOPS * HOP),
    )
    .astype(np.float32)
)
PLACES = {float(sample): place for place, sample in enumerate(SONG[0])}
GAP = 2 + WarmUp.most // WarmUp.block + SLACK
"""Hops after which every command has been followed."""
SILENT, MIXED = -1, -2


def place_of(hop: Audio) -> int:
    """Where in the song a hop is from; SILENT, or MIXED if it is faded or joined of two pieces."""
    if not hop.any():
        return SILENT
    place = PLACES.get(float(hop[0, 0]), MIXED)
    is_pure = place >= 0 and np.array_equal(
        hop,
        SONG[:, place : place + HOP],
    )
    return place if is_pure else MIXED


class SongMachine(RuleBasedStateMachine):
    """What is heard is the song, in one piece between jumps, and where the commands say."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.shared = SharedState.create(12)
        self.transport = self.shared.transport
        self.shared.send(Scene(bypass=True, fade_ms=0.0), "")
        self.transport.insert(Path("song.wav"), TransportCommand())
        publish_song(self.shared, Path(self.folder.name) / "decoded.f32", SONG)
        sessions = Session(MODEL), Session(MODEL)
        self.delay = sessions[0].delay
        self.timeline = Timeline(2, HOP, HOP, self.delay)
        self.source = SongSource(*sessions, self.timeline, self.transport)
        self.has_time = True
        self.source.has_time = lambda: self.has_time
        self.player = Player(self.source, self.timeline, self.shared)
        self.latest = SILENT

    def teardown(self) -> None:
        self.shared.close(unlink=True)
        self.folder.cleanup()

    def _hop(self, *, work: bool) -> int:
        """Play one hop; where it is from."""
        out = np.zeros((2, HOP), np.float32)
        self.timeline.exchange(out[:0], out)
        if work:
            self.player.work()
        return place_of(out)

    def _play(self, n_hops: int) -> list[int]:
        """Play on, and see that nothing clicks: between two whole hops of the song there is either
        nothing, or a hop that joins them.
        """
        places = []
        for _ in range(n_hops):
            place = self._hop(work=True)
            if place >= 0 and self.latest >= 0:
                assert place == self.latest + HOP, "a jump without a fade"
            if place >= 0 and self.latest == SILENT:
                assert place < HOP, "the song comes in without a fade"
            self.latest = place
            places.append(place)
        return places

    @rule(n_hops=st.integers(1, 40))
    def go_on(self, n_hops: int) -> None:
        self._play(n_hops)

    @rule(place=st.integers(0, N_HOPS * HOP))
    def seek(self, place: int) -> None:
        self.transport.change(seek(place / RATE))

    @rule(on=st.booleans())
    def play_or_pause(self, on: bool) -> None:
        self.transport.change(play(on=on))

    @rule(
        a=st.integers(0, 200 * HOP),
        longer=st.integers(0, 36 * HOP),
        on=st.booleans(),
    )
    def set_loop(self, a: int, longer: int, on: bool) -> None:
        b_seconds = a / RATE + MIN_LOOP_SECONDS + longer / RATE
        self.transport.change(
            loop(
                is_looping=on,
                a_seconds=a / RATE,
                b_seconds=b_seconds,
            )
        )

    @rule(has_time=st.booleans())
    def load(self, has_time: bool) -> None:
        self.has_time = has_time

    @rule(n_hops=st.integers(1, 6))
    def be_late(self, n_hops: int) -> None:
        for _ in range(n_hops):
            self._hop(work=False)
        self.latest = MIXED

    @rule()
    def settle(self) -> None:
        """After some hops every command is followed, and what is heard is where it is said."""
        self._play(GAP + self.timeline.lag // HOP + 8)
        command, playback = self.transport.command.read(), self.transport.playback.read()
        assert playback.n_plays == command.n_plays
        assert playback.n_seeks == command.n_seeks
        assert playback.n_loop_changes == command.n_loop_changes
        if not command.is_playing:
            assert not playback.is_playing
        places = self._play(3)
        position = round(self.transport.playback.read().position_seconds * RATE)
        if not playback.is_playing:
            assert places == [SILENT] * 3
        elif not command.is_looping and position < len(SONG[0]):
            expected = position - self.timeline.lag - self.delay - HOP
            assert places[-1] == expected
        elif command.is_looping and places[-1] >= 0:
            assert places[-1] < len(SONG[0])


SongMachine.TestCase.settings = settings(
    max_examples=10, stateful_step_count=14, deadline=None, derandomize=True, database=None
)
pytestmark = pytest.mark.slow
TestSong = SongMachine.TestCase
