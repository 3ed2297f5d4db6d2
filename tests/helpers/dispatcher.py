"""An OSC dispatcher and an engine that does what a test says; no sockets."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from helpers.makers import MakeCondition
from rtmss.conditions.condition import Condition
from rtmss.conditions.library import Library
from rtmss.config import ConfigError
from rtmss.engine.control import Scene, Stem
from rtmss.live.control.controller import MixerController
from rtmss.live.control.osc.codec import Argument, decode, message
from rtmss.live.control.osc.dispatch import Dispatcher
from rtmss.live.control.osc.fairness import Peer
from rtmss.live.control.osc.state import scene_values
from rtmss.live.shared.state import N_METERS, SharedState, Status

ME, YOU = Peer("127.0.0.1", 5000), Peer("127.0.0.1", 5001)


Told = list[tuple[Any, ...]]


class LoadedLibrary(Library):
    """Presets that are two names of files which need not be there, conditions out of memory."""

    def __init__(self, conditions: dict[str, Condition]) -> None:
        super().__init__([])
        self._conditions = conditions

    def presets(self) -> dict[str, Path]:
        return {"karaoke": Path("karaoke.yaml"), "drumless": Path("drumless.yaml")}

    def conditions(self) -> dict[str, Path]:
        return {name: Path(name) for name in self._conditions}

    def load_condition(self, name: str, model_id: str | None = None) -> Condition:  # noqa: ARG002
        if name not in self._conditions:
            raise ConfigError(f"no condition '{name}'; known: {', '.join(self._conditions)}")
        return self._conditions[name]


class Room:
    """A dispatcher, and an engine that does what the test says."""

    def __init__(self, shared: SharedState, make_condition: MakeCondition) -> None:
        conditions = {
            name: make_condition(name, seed)
            for seed, name in enumerate(("vocals", "drums", "choir"))
        }
        self.controller = MixerController(shared, LoadedLibrary(conditions), "0123456789ab")
        stems = (
            Stem(
                "vocals",
                conditions["vocals"],
            ),
            Stem("drums", conditions["drums"]),
        )
        self.controller.scene = Scene(stems)
        self.controller.preset = "start"
        self.dispatcher = Dispatcher(self.controller, "1.2.3")
        self.status = Status()
        self.play()

    def play(
        self,
        hop: int = 100,
        applied: int | None = None,
        **fields: Any,
    ) -> None:
        """The engine reports."""
        number = self.controller.number if applied is None else applied
        defaults: dict[str, Any] = {
            "state": "running",
            "sample_rate": 44100,
            "hop_length": 512,
            "block": 256,
            "latency": 1024,
        }
        self.status = Status(
            **(
                defaults
                | {
                    "hop": hop,
                    "hop_seconds": time.monotonic(),
                    "applied": number,
                }
                | fields
            )
        )
        self.controller.shared.report(
            self.status,
            np.full(
                (N_METERS, 2),
                (1.0, 0.1),
                np.float32,
            ),
        )

    def send(
        self,
        *messages: bytes,
        when: float | None = None,
        peer: Peer = ME,
    ) -> Told:
        parsed = [one for data in messages for one in decode(data)[0].messages]
        return tell(self.dispatcher.handle(parsed, when, peer))

    def ask(
        self,
        address: str,
        *args: Argument,
        **others: Any,
    ) -> Told:
        return self.send(message(address, *args), **others)

    def step(self, now: float | None = None) -> Told:
        loaded = self.controller.finish_loading()
        self.controller.flush()
        answers = self.dispatcher.pending.step(
            loaded,
            time.monotonic() if now is None else now,
        )
        return tell([answer for _, answer in answers])

    def changes(self) -> dict[Peer, Told]:
        told: dict[Peer, Told] = {}
        for peer, packet in self.dispatcher.peers.changes(scene_values(self.controller)):
            told.setdefault(peer, []).extend(tell([packet]))
        return told

    def until(self, done: Callable[[], Any]) -> Any:
        """Wait for a background load."""
        end = time.monotonic() + 5
        while time.monotonic() < end:
            if result := done():
                return result
            time.sleep(0.005)
        raise AssertionError("nothing came")


def tell(packets: list[bytes]) -> Told:
    return [
        (one.address, *one.args)
        for data in packets
        for packet in decode(data)
        for one in packet.messages
    ]
