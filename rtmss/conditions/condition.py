"""A condition: the vector that says what to separate, and where it came from.

Axes: E embedding.
"""

from __future__ import annotations

import hashlib
import json
import shlex
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from rtmss.config import Config, UserError, validate
from rtmss.ownership import whole_file

KIND = "rtmss-condition"
VERSION = 1


class ConditionError(UserError):
    """A condition that cannot be made, read, or used with these weights."""


class ClipRecord(Config):
    """Where one example clip came from."""

    file: str
    seconds: float
    sha256: str


class ConditionHeader(Config):
    """What a condition file says of itself."""

    name: str
    model_id: str
    positive: tuple[ClipRecord, ...] = ()
    negative: tuple[ClipRecord, ...] = ()
    version: int = Field(default=VERSION)

    @property
    def rebuild_command(self) -> str:
        """The command that makes this condition again."""
        words = ["rtmss", "condition", "create", self.name]
        words += [word for clip in self.positive for word in ("--positive", clip.file)]
        words += [word for clip in self.negative for word in ("--negative", clip.file)]
        return shlex.join(words)


@dataclass(frozen=True, eq=False)
class Condition:
    """A condition vector and its provenance. Two are equal if they have the same name and the same
    vector.
    """

    header: ConditionHeader
    vector: NDArray[np.float32]
    """(n_condition,)."""
    positive: NDArray[np.float32]
    """(number of positive clips, E) embeddings, unit length."""
    negative: NDArray[np.float32]
    """(number of negative clips, E)."""

    @property
    def name(self) -> str:
        """The name that presets and messages use."""
        return self.header.name

    @classmethod
    def bare(cls, name: str, vector: NDArray[np.float32]) -> Condition:
        """A condition of which nothing but the name and the vector is known."""
        nothing = np.zeros((0, 0), np.float32)
        return cls(ConditionHeader(name=name, model_id=""), vector, nothing, nothing)

    @cached_property
    def key(self) -> str:
        """The same for the same name and vector, and for no others."""
        return f"{self.name}-{hashlib.sha256(self.vector.tobytes()).hexdigest()[:12]}"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Condition) and (self is other or self.key == other.key)

    def __hash__(self) -> int:
        return hash(self.key)


def save_condition(path: Path, condition: Condition) -> None:
    """Write a condition file (safetensors, provenance in the header): whole or not at all, readable
    as others are.

    Raises:
        ConditionError: it cannot be written there.
    """
    tensors = {
        "vector": condition.vector,
        "positive": condition.positive,
        "negative": condition.negative,
    }
    content = save(
        tensors, metadata={"kind": KIND, "condition": condition.header.model_dump_json()}
    )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as partial:
            partial.write_bytes(content)
            if path.exists():
                partial.chmod(stat.S_IMODE(path.stat().st_mode))
    except OSError as error:
        raise ConditionError(f"{path}: cannot be written ({error.strerror or error})") from error


def load_condition(path: Path, model_id: str | None = None) -> Condition:
    """Read a condition file.

    Args:
        path: the file.
        model_id: the weights it shall be used with; None reads it whatever it was made for.

    Raises:
        ConditionError: the file is missing or of another kind, or the vector was made for other
            weights; then the message holds the command that rebuilds it.
    """
    if not path.is_file():
        raise ConditionError(f"{path}: no such condition file")
    try:
        with safe_open(path, framework="np") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    except (SafetensorError, OSError) as error:
        raise ConditionError(f"{path}: not a condition file ({error})") from error
    if metadata.get("kind") != KIND:
        raise ConditionError(
            f"{path}: holds '{metadata.get('kind', 'unknown')}', expected '{KIND}'"
        )
    if "condition" not in metadata or tensors.keys() != {"vector", "positive", "negative"}:
        raise ConditionError(
            f"{path}: damaged: holds {', '.join(sorted(tensors)) or 'nothing'}; make it again"
        )
    header = validate(json.loads(metadata["condition"]), ConditionHeader, str(path))
    if header.version != VERSION:
        raise ConditionError(
            f"{path}: a condition of version {header.version}, this rtmss reads {VERSION}"
        )
    if model_id is not None and header.model_id != model_id:
        raise ConditionError(
            f"condition '{header.name}' was made for weights {header.model_id}, these are "
            f"{model_id}; "
            f"rebuild it: {header.rebuild_command}"
        )
    return Condition(header, tensors["vector"], tensors["positive"], tensors["negative"])


def describe_clip(name: Path, file: Path, seconds: float) -> ClipRecord:
    """Provenance of a clip: its path as given, its length, and the hash of its bytes."""
    return ClipRecord(
        file=str(name),
        seconds=round(seconds, 3),
        sha256=hashlib.sha256(file.read_bytes()).hexdigest(),
    )


def clip_similarities(embeddings: NDArray[np.float32]) -> NDArray[np.float32]:
    """Cosine of each clip's embedding with the mean of the others; one clip alone is like
    itself.
    """
    if len(embeddings) < 2:
        return np.ones(len(embeddings), np.float32)
    others = (embeddings.sum(0) - embeddings) / (len(embeddings) - 1)
    return np.asarray(
        (embeddings * others).sum(1) / np.linalg.norm(others, axis=1).clip(1e-9), np.float32
    )


def nearest(condition: Condition, others: Sequence[Condition]) -> list[tuple[str, float]]:
    """Names of other conditions with the cosine of their vectors, nearest first."""
    unit = condition.vector / max(float(np.linalg.norm(condition.vector)), 1e-9)
    scores = [
        (o.name, float(unit @ o.vector / max(float(np.linalg.norm(o.vector)), 1e-9)))
        for o in others
    ]
    return sorted(scores, key=lambda row: -row[1])
