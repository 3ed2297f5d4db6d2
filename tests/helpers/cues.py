"""A set list on a player without a device: every hop is one turn of the control side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from helpers.models import make_condition
from helpers.quiet import QuietBackend
from helpers.song import publish_song
from rtmss.audio import Audio
from rtmss.conditions.library import Library
from rtmss.conditions.set_list import Move, SetList
from rtmss.config import validate
from rtmss.engine.control import Scene, Stem
from rtmss.engine.session import Session
from rtmss.live.buffers.timeline import Timeline
from rtmss.live.control.controller import MixerController
from rtmss.live.control.cues.player import CuePlayer
from rtmss.live.control.cues.sheet import CueChange, Sheet, SheetCue
from rtmss.live.realtime.player import Player
from rtmss.live.realtime.source import DeviceSource
from rtmss.live.shared.song_state import TransportCommand
from rtmss.live.shared.state import SharedState
from rtmss.live.song.source import SongSource
from rtmss.model.separator import SeparatorModel

HOP, RATE = 64, 8000
Songs = Sequence[dict[str, Any]]
"""Songs as plain values; see `make_sheet`."""


def preset_of(name: str, gain_db: float) -> tuple[str, Scene]:
    """A preset with one stem, known by its gain."""
    stem = Stem("voice", make_condition("vocals"))
    return name, Scene((stem,)).with_strip("voice", gain_db=gain_db)


def make_sheet(songs: Songs, *, files: bool) -> Sheet:
    """A sheet of plain values. Songs have a `name`, and may have a `preset` (its gain in dB); cues
    have a `name`, and may have `at`, `preset`, `gain` or `morph` (of the stem) and `fade`.
    """
    cues = []
    for number, song in enumerate(songs):
        cues.append(SheetCue(song["name"], number, 0.0, _change(song), is_start=True))
        for cue in song.get("cues", ()):
            name = f"{song['name']}/{cue['name']}"
            cues.append(SheetCue(name, number, cue.get("at"), _change(cue), cue.get("fade")))
    return Sheet(tuple(cues), tuple(Path(song["name"]) for song in songs) if files else ())


def _change(row: dict[str, Any]) -> CueChange:
    name, scene = "", None
    if "preset" in row:
        name, scene = preset_of(f"at {row['preset']}", row["preset"])
    moves = {"voice": Move(gain_db=row["gain"])} if "gain" in row else {}  # type: ignore[call-arg]
    if "morph" in row:
        gain = {"gain_db": row["gain_too"]} if "gain_too" in row else {}
        moves["voice"] = Move(condition_b="drums", morph=row["morph"], **gain)  # type: ignore[call-arg]
    moves |= {name: Move(mute=True) for name in row.get("mutes", ())}  # type: ignore[call-arg]
    return CueChange(name, scene, moves, {"drums": make_condition("drums", 1)})


def read_set_list(text: dict[str, Any]) -> SetList:
    """A set list of plain values."""
    return validate(text, SetList, "list")


@dataclass
class Stage:
    """A player and a control side that take turns. What plays when is the matter, so stems are
    silent and the remainder is the song.
    """

    shared: SharedState
    model: SeparatorModel
    folder: Path
    heard: list[tuple[float, Scene]] = field(default_factory=list)
    """Of each hop: the place in the song where its output begins, and what played."""

    def begin(
        self, sheet: Sheet, song: Audio | None = None, start: float = 0.0, **commands: Any
    ) -> None:
        """Start the engine, with a song or over the input, and the control side."""
        _, scene = preset_of("first", -1.0)
        self.shared.send(scene, "first")
        if song is not None:
            command = TransportCommand(seek_seconds=start, **commands)
            self.shared.transport.insert(Path("song.wav"), command)
            publish_song(self.shared, self.folder / "decoded.f32", song)
        self.has_song = song is not None
        self.start_engine()
        self.start_control(sheet)

    def start_engine(self) -> None:
        """Another engine, whose hops count from 0."""
        sessions = self._session(), self._session()
        timeline = Timeline(2, HOP, HOP, sessions[0].delay)
        source: Any = DeviceSource(sessions[0], timeline)
        if self.has_song:
            source = SongSource(*sessions, timeline, self.shared.transport)
            source.has_time = lambda: True
        self.player = Player(source, timeline, self.shared)

    def _session(self) -> Session:
        return Session(self.model, backend=QuietBackend(self.model.config.stft))

    def start_control(self, sheet: Sheet) -> None:
        """Another control side."""
        self.controller = MixerController(self.shared, Library([]), "0123456789ab")
        self.cues = self.controller.cues = CuePlayer(sheet, self.controller)

    def turn(self) -> None:
        """What the control side does again and again."""
        self.cues.follow()
        self.controller.flush()

    def run(self, n_hops: int, *, control: bool = True) -> Audio:
        """Play hops, and what is heard meanwhile; without `control` the control side is stuck."""
        outputs = []
        for _ in range(n_hops):
            out = np.zeros((2, HOP), np.float32)
            outputs.append(out)
            if control:
                self.turn()
            self.player.timeline.exchange(np.zeros((2, HOP), np.float32), out)
            self.player.work()
            playback = self.shared.transport.playback.read()
            begins = playback.position_seconds * RATE - HOP - self.player.source.session.delay
            self.heard.append((begins / RATE, self.player.source.scene))
        return np.concatenate(outputs, axis=1)

    @property
    def gains(self) -> list[float]:
        """Of the stem, in each hop."""
        return [scene.stems[0].strip.gain_db for _, scene in self.heard]

    def hop_of_gain(self, gain_db: float) -> int:
        """The first hop in which the stem has a gain."""
        return self.gains.index(gain_db)

    @property
    def gain(self) -> float:
        """Of the stem, now."""
        return self.gains[-1]
