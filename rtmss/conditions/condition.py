"""A condition: the vector that says what to separate, and where it came from.

Axes: E embedding.
"""

from __future__ import annotations

import hashlib
import math
import shlex
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from safetensors.numpy import save

from rtmss.bounded import UnreadableError, is_there, parse_json
from rtmss.config import Config, ConfigError, UserError, shown, validate
from rtmss.ownership import whole_file
from rtmss.tensor_files import all_finite, read_arrays

KIND = "rtmss-condition"
VERSION = 1
MAX_NAME = 64


class ConditionError(UserError):
    """A condition that cannot be made, read, or used with these weights."""


class ClipRecord(Config):
    """Where one example clip came from."""

    file: str
    seconds: float
    sha256: str
    left_over_db: float | None = None
    """What the condition leaves of a positive clip when it takes out what is wanted, over the clip;
    near 0 where a clip holds other sounds too. None where it was not measured."""
    start_seconds: float | None = None
    """Where in the file the clip begins and ends; None for the whole file."""
    stop_seconds: float | None = None

    @property
    def is_of_mixture(self) -> bool:
        """Whether it was cut out of something in which other sounds play too."""
        return self.start_seconds is not None

    @property
    def label(self) -> str:
        """The clip as tables and messages call it."""
        if self.start_seconds is None or self.stop_seconds is None:
            return self.file
        return f"{self.file} {self.start_seconds:g}-{self.stop_seconds:g} s"


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
        if any(clip.start_seconds is not None for clip in (*self.positive, *self.negative)):
            return shlex.join(["rtmss", "condition", "rebuild", self.name])
        words = ["rtmss", "condition", "create", self.name]
        words += [word for clip in self.positive for word in ("--positive", clip.file)]
        words += [word for clip in self.negative for word in ("--negative", clip.file)]
        return shlex.join(words)

    def check_model(self, model_id: str) -> None:
        """Refuse a condition of other weights than these.

        Raises:
            ConditionError: it was made for others; the message holds the command that rebuilds it.
        """
        if self.model_id != model_id:
            raise ConditionError(
                f"condition '{self.name}' was made for weights {self.model_id}, these are "
                f"{model_id}; rebuild it: {self.rebuild_command}"
            )


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

    def __post_init__(self) -> None:
        """Keep vectors of other number types as 32-bit floats.

        Raises:
            ConditionError: one is no array of numbers.
        """
        for name in ("vector", "positive", "negative"):
            array = _array(getattr(self, name))
            if array is None or array.dtype.kind not in "fiu":
                raise ConditionError(f"condition '{self.name}': its {name} holds no numbers")
            with np.errstate(over="ignore"):  # what becomes infinite is refused where it is used
                object.__setattr__(self, name, np.ascontiguousarray(array, np.float32))

    @property
    def name(self) -> str:
        """The name that presets and messages use."""
        return self.header.name

    @classmethod
    def bare(
        cls,
        name: str,
        vector: NDArray[np.float32],
    ) -> Condition:
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


def _array(values: Any) -> NDArray[Any] | None:
    """An array of values of whatever kind; None of what is none."""
    try:
        return np.asarray(values)
    except Exception:  # ragged lists; arrays of other libraries raise kinds of their own
        return None


def check_condition_name(name: Any) -> None:
    """Refuse a name that no condition file may have.

    Raises:
        ConditionError: it is no text, too long, or not printable.
    """
    if not isinstance(name, str) or len(name) > MAX_NAME or not name.isprintable():
        rule = f"a text of at most {MAX_NAME} printable characters"
        raise ConditionError(f"the name of a condition: expected {rule}, got {shown(name)}")


class ConditionLimits(NamedTuple):
    """What a model takes of a condition."""

    n_condition: int
    """Numbers of a vector."""
    largest_norm: float = math.inf
    """No clips make a longer vector with these weights; infinite where they are not known."""

    def check(self, condition: Condition) -> None:
        """Refuse a condition that the model would not make of any clip.

        Raises:
            ConditionError: its vector has another shape, is not finite, or is too long.
        """
        vector = condition.vector
        if vector.shape != (self.n_condition,):
            raise ConditionError(
                f"condition '{condition.name}': expected a vector of {self.n_condition} numbers, "
                f"got shape {vector.shape}; make it again"
            )
        norm = float(np.linalg.norm(vector.astype(np.float64)))
        if not math.isfinite(norm):
            raise ConditionError(
                f"condition '{condition.name}': holds NaN or infinite numbers; make it again"
            )
        if norm > self.largest_norm:
            raise ConditionError(
                f"condition '{condition.name}': a vector of length {norm:.3g}, these weights make "
                f"none beyond {self.largest_norm:.3g}; make it again"
            )


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
    if not is_there(path):
        raise ConditionError(f"{path}: no such condition file")
    try:
        metadata, tensors = read_arrays(path)
    except UnreadableError as error:
        raise ConditionError(f"{path}: not a condition file ({error})") from error
    if metadata.get("kind") != KIND:
        raise ConditionError(
            f"{path}: holds '{metadata.get('kind', 'unknown')}', expected '{KIND}'"
        )
    if "condition" not in metadata or tensors.keys() != {"vector", "positive", "negative"}:
        raise ConditionError(
            f"{path}: damaged: holds {', '.join(sorted(tensors)) or 'nothing'}; make it again"
        )
    header = _header(metadata["condition"], path)
    if len(header.name) > MAX_NAME or not header.name.isprintable():
        raise ConditionError(f"{path}: damaged: its name is none; make it again")
    if header.version != VERSION:
        raise ConditionError(
            f"{path}: a condition of version {header.version}, this rtmss reads {VERSION}"
        )
    if model_id is not None:
        header.check_model(model_id)
    check_shape(tensors, str(path))
    return Condition(header, tensors["vector"], tensors["positive"], tensors["negative"])


def check_shape(
    arrays: Mapping[str, NDArray[Any]],
    origin: str,
) -> None:
    """Refuse arrays of which no condition can be made, whatever the weights.

    Raises:
        ConditionError: one has another rank, is empty, or holds something else than finite numbers
            of 32 bits.
    """
    for name, rank in (
        ("vector", 1),
        ("positive", 2),
        ("negative", 2),
    ):
        array = arrays[name]
        if array.ndim != rank or array.dtype != np.float32 or (rank == 1 and not array.size):
            raise ConditionError(
                f"{origin}: damaged: its {name} is {array.dtype} of shape {array.shape}; "
                "make it again"
            )
        if not all_finite(array):
            raise ConditionError(
                f"{origin}: damaged: its {name} holds NaN or infinite numbers; make it again"
            )


def _header(text: str, path: Path) -> ConditionHeader:
    """What a condition file says of itself.

    Raises:
        ConditionError: it cannot be understood.
    """
    try:
        content = parse_json(text)
    except UnreadableError as error:
        raise ConditionError(f"{path}: damaged: {error}; make it again") from error
    try:
        return validate(content, ConditionHeader, str(path))
    except ConfigError as error:
        raise ConditionError(str(error)) from error


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


def nearest(
    condition: Condition,
    others: Sequence[Condition],
) -> list[tuple[str, float]]:
    """Names of other conditions with the cosine of their vectors, nearest first."""
    unit = condition.vector / max(
        float(np.linalg.norm(condition.vector)),
        1e-9,
    )
    scores = [
        (
            o.name,
            float(
                unit
                @ o.vector
                / max(
                    float(np.linalg.norm(o.vector)),
                    1e-9,
                )
            ),
        )
        for o in others
    ]
    return sorted(scores, key=lambda row: -row[1])
