"""pedalboard effects from a preset, streamed with their latency compensated.

Axes: C channels, S samples.
"""

from __future__ import annotations

import difflib
import inspect
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pedalboard

from rtmss.audio import Audio
from rtmss.conditions.preset import Effect
from rtmss.config import ConfigError
from rtmss.files import AudioFileError, read_audio

_pedalboard: Any = pedalboard  # its type stubs leave out half of what it exports
_IMPULSE = "impulse_response_filename"
FLUSH_SECONDS = 10.0
"""A plug-in that holds back more than this is taken to be broken."""


def build_effect(effect: Effect, where: str) -> Any:
    """Make one effect.

    Args:
        effect: from a preset.
        where: the strip, for messages.

    Raises:
        ConfigError: unknown type or parameter (names the choices), or a plug-in that does not load.
    """
    if effect.type == "Plugin":
        return _load_plugin(effect, where)
    kinds = _effect_types()
    if effect.type not in kinds:
        near = difflib.get_close_matches(effect.type, kinds, n=2)
        hint = f"did you mean {' or '.join(near)}? " if near else ""
        raise ConfigError(
            f"{where}: no effect '{effect.type}'; {hint}known: Plugin, {', '.join(sorted(kinds))}"
        )
    # Native constructors have no signature but their documentation: "__init__(self: Reverb,
    # room_size: float = ...".
    known = re.findall(
        r"(\w+): ",
        (kinds[effect.type].__init__.__doc__ or "").split("->")[0],
    )
    _check_parameters(effect, [name for name in known if name != "self"], where)
    parameters = _with_impulse(effect.parameters, where)
    try:
        return kinds[effect.type](**parameters)
    except TypeError as error:
        given = ", ".join(f"{name}: {value!r:.40}" for name, value in effect.parameters.items())
        raise ConfigError(
            f"{where}: {effect.type} cannot take {given or 'no parameters'}"
        ) from error
    except (ValueError, RuntimeError, OSError) as error:
        raise ConfigError(f"{where}: {effect.type}: {_one_line(error)}") from error


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__


def _with_impulse(
    parameters: Mapping[str, Any],
    where: str,
) -> dict[str, Any]:
    """Parameters with the sound of a file in the place of its name: files come in by one door.

    Raises:
        ConfigError: the file cannot be read.
    """
    path = parameters.get(_IMPULSE)
    if not isinstance(path, str):
        return dict(parameters)
    try:
        impulse, rate = read_audio(path)
    except AudioFileError as error:
        raise ConfigError(f"{where}: {error}") from error
    return {**parameters, _IMPULSE: impulse, "sample_rate": float(rate)}


def _effect_types() -> dict[str, Any]:
    """pedalboard's own effects by name."""
    found = {
        name: getattr(_pedalboard, name) for name in dir(_pedalboard) if not name.startswith("_")
    }
    containers = {"Plugin", "PluginContainer", "Pedalboard", "Chain", "Mix"}
    hosted = {"ExternalPlugin", "VST3Plugin", "AudioUnitPlugin"}
    return {
        name: kind
        for name, kind in found.items()
        if inspect.isclass(kind)
        and issubclass(kind, pedalboard.Plugin)
        and name not in containers | hosted | {"IIRFilter"}
    }


def _load_plugin(effect: Effect, where: str) -> Any:
    if effect.path is None:
        raise ConfigError(f"{where}: a Plugin needs a 'path' to its VST3 or Audio Unit")
    try:
        plugin = _pedalboard.load_plugin(str(effect.path))
    except (ImportError, OSError, ValueError, RuntimeError) as error:
        raise ConfigError(f"{where}: {effect.path}: {_one_line(error)}") from error
    _check_parameters(effect, list(plugin.parameters), where)
    for name, value in effect.parameters.items():
        try:
            setattr(plugin, name, value)
        except (TypeError, ValueError) as error:
            raise ConfigError(f"{where}: {effect.path}: {name}: {_one_line(error)}") from error
    return plugin


def _check_parameters(
    effect: Effect,
    known: Sequence[str],
    where: str,
) -> None:
    # pedalboard itself takes any attribute without a word.
    unknown = sorted(set(effect.parameters) - set(known))
    if unknown:
        raise ConfigError(
            f"{where}: {effect.type} has no parameter '{unknown[0]}'; known: {', '.join(known)}"
        )


class EffectChain:
    """A queue of samples with effects on the way in.

    What comes out is aligned to what went in: the latency of an effect only makes it come later.
    """

    def __init__(
        self, n_channels: int, sample_rate: float, effects: Sequence[Effect] = (), where: str = ""
    ) -> None:
        self.n_channels = n_channels
        self.sample_rate = sample_rate
        self.where = where
        plugins = [build_effect(effect, where) for effect in effects]
        self._board = _pedalboard.Pedalboard(plugins) if plugins else None
        if self._board is not None:
            # A plug-in knows its latency only once it has run; before, pedalboard would not
            # compensate for it.
            self._board.process(
                np.zeros(
                    (n_channels, 8192),
                    np.float32,
                ),
                sample_rate,
                buffer_size=8192,
                reset=True,
            )
            self._board.reset()
        self._queue: list[Audio] = [
            np.zeros(
                (n_channels, 0),
                np.float32,
            )
        ]
        self.n_ready = 0
        """Samples that can be taken."""

    def push(self, audio: Audio) -> None:
        """Give (C, S) more samples."""
        if self._board is not None and audio.shape[-1]:
            audio = self._board.process(
                audio,
                self.sample_rate,
                buffer_size=8192,
                reset=False,
            )
        self._queue.append(audio)
        self.n_ready += audio.shape[-1]

    def flush(self, n: int) -> None:
        """Feed silence until `n` samples can be taken.

        Raises:
            ConfigError: the effects hold back too much.
        """
        left = round(FLUSH_SECONDS * self.sample_rate)
        while self.n_ready < n:
            if left <= 0:
                raise ConfigError(
                    f"{self.where}: an effect holds back more than {FLUSH_SECONDS:.0f} s of sound"
                )
            self.push(
                np.zeros(
                    (self.n_channels, 4096),
                    np.float32,
                )
            )
            left -= 4096

    def take(self, n: int) -> Audio:
        """The next (C, n) samples."""
        joined = np.concatenate(self._queue, axis=-1)
        self._queue, self.n_ready = [joined[:, n:]], joined.shape[-1] - n
        return joined[:, :n]
