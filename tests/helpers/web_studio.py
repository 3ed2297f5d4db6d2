"""A control side with a page, in a thread of its own, and an engine that is none: no sound device,
a song that moves by the clock, and levels that go up and down.
"""

from __future__ import annotations

import json
import math
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from websockets.sync.client import ClientConnection, connect

from helpers.dispatcher import Told, tell
from helpers.midi import AtOnce
from helpers.models import make_condition
from rtmss.conditions.condition import save_condition
from rtmss.conditions.library import Library
from rtmss.engine.control import Scene, Stem
from rtmss.engine.session import Output
from rtmss.live.control.captures import Captures
from rtmss.live.control.controller import MixerController
from rtmss.live.control.cues.player import CuePlayer
from rtmss.live.control.cues.sheet import CueChange, Sheet, SheetCue
from rtmss.live.control.midi.connection import Connection
from rtmss.live.control.midi.controllers import MidiControllers
from rtmss.live.control.midi.map_file import MidiMap
from rtmss.live.control.midi.memory import MemoryPort
from rtmss.live.control.osc.codec import Argument, message
from rtmss.live.control.osc.server import OscServer
from rtmss.live.control.process import Lines, take_turn
from rtmss.live.control.web.mixer_space import MixerSpace
from rtmss.live.control.web.server import WebServer
from rtmss.live.control.web.waveform import Waveforms
from rtmss.live.shared.capture_ring import CaptureRing
from rtmss.live.shared.jobs import Answer, Job, JobQueue
from rtmss.live.shared.song_state import Playback, SongInfo, TransportCommand
from rtmss.live.shared.state import N_METERS, SharedState, Status

MODEL_ID = "0123456789ab"
RATE, SONG_SECONDS = 8000, 60.0
NAMES = ("vocals", "drums", "bass", "guitar")
GUITAR_FADER = 7
"""The number of the MIDI control that is the guitar's fader."""
PRESETS = {"band": NAMES, "karaoke": ("vocals",), "rhythm section": ("drums", "bass")}


class WebStudio:
    """All of it. Close it at the end."""

    def __init__(self, folder: Path, token: str = "", host: str = "127.0.0.1") -> None:
        self.folder, self.token = folder, token
        self.shared = SharedState.create(12)
        self.ring, self.jobs = CaptureRing.create(), JobQueue.create()
        self._make_library()
        self._make_song()
        library = Library([folder])
        captures = Captures(self.ring, self.jobs)
        self.controller = MixerController(self.shared, library, MODEL_ID, captures=captures)
        self.controller.scene = _scene(NAMES)
        self.controller.preset = "band"
        self.controller.cues = CuePlayer(_sheet(), self.controller)
        self.midi_port = MemoryPort()
        self.controller.midi = self._make_midi()
        self.server = OscServer(self.controller, port=0)
        peaks = Waveforms(self.shared.transport).peaks
        self.web = WebServer(self.server, MixerSpace(self.server), host, 0, token, peaks)
        self.level: Callable[[int, float], float] = lambda n, t: 0.3 + 0.25 * math.sin(t * (n + 2))
        self.problems: list[BaseException] = []
        self.hop = 0
        self._jobs_seen: dict[int, Job] = {}
        self._position, self._seen = 0.0, time.monotonic()
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def close(self) -> None:
        self._is_over.set()
        self._thread.join()
        self.web.close()
        self.server.close()
        for memory in (self.ring, self.jobs, self.shared):
            memory.close(unlink=True)
        assert not self.problems, self.problems
        assert not self.server.n_bugs

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.web.port}"

    def ask(self, path: str = "/", headers: dict[str, str] | None = None) -> tuple[int, Any]:
        """Status and body of a GET, the body read as JSON where it is some."""
        answer = self.get(path, headers)
        return answer[0], json.loads(answer[2]) if "json" in answer[1] else answer[2]

    def get(self, path: str, headers: dict[str, str] | None = None) -> tuple[int, str, bytes]:
        """Status, headers as text, and body."""
        request = urllib.request.Request(self.url + path, headers=headers or {})
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, str(answer.headers), answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, str(error.headers), error.read()

    def socket(self, path: str = "/", **options: Any) -> Socket:
        """A WebSocket."""
        url = f"ws://127.0.0.1:{self.web.port}{path}"
        return Socket(url, **options)

    def until(self, done: Callable[[], Any], seconds: float = 10.0) -> Any:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if result := done():
                return result
            time.sleep(0.005)
        raise AssertionError("it has not come")

    def n_refused(self) -> int:
        """What was refused so far, and what the control loop has not come to yet."""
        exchange, ledger = self.web.exchange, self.server.dispatcher.ledger
        with exchange._lock:
            return ledger.n_refused + exchange._n_refused

    def hear_sound(self) -> None:
        """Something has been played that clips can be taken of."""
        sound = np.zeros((2, 4096), np.float32)
        output = Output(sound, np.stack([sound] * len(NAMES)), sound, sound)
        self.ring.put(sound, output, _scene(NAMES), 44100)

    def asked_jobs(self) -> list[Job]:
        """What the builder was asked for, which is not here."""
        while (taken := self.jobs.take()) is not None:
            self._jobs_seen[taken[0]] = taken[1]
            self.jobs.answer(Answer(job=taken[0], task=taken[1].task, name=taken[1].name))
        return list(self._jobs_seen.values())

    def _run(self) -> None:
        lines = Lines(self.controller, is_quiet=True)
        try:
            while not self._is_over.is_set():
                self.turn(lines)
        except BaseException as error:
            self.problems.append(error)
            raise

    def turn(self, lines: Lines) -> None:
        """One turn of the control side, and what an engine would do."""
        take_turn(self.controller, self.server, lines, 0.005)
        self.web.serve()
        self.hop += 1
        now = time.monotonic()
        entries = self.shared.receive(0)
        status = Status(
            "running", self.hop, time.perf_counter(), entries[-1].number if entries else 0
        )
        status = status._replace(
            sample_rate=44100, hop_length=512, block=256, latency=1280, load=0.42
        )
        levels = [(self.level(n, now), 0.4 * self.level(n, now)) for n in range(N_METERS)]
        self.shared.report(status, np.array(levels, np.float32))
        self._play(now)

    def _play(self, now: float) -> None:
        """The song goes on, as it was told to."""
        transport = self.shared.transport
        command, playback = transport.command.read(), transport.playback.read()
        if command.n_seeks > playback.n_seeks:
            self._position = command.seek_seconds
        elif command.is_playing:
            self._position += now - self._seen
        end = min(command.b_seconds, SONG_SECONDS)
        if command.is_looping and self._position >= end:
            self._position = command.a_seconds
        self._seen, self._position = now, min(self._position, SONG_SECONDS)
        counts = command.n_plays, command.n_seeks, command.n_loop_changes
        transport.playback.write(Playback(self._position, command.is_playing, 0, *counts, RATE))

    def _make_midi(self) -> MidiControllers:
        """A controller with one fader, which moves what it is asked to at once."""
        control = {
            "control": f"cc {GUITAR_FADER}",
            "address": "/rtmss/stem/guitar/fader",
            "pickup": False,
        }
        connection = Connection("box", self.midi_port, AtOnce())
        known = MidiMap.model_validate({"controls": [control]})
        return MidiControllers(self.controller, [connection], known, self.folder)

    def _make_library(self) -> None:
        (self.folder / "conditions").mkdir(parents=True, exist_ok=True)
        for seed, name in enumerate((*NAMES, "piano", "choir")):
            path = self.folder / "conditions" / f"{name}.safetensors"
            save_condition(path, make_condition(name, seed))
        for preset, names in PRESETS.items():
            stems = "".join(f"  {name}: {{condition: {name}}}\n" for name in names)
            (self.folder / f"{preset}.yaml").write_text(f"stems:\n{stems}")

    def _make_song(self) -> None:
        n_samples = round(SONG_SECONDS * RATE)
        seconds = np.arange(n_samples) / RATE
        swell = 0.1 + 0.9 * np.abs(np.sin(seconds / 7) * np.sin(seconds / 1.3))
        rng = np.random.default_rng(0)
        song = (swell[:, None] * rng.uniform(-0.5, 0.5, (n_samples, 2))).astype(np.float32)
        path = self.folder / "song.f32"
        path.write_bytes(song.tobytes())
        transport = self.shared.transport
        transport.insert(Path("/music/a song.wav"), TransportCommand())
        transport.samples_path = path
        transport.info.write(SongInfo(1, RATE, n_samples))


class Socket:
    """A WebSocket that says and hears OSC, and OSCQuery's commands."""

    def __init__(self, url: str, **options: Any) -> None:
        self._open = ExitStack()
        connecting = connect(url, open_timeout=10, compression=None, **options)
        self.connection: ClientConnection = self._open.enter_context(connecting)
        self.commands: list[dict[str, Any]] = []

    def __enter__(self) -> Socket:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._open.close()

    def say(self, address: str, *args: Argument) -> None:
        self.connection.send(message(address, *args))

    def command(self, command: str, path: str) -> None:
        self.connection.send(json.dumps({"COMMAND": command, "DATA": path}))

    def hear(self, seconds: float = 0.3) -> Told:
        """All that comes within that time."""
        told: Told = []
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            try:
                frame = self.connection.recv(timeout=left)
            except TimeoutError:
                break
            if isinstance(frame, str):
                self.commands.append(json.loads(frame))
            else:
                told += tell([frame])
        return told

    def until(self, wanted: tuple[Any, ...], seconds: float = 5.0) -> float:
        """Wait for a message, or for the beginning of one; how long it took."""
        began = time.monotonic()
        while time.monotonic() < began + seconds:
            if any(one[: len(wanted)] == wanted for one in self.hear(0.002)):
                return time.monotonic() - began
        raise AssertionError(f"{wanted} has not come")


def _scene(names: tuple[str, ...]) -> Scene:
    known = {name: make_condition(name, seed) for seed, name in enumerate(NAMES)}
    return Scene(tuple(Stem(name, known[name]) for name in names))


def _sheet() -> Sheet:
    """One song with three cues, each a scene."""
    quiet = _scene(NAMES).with_strip("vocals", gain_db=-12.0)
    return Sheet(
        (
            SheetCue("opener", 0, 0.0, CueChange("band", _scene(NAMES)), is_start=True),
            SheetCue("opener/verse", 0, None, CueChange("band", quiet)),
            SheetCue("opener/solo", 0, None, CueChange("rhythm section", _scene(("drums",)))),
        )
    )
