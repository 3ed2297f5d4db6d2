"""Arrays of others as audio: what is taken, and what is refused in one line.

| given | taken |
|---|---|
| (C, S), C 1 or 2; (S,) as mono | yes; (S, 2) and other shapes are refused |
| numbers of any float type | yes, full scale 1 |
| whole numbers | scaled to the full scale of their type; unsigned ones around its middle |
| lists of numbers | as floats, full scale 1 |
| views, read-only and non-contiguous arrays | yes, and never written to |
| booleans, complex numbers, texts, paths, other objects | refused |

Axes: C channels, S samples.
"""

from __future__ import annotations

import math
import warnings
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from rtmss.audio import Audio
from rtmss.config import UserError, shown

MAX_CHANNELS = 2
LOWEST_RATE, HIGHEST_RATE = 1000, 1 << 21
"""Hz. Beyond them resampling would make a huge array of a small one."""


class AudioArrayError(UserError):
    """An array that is no audio; the message says what was expected and what came."""


class BadSamplesWarning(UserWarning):
    """Samples that are not finite, and were replaced by silence."""


def as_audio(audio: ArrayLike, name: str = "audio") -> Audio:
    """(C, S) float32 audio of an array of audio, full scale 1; the same object if it is that.

    Args:
        audio: (C, S), or (S,) for mono; see the table above.
        name: what to call it in the message.

    Raises:
        AudioArrayError: it is no audio, or has no samples.
    """
    array = _numbers(audio, name)
    array = array[None] if array.ndim == 1 else array
    _check_shape(array, f"{name}: expected (1 or 2, S) samples")
    if not array.size:
        raise AudioArrayError(f"{name}: holds no samples, got shape {array.shape}")
    return _scaled(array)


def as_block(block: ArrayLike, hop: int) -> Audio:
    """(1 or 2, k * hop) float32 samples of a block of a stream, which says its channels.

    Raises:
        AudioArrayError: it is no audio, or of another shape.
    """
    array = _numbers(block, "block")
    expected = f"block: expected (1 or 2, k * {hop}) samples"
    _check_shape(array, expected)
    if not array.size or array.shape[1] % hop:
        raise AudioArrayError(f"{expected}, got {array.shape}")
    return _scaled(array)


def _check_shape(
    array: np.ndarray[Any, Any],
    expected: str,
) -> None:
    """Refuse what has not one or two rows.

    Raises:
        AudioArrayError: it has not.
    """
    if array.ndim == MAX_CHANNELS and 1 <= len(array) <= MAX_CHANNELS:
        return
    is_turned = array.ndim == MAX_CHANNELS and 1 <= array.shape[1] <= MAX_CHANNELS
    hint = "; channels come first: give its transpose, audio.T" if is_turned else ""
    raise AudioArrayError(f"{expected}, got {array.shape}{hint}")


def silence_bad(audio: Audio, name: str = "audio") -> Audio:
    """(C, S) audio with silence for what is not finite, which a `BadSamplesWarning` counts."""
    is_good = np.isfinite(audio)
    if is_good.all():
        return audio
    n_bad = audio.size - int(np.count_nonzero(is_good))
    warnings.warn(
        BadSamplesWarning(f"{name}: {n_bad} samples are not finite and count as silence"),
        stacklevel=3,
    )
    return np.where(is_good, audio, np.float32(0))


def check_rate(sample_rate: Any) -> int:
    """A sample rate in whole Hz.

    Raises:
        AudioArrayError: it is none.
    """
    is_number = isinstance(sample_rate, Real) and not isinstance(sample_rate, bool)
    if (
        not is_number
        or not math.isfinite(sample_rate)
        or sample_rate != int(sample_rate)
        or not LOWEST_RATE <= sample_rate <= HIGHEST_RATE
    ):
        raise AudioArrayError(
            f"expected a sample rate from {LOWEST_RATE} to {HIGHEST_RATE} Hz, "
            f"got {shown(sample_rate)}"
        )
    return int(sample_rate)


def _numbers(
    audio: ArrayLike,
    name: str,
) -> np.ndarray[Any, Any]:
    """An array of numbers, of whatever shape.

    Raises:
        AudioArrayError: it is none.
    """
    if np.ma.is_masked(audio):
        raise AudioArrayError(f"{name}: some samples are masked; give audio.filled(0)")
    if isinstance(audio, np.ndarray):
        array = audio
    elif isinstance(audio, list | tuple):
        array = _of_list(audio, name)
    elif hasattr(audio, "__array__"):
        array = _of_foreign(audio, name)
    else:
        hint = "; read files with rtmss.files.read_audio" if _is_path(audio) else ""
        raise AudioArrayError(f"{name}: expected an array of audio, got {shown(audio)}{hint}")
    if array.dtype.kind not in "fiu":
        raise AudioArrayError(f"{name}: expected numbers, got an array of {array.dtype}")
    return array


def _of_list(
    audio: Any,
    name: str,
) -> np.ndarray[Any, Any]:
    """A list's numbers as floats: they have no type that says what full scale is."""
    try:
        array = np.asarray(audio)
    except ValueError as error:  # rows of different lengths
        raise AudioArrayError(f"{name}: expected rows of one length ({error})") from error
    if array.dtype.kind in "iu" or not array.size:
        array = array.astype(np.float32)
    return array


def _of_foreign(
    audio: Any,
    name: str,
) -> np.ndarray[Any, Any]:
    """The numbers of another library's array, such as a tensor of torch."""
    detach = getattr(audio, "detach", None)
    try:
        array: np.ndarray[Any, Any] = np.asarray(audio if detach is None else detach())
    except Exception as error:  # each library has kinds of its own
        raise AudioArrayError(f"{name}: cannot be taken as an array ({error})") from error
    return array


def _scaled(array: np.ndarray[Any, Any]) -> Audio:
    if array.dtype == np.float32:
        return np.asarray(array, np.float32)
    if array.dtype.kind == "f":
        with np.errstate(over="ignore"):  # beyond what 32 bits hold is infinite, and replaced
            return np.asarray(array, np.float32)
    half = 2.0 ** (8 * array.dtype.itemsize - 1)
    middle = half if array.dtype.kind == "u" else 0.0
    scaled = (array.astype(np.float64) - middle) / half
    return np.asarray(scaled, np.float32)


def _is_path(audio: object) -> bool:
    return isinstance(audio, str | bytes) or hasattr(audio, "__fspath__")
