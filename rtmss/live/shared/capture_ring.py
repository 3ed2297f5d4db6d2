"""Shared memory with the last minute of what the engine heard and separated, for clips to be taken
from.

One writer, the engine, which never waits. Any number of readers, who copy first and then see
whether the engine has overtaken them. The memory outlives an engine: a new one goes on where the
old one ended.

Axes: R sources (input, remainder, then the stems), C channels, S samples.
"""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from rtmss.audio import Audio
from rtmss.conditions.preset import MAX_STEMS
from rtmss.engine.control import Scene
from rtmss.live.shared.memory import Block
from rtmss.live.shared.scene_rows import NAME_BYTES, decode_name, encode_name
from rtmss.live.shared.seqlock import VERSION, SeqLock

if TYPE_CHECKING:  # who takes clips needs no torch for it
    from rtmss.engine.session import Output

CAPTURE_SECONDS = 60
RING_SAMPLES = CAPTURE_SECONDS * 48000
"""A minute, and half of one at 96 kHz."""
MARGIN_SAMPLES = 1 << 16
"""More than the engine writes in one step. So much is kept beside what can be read."""
INPUT, REMAINDER = "input", "remainder"
_FULL_SCALE = 32767


class Source(NamedTuple):
    """One of the signals in the ring."""

    name: str
    """`input`, `remainder`, or a stem's."""
    since: int
    """The sample at which it came to be there."""


class Contents(NamedTuple):
    """What is in the ring, besides sound."""

    sample_rate: int
    """Hz; 0 before any engine has played."""
    sources: tuple[Source, ...]


class CaptureRing:
    """The memory, seen from any process."""

    def __init__(self, block: Block) -> None:
        self._block = block
        self._fields = block.fields
        self.path = block.path
        self._contents = SeqLock(
            self._fields["contents"],
            _write_contents,
            _read_contents,
            Contents(0, ()),
        )
        self._scene: Scene | None = None

    @classmethod
    def create(cls) -> Self:
        """Make the memory, all zeros; whoever makes it calls `close(unlink=True)` in the end.

        Raises:
            UserError: there is not enough of it.
        """
        ring = cls(Block.create("capture", _layout(), "capturing"))
        ring._fields["identity"] = secrets.randbits(63)
        return ring

    @classmethod
    def attach(cls, path: Path) -> Self:
        """Open memory that another process made."""
        return cls(Block(path, _layout()))

    def close(self, *, unlink: bool = False) -> None:
        """Let go of the memory, for good with `unlink`."""
        del self._fields, self._contents
        self._block.close(unlink=unlink)

    @property
    def identity(self) -> int:
        """A number that no other ring has; a path may come again with another host."""
        return int(self._fields["identity"])

    @property
    def written(self) -> int:
        """Samples since the first engine began: the place of the next one."""
        return int(self._fields["written"])

    @property
    def contents(self) -> Contents:
        """Which signals there are, and their rate."""
        return self._contents.read()

    # The engine's side.

    def put(
        self,
        audio: Audio,
        output: Output,
        scene: Scene,
        sample_rate: int,
    ) -> None:
        """Keep a step.

        Args:
            audio: (2, S) its input, made sane.
            output: what came of it.
            scene: what played.
            sample_rate: Hz.
        """
        written = self.written
        if scene is not self._scene:
            self._describe(scene, sample_rate, written)
        sources = np.concatenate([audio[None], output.remainder[None], output.stems])
        sound = np.rint(np.clip(sources, -1, 1) * _FULL_SCALE).astype(np.int16)
        memory = self._fields["sound"]
        place = written % RING_SAMPLES
        n_first = min(sound.shape[-1], RING_SAMPLES - place)
        memory[: len(sound), :, place : place + n_first] = sound[..., :n_first]
        memory[: len(sound), :, : sound.shape[-1] - n_first] = sound[..., n_first:]
        self._fields["written"] = written + sound.shape[-1]

    def _describe(
        self,
        scene: Scene,
        sample_rate: int,
        written: int,
    ) -> None:
        """Say which signals come from here on; those that stay keep the place where they began."""
        self._scene = scene
        before = self._contents.read()
        names = [INPUT, REMAINDER, *(stem.name for stem in scene.stems)]
        is_same_rate = before.sample_rate == sample_rate
        known = before.sources if is_same_rate else ()
        sources = []
        for row, name in enumerate(names):
            stays = row < len(known) and known[row].name == name
            sources.append(known[row] if stays else Source(name, written))
        contents = Contents(sample_rate, tuple(sources))
        if contents != before:
            self._contents.write(contents)

    # The side of whoever takes clips.

    def read(self, name: str, start: int, stop: int) -> tuple[Audio, int] | None:
        """A piece of a signal, as far as it is there.

        Args:
            name: of the signal.
            start: the first sample.
            stop: the sample after the last one.

        Returns:
            (2, S) audio and its first sample; None if there is no such signal. The piece begins
            later where the signal did, and where the ring has come round.
        """
        contents = self.contents
        names = [source.name for source in contents.sources]
        if name not in names:
            return None
        row = names.index(name)  # the input's is the first, whatever stems are called
        written = self.written
        stop = min(stop, written)
        start = max(
            start,
            contents.sources[row].since,
            written - RING_SAMPLES + MARGIN_SAMPLES,
        )
        start = min(start, stop)
        sound = self._copy(row, start, stop)
        # What the engine has written over meanwhile does not count.
        n_lost = max(0, self.written - RING_SAMPLES + MARGIN_SAMPLES - start)
        n_lost = min(n_lost, stop - start)
        audio = sound[:, n_lost:].astype(np.float32) / np.float32(_FULL_SCALE)
        return audio, start + n_lost

    def _copy(self, row: int, start: int, stop: int) -> NDArray[np.int16]:
        """(2, S) as it is in memory now."""
        places = np.arange(start, stop) % RING_SAMPLES
        sound: NDArray[np.int16] = self._fields["sound"][row][:, places]
        return sound


def _write_contents(row: Any, contents: Contents) -> None:
    row["sample_rate"] = contents.sample_rate
    row["n_sources"] = len(contents.sources)
    for place, source in zip(row["sources"], contents.sources, strict=False):
        place["name"] = encode_name(source.name)
        place["since"] = source.since


def _read_contents(row: Any) -> Contents:
    places: NDArray[Any] = row["sources"][: int(row["n_sources"])]
    sources = tuple(Source(decode_name(one["name"]), int(one["since"])) for one in places)
    return Contents(int(row["sample_rate"]), sources)


_N_SOURCES = 2 + MAX_STEMS
_SOURCE = [("name", f"S{NAME_BYTES}"), ("since", "u8")]
_CONTENTS = [
    VERSION,
    ("sample_rate", "u8"),
    ("n_sources", "u8"),
    ("sources", _SOURCE, _N_SOURCES),
]


def _layout() -> np.dtype[Any]:
    fields: list[Any] = [
        ("written", "u8"),
        ("identity", "u8"),
        ("contents", np.dtype(_CONTENTS, align=True)),
        ("sound", "i2", (_N_SOURCES, 2, RING_SAMPLES)),
    ]
    return np.dtype(fields, align=True)
