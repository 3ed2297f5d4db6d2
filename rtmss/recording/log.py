"""What is written of a session: everything that decided how it sounded, hop by hop, so that it can
be played again.

`session.jsonl` has one JSON object per line: the header, then events. Hops count from the beginning
of the stream. The condition vectors stand beside it in `conditions.safetensors`, under the keys
that the scenes name.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from safetensors.numpy import save

from rtmss.bounded import UnreadableError
from rtmss.conditions.condition import Condition
from rtmss.conditions.preset import Fallback
from rtmss.conditions.strip import Strip, plain_strip
from rtmss.config import Config, SeparatorConfig
from rtmss.engine.control import Scene, Stem
from rtmss.engine.frames import StreamFrames
from rtmss.tensor_files import read_arrays

LOG, VECTORS = "session.jsonl", "conditions.safetensors"
PARTIAL = ".partial"
"""How the vectors' file ends while it is being written."""
VERSION = 2
"""What is written. In logs of version 1 the model heard another rate as if it were its own."""
MAX_VECTORS_BYTES = 1 << 26
"""Of some 100,000 vectors."""


class Header(Config):
    """The first line of a log."""

    kind: Literal["rtmss-session"] = "rtmss-session"
    version: int = Field(VERSION, ge=1)
    model_id: str
    weights: str = ""
    """Where the model came from."""
    backend: str = "torch"
    """What ran it."""
    sample_rate: int = Field(gt=0)
    """Hz, of the stream and of every file beside the log."""
    hop_length: int = Field(gt=0)
    delay: int = Field(ge=0)
    """Samples by which the session's output lags behind its input; in the files this is made
    good.
    """
    n_outputs: int = Field(ge=2)
    """Channels of the mix."""
    block: int = 0
    """Samples per block of the device."""
    latency: int = 0
    """Samples from input to output that the listener had, without what the device added."""
    started: str = ""
    """Date and time."""
    versions: dict[str, str] = Field(default_factory=dict)
    """Of rtmss, torch, numpy and the backend: with others, samples may differ in their last
    bits.
    """

    @property
    def is_resampled(self) -> bool:
        """Whether the model heard its own rate, whatever that of the stream."""
        return self.version > 1

    def fits(self, config: SeparatorConfig) -> bool:
        """Whether a session of this configuration steps by the same hops, as late."""
        rate = self.sample_rate if self.is_resampled else config.sample_rate
        return (self.hop_length, self.delay) == StreamFrames.at(rate, config)


@dataclass(frozen=True, kw_only=True)
class StemRecord(Strip):
    """One stem of a scene."""

    name: str
    condition: str
    """Key of its vector."""
    condition_b: str = ""
    """Key of the vector to which a morph leads; empty for none."""
    morph: float = 0.0


class SceneRecord(Config):
    """A scene in full."""

    stems: tuple[StemRecord, ...] = ()
    remainder: Strip = Strip()
    master_db: float = 0.0
    master_mute: bool = False
    fade_ms: float = 30.0
    bypass: bool = False
    fallback: Fallback = "silence"


MIX_NAMES = tuple(name for name in SceneRecord.model_fields if name not in {"stems", "remainder"})
"""Fields that a scene has too, and which are written as they are."""


EventKind = Literal[
    "start",
    "scene",
    "step",
    "gave_up",
    "lost",
    "late",
    "bad_samples",
    "bad_outputs",
    "xruns",
    "panic",
    "transport",
    "end",
]


class Event(Config):
    """One line of a log after the first.

    start: the session began again before this hop, with this scene.
    scene: it was taken up at this hop.
    step: so many hops were stepped at once; one where nothing is said.
    gave_up: the engine was too far behind and never stepped these hops; the files are silent there.
    lost: the engine played these hops and the recorder missed them; the files are silent there.
    late: these hops were played after their turn, and the fallback was heard; the files have what
        was played.
    bad_samples: input samples that were not finite or absurdly loud; they were replaced, in the
        file too.
    bad_outputs: samples of targets and outputs that were not finite; silence was played in their
        place, and is in the files.
    xruns: blocks that the device itself lost.
    panic: the outputs were silenced, or no longer; the files go on.
    transport: from here on a song is paused, started, stopped or on its way to another place, or no
        longer.
    end: the recording ends before this hop.
    """

    event: EventKind
    hop: int = Field(ge=0)
    hops: int | None = Field(default=None, gt=0)
    scene: SceneRecord | None = None
    count: int | None = None
    on: bool | None = None
    reason: str | None = None

    def line(self) -> str:
        """As it stands in the log."""
        return self.model_dump_json(exclude_none=True) + "\n"


class Vectors:
    """Condition vectors by key, in a file that is whole at any time."""

    def __init__(self, path: Path) -> None:
        """Read the file if there is one.

        Raises:
            OSError: it cannot be read.
        """
        self._path = path
        self._vectors: dict[str, NDArray[np.float32]] = {}
        if path.exists():
            try:
                self._vectors = read_arrays(path, MAX_VECTORS_BYTES)[1]
            except UnreadableError as error:
                raise OSError(str(error)) from error

    def record(self, scene: Scene) -> SceneRecord:
        """A scene as it stands in a log; its vectors are in the file by then.

        Raises:
            OSError: they cannot be written.
        """
        conditions = [one for stem in scene.stems for one in (stem.condition, stem.condition_b)]
        new = {one.key: one.vector for one in conditions if one is not None}
        if not new.keys() <= self._vectors.keys():
            self._save(self._vectors | new)
        stems = [
            StemRecord(
                name=stem.name,
                condition=stem.condition.key,
                condition_b=stem.condition_b.key if stem.condition_b else "",
                morph=stem.morph,
                **asdict(stem.strip),
            )
            for stem in scene.stems
        ]
        mix: dict[str, Any] = {name: getattr(scene, name) for name in MIX_NAMES}
        return SceneRecord(stems=tuple(stems), remainder=scene.remainder, **mix)

    def make(self, record: SceneRecord) -> Scene:
        """The scene of a record.

        Raises:
            KeyError: there is no vector under one of its keys.
        """
        stems = tuple(
            Stem(
                stem.name,
                self._condition(stem.condition),
                plain_strip(stem),
                self._condition(stem.condition_b) if stem.condition_b else None,
                stem.morph,
            )
            for stem in record.stems
        )
        mix: dict[str, Any] = {name: getattr(record, name) for name in MIX_NAMES}
        return Scene(stems, record.remainder, **mix)

    def _condition(self, key: str) -> Condition:
        return Condition.bare(
            key.rpartition("-")[0],
            self._vectors[key],
        )

    def _save(
        self,
        vectors: dict[str, NDArray[np.float32]],
    ) -> None:
        partial = self._path.with_suffix(PARTIAL)
        partial.write_bytes(save(vectors))
        partial.replace(self._path)
        self._vectors = vectors


def versions(backend: str) -> dict[str, str]:
    """Of what the samples depend on, with a backend of this name."""
    names = "rtmss", "torch", "numpy", *(("onnxruntime",) if backend == "onnx" else ())
    return {name: version(name) for name in names}
