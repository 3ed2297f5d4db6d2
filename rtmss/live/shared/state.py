"""Memory that the engine, the control side and the supervisor share: scenes one way, the status the other.

Any of them may be killed and started again at any moment: nothing here is a lock, the latest scene stays readable, and
whoever reads while another writes reads again.
"""

from __future__ import annotations

import mmap
import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from rtmss.conditions.preset import MAX_STEMS
from rtmss.engine.control import Scene
from rtmss.live.shared.scene_rows import NAME_BYTES, SceneReader, decode_name, encode_name, scene_fields, write_scene
from rtmss.live.shared.song_state import Transport
from rtmss.live.shared.song_state import layout as transport_layout

N_SLOTS = 64
"""Scenes on their way; a writer that is further ahead overwrites those that nobody will miss."""
N_METERS = MAX_STEMS + 2
"""The stems, then the remainder, then the mix."""
STATES = ("starting", "running", "reopening")
RECORDING_STATES = ("off", "recording", "stopped")
"""Stopped: the disk is full, or the like."""


class Meter(NamedTuple):
    """Level of one strip after its fader, over the latest hop, full scale 1."""

    peak: float
    rms: float


class Status(NamedTuple):
    """What the engine says of itself, once per hop."""

    state: str = "starting"
    hop: int = 0
    """Hops stepped since the stream began."""
    hop_seconds: float = 0.0
    """`time.monotonic()` at that step."""
    applied: int = 0
    """Number of the latest scene that is audible."""
    late: int = 0
    """Hops that were not ready in time."""
    fallbacks: int = 0
    """Times that the fallback was faded in; one lasts for as many late hops as follow on each other."""
    xruns: int = 0
    """Blocks for which the device reported an overrun or underrun."""
    bad_samples: int = 0
    """Input samples that were not finite or absurdly loud."""
    load: float = 0.0
    """Time per step over the length of a hop, lately."""
    p50_ms: float = 0.0
    p99_ms: float = 0.0
    p999_ms: float = 0.0
    max_ms: float = 0.0
    sample_rate: int = 0
    block: int = 0
    latency: int = 0
    """Samples from the arrival of a sound to its output, without what the device adds."""
    device_latency: int = 0
    """Samples that the device reports on top, both ways."""
    n_devices: int = 1
    """1 for input and output, or one each."""
    drift_ppm: float = 0.0
    """By how many millionths the clock of the input's device is faster than the output's."""
    realtime: int = 0
    """1 if the engine's thread has real-time priority."""


class Recording(NamedTuple):
    """What the recorder says of itself."""

    state: str = "off"
    seconds: float = 0.0
    """Length of what is being recorded, or was."""
    lost: int = 0
    """Hops that were played and are missing in the files."""


class Entry(NamedTuple):
    """A scene on its way to the engine."""

    number: int
    hop: int
    """It is heard from this hop on; 0 means at once."""
    scene: Scene
    preset: str


_NUMBERS = [name for name in Status._fields if name != "state"]
_INTEGERS = {name for name, default in Status._field_defaults.items() if isinstance(default, int)}


class SharedState:
    """One block of shared memory, seen from any of the processes."""

    def __init__(self, path: Path, n_condition: int) -> None:
        self.path = path
        layout = _layout(n_condition)
        with path.open("r+b") as file:
            memory = mmap.mmap(file.fileno(), layout.itemsize)
        whole: Any = np.ndarray((), layout, buffer=memory)
        self._whole, self._slots = whole, whole["slots"]
        self.transport = Transport(whole["transport"])
        self._scenes = SceneReader()

    @classmethod
    def create(cls, n_condition: int) -> Self:
        """Make the memory, all zeros; whoever makes it calls `close(unlink=True)` in the end.

        A mapped file, where the system has one in memory: unlike `multiprocessing.shared_memory` it outlives any
        process that is killed, and none that ends takes it away from the others.
        """
        in_memory = Path("/dev/shm")
        handle, name = tempfile.mkstemp(prefix="rtmss-", dir=in_memory if in_memory.is_dir() else None)
        with os.fdopen(handle, "wb") as file:
            file.truncate(_layout(n_condition).itemsize)
        return cls(Path(name), n_condition)

    @classmethod
    def attach(cls, path: Path, n_condition: int) -> Self:
        """Open memory that another process made."""
        return cls(path, n_condition)

    def close(self, *, unlink: bool = False) -> None:
        """Let go of the memory, for good with `unlink`."""
        del self._whole, self._slots, self.transport
        if unlink:
            self.path.unlink(missing_ok=True)

    # From the control side to the engine.

    def send(self, scene: Scene, preset: str, later: Sequence[tuple[int, Scene]] = ()) -> int:
        """Publish a scene that is to be heard at once, and those that follow at hops to come, all together.

        Returns:
            The number of the last one.
        """
        number = int(self._whole["written"])
        for hop, following in ((0, scene), *later):
            number += 1
            slot = self._slots[number % N_SLOTS]
            slot["number"] = 0  # a reader in between sees that it is not whole
            write_scene(slot, following)
            slot["hop"], slot["preset"] = hop, encode_name(preset)
            slot["number"] = number
        self._whole["written"] = number
        return number

    def receive(self, after: int) -> list[Entry]:
        """Scenes with numbers above `after` that still count, oldest first.

        A scene that is to be heard at once replaces all that were sent before it: only the latest of them is given,
        and those for later that were sent after it.
        """
        newest = int(self._whole["written"])
        slots: list[Any] = []
        for number in range(max(after, newest - N_SLOTS) + 1, newest + 1):
            slot = self._slots[number % N_SLOTS].copy()
            if slot["number"] == number == self._slots[number % N_SLOTS]["number"]:
                slots = [slot] if not slot["hop"] else [*slots, slot]
        return [
            Entry(int(slot["number"]), int(slot["hop"]), self._scenes.read(slot), decode_name(slot["preset"]))
            for slot in slots
        ]

    def latest(self) -> Entry | None:
        """The newest scene that was meant to be heard at once, for whoever has just been started again."""
        return next((entry for entry in self.receive(0) if not entry.hop), None)

    @property
    def panic(self) -> bool:
        """Whether the outputs are to be silent, at once and whatever else happens."""
        return bool(self._whole["panic"])

    @panic.setter
    def panic(self, on: bool) -> None:
        self._whole["panic"] = on

    @property
    def stop(self) -> bool:
        """Whether every process is to end."""
        return bool(self._whole["stop"])

    @stop.setter
    def stop(self, on: bool) -> None:
        self._whole["stop"] = on

    # From the recorder to everybody.

    @property
    def recording(self) -> Recording:
        """Whether something is being recorded, and how well."""
        state, seconds, lost = self._whole["recording"].tolist()
        return Recording(RECORDING_STATES[state], seconds, lost)

    @recording.setter
    def recording(self, recording: Recording) -> None:
        self._whole["recording"] = (RECORDING_STATES.index(recording.state), recording.seconds, recording.lost)

    # From the engine to everybody.

    def report(self, status: Status, meters: NDArray[np.float32]) -> None:
        """Publish the status, and (N_METERS, 2) peaks and RMS."""
        version = int(self._whole["version"]) | 1  # odd while being written, also after a writer that was killed
        self._whole["version"] = version
        self._whole["state"] = STATES.index(status.state)
        self._whole["numbers"] = [getattr(status, name) for name in _NUMBERS]
        self._whole["meters"] = meters
        self._whole["version"] = version + 1

    def announce(self, state: str) -> None:
        """Say what has become of an engine that can no longer say so itself."""
        self._whole["state"] = STATES.index(state)

    def read(self) -> tuple[Status, list[Meter]]:
        """The latest status and meters."""
        for _ in range(20):
            version = int(self._whole["version"])
            state, numbers, meters = (
                int(self._whole["state"]),
                self._whole["numbers"].copy(),
                self._whole["meters"].copy(),
            )
            if version % 2 == 0 and version == int(self._whole["version"]):
                break
            time.sleep(1e-5)  # a writer killed half-way leaves an odd version behind: take what is there
        values = {
            name: int(value) if name in _INTEGERS else float(value)
            for name, value in zip(_NUMBERS, numbers, strict=True)
        }
        return Status(STATES[state], **values), [Meter(float(peak), float(rms)) for peak, rms in meters]  # type: ignore[arg-type]


def _layout(n_condition: int) -> np.dtype[Any]:
    scene = [("number", "u8"), ("hop", "u8"), ("preset", f"S{NAME_BYTES}"), *scene_fields(n_condition)]
    return np.dtype([
        ("written", "u8"), ("version", "u8"), ("panic", "u1"), ("stop", "u1"), ("state", "u1"),
        ("numbers", "f8", len(_NUMBERS)), ("meters", "f4", (N_METERS, 2)),
        ("slots", np.dtype(scene, align=True), N_SLOTS), ("transport", transport_layout()),
        ("recording", [("state", "u1"), ("seconds", "f8"), ("lost", "u8")]),
    ], align=True)  # fmt: skip
