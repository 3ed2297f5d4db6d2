"""Memory that the engine, the control side and the supervisor share: scenes one way, the status the
other.

Any process may be killed and started again at any moment: nothing here is a lock (see `seqlock`),
and the latest scene stays readable.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from rtmss.conditions.preset import MAX_STEMS
from rtmss.engine.control import Scene
from rtmss.live.shared.cue_state import CueState
from rtmss.live.shared.memory import Block
from rtmss.live.shared.scene_rows import (
    NAME_BYTES,
    decode_name,
    encode_name,
    read_scene,
    scene_fields,
    write_scene,
)
from rtmss.live.shared.seqlock import VERSION, SeqLock, Slots, record, record_lock
from rtmss.live.shared.song_state import Transport
from rtmss.live.shared.song_state import layout as transport_layout

N_SLOTS = 64
"""Scenes on their way; a writer that is further ahead overwrites those that nobody will miss."""
N_METERS = MAX_STEMS + 2
"""The stems, then the remainder, then the mix."""
BEATING = ("supervisor", "control", "recorder", "builder")
"""Processes that give signs of life here; the engine's is its status."""
STATES = ("starting", "running", "reopening")
RECORDING_STATES = ("off", "recording", "stopped")
"""Stopped: the disk is full, or the like."""


class Meter(NamedTuple):
    """Level of one strip after its fader, over the latest hop, full scale 1."""

    peak: float
    rms: float


class Status(NamedTuple):
    """What the engine reports, once per hop."""

    state: str = "starting"
    hop: int = 0
    """Hops stepped since the stream began."""
    hop_seconds: float = 0.0
    """`time.perf_counter()` at that step: one clock for all processes, and on Windows a finer one
    than `time.monotonic()`.
    """
    applied: int = 0
    """Number of the latest scene that is audible."""
    late: int = 0
    """Hops that were not ready in time."""
    fallbacks: int = 0
    """Times that the fallback was faded in; one lasts for as many late hops as follow on each
    other.
    """
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
    hop_length: int = 0
    """Samples per hop, at that rate."""
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
    bad_outputs: int = 0
    """Samples of targets and outputs that were not finite, and were played as silence."""


class Recording(NamedTuple):
    """What the recorder reports."""

    state: str = "off"
    seconds: float = 0.0
    """Length of what is being recorded, or was."""
    lost: int = 0
    """Hops that were played and are missing in the files."""


class Entry(NamedTuple):
    """A scene on its way to the engine."""

    number: int
    hop: int
    """It plays from this hop on; 0 means at once."""
    scene: Scene
    preset: str


class SharedState:
    """One block of shared memory, seen from any of the processes."""

    def __init__(self, block: Block) -> None:
        self._block = block
        self._fields = block.fields
        self.path = block.path
        self.transport = Transport(self._fields["transport"])
        self.cues = record_lock(self._fields["cues"], CueState())
        """Written by the control side."""
        self._slots = Slots(self._fields["slots"])
        self._report = SeqLock(self._fields["report"], _write_report, _read_report)
        self._recording = SeqLock(self._fields["recording"], _write_recording, _read_recording)

    @classmethod
    def create(cls, n_condition: int) -> Self:
        """Make the memory, all zeros; whoever makes it calls `close(unlink=True)` in the end.

        Raises:
            UserError: there is not enough of it.
        """
        return cls(Block.create("state", _layout(n_condition), "the live host"))

    @classmethod
    def attach(cls, path: Path, n_condition: int) -> Self:
        """Open memory that another process made."""
        return cls(Block(path, _layout(n_condition)))

    @property
    def n_condition(self) -> int:
        """Numbers of a condition vector."""
        stems: Any = self._fields["slots"]["stems"]
        return int(stems["vector"].shape[-1])

    def close(self, *, unlink: bool = False) -> None:
        """Let go of the memory, for good with `unlink`."""
        del self._fields, self._slots, self._report, self._recording, self.transport, self.cues
        self._block.close(unlink=unlink)

    # From the control side to the engine.

    def send(self, scene: Scene, preset: str, later: Sequence[tuple[int, Scene]] = ()) -> int:
        """Publish a scene that plays at once, and those that follow at hops to come, all together.

        Returns:
            The number of the last one.
        """
        number = int(self._fields["written"])
        for hop, following in ((0, scene), *later):
            number += 1
            with self._slots.writing(number) as row:
                write_scene(row, following)
                row["hop"] = hop
                row["preset"] = encode_name(preset)
        self._fields["written"] = number
        return number

    def receive(self, after: int) -> list[Entry]:
        """Scenes with numbers above `after` that still count, oldest first.

        A scene that plays at once replaces all that were sent before it: only the latest of them is
            given, and those
        for later that were sent after it.
        """
        newest = int(self._fields["written"])
        rows: list[tuple[int, Any]] = []
        for number in range(max(after, newest - N_SLOTS) + 1, newest + 1):
            row = self._slots.read(number)
            if row is None:
                continue
            if not row["hop"]:
                rows.clear()
            rows.append((number, row))
        return [
            Entry(number, int(row["hop"]), read_scene(row), decode_name(row["preset"]))
            for number, row in rows
        ]

    def latest(self) -> Entry | None:
        """The newest scene that was to play at once, for a process that has just been started
        again.
        """
        return next((entry for entry in self.receive(0) if not entry.hop), None)

    @property
    def panic(self) -> bool:
        """Whether the outputs are to be silent, at once and whatever else happens."""
        return bool(self._fields["panic"])

    @panic.setter
    def panic(self, on: bool) -> None:
        self._fields["panic"] = on

    @property
    def stop(self) -> bool:
        """Whether every process is to end."""
        return bool(self._fields["stop"])

    @stop.setter
    def stop(self, on: bool) -> None:
        self._fields["stop"] = on

    # Signs of life.

    def beat(self, name: str) -> None:
        """One sign of life more of one of BEATING; that process only."""
        beats = self._fields["beats"]
        beats[name] = beats[name] + 1

    def n_beats(self, name: str) -> int:
        """How many there have been."""
        return int(self._fields["beats"][name])

    # From the recorder to everybody.

    @property
    def recording(self) -> Recording:
        """Whether something is being recorded, and how well."""
        return self._recording.read()

    @recording.setter
    def recording(self, recording: Recording) -> None:
        self._recording.write(recording)

    # From the engine to everybody.

    def report(self, status: Status, meters: NDArray[np.float32]) -> None:
        """Publish the status, and (N_METERS, 2) peaks and RMS."""
        self._report.write((status, meters))

    def announce(self, state: str) -> None:
        """Report the state of an engine that has ended, for it; the supervisor writes in its place
        then.
        """
        status, meters = self._report.read()
        self._report.write((status._replace(state=state), meters))

    def read(self) -> tuple[Status, list[Meter]]:
        """The latest status and meters."""
        status, meters = self._report.read()
        return status, [Meter(float(peak), float(rms)) for peak, rms in meters]


_NUMBERS = [name for name in Status._fields if name != "state"]
_INTEGERS = {name for name, default in Status._field_defaults.items() if isinstance(default, int)}
Report = tuple[Status, NDArray[np.float32]]


def _write_report(row: Any, report: Report) -> None:
    status, meters = report
    row["state"] = STATES.index(status.state)
    row["numbers"] = [getattr(status, name) for name in _NUMBERS]
    row["meters"] = meters


def _read_report(row: Any) -> Report:
    values = {
        name: int(number) if name in _INTEGERS else float(number)
        for name, number in zip(_NUMBERS, row["numbers"], strict=True)
    }
    return Status(STATES[int(row["state"])], **values), row["meters"]  # type: ignore[arg-type]


def _write_recording(row: Any, recording: Recording) -> None:
    row["state"] = RECORDING_STATES.index(recording.state)
    row["seconds"] = recording.seconds
    row["lost"] = recording.lost


def _read_recording(row: Any) -> Recording:
    return Recording(RECORDING_STATES[int(row["state"])], float(row["seconds"]), int(row["lost"]))


def _layout(n_condition: int) -> np.dtype[Any]:
    scene = [VERSION, ("hop", "u8"), ("preset", f"S{NAME_BYTES}"), *scene_fields(n_condition)]
    report = [
        VERSION,
        ("state", "u1"),
        ("numbers", "f8", len(_NUMBERS)),
        ("meters", "f4", (N_METERS, 2)),
    ]
    recording = [VERSION, ("state", "u1"), ("seconds", "f8"), ("lost", "u8")]
    fields: list[Any] = [
        ("written", "u8"),
        ("panic", "u1"),
        ("stop", "u1"),
        ("beats", [(name, "u8") for name in BEATING]),
        ("slots", np.dtype(scene, align=True), N_SLOTS),
        ("report", np.dtype(report, align=True)),
        ("recording", np.dtype(recording, align=True)),
        ("transport", transport_layout()),
        ("cues", np.dtype(record(CueState), align=True)),
    ]
    return np.dtype(fields, align=True)
