"""Frozen, strict configuration objects, and how they are read from YAML.

Lengths are in samples unless a name carries another unit.
"""

from __future__ import annotations

import reprlib
from collections.abc import Mapping
from dataclasses import is_dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar, get_type_hints

from pydantic import BaseModel, BeforeValidator, Field, ValidationError, model_validator

from rtmss.bounded import UnreadableError
from rtmss.plain_yaml import load_yaml


def _no_switch(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("Input should be a number, and is a switch")  # noqa: TRY004 (pydantic's)
    return value


NO_SWITCH = BeforeValidator(_no_switch)
"""`yes` is no number: pydantic would take it for 1."""
Positive = Annotated[int, NO_SWITCH, Field(gt=0)]
Width = Annotated[int, NO_SWITCH, Field(gt=0, le=4096)]
"""Of a layer: a header that lies makes no network that no memory holds."""
FrameLength = Annotated[
    int,
    NO_SWITCH,
    Field(
        gt=0,
        le=1 << 16,
    ),
]
Few = Annotated[int, NO_SWITCH, Field(ge=0, le=64)]
Frames = Annotated[
    int,
    NO_SWITCH,
    Field(
        gt=0,
        le=1 << 12,
    ),
]
"""Of a network's memory."""


class UserError(ValueError):
    """Something the user can mend; the message is one line that says how."""

    def __init__(self, message: str = "") -> None:
        """Keep a message; ends of lines in it, as of names and of other programs, are shown."""
        super().__init__(message.replace("\n", "\\n").replace("\r", "\\r"))


def listed(value: Any) -> tuple[Any, ...] | None:
    """What a list, or the like, holds; None of a text, an array, a table, and of what is none."""
    if isinstance(
        value,
        str | bytes | bytearray | memoryview | Mapping,
    ) or hasattr(value, "dtype"):
        return None
    try:
        return tuple(value)
    except Exception:  # others' objects may raise anything
        return None


_BRIEF = reprlib.Repr()
_BRIEF.maxstring = _BRIEF.maxother = 80


def shown(value: object) -> str:
    """Any value for a message: on one line, and cut."""
    try:
        text = _BRIEF.repr(value)
    except Exception:  # others' objects may raise anything
        text = type(value).__name__
    return " ".join(text.split())[:80]


class DamagedFileWarning(UserWarning):
    """An audio file of which a part is lost; the message says from where on."""


class ConfigError(UserError):
    """A configuration that cannot be used; the message names file, field, value and choices."""


class Config(BaseModel, frozen=True, extra="forbid"):
    """Base of every configuration object: frozen, unknown keys are errors."""


MOST_PROBLEMS = 8
"""That one error tells of."""
T = TypeVar("T", bound=Config)


class StftConfig(Config):
    """Framing of audio into overlapping blocks. Lengths are in samples."""

    n_fft: FrameLength = 2048
    n_synthesis: FrameLength = 1024
    hop_length: FrameLength = 512

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.n_synthesis > self.n_fft or self.n_synthesis % (2 * self.hop_length):
            raise ValueError(
                f"n_synthesis {self.n_synthesis} must be a multiple of 2 * hop_length "
                f"(2 * {self.hop_length}) and at most n_fft ({self.n_fft})"
            )
        return self

    @property
    def n_bins(self) -> int:
        """Frequency bins of one frame."""
        return self.n_fft // 2 + 1

    @property
    def latency(self) -> int:
        """From the arrival of a sample to its output, the wait for its hop to fill included."""
        return self.n_synthesis

    @property
    def delay(self) -> int:
        """How far an output array lags behind its input array: the latency less the hop being
        filled.
        """
        return self.n_synthesis - self.hop_length


PROFILES = {
    "default": StftConfig(),
    "tight": StftConfig(n_synthesis=512, hop_length=256),
    "tighter": StftConfig(n_synthesis=256, hop_length=128),
}
"""Latency profiles by name: 23.2, 11.6 and 5.8 ms at 44.1 kHz."""


class UNetConfig(Config):
    """Sizes of the causal conditional U-Net over (frames, bands)."""

    bands: tuple[tuple[Width, Width], ...] = ((32, 8), (32, 24))
    """(number of bands, bins in each), from low to high; DC is left out."""
    channels: tuple[Width, ...] = (48, 80, 120)
    """Channels of each level; every level halves the bands."""
    dilations: tuple[Frames, ...] = (1, 2, 4)
    """Frames between the taps of each level's causal convolution."""
    n_hidden: Width = 256
    """Width of the recurrent bottleneck."""
    recurrent_dilation: Frames = 1
    """Frames between the steps of the recurrent layers, of which so many sequences run side by side
    (Chang et al., "Dilated Recurrent Neural Networks", NeurIPS 2017)."""
    n_paths: Few = 0
    """Dual-path blocks on the deepest level of the encoder, which all targets share."""
    n_target_paths: Few = 0
    """Dual-path blocks on the deepest level of each target's decoder."""
    path_width: Width = 96
    """Hidden units of each recurrence in a dual-path block."""
    n_condition: Width = 128
    """Length of the condition vector."""
    compression: Annotated[float, Field(gt=0, le=1)] = 0.4
    """Exponent on the magnitude of the input spectrum."""
    film: Literal["bottleneck", "blocks", "decoder"] = "decoder"
    """Where the condition acts: at the bottleneck alone, in the decoder's blocks too, or also on
    what the encoder says to them."""
    look_ahead: Annotated[
        int,
        Field(
            ge=0,
            le=1 << 12,
        ),
    ] = 0
    """Frames after its own that the recurrent encoder has heard when a mask is made; the
    convolutions then look as far ahead as back. Only for torch, and only for patient listeners: see
    `n_ahead`."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if len(self.channels) != len(self.dilations):
            raise ValueError(
                f"{len(self.channels)} channels but {len(self.dilations)} dilations: give one per "
                "level"
            )
        if self.n_bands % 2 ** (len(self.channels) - 1):
            raise ValueError(
                f"{self.n_bands} bands cannot be halved {len(self.channels) - 1} times"
            )
        return self

    @property
    def n_bands(self) -> int:
        """Bands at the first level."""
        return sum(n for n, _ in self.bands)

    @property
    def n_ahead(self) -> int:
        """Frames after its own that a mask depends on; each adds a hop of latency."""
        return self.look_ahead and self.look_ahead + 2 * sum(self.dilations)

    @property
    def n_bins(self) -> int:
        """Bins that the bands cover, DC not counted."""
        return sum(n * width for n, width in self.bands)


class ClipEncoderConfig(Config):
    """Sizes of the encoder that turns an example clip into an embedding."""

    n_fft: FrameLength = 2048
    hop_length: FrameLength = 512
    n_mels: Width = 96
    channels: tuple[Width, ...] = (24, 48, 72, 96, 128)
    n_embedding: Width = 128
    segment_seconds: Annotated[float, Field(gt=0, le=60)] = 1.5


class SeparatorConfig(Config):
    """Everything that fixes the shape of a separator and of its weights."""

    sample_rate: Annotated[
        int,
        Field(
            gt=0,
            le=1 << 21,
        ),
    ] = 44100
    stft: StftConfig = StftConfig()
    unet: UNetConfig = UNetConfig()
    clip_encoder: ClipEncoderConfig = ClipEncoderConfig()

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.unet.n_bins != self.stft.n_bins - 1:
            raise ValueError(
                f"the bands cover {self.unet.n_bins} bins, the STFT has {self.stft.n_bins - 1} "
                "above DC"
            )
        return self

    def retimed(self, stft: StftConfig) -> SeparatorConfig:
        """The same network, for the same weights, on frames that come more often: all that it
        remembers stays as long ago, in seconds, as it was.

        Raises:
            ConfigError: the frames have another length, or their hop is not a whole part of this
                one's.
        """
        factor, rest = divmod(self.stft.hop_length, stft.hop_length)
        if rest or stft.n_fft != self.stft.n_fft:
            raise ConfigError(
                f"weights for frames of {self.stft.n_fft} samples, {self.stft.hop_length} apart, "
                f"cannot play frames of {stft.n_fft}, {stft.hop_length} apart"
            )
        unet = self.unet.model_copy(
            update={
                "dilations": tuple(factor * dilation for dilation in self.unet.dilations),
                "recurrent_dilation": factor * self.unet.recurrent_dilation,
                "look_ahead": factor * self.unet.look_ahead,
            }
        )
        return self.model_copy(update={"stft": stft, "unet": unet})

    @property
    def latency(self) -> int:
        """From the arrival of a sample to its output, with the wait for its hop to fill and what is
        looked ahead.
        """
        return self.delay + self.stft.hop_length

    @property
    def delay(self) -> int:
        """How far an output array lags behind its input array: the latency less the hop being
        filled.
        """
        return self.stft.delay + self.unet.n_ahead * self.stft.hop_length


def find_yaml(name: str, folder: Path, kind: str) -> Path:
    """A YAML file that comes with rtmss, by name, or any, by its path.

    Args:
        name: without suffix, or a path that ends in `.yaml` or `.yml`.
        folder: where those that come with rtmss lie.
        kind: what they are, for the message.

    Raises:
        ConfigError: there is none of this name; names those there are.
    """
    if name.endswith((".yaml", ".yml")):
        return Path(name)
    files = {path.stem: path for path in folder.glob("*.yaml")}
    if name not in files:
        raise ConfigError(
            f"no {kind} '{name}'; known: {', '.join(sorted(files))}, or give a YAML file"
        )
    return files[name]


def read_yaml(path: Path, kind: type[T]) -> T:
    """Read one configuration object from a YAML file.

    Raises:
        ConfigError: the file cannot be read or does not describe a `kind`; names file, field and
            choices.
    """
    try:
        content = load_yaml(path)
    except UnreadableError as error:
        raise ConfigError(f"{path}: {error}") from error
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: expected 'key: value' lines, got {type(content).__name__}")
    return validate(content, kind, str(path))


def validate(
    content: dict[str, Any],
    kind: type[T],
    origin: str,
) -> T:
    """Build a configuration object from plain values, with errors that name `origin` and the
    choices.
    """
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        found = error.errors()
        told = [" ".join(_describe(problem, kind).split()) for problem in found[:MOST_PROBLEMS]]
        more = [f"and {len(found) - MOST_PROBLEMS} more"] if len(found) > MOST_PROBLEMS else []
        raise ConfigError(f"{origin}: {'; '.join(told + more)}") from error


def _describe(problem: Any, kind: type[BaseModel]) -> str:
    where = ".".join(f"{part!s:.64}" for part in problem["loc"]) or "the whole"
    if problem["type"] in {"extra_forbidden", "unexpected_keyword_argument"}:
        return (
            f"unknown key '{where}'; known here: {', '.join(_choices(kind, problem['loc'][:-1]))}"
        )
    if problem["type"] == "missing":
        return f"'{where}' is missing"
    return (
        f"'{where}': {problem['msg'].removeprefix('Value error, ')} (got {shown(problem['input'])})"
    )


def _choices(
    kind: Any,
    path: tuple[Any, ...],
) -> list[str]:
    """Field names of the model that `path` leads to inside `kind`."""
    for part in path:
        if isinstance(part, str) and part in _fields(kind):
            kind = _fields(kind)[part]
        while getattr(kind, "__args__", None):
            kind = next(
                (a for a in kind.__args__ if _fields(a) or hasattr(a, "__args__")),
                None,
            )
    return list(_fields(kind))


def _fields(kind: Any) -> dict[str, Any]:
    """Types of the fields of a model or a data class; none of anything else."""
    if hasattr(kind, "model_fields"):
        return {name: field.annotation for name, field in kind.model_fields.items()}
    return get_type_hints(kind) if is_dataclass(kind) else {}
