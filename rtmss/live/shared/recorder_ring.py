"""Shared memory through which a recorder follows the engine: every hop that was played, and the
scene it was played by.

One writer, the engine, which never waits. One reader, the recorder, which may be killed and started
again, and then goes on where it was. A reader that falls behind by the whole ring has lost hops,
and knows how many.

Axes: N stems, C channels, O output channels, S samples.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np

from rtmss.audio import Audio
from rtmss.conditions.preset import MAX_STEMS
from rtmss.engine.control import Scene
from rtmss.live.shared.memory import Block
from rtmss.live.shared.scene_rows import (
    NAME_BYTES,
    decode_name,
    read_scene,
    scene_fields,
    write_scene,
)
from rtmss.live.shared.seqlock import VERSION, Slots
from rtmss.recording.hop import EngineRun, Hop, Position, StepInfo

if TYPE_CHECKING:  # the recorder needs no torch
    from rtmss.engine.session import Output, Session

RING_SAMPLES = 8 * 48000
"""Eight seconds, in which a recorder that was killed is back; two at 192 kHz."""
N_LATE = 4096
"""Late hops that are remembered for the reader."""


class RingShape(NamedTuple):
    """What decides how much memory a ring needs."""

    hop_length: int
    """Of the model. Hops of an engine at another sample rate are longer or shorter, and fewer or
    more of them fit.
    """
    n_outputs: int
    """At most."""
    n_condition: int

    @property
    def n_slots(self) -> int:
        """Hops of the model in the ring."""
        return -(-RING_SAMPLES // self.hop_length)


class RecorderRing:
    """The memory, seen from either process."""

    def __init__(self, block: Block, shape: RingShape) -> None:
        self._block = block
        self._fields = block.fields
        self.path = block.path
        self.shape = shape
        self._lay_out()
        self._scenes = Slots(self._fields["scenes"])
        self._late = self._fields["late"]
        self._run = EngineRun()
        self._begun: tuple[Session | None, int] = (None, 0)
        """Whose stream it is, and which of its streams."""
        self._start = 0
        """Number of the scene with which that began, until it has been handed over."""
        self._scene: Scene | None = None
        self._scene_number = 0

    @classmethod
    def create(cls, shape: RingShape) -> Self:
        """Make the memory, all zeros; whoever makes it calls `close(unlink=True)` in the end.

        Raises:
            UserError: there is not enough of it.
        """
        return cls(Block.create("ring", _layout(shape), "recording"), shape)

    @classmethod
    def attach(cls, path: Path, shape: RingShape) -> Self:
        """Open memory that another process made."""
        return cls(Block(path, _layout(shape)), shape)

    def close(self, *, unlink: bool = False) -> None:
        """Let go of the memory, for good with `unlink`."""
        del self._fields, self._slots, self._scenes, self._late
        self._block.close(unlink=unlink)

    def _lay_out(self) -> None:
        """Divide the memory into as many hops, of the length that the engine has, as fit."""
        self._hop = int(self._fields["hop_length"]) or self.shape.hop_length
        slot, memory = (
            _slot_layout(
                self._hop,
                self.shape.n_outputs,
            ),
            self._fields["slots"],
        )
        self._slots = Slots(
            np.ndarray(
                memory.nbytes // slot.itemsize,
                slot,
                memory,
            )
        )

    # The engine's side.

    def begin(self, run: EngineRun) -> None:
        """Start a new stream, whose hops count from 0; it is given its number."""
        self._run = run._replace(number=int(self._fields["run"]) + 1)
        self._fields["run"] = self._run.number
        if run.hop_length and run.hop_length != self._hop:
            self._fields["slots"][:] = 0  # none of the old hops could be told from a new one
            self._fields["hop_length"] = run.hop_length
            self._lay_out()

    def put(
        self, first: int, audio: Audio, output: Output, session: Session, info: StepInfo
    ) -> None:
        """Hand over a step.

        Args:
            first: its first hop.
            audio: (C, k * S) its input, made sane.
            output: what came of it.
            session: what made it.
            info: the rest.
        """
        if self._begun != (session, session.n_starts):
            self._begun = session, session.n_starts
            self._start = self._put_scene(session.first_scene)
        if session.scene is not self._scene:
            self._scene = session.scene
            self._scene_number = self._put_scene(session.scene)
        for i in range(audio.shape[1] // self._hop):
            self._put_hop(first + i, i, audio, output, info)
            self._start = 0
            info = info._replace(step=0)

    def _put_hop(
        self,
        hop: int,
        i: int,
        audio: Audio,
        output: Output,
        info: StepInfo,
    ) -> None:
        """The `i`-th hop of a step."""
        samples = slice(i * self._hop, (i + 1) * self._hop)
        number = int(self._fields["written"]) + 1
        with self._slots.writing(number) as slot:
            slot["hop"] = hop
            slot["run"] = self._run
            slot["info"] = info
            slot["start"] = self._start
            slot["scene"] = self._scene_number
            slot["n_stems"] = len(output.stems)
            slot["input"] = audio[:, samples]
            slot["remainder"] = output.remainder[:, samples]
            slot["stems"][: len(output.stems)] = output.stems[..., samples]
            slot["mix"][: len(output.mix)] = output.mix[:, samples]
        self._fields["written"] = number

    def put_late(self, hops: Sequence[int]) -> None:
        """Report which hops of this stream came too late."""
        for hop in hops:
            n = int(self._fields["n_late"])
            self._late[n % N_LATE] = self._run.number, hop
            self._fields["n_late"] = n + 1

    def _put_scene(self, scene: Scene) -> int:
        number = int(self._fields["n_scenes"]) + 1
        with self._scenes.writing(number) as row:
            write_scene(row, scene)
        self._fields["n_scenes"] = number
        return number

    # The recorder's side.

    @property
    def position(self) -> Position:
        """How far the reader is, or the one before it was."""
        return Position(*self._fields["position"].tolist())

    @position.setter
    def position(self, position: Position) -> None:
        self._fields["position"] = position

    def read(self, after: int) -> Iterator[Hop]:
        """Every hop that is there and has a number above `after`; where numbers are left out, hops
        were lost.
        """
        if self._hop != (int(self._fields["hop_length"]) or self.shape.hop_length):
            self._lay_out()
        newest = int(self._fields["written"])
        oldest = newest - len(self._slots) + 1
        for number in range(max(after + 1, oldest), newest + 1):
            hop = self._read_hop(number)
            if hop is not None:
                yield hop

    def read_late(self, after: int) -> tuple[int, list[tuple[int, int]]]:
        """How many late hops there have been, and (stream, hop) of those after the first
        `after`.
        """
        n = int(self._fields["n_late"])
        return n, [
            tuple(self._late[i % N_LATE].tolist())
            for i in range(
                max(after, n - N_LATE),
                n,
            )
        ]

    def _read_hop(self, number: int) -> Hop | None:
        """A hop with its scenes; None if the engine has come round and overwritten one of them."""
        slot = self._slots.read(number)
        if slot is None:
            return None
        scene = self._read_scene(int(slot["scene"]))
        start = self._read_scene(int(slot["start"]))
        if scene is None or (slot["start"] and start is None):
            return None
        run = EngineRun(*slot["run"].tolist())
        run = run._replace(backend=decode_name(run.backend))
        return Hop(
            number=number,
            hop=int(slot["hop"]),
            run=run,
            info=StepInfo(*slot["info"].tolist()),
            start=start,
            scene=scene,
            scene_number=int(slot["scene"]),
            input=slot["input"],
            stems=slot["stems"][: int(slot["n_stems"])],
            remainder=slot["remainder"],
            mix=slot["mix"][: run.n_outputs],
        )

    def _read_scene(self, number: int) -> Scene | None:
        row = self._scenes.read(number)
        return None if row is None else read_scene(row)


def _slot_layout(hop: int, n_outputs: int) -> np.dtype[Any]:
    slot = [
        VERSION,
        ("hop", "u8"),
        ("run", _fields(EngineRun())),
        ("info", _fields(StepInfo())),
        ("start", "u8"),
        ("scene", "u8"),
        ("n_stems", "u8"),
        ("input", "f4", (2, hop)),
        ("stems", "f4", (MAX_STEMS, 2, hop)),
        ("remainder", "f4", (2, hop)),
        ("mix", "f4", (n_outputs, hop)),
    ]
    return np.dtype(slot, align=True)


def _layout(shape: RingShape) -> np.dtype[Any]:
    n_bytes = shape.n_slots * _slot_layout(shape.hop_length, shape.n_outputs).itemsize
    scene = [VERSION, *scene_fields(shape.n_condition)]
    fields: list[Any] = [
        ("written", "u8"),
        ("run", "u8"),
        ("hop_length", "u8"),
        ("n_scenes", "u8"),
        ("n_late", "u8"),
        ("position", _fields(Position())),
        ("late", "u8", (N_LATE, 2)),
        # A step has one scene at most, and one more where the session begins again.
        (
            "scenes",
            np.dtype(scene, align=True),
            2 * shape.n_slots,
        ),
        ("slots", "u8", n_bytes // 8),
    ]
    return np.dtype(fields, align=True)


def _fields(example: tuple[Any, ...]) -> list[tuple[str, str]]:
    """Of a structured type that holds a tuple of numbers and names."""
    types = {int: "u8", bool: "?", str: f"S{NAME_BYTES}"}
    return [(name, types[type(value)]) for name, value in example._asdict().items()]  # type: ignore[attr-defined]
