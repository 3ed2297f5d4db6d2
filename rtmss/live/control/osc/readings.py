"""What the queries of one packet are answered with: everything is read once, however often it is
asked for.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

from rtmss.conditions.condition import Condition
from rtmss.live.control.controller import MixerController
from rtmss.live.control.osc import state
from rtmss.live.control.osc.codec import bundle, message, texts
from rtmss.live.control.osc.cues import LIST, cue_values
from rtmss.live.control.osc.midi import MAP, midi_values
from rtmss.live.control.osc.song import song_values
from rtmss.live.control.osc.state import Values

_IN_FOLDERS = {"/rtmss/presets", "/rtmss/conditions"}
"""What takes a look into folders."""


class Readings:
    """Values and conditions, read when they are first needed."""

    def __init__(
        self,
        controller: MixerController,
        counts: Callable[[], dict[str, int]],
    ) -> None:
        """Say whose values, and what is counted elsewhere."""
        self._controller = controller
        self._counts = counts
        self.condition = functools.cache(self._condition)
        """A condition by name. Raises UserError."""
        self.packets = functools.cache(self._packets)
        """The answers to a query of an address: several where a list fits into no packet."""

    def _condition(self, name: str) -> Condition:
        return self._controller.load_condition(name)

    def _packets(self, address: str) -> list[bytes]:
        if address == "/rtmss/status":
            return [bundle([message(field, *value) for field, value in self._status.items()])]
        if address in _IN_FOLDERS:
            return texts(address, self._names[address])
        if address == LIST and self._controller.cues is not None:
            return texts(address, self._controller.cues.names)
        if address == MAP and self._controller.midi is not None:
            return texts(address, self._controller.midi.lines)
        return [message(address, *self._values[address])]

    @functools.cached_property
    def _status(self) -> Values:
        return state.status_values(self._controller, self._counts())

    @functools.cached_property
    def _names(self) -> dict[str, tuple[str, ...]]:
        return state.name_values(self._controller)

    @functools.cached_property
    def _values(self) -> Values:
        scene = state.scene_values(self._controller)
        latency = state.latency_values(self._controller)
        song = song_values(self._controller.shared.transport)
        midi = midi_values(self._controller.midi)
        return scene | self._status | latency | song | cue_values(self._controller.cues) | midi
