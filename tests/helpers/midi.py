"""A controller in memory, and what plays it turn by turn; time stands still in between."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from helpers.dispatcher import Room
from rtmss.live.control.midi.connection import Connection
from rtmss.live.control.midi.controllers import MidiControllers
from rtmss.live.control.midi.map_file import MidiMap
from rtmss.live.control.midi.memory import MemoryPort
from rtmss.live.control.midi.messages import Message, control_change, note_on

TURN_SECONDS = 0.005
LONG_SECONDS = 3.0
"""A knob has settled by then, and a port was looked for again."""
FADER, MUTE, PAN = (f"/rtmss/stem/vocals/{leaf}" for leaf in ("fader", "mute", "pan"))
PAN_KNOB = {"control": "cc 10", "address": PAN}
PAN_RAW = {"control": "cc 10", "address": PAN, "pickup": False}
PAD = {"control": "note 36", "address": MUTE}


class AtOnce(Executor):
    """Does what it is asked for before it answers."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        done: Future[Any] = Future()
        try:
            done.set_result(fn(*args, **kwargs))
        except Exception as error:
            done.set_exception(error)
        return done


@dataclass
class Stage:
    """One controller or several."""

    room: Room
    folder: Path
    now: float = 100.0
    ports: dict[str, MemoryPort] = field(default_factory=dict)

    def begin(
        self, *controls: dict[str, Any], ports: tuple[str, ...] = ("box",), **others: Any
    ) -> MidiControllers:
        """Play a map of these controls; the ports are open, and all lights are set."""
        self.base = MidiMap.model_validate({"controls": controls, **others})
        for name in ports:
            self.ports.setdefault(name, MemoryPort())
        self.start()
        return self.controllers

    def start(self) -> None:
        """A control side with what is in the folder."""
        connections = [Connection(name, port, AtOnce()) for name, port in self.ports.items()]
        self.controllers = MidiControllers(
            self.room.controller, connections, self.base, self.folder, lambda: self.now
        )
        self.room.controller.midi = self.controllers
        self.wait()
        self.clear()

    @property
    def port(self) -> MemoryPort:
        """The first controller."""
        return next(iter(self.ports.values()))

    def turn(self, *messages: Message, port: str = "") -> None:
        """One turn of the control side, in which these messages have come."""
        (self.ports[port] if port else self.port).incoming.extend(messages)
        self.now += TURN_SECONDS
        self.controllers.play(self.room.dispatcher)

    def wait(self, seconds: float = LONG_SECONDS) -> None:
        """Turns without anything to do."""
        end = self.now + seconds
        while self.now < end:
            self.now += min(0.1, seconds)
            self.controllers.play(self.room.dispatcher)

    def clear(self) -> None:
        """Forget what the controllers were told."""
        for port in self.ports.values():
            port.sent.clear()

    def cc(self, number: int, *values: int, channel: int = 1) -> None:
        """A knob goes through values, a turn each."""
        for value in values:
            self.turn(control_change(channel, number, value))

    def press(self, note: int, *, velocity: int = 100, channel: int = 1) -> None:
        """A pad is pressed and let go."""
        self.turn(note_on(channel, note, velocity))
        self.turn(note_on(channel, note, 0))

    def told(self, port: str = "") -> list[tuple[int, ...]]:
        """What the controller was told since the last time, as bytes."""
        one = self.ports[port] if port else self.port
        sent = [tuple(message.bytes()) for message in one.sent]
        one.sent.clear()
        return sent

    def strip(self, name: str = "vocals") -> Any:
        """The settings of a stem."""
        return {stem.name: stem.strip for stem in self.room.controller.scene.stems}[name]
