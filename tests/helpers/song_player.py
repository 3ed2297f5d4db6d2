"""A player of a song of noise, without a device."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from helpers.makers import MakeCondition, Noise
from helpers.song import publish_song
from rtmss.audio import Audio
from rtmss.engine.control import Scene, Stem
from rtmss.engine.session import Session
from rtmss.live.buffers.timeline import Timeline
from rtmss.live.realtime.player import Player
from rtmss.live.shared.song_state import TransportCommand
from rtmss.live.shared.state import SharedState
from rtmss.live.song.source import SongSource
from rtmss.model.separator import SeparatorModel

HOP, RATE = 64, 8000
N_SAMPLES = 400 * HOP

Make = Callable[..., "SongPlayer"]


@dataclass
class SongPlayer:
    """A player of a song, without a device."""

    shared: SharedState
    player: Player
    source: SongSource
    model: SeparatorModel
    song: Audio
    scene: Scene

    @property
    def lag(self) -> int:
        return self.player.timeline.lag

    def run(self, n_hops: int, *, work: bool = True) -> Audio:
        """What is heard while the next hops come in; the first of them is heard after `lag`."""
        out = np.zeros((2, n_hops * HOP), np.float32)
        for start in range(0, out.shape[1], HOP):
            self.player.timeline.exchange(out[:0, :HOP], out[:, start : start + HOP])
            if work:
                self.player.work()
        return out

    def stream(self, start: int, n_hops: int, n_before: int) -> Audio:
        """What a stream gives from a place of the song on that began `n_before` hops earlier."""
        session = Session(self.model, self.scene)
        first = start - n_before * HOP
        padded = np.pad(self.song, ((0, 0), (0, 99 * HOP)))
        return session.step(padded[:, first : first + (n_before + n_hops) * HOP]).mix[
            :, n_before * HOP :
        ]

    @property
    def position(self) -> int:
        return round(self.shared.transport.playback.read().position_seconds * RATE)

    @property
    def is_playing(self) -> bool:
        return self.shared.transport.playback.read().is_playing


@pytest.fixture
def play_song(
    tiny: SeparatorModel,
    shared: SharedState,
    make_condition: MakeCondition,
    noise: Noise,
    tmp_path: Path,
) -> Iterator[Make]:
    """play_song(**commands) starts a song of noise; `has_time` says whether both sessions fit
    into a hop.
    """

    def make(
        *, has_time: bool = True, channels: int = 2, fallback: str = "silence", **commands: float
    ) -> SongPlayer:
        scene = Scene((Stem("voice", make_condition("vocals")),), fade_ms=0.0, fallback=fallback)  # type: ignore[arg-type]
        shared.send(scene, "first")
        shared.transport.insert(Path("song.wav"), TransportCommand(**commands))  # type: ignore[arg-type]
        song = noise(N_SAMPLES, channels=channels)
        publish_song(shared, tmp_path / "decoded.f32", song)
        sessions = Session(tiny), Session(tiny)
        timeline = Timeline(2, HOP, HOP, sessions[0].delay)
        source = SongSource(*sessions, timeline, shared.transport)
        source.has_time = lambda: has_time
        return SongPlayer(
            shared,
            Player(source, timeline, shared),
            source,
            tiny,
            np.broadcast_to(song, (2, N_SAMPLES)),
            scene,
        )

    yield make


def rms(audio: Audio) -> float:
    return float(np.sqrt(np.square(audio).mean()))


def n_silent(audio: Audio) -> int:
    """Length of the longest silence in whole hops."""
    longest = length = 0
    for start in range(0, audio.shape[1], HOP):
        length = 0 if audio[:, start : start + HOP].any() else length + 1
        longest = max(longest, length)
    return longest
