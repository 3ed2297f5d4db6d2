"""Shared memory through which a recorder hears the engine: every hop that was played, and what was played by.

One writer, the engine, which never waits; one reader, the recorder, which may be killed and started again, and then
goes on where it was. A reader that falls behind by the whole ring has lost hops, and knows how many.

Axes: N stems, C channels, O output channels, S samples.
"""

from __future__ import annotations

import mmap
import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np

from rtmss.conditions.preset import MAX_STEMS
from rtmss.config import UserError
from rtmss.engine.control import Scene
from rtmss.files import Audio
from rtmss.live.shared.scene_rows import NAME_BYTES, SceneReader, decode_name, scene_fields, write_scene
from rtmss.recording.hop import EngineRun, Hop, Position, StepInfo

if TYPE_CHECKING:  # the recorder needs no torch
    from rtmss.engine.session import Output, Session

RING_SAMPLES = 8 * 48000
"""Eight seconds, in which a recorder that was killed is back."""
N_LATE = 4096
"""Late hops that are remembered for the reader."""


class RingShape(NamedTuple):
    """What decides how much memory a ring needs."""

    hop_length: int
    n_outputs: int
    """At most."""
    n_condition: int

    @property
    def n_slots(self) -> int:
        """Hops in the ring."""
        return -(-RING_SAMPLES // self.hop_length)


class RecorderRing:
    """The memory, seen from either process."""

    def __init__(self, path: Path, shape: RingShape) -> None:
        self.path, self.shape = path, shape
        layout = _layout(shape)
        with path.open("r+b") as file:
            memory = mmap.mmap(file.fileno(), layout.itemsize)
        whole: Any = np.ndarray((), layout, buffer=memory)
        self._whole, self._slots, self._scenes = whole, whole["slots"], whole["scenes"]
        self._late = whole["late"]
        self._run = EngineRun()
        self._begun: tuple[Session | None, int] = (None, 0)
        """Whose stream it is, and which of its streams."""
        self._start = 0
        """Number of the scene with which that began, until it has been handed over."""
        self._scene: Scene | None = None
        self._scene_number = 0
        self._reader = SceneReader()

    @classmethod
    def create(cls, shape: RingShape) -> Self:
        """Make the memory, all zeros; whoever makes it calls `close(unlink=True)` in the end.

        Raises:
            UserError: there is not enough of it.
        """
        in_memory = Path("/dev/shm")
        handle, name = tempfile.mkstemp(prefix="rtmss-ring-", dir=in_memory if in_memory.is_dir() else None)
        n_bytes = _layout(shape).itemsize
        try:
            with os.fdopen(handle, "wb") as file:
                file.truncate(n_bytes)
                if hasattr(os, "posix_fallocate"):  # else a lack of memory would show as a crash of the engine
                    os.posix_fallocate(file.fileno(), 0, n_bytes)
        except OSError as error:
            Path(name).unlink()
            raise UserError(
                f"recording needs {n_bytes >> 20} MiB of shared memory in {Path(name).parent}: {error.strerror}"
            ) from error
        return cls(Path(name), shape)

    @classmethod
    def attach(cls, path: Path, shape: RingShape) -> Self:
        """Open memory that another process made."""
        return cls(path, shape)

    def close(self, *, unlink: bool = False) -> None:
        """Let go of the memory, for good with `unlink`."""
        del self._whole, self._slots, self._scenes, self._late
        if unlink:
            self.path.unlink(missing_ok=True)

    # The engine's side.

    def begin(self, run: EngineRun) -> None:
        """Start a new stream, whose hops count from 0; it is given its number."""
        self._run = run._replace(number=int(self._whole["stream"]) + 1)
        self._whole["stream"] = self._run.number

    def put(self, first: int, audio: Audio, output: Output, session: Session, info: StepInfo) -> None:
        """Hand over a step.

        Args:
            first: its first hop.
            audio: (C, k * S) its input, made sane.
            output: what came of it.
            session: what made it.
            flow: the rest.
        """
        if self._begun != (session, session.n_starts):
            self._begun = session, session.n_starts
            self._start = self._put_scene(session.first_scene)
        if session.scene is not self._scene:
            self._scene, self._scene_number = session.scene, self._put_scene(session.scene)
        hop, n_stems = self.shape.hop_length, len(output.stems)
        for i in range(audio.shape[1] // hop):
            number = int(self._whole["written"]) + 1
            slot, part = self._slots[number % self.shape.n_slots], slice(i * hop, (i + 1) * hop)
            slot["number"] = 0  # a reader in between sees that it is not whole
            slot["hop"], slot["stream"], slot["flow"] = first + i, self._run, info
            slot["start"], slot["scene"], slot["n_stems"] = self._start, self._scene_number, n_stems
            slot["input"], slot["remainder"] = audio[:, part], output.remainder[:, part]
            slot["stems"][:n_stems] = output.stems[..., part]
            slot["mix"][: len(output.mix)] = output.mix[:, part]
            slot["number"] = number
            self._whole["written"] = number
            self._start, info = 0, info._replace(step=0)

    def put_late(self, hops: Sequence[int]) -> None:
        """Say which hops of this stream came too late."""
        for hop in hops:
            n = int(self._whole["n_late"])
            self._late[n % N_LATE] = self._run.number, hop
            self._whole["n_late"] = n + 1

    def _put_scene(self, scene: Scene) -> int:
        number = int(self._whole["n_scenes"]) + 1
        row = self._scenes[number % len(self._scenes)]
        row["number"] = 0
        write_scene(row, scene)
        row["number"] = number
        self._whole["n_scenes"] = number
        return number

    # The recorder's side.

    @property
    def position(self) -> Position:
        """How far the reader is, or the one before it was."""
        return Position(*self._whole["position"].tolist())

    @position.setter
    def position(self, position: Position) -> None:
        self._whole["position"] = position

    def read(self, after: int) -> Iterator[Hop]:
        """Every hop that is there and has a number above `after`; where numbers are left out, hops were lost."""
        newest = int(self._whole["written"])
        for number in range(max(after + 1, newest - self.shape.n_slots + 1), newest + 1):
            row = self._slots[number % self.shape.n_slots]
            slot = row.copy()
            start, scene = self._read_scene(int(slot["start"])), self._read_scene(int(slot["scene"]))
            if slot["number"] == number == row["number"] and scene is not None:  # else the engine has come round
                yield self._hop(slot, start, scene)

    def read_late(self, after: int) -> tuple[int, list[tuple[int, int]]]:
        """How many late hops there have been, and (stream, hop) of those after the first `after`."""
        n = int(self._whole["n_late"])
        return n, [tuple(self._late[i % N_LATE].tolist()) for i in range(max(after, n - N_LATE), n)]

    def _read_scene(self, number: int) -> Scene | None:
        row = self._scenes[number % len(self._scenes)].copy()
        return self._reader.read(row) if number and row["number"] == number else None

    def _hop(self, slot: Any, start: Scene | None, scene: Scene) -> Hop:
        run, n_stems = EngineRun(*slot["stream"].tolist()), int(slot["n_stems"])
        run = run._replace(backend=decode_name(run.backend))
        numbers = int(slot["number"]), int(slot["hop"]), run, StepInfo(*slot["flow"].tolist())
        audio = slot["input"], slot["stems"][:n_stems], slot["remainder"], slot["mix"][: run.n_outputs]
        return Hop(*numbers, start, scene, int(slot["scene"]), *audio)


def _layout(shape: RingShape) -> np.dtype[Any]:
    hop = shape.hop_length
    slot = [
        ("number", "u8"), ("hop", "u8"), ("stream", _fields(EngineRun())),
        ("flow", _fields(StepInfo())),
        ("start", "u8"), ("scene", "u8"), ("n_stems", "u8"), ("input", "f4", (2, hop)),
        ("stems", "f4", (MAX_STEMS, 2, hop)), ("remainder", "f4", (2, hop)), ("mix", "f4", (shape.n_outputs, hop)),
    ]  # fmt: skip
    scene = [("number", "u8"), *scene_fields(shape.n_condition)]
    return np.dtype([
        ("written", "u8"), ("stream", "u8"), ("n_scenes", "u8"), ("n_late", "u8"),
        ("position", _fields(Position())), ("late", "u8", (N_LATE, 2)),
        # A step has one scene at most, and one more where the session begins anew.
        ("scenes", np.dtype(scene, align=True), 2 * shape.n_slots),
        ("slots", np.dtype(slot, align=True), shape.n_slots),
    ], align=True)  # fmt: skip


def _fields(example: tuple[Any, ...]) -> list[tuple[str, str]]:
    """Of a structured type that holds a tuple of numbers and names."""
    types = {int: "u8", bool: "?", str: f"S{NAME_BYTES}"}
    return [(name, types[type(value)]) for name, value in example._asdict().items()]  # type: ignore[attr-defined]
