"""A player on a device made of noise, a recorder, and the recording played again."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from helpers.song import publish_song
from rtmss.audio import Audio
from rtmss.engine.backends.choose import start_backend
from rtmss.engine.session import Session
from rtmss.files import read_audio
from rtmss.live.buffers.timeline import Timeline
from rtmss.live.realtime.player import Player
from rtmss.live.realtime.source import DeviceSource
from rtmss.live.recorder import ModelInfo, Recorder
from rtmss.live.shared.recorder_ring import RecorderRing
from rtmss.live.shared.song_state import TransportCommand
from rtmss.live.shared.state import SharedState
from rtmss.live.song.source import SongSource
from rtmss.model.separator import SeparatorModel
from rtmss.recording.files import OpenAudio
from rtmss.recording.log_reader import SessionLog
from rtmss.recording.replay import replay
from rtmss.recording.wav import WavFile

HOP, MODEL_ID = 64, "0123456789ab"


@dataclass
class Studio:
    """A player on a device made of noise, and a recorder."""

    model: SeparatorModel
    shared: SharedState
    ring: RecorderRing
    folder: Path
    graph: Path | None = None
    sample_rate: int = 8000
    said: list[str] = field(default_factory=list)
    heard: list[Audio] = field(default_factory=list)
    """Blocks of the input."""
    recorders: list[Recorder] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng(0)
        self.start_engine()
        self.start_recorder()

    def start_session(self) -> Session:
        """A stream of its own."""
        backend = start_backend(self.model, self.graph)
        return Session(self.model, None, 4, self.sample_rate, backend)

    def start_engine(self) -> None:
        """Another engine, whose hops count from 0."""
        session = self.start_session()
        timeline = Timeline(4, session.hop_length, HOP, session.delay)
        self.player = Player(
            DeviceSource(session, timeline),
            timeline,
            self.shared,
            self.ring,
        )
        self.heard.clear()

    def start_song_engine(self, song: Audio) -> None:
        """Another engine, to which a song is offered after ten blocks."""
        session, spare = self.start_session(), self.start_session()
        timeline = Timeline(4, session.hop_length, HOP, session.delay)
        self.shared.transport.insert(Path("song.wav"), TransportCommand())
        self.player = Player(
            SongSource(session, spare, timeline, self.shared.transport),
            timeline,
            self.shared,
            self.ring,
        )
        self.play(10)
        publish_song(
            self.shared,
            self.folder.with_name("decoded.f32"),
            song,
            self.sample_rate,
        )

    def start_recorder(self, open_audio: OpenAudio = WavFile) -> None:
        """Another recorder; the one before it is not asked to close anything."""
        ring = RecorderRing.attach(self.ring.path, self.ring.shape)
        model_info = ModelInfo(MODEL_ID, "shipped")
        self.recorder = Recorder(
            ring, self.shared, self.folder, model_info, self.said.append, open_audio
        )
        self.recorders.append(self.recorder)

    def play(
        self,
        n_blocks: int,
        *,
        work: bool = True,
        poll: bool = True,
    ) -> None:
        """Let blocks come in; without `work` the engine is stuck meanwhile."""
        out = np.zeros((4, HOP), np.float32)
        for _ in range(n_blocks):
            self.heard.append(
                np.asarray(
                    0.2 * self.rng.standard_normal((2, HOP)),
                    np.float32,
                )
            )
            self.player.timeline.exchange(self.heard[-1], out)
            if work:
                self.player.work()
            if poll:
                self.recorder.poll()

    def end(self) -> Path:
        """Close the recording, and give the folder of its latest take."""
        self.recorder.poll()
        self.recorder.close()
        return max(self.folder.glob("take-*"))


def read_take(folder: Path) -> dict[str, Audio]:
    """Every file of a take or of a replay, by name."""
    return {path.stem: read_audio(path)[0] for path in folder.glob("*.wav")}


def assert_same_again(
    take: Path, folder: Path, model: SeparatorModel, graph: Path | None = None
) -> None:
    """Play a take again and compare all files to the bit."""
    log = SessionLog.load(take / "session.jsonl", MODEL_ID)
    replay(
        take / "input.wav",
        folder,
        model,
        log,
        stems=True,
        backend=start_backend(model, graph),
    )
    recorded, again = read_take(take), read_take(folder)
    assert recorded.keys() - {"input"} == again.keys()
    for name, audio in again.items():
        assert np.abs(audio).max() > 0.01
        assert audio.tobytes() == recorded[name].tobytes(), name
